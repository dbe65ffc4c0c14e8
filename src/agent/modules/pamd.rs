//! `pamd`: rules of a PAM service.

use std::path::PathBuf;

use super::acts::{Acts, acting};
use super::steps::{Body, Placement, edit};
use super::{Module, Verdict};
use crate::host::{Failure, Look, Return, Settled};

ocplay_protocol::choices! {
    /// Kinds of rules; the minus says that a missing module is no error.
    pub(super) enum Kind {
        Account = "account",
        MaybeAccount = "-account",
        Auth = "auth",
        MaybeAuth = "-auth",
        Password = "password",
        MaybePassword = "-password",
        Session = "session",
        MaybeSession = "-session",
    }
}
ocplay_protocol::choices! {
    /// What is done with the rule.
    pub(super) enum State {
        Absent = "absent",
        Before = "before",
        After = "after",
        ArgsAbsent = "args_absent",
        ArgsPresent = "args_present",
        Updated = "updated",
    }
}

ocplay_protocol::arguments! {
    /// Changes, adds and removes rules of a PAM service. A rule is named by its kind, control and
    /// module together.
    pub(super) struct Args {
        /// The service.
        name: String,
        /// Kind of the rule.
        type_ as "type": Kind,
        /// Control of the rule.
        control: String,
        /// Module of the rule.
        module_path: String,
        /// New kind, or the kind of a new rule.
        new_type: Option<Kind>,
        /// New control.
        new_control: Option<String>,
        /// New module.
        new_module_path: Option<String>,
        /// Arguments of the module.
        module_arguments: Option<Vec<String>>,
        /// updated: the rule gets the new values. before, after: a new rule is put beside it.
        /// absent: it goes. args_present, args_absent: arguments are added or removed.
        state: State = State::Updated,
        /// Directory of the services.
        path: PathBuf = PathBuf::from("/etc/pam.d"),
        /// Keep a copy of the old file.
        backup: bool = false,
    }
}

pub(super) struct Pamd;

#[derive(Debug, Clone, PartialEq, Eq)]
struct Rule {
    kind: String,
    control: String,
    module: String,
    arguments: Vec<String>,
}

/// Splits at blanks, keeping what stands in brackets together.
fn words(text: &str) -> Vec<String> {
    let (mut out, mut word, mut depth) = (Vec::new(), String::new(), 0);
    for c in text.chars() {
        match c {
            '[' => depth += 1,
            ']' => depth -= 1,
            _ => {}
        }
        if c.is_whitespace() && depth <= 0 {
            if !word.is_empty() {
                out.push(std::mem::take(&mut word));
            }
        } else {
            word.push(c);
        }
    }
    if !word.is_empty() {
        out.push(word);
    }
    out
}

impl Rule {
    fn read(line: &str) -> Option<Self> {
        let line = line.trim();
        if line.starts_with(['#', '@']) {
            return None;
        }
        let mut words = words(line).into_iter();
        Some(Self {
            kind: words.next()?,
            control: words.next()?,
            module: words.next()?,
            arguments: words.collect(),
        })
    }

    fn show(&self) -> String {
        let mut line = format!("{}\t{}\t{}", self.kind, self.control, self.module);
        for argument in &self.arguments {
            line.push(' ');
            line.push_str(argument);
        }
        line
    }

    fn is_it(&self, kind: &str, control: &str, module: &str) -> bool {
        let plain = |text: &str| words(text).join(" ").replace(' ', "");
        self.kind == kind && plain(&self.control) == plain(control) && self.module == module
    }
}

/// Arguments, also those that one text lists.
fn arguments(given: Option<&Vec<String>>) -> Option<Vec<String>> {
    given.map(|all| all.iter().flat_map(|text| words(text)).collect())
}

