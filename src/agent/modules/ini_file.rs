//! `ini_file`: options in sections of an INI file.

use std::path::PathBuf;

use serde_json::Value;

use super::acts::{Acts, acting};
use super::steps::{Body, Placement, edit};
use super::{Module, Verdict};
use crate::host::attributes::{describe, file_arguments};
use crate::host::{Failure, Look, Return, real_path};

ocplay_protocol::choices! {
    /// Wanted state.
    pub(super) enum State { Present = "present", Absent = "absent" }
}

ocplay_protocol::arguments! {
    /// What a section must hold to be the one that is meant.
    pub(super) struct Condition {
        /// Option that the section holds.
        option: String,
        /// Its value.
        value: Option<Value>,
        /// Its values, if it stands there more than once.
        values: Option<Vec<String>>,
    }
}

file_arguments! {
    /// Sets or removes options and whole sections of an INI file, and leaves the rest of the file
    /// as it is.
    pub(super) struct Args {
        /// The file.
        path: PathBuf ["dest"],
        /// The section; without it, what stands before the first section.
        section: Option<String>,
        /// Among sections of the same name, the one that holds these options.
        section_has_values: Option<Vec<Condition>>,
        /// The option; without it, the section as a whole is meant.
        option: Option<String>,
        /// The option's value.
        value: Option<Value>,
        /// Several values, each on a line of its own.
        values: Option<Vec<String>>,
        /// Keep a copy of the old file.
        backup: bool = false,
        /// Whether the option or section shall be there.
        state: State = State::Present,
        /// Whether other values of the option are replaced or removed.
        exclusive: bool = true,
        /// No blanks around the equals sign.
        no_extra_spaces: bool = false,
        /// Let lines be that differ only in blanks around the equals sign.
        ignore_spaces: bool = false,
        /// Create the file if it is missing.
        create: bool = true,
        /// Allow options that have no value and no equals sign.
        allow_no_value: bool = false,
        /// A line of the option that is commented out becomes the option.
        modify_inactive_option: bool = true,
        /// Write behind a symbolic link instead of replacing it.
        follow: bool = false,
    }
}

pub(super) struct IniFile;

/// A line that sets the option, or did before it was commented out.
struct Assignment<'a> {
    active: bool,
    value: &'a str,
}

/// Reads a line as an assignment of this option.
fn assignment<'a>(option: &str, line: &'a str) -> Option<Assignment<'a>> {
    let blank = |c: char| c == ' ' || c == '\t';
    let line = line.trim_end_matches(['\n', '\r']);
    let rest = line.trim_start_matches(blank);
    let (active, rest) = match rest.strip_prefix(['#', ';']) {
        Some(rest) => (false, rest.trim_start_matches(blank)),
        None => (true, rest),
    };
    let rest = rest.strip_prefix(option)?.trim_start_matches(blank);
    let value = match rest.strip_prefix('=') {
        Some(value) => value.trim_start_matches(blank),
        None if rest.is_empty() => "",
        None => return None,
    };
    Some(Assignment { active, value })
}

/// The same, for lines that may become the option.
fn matching<'a>(args: &Args, option: &str, line: &'a str) -> Option<Assignment<'a>> {
    assignment(option, line).filter(|found| args.modify_inactive_option || found.active)
}

/// A value of the playbook as it stands in the file.
fn plain(value: &Value) -> String {
    ocplay_protocol::coerce::text(value).unwrap_or_default()
}

struct Editor<'a> {
    args: &'a Args,
    lines: Vec<String>,
    message: &'static str,
}

