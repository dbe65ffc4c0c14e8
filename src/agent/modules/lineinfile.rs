//! `lineinfile`: one line of a text file is there, or is not.

use std::path::PathBuf;

use ocplay_protocol::Diff;

use super::pattern::{Pattern, Text, bare, expand, lines};
use super::steps::{Body, Placement, Work, edit};
use super::{Module, Verdict};
use crate::host::attributes::{describe, file_arguments};
use crate::host::{Failure, Look, Return, Touch};

ocplay_protocol::choices! {
    /// Wanted state of the line.
    pub(super) enum State { Present = "present", Absent = "absent" }
}

file_arguments! {
    /// Ensures that a line is in a file, or that no such line is.
    pub(super) struct Args {
        /// The file to edit.
        path: PathBuf ["dest", "destfile", "name"],
        /// Whether the line shall be there.
        state: State = State::Present,
        /// The last line that matches is replaced; all that match are removed.
        regexp: Option<String> ["regex"],
        /// Like regexp, for a literal part of the line.
        search_string: Option<String>,
        /// The line.
        line: Option<String> ["value"],
        /// Fill groups of regexp into line; change nothing unless it matches.
        backrefs: bool = false,
        /// Expression for the line after which a new one goes, or EOF.
        insertafter: Option<String>,
        /// Expression for the line before which a new one goes, or BOF.
        insertbefore: Option<String>,
        /// Use the first match instead of the last.
        firstmatch: bool = false,
        /// Create the file if it is missing.
        create: bool = false,
        /// Keep a copy of the old file.
        backup: bool = false,
        /// Command that must accept the new file, named %s.
        validate: Option<String>,
        /// Accepted for old playbooks.
        others: Option<String>,
    }
}

pub(super) struct LineInFile;

/// What an edit did.
struct Edited {
    lines: Vec<String>,
    message: &'static str,
    removed: usize,
}

pub(super) struct Plan {
    pub(super) work: Work,
    pub(super) result: Return,
    pub(super) path: PathBuf,
}

impl Plan {
    /// The end of all modules that edit one file.
    pub(super) fn run(self, touch: &mut Touch) -> Result<Return, Failure> {
        let backups = self.work.run(touch)?;
        let backup = backups
            .first()
            .map(|path| path.to_string_lossy().into_owned());
        let mut result = self
            .result
            .with("backup", backup.clone().unwrap_or_default());
        if let Some(backup) = backup {
            result = result.with("backup_file", backup);
        }
        Ok(describe(touch, &self.path, result))
    }

    /// The verdict over the steps that were found.
    pub(super) fn verdict(self) -> Verdict<Self> {
        if self.work.is_empty() {
            return Verdict::Same(self.result.with("backup", ""));
        }
        let foreseen = self.result.clone();
        Verdict::Change(self, foreseen)
    }
}

impl Module for LineInFile {
    const NAME: &'static str = "lineinfile";
    type Args = Args;
    type Plan = Plan;

    fn check(args: &Args, look: &Look) -> Result<Verdict<Plan>, Failure> {
        consistent(args)?;
        let before = current(look, &args.path)?;
        let mut result = Return::new();
        let empty = |text: &Option<String>| text.as_deref() == Some("");
        if empty(&args.regexp) {
            result = result.warn(
                "The regular expression is an empty string, which will match every line in the \
                 file. This may have unintended consequences, such as replacing the last line in \
                 the file rather than appending. If this is desired, use '^' to match every line \
                 in the file and avoid this warning.",
            );
        } else if empty(&args.search_string) {
            result = result.warn(
                "The search string is an empty string, which will match every line in the file. \
                 This may have unintended consequences, such as replacing the last line in the \
                 file rather than appending.",
            );
        }
        let plan = |work, result| Plan {
            work,
            result,
            path: args.path.clone(),
        };
        let bytes = match (&before, args.state) {
            (Some(bytes), _) => bytes.clone(),
            (None, State::Absent) => {
                let result = result.with("msg", "file not present");
                return Ok(plan(Work::default(), result).verdict());
            }
            (None, State::Present) if args.create => Vec::new(),
            (None, State::Present) => {
                let failure = missing("Destination", &args.path);
                if !look.is_check() {
                    return Err(failure);
                }
                result = result.warn(failure.message);
                Vec::new()
            }
        };
        let text = Text::new(&bytes);
        let edited = match args.state {
            State::Present => present(args, &text)?,
            State::Absent => absent(args, &text)?,
        };
        let after = text.bytes(&edited.lines.concat());
        result = match args.state {
            State::Present => result.with("msg", edited.message),
            State::Absent => result.with("found", edited.removed).with(
                "msg",
                match edited.removed {
                    0 => String::new(),
                    count => format!("{count} line(s) removed"),
                },
            ),
        };
        let placement = Placement {
            body: Body::Bytes(Vec::new()),
            path: args.path.clone(),
            wanted: args.attributes().settle(look)?,
            backup: args.backup,
            validate: args.validate.clone(),
        };
        let work = edit(look, before.as_deref(), after, placement)?;
        Ok(plan(work, result).verdict())
    }

    fn describe(plan: &Plan) -> Vec<Diff> {
        plan.work.diffs.clone()
    }

    fn apply(plan: Plan, touch: &mut Touch) -> Result<Return, Failure> {
        plan.run(touch)
    }
}

/// Content of the file to edit, `None` if there is none.
pub(super) fn current(look: &Look, path: &std::path::Path) -> Result<Option<Vec<u8>>, Failure> {
    if look.stat(path)?.is_some_and(|found| found.is_dir()) {
        return Err(
            Failure::new(format!("Path {} is a directory !", path.display())).with("rc", 256),
        );
    }
    look.read(path)
}