/// The new lines, and how many rules changed.
fn edited(args: &Args, text: &str) -> Result<(Vec<String>, usize), Failure> {
    let kind = args.type_.word();
    let given = arguments(args.module_arguments.as_ref());
    let mut out: Vec<String> = Vec::new();
    let mut count = 0;
    let lines: Vec<&str> = text.lines().collect();
    let rules: Vec<Option<Rule>> = lines.iter().map(|line| Rule::read(line)).collect();
    let new = || -> Result<Rule, Failure> {
        let missing = || {
            Failure::new(format!(
                "state is {} but new_type, new_control and new_module_path are not all given",
                args.state.word()
            ))
        };
        Ok(Rule {
            kind: args.new_type.ok_or_else(missing)?.word().to_owned(),
            control: args.new_control.clone().ok_or_else(missing)?,
            module: args.new_module_path.clone().ok_or_else(missing)?,
            arguments: given.clone().unwrap_or_default(),
        })
    };
    let same = |rule: Option<&Rule>, new: &Rule| {
        rule.is_some_and(|rule| rule.is_it(&new.kind, &new.control, &new.module))
    };
    for (index, line) in lines.iter().enumerate() {
        let hit = rules[index]
            .as_ref()
            .filter(|rule| rule.is_it(kind, &args.control, &args.module_path));
        let Some(rule) = hit else {
            out.push((*line).to_owned());
            continue;
        };
        match args.state {
            State::Absent => count += 1,
            State::Before | State::After => {
                let new = new()?;
                let before = args.state == State::Before;
                let neighbour = if before {
                    index.checked_sub(1)
                } else {
                    Some(index + 1)
                };
                let neighbour = neighbour.and_then(|at| rules.get(at)?.as_ref());
                let add = !same(neighbour, &new);
                count += usize::from(add);
                if add && before {
                    out.push(new.show());
                }
                out.push((*line).to_owned());
                if add && !before {
                    out.push(new.show());
                }
            }
            State::Updated | State::ArgsPresent | State::ArgsAbsent => {
                let mut changed = rule.clone();
                match args.state {
                    State::Updated => {
                        if let Some(kind) = args.new_type {
                            kind.word().clone_into(&mut changed.kind);
                        }
                        if let Some(control) = &args.new_control {
                            changed.control.clone_from(control);
                        }
                        if let Some(module) = &args.new_module_path {
                            changed.module.clone_from(module);
                        }
                        if let Some(given) = &given {
                            changed.arguments.clone_from(given);
                        }
                    }
                    State::ArgsAbsent => {
                        let given = given.clone().unwrap_or_default();
                        changed
                            .arguments
                            .retain(|argument| !given.contains(argument));
                    }
                    _ => add_arguments(&mut changed.arguments, given.as_deref().unwrap_or(&[])),
                }
                if changed == *rule {
                    out.push((*line).to_owned());
                } else {
                    count += 1;
                    out.push(changed.show());
                }
            }
        }
    }
    Ok((out, count))
}

/// Adds arguments; one with a value replaces that of the same name.
fn add_arguments(all: &mut Vec<String>, given: &[String]) {
    for argument in given {
        if all.contains(argument) {
            continue;
        }
        let name = argument.split_once('=').map(|(name, _)| format!("{name}="));
        let old = name.and_then(|name| all.iter().position(|is| is.starts_with(&name)));
        match old {
            Some(at) => all[at].clone_from(argument),
            None => all.push(argument.clone()),
        }
    }
}

impl Module for Pamd {
    const NAME: &'static str = "pamd";
    const COLLECTION: &'static str = "community.general";
    type Args = Args;
    acting!();

    fn check(args: &Args, look: &Look) -> Result<Verdict<Acts>, Failure> {
        let needs = matches!(args.state, State::ArgsAbsent | State::ArgsPresent);
        if needs && args.module_arguments.is_none() {
            return Err(Failure::new(format!(
                "state is {} but all of the following are missing: module_arguments",
                args.state.word()
            )));
        }
        let path = args.path.join(&args.name);
        let before = look.read_text(&path)?.ok_or_else(|| {
            Failure::new(format!(
                "Unable to open/read PAM module file {}",
                path.display()
            ))
        })?;
        let (lines, count) = edited(args, &before)?;
        let result = Return::new()
            .with("change_count", count)
            .with("dest", path.to_string_lossy())
            .with("backupdest", "");
        let mut acts = Acts::new(result);
        if count > 0 {
            let placement = Placement {
                body: Body::Bytes(Vec::new()),
                path,
                wanted: Settled::default(),
                backup: args.backup,
                validate: None,
            };
            let after = lines.join("\n") + "\n";
            acts.work(edit(
                look,
                Some(before.as_bytes()),
                after.into_bytes(),
                placement,
            )?);
            acts.after(|_, _, result| {
                let backup = result.values.get("backup_file").cloned();
                Ok(result.maybe("backupdest", backup))
            });
        }
        Ok(acts.verdict())
    }
}