impl Editor<'_> {
    fn line(&self, option: &str, value: &str) -> String {
        if self.args.no_extra_spaces {
            format!("{option}={value}\n")
        } else {
            format!("{option} = {value}\n")
        }
    }

    fn is_header(line: &str, section: &str) -> bool {
        line.strip_prefix('[')
            .and_then(|rest| rest.trim_start().strip_prefix(section.trim()))
            .is_some_and(|rest| rest.trim_start().starts_with(']'))
    }

    /// Where the section's lines are, its header included.
    fn find(&self) -> Option<std::ops::Range<usize>> {
        let end = |start: usize| {
            let rest = self.lines.iter().skip(start);
            start + rest.take_while(|line| !line.starts_with('[')).count()
        };
        let Some(section) = self.args.section.as_deref().filter(|name| !name.is_empty()) else {
            let range = 0..end(0);
            return self.holds(&range).then_some(range);
        };
        (0..self.lines.len())
            .filter(|at| Self::is_header(&self.lines[*at], section))
            .map(|at| at..end(at + 1))
            .find(|range| self.holds(range))
    }

    fn holds(&self, range: &std::ops::Range<usize>) -> bool {
        let Some(conditions) = &self.args.section_has_values else {
            return true;
        };
        conditions.iter().all(|condition| {
            let wanted = condition.wanted();
            self.lines[range.clone()].iter().any(|line| {
                assignment(&condition.option, line).is_some_and(|found| {
                    wanted.is_empty() || wanted.iter().any(|value| value == found.value)
                })
            })
        })
    }

    /// Sets the option in the section.
    fn present(&mut self, range: std::ops::Range<usize>, option: &str, mut values: Vec<String>) {
        let args = self.args;
        let mut body: Vec<(String, bool)> = self.lines[range.clone()]
            .iter()
            .map(|line| (line.clone(), false))
            .collect();
        let mut changed = false;
        let mut bare_is_there = false;
        let mut replace = |entry: &mut (String, bool), new: String| {
            let same_but_blanks = args.ignore_spaces
                && assignment(option, &entry.0).is_some_and(|old| {
                    old.active && assignment(option, &new).is_some_and(|new| new.value == old.value)
                });
            if !same_but_blanks && entry.0 != new {
                entry.0 = new;
                changed = true;
            }
            entry.1 = true;
        };
        for entry in &mut body {
            let Some(found) = matching(args, option, &entry.0) else {
                continue;
            };
            if let Some(at) = values.iter().position(|value| value == found.value) {
                let value = values.remove(at);
                let new = if value.is_empty() && args.allow_no_value {
                    bare_is_there = true;
                    format!("{option}\n")
                } else {
                    self.line(option, &value)
                };
                replace(entry, new);
            } else if values.is_empty() && args.allow_no_value && !bare_is_there {
                replace(entry, format!("{option}\n"));
                bare_is_there = true;
                break;
            }
        }
        if args.exclusive && !args.allow_no_value {
            for entry in &mut body {
                if values.is_empty() {
                    break;
                }
                if !entry.1 && matching(args, option, &entry.0).is_some() {
                    let new = self.line(option, &values.remove(0));
                    replace(entry, new);
                }
            }
            let before = body.len();
            body.retain(|(line, done)| *done || matching(args, option, line).is_none());
            changed |= body.len() != before;
        }
        if changed {
            self.message = "option changed";
        }
        let mut new: Vec<String> = values
            .iter()
            .map(|value| self.line(option, value))
            .collect();
        if new.is_empty() && args.allow_no_value && !bare_is_there && self.no_values() {
            new.push(format!("{option}\n"));
        }
        if !new.is_empty() {
            // Behind the last line that says something.
            let says = |(line, _): &(String, bool)| {
                let line = line.trim();
                !line.is_empty() && !line.starts_with(['#', ';'])
            };
            let at = body.iter().rposition(says).map_or(0, |at| at + 1);
            body.splice(at..at, new.into_iter().map(|line| (line, true)));
            self.message = "option added";
        }
        self.lines
            .splice(range, body.into_iter().map(|(line, _)| line));
    }

    fn no_values(&self) -> bool {
        self.args.wanted().is_empty()
    }

    /// Writes the section at the end of the file.
    fn append(&mut self, section: &str, mut values: Vec<String>) {
        let args = self.args;
        let mut new = vec![format!("[{section}]\n")];
        for condition in args.section_has_values.iter().flatten() {
            let wanted = condition.wanted();
            if Some(&condition.option) != args.option.as_ref() {
                new.extend(
                    wanted
                        .iter()
                        .map(|value| self.line(&condition.option, value)),
                );
                if wanted.is_empty() && args.allow_no_value {
                    new.push(format!("{}\n", condition.option));
                }
            } else if !args.exclusive {
                for value in wanted {
                    if !values.contains(&value) {
                        values.push(value);
                    }
                }
            }
        }
        self.message = "only section added";
        if let Some(option) = &args.option {
            if !values.is_empty() {
                new.extend(values.iter().map(|value| self.line(option, value)));
                self.message = "section and option added";
            } else if args.allow_no_value {
                new.push(format!("{option}\n"));
                self.message = "section and option added";
            }
        }
        self.lines.append(&mut new);
    }

    fn absent(&mut self, range: std::ops::Range<usize>, values: &[String]) {
        let args = self.args;
        let Some(option) = &args.option else {
            if !range.is_empty() {
                self.message = "section removed";
            }
            self.lines.drain(range);
            return;
        };
        let mut body = self.lines[range.clone()].to_vec();
        body.retain(|line| {
            !assignment(option, line).is_some_and(|found| {
                found.active && (args.exclusive || values.iter().any(|value| value == found.value))
            })
        });
        if body.len() != range.len() {
            self.message = "option changed";
        }
        self.lines.splice(range, body);
    }
}

