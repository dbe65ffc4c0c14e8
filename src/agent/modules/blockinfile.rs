//! `blockinfile`: lines between two markers in a text file.

use std::path::PathBuf;

use ocplay_protocol::Diff;

use super::lineinfile::{Plan, current, insert, insertion, missing};
use super::pattern::{Pattern, Text, bare, lines};
use super::steps::{Body, Placement, Work, edit};
use super::{Module, Verdict};
use crate::host::attributes::file_arguments;
use crate::host::{Failure, Look, Return, Touch};

ocplay_protocol::choices! {
    /// Wanted state of the block.
    pub(super) enum State { Present = "present", Absent = "absent" }
}

file_arguments! {
    /// Keeps a block of lines between two marker lines in a file.
    pub(super) struct Args {
        /// The file to edit.
        path: PathBuf ["dest", "destfile", "name"],
        /// Whether the block shall be there; an empty block is removed too.
        state: State = State::Present,
        /// The lines of the block.
        block: String ["content"] = String::new(),
        /// The marker lines; `{mark}` becomes marker_begin and marker_end.
        marker: String = "# {mark} ANSIBLE MANAGED BLOCK".to_owned(),
        /// Word of the first marker.
        marker_begin: String = "BEGIN".to_owned(),
        /// Word of the last marker.
        marker_end: String = "END".to_owned(),
        /// Expression for the line after which a new block goes, or EOF.
        insertafter: Option<String>,
        /// Expression for the line before which a new block goes, or BOF.
        insertbefore: Option<String>,
        /// Create the file if it is missing.
        create: bool = false,
        /// Keep a copy of the old file.
        backup: bool = false,
        /// Command that must accept the new file, named %s.
        validate: Option<String>,
        /// Keep an empty line after the block.
        append_newline: bool = false,
        /// Keep an empty line before the block.
        prepend_newline: bool = false,
        /// Encoding of the file; bytes are kept as they are.
        encoding: String = "utf-8".to_owned(),
    }
}

pub(super) struct BlockInFile;

impl Module for BlockInFile {
    const NAME: &'static str = "blockinfile";
    type Args = Args;
    type Plan = Plan;

    fn check(args: &Args, look: &Look) -> Result<Verdict<Plan>, Failure> {
        if args.insertafter.is_some() && args.insertbefore.is_some() {
            return Err("parameters are mutually exclusive: insertbefore|insertafter".into());
        }
        let before = current(look, &args.path)?;
        let mut result = Return::new();
        let wanted = args.state == State::Present && !args.block.is_empty();
        let plan = |work, result| Plan {
            work,
            result,
            path: args.path.clone(),
        };
        let bytes = match &before {
            Some(bytes) => bytes.clone(),
            None if args.create => Vec::new(),
            None if !wanted => {
                let text = format!("File {} not present", args.path.display());
                let result = result.with("msg", text);
                return Ok(plan(Work::default(), result).verdict());
            }
            None => {
                let failure = missing("Path", &args.path);
                if !look.is_check() {
                    return Err(failure);
                }
                result = result.warn(failure.message);
                Vec::new()
            }
        };
        let text = Text::new(&bytes);
        let after = text.bytes(&edited(args, &text, wanted)?);
        let placement = Placement {
            body: Body::Bytes(Vec::new()),
            path: args.path.clone(),
            wanted: args.attributes().settle(look)?,
            backup: args.backup,
            validate: args.validate.clone(),
        };
        let message = match (&before, wanted) {
            (Some(before), _) if *before == after => "",
            (None, true) => "File created",
            (Some(_), true) => "Block inserted",
            (_, false) => "Block removed",
        };
        // An absent block must not create the file.
        let work = if before.is_none() && !wanted && !args.create {
            Work::default()
        } else {
            edit(look, before.as_deref(), after, placement)?
        };
        Ok(plan(work, result.with("msg", message)).verdict())
    }

    fn describe(plan: &Plan) -> Vec<Diff> {
        plan.work.diffs.clone()
    }

    fn apply(plan: Plan, touch: &mut Touch) -> Result<Return, Failure> {
        plan.run(touch)
    }
}

fn edited(args: &Args, text: &Text, wanted: bool) -> Result<String, Failure> {
    let mark = |word: &str| text.adopt(bare(&args.marker.replace("{mark}", word)));
    let (begin, end) = (mark(&args.marker_begin), mark(&args.marker_end));
    let mut all = lines(&text.text);
    let place = |marker: &str| all.iter().rposition(|line| bare(line) == marker);
    let found = place(&begin).zip(place(&end));
    let at = match found {
        Some((first, last)) => {
            // Markers in the wrong order still enclose the block.
            let (first, last) = (first.min(last), first.max(last));
            all.drain(first..=last);
            Some(first)
        }
        None => None,
    };
    if !wanted {
        return Ok(all.concat());
    }
    let at = match at {
        Some(at) => at,
        None => match across_lines(args, text)? {
            Some(at) => at.min(all.len()),
            None => insertion(
                &all,
                args.insertafter.as_deref(),
                args.insertbefore.as_deref(),
                false,
                text,
            )?,
        },
    };
    let mut block = vec![format!("{begin}\n")];
    block.extend(lines(&text.adopt(&args.block)));
    if let Some(last) = block.last_mut()
        && !last.ends_with('\n')
    {
        last.push('\n');
    }
    block.push(format!("{end}\n"));
    let is_blank = |line: Option<&String>| line.is_none_or(|line| bare(line).is_empty());
    if args.prepend_newline && at > 0 && !is_blank(all.get(at - 1)) {
        block.insert(0, "\n".to_owned());
    }
    if args.append_newline && at < all.len() && !is_blank(all.get(at)) {
        block.push("\n".to_owned());
    }
    insert(&mut all, at, block);
    Ok(all.concat())
}

/// Where the block goes by an expression with `(?m)`, which may match across
/// lines.
fn across_lines(args: &Args, text: &Text) -> Result<Option<usize>, Failure> {
    let Some(expression) = args.insertafter.as_ref().or(args.insertbefore.as_ref()) else {
        return Ok(None);
    };
    let flags = expression.strip_prefix("(?").and_then(|rest| {
        let (flags, _) = rest.split_once(')')?;
        flags.chars().all(char::is_alphabetic).then_some(flags)
    });
    if !flags.is_some_and(|flags| flags.contains('m')) {
        return Ok(None);
    }
    let pattern = Pattern::new(&text.adopt(expression))?;
    let Some(captures) = pattern.captures(&text.text)? else {
        return Ok(None);
    };
    let newlines = |end: usize| text.text[..end].matches('\n').count();
    Ok(captures.get(0).map(|found| {
        if args.insertafter.is_some() {
            newlines(found.end()) + 1
        } else {
            newlines(found.start())
        }
    }))
}