pub(super) fn missing(kind: &str, path: &std::path::Path) -> Failure {
    Failure::new(format!(
        "{kind} {} does not exist ! Set create: true to have it created",
        path.display()
    ))
    .with("rc", 257)
}

fn consistent(args: &Args) -> Result<(), Failure> {
    let wrong = |text: &str| Err(Failure::new(text));
    if args.regexp.is_some() && args.search_string.is_some() {
        return wrong("parameters are mutually exclusive: regexp|search_string");
    }
    if args.backrefs && args.search_string.is_some() {
        return wrong("parameters are mutually exclusive: backrefs|search_string");
    }
    if args.insertafter.is_some() && args.insertbefore.is_some() {
        return wrong("parameters are mutually exclusive: insertbefore|insertafter");
    }
    match args.state {
        State::Present if args.line.is_none() => wrong("line is required with state=present"),
        State::Present if args.backrefs && args.regexp.is_none() => {
            wrong("regexp is required with backrefs=true")
        }
        State::Absent
            if args.line.is_none() && args.regexp.is_none() && args.search_string.is_none() =>
        {
            wrong("one of line, search_string, or regexp is required with state=absent")
        }
        _ => Ok(()),
    }
}

/// Finds the lines that regexp or search_string mean.
enum Finder {
    Pattern(Pattern),
    Part(String),
    Nothing,
}

impl Finder {
    fn new(args: &Args, text: &Text) -> Result<Self, Failure> {
        Ok(match (&args.regexp, &args.search_string) {
            (Some(pattern), _) => Self::Pattern(Pattern::new(&text.adopt(pattern))?),
            (None, Some(part)) => Self::Part(text.adopt(part)),
            (None, None) => Self::Nothing,
        })
    }

    fn finds(&self, line: &str) -> Result<bool, Failure> {
        match self {
            Self::Pattern(pattern) => pattern.is_match(line),
            Self::Part(part) => Ok(line.contains(part.as_str())),
            Self::Nothing => Ok(false),
        }
    }
}

fn present(args: &Args, text: &Text) -> Result<Edited, Failure> {
    let mut all = lines(&text.text);
    let line = text.adopt(bare(args.line.as_deref().unwrap_or_default()));
    let finder = Finder::new(args, text)?;
    let mut hit = None;
    for (index, current) in all.iter().enumerate() {
        if finder.finds(bare(current))? {
            hit = Some(index);
            if args.firstmatch {
                break;
            }
        }
    }
    let unchanged = |lines| Edited {
        lines,
        message: "",
        removed: 0,
    };
    if let Some(index) = hit {
        let mut new = line;
        if args.backrefs
            && let Finder::Pattern(pattern) = &finder
            && let Some(captures) = pattern.captures(bare(&all[index]))?
        {
            new = expand(&captures, &new);
        }
        let end = &all[index][bare(&all[index]).len()..];
        if bare(&all[index]) == bare(&new) && !end.is_empty() {
            return Ok(unchanged(all));
        }
        let end = if end.is_empty() { "\n" } else { end };
        all[index] = format!("{new}{end}");
        return Ok(Edited {
            lines: all,
            message: "line replaced",
            removed: 0,
        });
    }
    if args.backrefs {
        return Ok(unchanged(all));
    }
    if let Some(index) = all.iter().rposition(|current| bare(current) == line) {
        if all[index].ends_with('\n') {
            return Ok(unchanged(all));
        }
        all[index].push('\n');
        return Ok(Edited {
            lines: all,
            message: "line replaced",
            removed: 0,
        });
    }
    let at = insertion(
        &all,
        args.insertafter.as_deref(),
        args.insertbefore.as_deref(),
        args.firstmatch,
        text,
    )?;
    insert(&mut all, at, vec![format!("{line}\n")]);
    Ok(Edited {
        lines: all,
        message: "line added",
        removed: 0,
    })
}

/// Where new lines go.
pub(super) fn insertion(
    all: &[String],
    after: Option<&str>,
    before: Option<&str>,
    first: bool,
    text: &Text,
) -> Result<usize, Failure> {
    let (pattern, offset) = match (after, before) {
        (Some("BOF"), _) | (_, Some("BOF")) => return Ok(0),
        (Some("EOF"), _) | (None, None | Some("EOF")) => return Ok(all.len()),
        (Some(pattern), _) => (pattern, 1),
        (None, Some(pattern)) => (pattern, 0),
    };
    let pattern = Pattern::new(&text.adopt(pattern))?;
    let mut at = None;
    for (index, line) in all.iter().enumerate() {
        if pattern.is_match(bare(line))? {
            at = Some(index + offset);
            if first {
                break;
            }
        }
    }
    Ok(at.unwrap_or(all.len()))
}

/// Inserts lines, ending the line before them if it has no end.
pub(super) fn insert(all: &mut Vec<String>, at: usize, new: Vec<String>) {
    if let Some(last) = at.checked_sub(1).and_then(|index| all.get_mut(index))
        && !last.ends_with('\n')
    {
        last.push('\n');
    }
    all.splice(at..at, new);
}

fn absent(args: &Args, text: &Text) -> Result<Edited, Failure> {
    let finder = Finder::new(args, text)?;
    let line = args.line.as_deref().map(|line| text.adopt(bare(line)));
    let mut kept = Vec::new();
    let mut removed = 0;
    for current in lines(&text.text) {
        let hit = match &finder {
            Finder::Nothing => line.as_deref() == Some(bare(&current)),
            finder => finder.finds(bare(&current))?,
        };
        if hit {
            removed += 1;
        } else {
            kept.push(current);
        }
    }
    Ok(Edited {
        lines: kept,
        message: "",
        removed,
    })
}