impl Condition {
    fn wanted(&self) -> Vec<String> {
        match &self.value {
            Some(value) => vec![plain(value)],
            None => self.values.clone().unwrap_or_default(),
        }
    }
}

impl Args {
    fn wanted(&self) -> Vec<String> {
        let mut wanted: Vec<String> = Vec::new();
        let all = match &self.value {
            Some(value) => vec![plain(value)],
            None => self.values.clone().unwrap_or_default(),
        };
        for value in all {
            if !wanted.contains(&value) {
                wanted.push(value);
            }
        }
        wanted
    }
}

impl Module for IniFile {
    const NAME: &'static str = "ini_file";
    const COLLECTION: &'static str = "community.general";
    type Args = Args;
    acting!();

    fn check(args: &Args, look: &Look) -> Result<Verdict<Acts>, Failure> {
        if args.value.is_some() && args.values.is_some() {
            return Err("parameters are mutually exclusive: value|values".into());
        }
        let values = args.wanted();
        if args.state == State::Present && values.is_empty() && !args.allow_no_value {
            return Err(
                "Parameter 'value(s)' must be defined if state=present and allow_no_value=False."
                    .into(),
            );
        }
        let path = if args.follow {
            real_path(&args.path)
        } else {
            args.path.clone()
        };
        let before = look.read_text(&path)?;
        if before.is_none() && !args.create {
            return Err(
                Failure::new(format!("Destination {} does not exist!", path.display()))
                    .with("rc", 257),
            );
        }
        let text = before.as_deref().unwrap_or_default();
        let (mark, text) = match text.strip_prefix('\u{feff}') {
            Some(rest) => ("\u{feff}", rest),
            None => ("", text),
        };
        let mut lines: Vec<String> = text.split_inclusive('\n').map(str::to_owned).collect();
        if let Some(last) = lines.last_mut().filter(|last| !last.ends_with('\n')) {
            last.push('\n');
        }
        let mut editor = Editor {
            args,
            lines,
            message: "OK",
        };
        match (args.state, editor.find()) {
            (State::Present, Some(range)) => {
                if let Some(option) = &args.option {
                    editor.present(range, option, values);
                }
            }
            (State::Present, None) => {
                let section = args.section.as_deref().unwrap_or_default();
                if section.is_empty() {
                    return Err("section_has_values needs a section".into());
                }
                editor.append(section, values);
            }
            (State::Absent, Some(range)) => editor.absent(range, &values),
            (State::Absent, None) => {}
        }
        let result = Return::new()
            .with("path", args.path.to_string_lossy())
            .with("msg", editor.message);
        let mut acts = Acts::new(result);
        let mut after = editor.lines.concat();
        if !after.is_empty() || before.is_some() {
            after.insert_str(0, mark);
        }
        let placement = Placement {
            body: Body::Bytes(Vec::new()),
            path: path.clone(),
            wanted: args.attributes().settle(look)?,
            backup: args.backup,
            validate: None,
        };
        let before = before.map(String::into_bytes);
        if before.is_none() && after.is_empty() {
            return Ok(acts.verdict());
        }
        acts.work(edit(
            look,
            before.as_deref(),
            after.into_bytes(),
            placement,
        )?);
        acts.after(move |touch, _, result| Ok(describe(touch, &path, result)));
        Ok(acts.verdict())
    }
}
