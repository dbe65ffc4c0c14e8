//! `replace`: all matches of an expression in a text file.

use std::path::PathBuf;

use ocplay_protocol::Diff;

use super::lineinfile::{Plan, current};
use super::pattern::{Pattern, Text};
use super::steps::{Body, Placement, edit};
use super::{Module, Verdict};
use crate::host::attributes::file_arguments;
use crate::host::{Failure, Look, Return, Touch};

file_arguments! {
    /// Replaces every match of an expression in a file.
    pub(super) struct Args {
        /// The file to edit.
        path: PathBuf ["dest", "destfile", "name"],
        /// What to look for; `^` and `$` match at every line.
        regexp: String,
        /// What to put there; `\1` stands for a group. Empty removes matches.
        replace: String = String::new(),
        /// Only after this expression.
        after: Option<String>,
        /// Only before this expression.
        before: Option<String>,
        /// Keep a copy of the old file.
        backup: bool = false,
        /// Command that must accept the new file, named %s.
        validate: Option<String>,
        /// Encoding of the file; bytes are kept as they are.
        encoding: String = "utf-8".to_owned(),
    }
}

pub(super) struct Replace;

impl Module for Replace {
    const NAME: &'static str = "replace";
    type Args = Args;
    type Plan = Plan;

    fn check(args: &Args, look: &Look) -> Result<Verdict<Plan>, Failure> {
        let Some(bytes) = current(look, &args.path)? else {
            let text = format!("Path {} does not exist !", args.path.display());
            if look.is_check() {
                return Ok(Verdict::Same(Return::new().with("msg", "").warn(text)));
            }
            return Err(Failure::new(text).with("rc", 257));
        };
        let text = Text::new(&bytes);
        let (start, end) = match section(args, &text)? {
            Ok(part) => part,
            Err(expression) => {
                let message = format!(
                    "Pattern for before/after params did not match the given file: {expression}"
                );
                return Ok(Verdict::Same(
                    Return::new().with("rc", 0).with("msg", message),
                ));
            }
        };
        let pattern = Pattern::with_flags("m", &text.adopt(&args.regexp))?;
        pattern
            .check_template(&args.replace)
            .map_err(|why| format!("Unable to process replace due to error: {why}"))?;
        let (middle, count) =
            pattern.replace_all(&text.text[start..end], &text.adopt(&args.replace))?;
        let after = format!("{}{middle}{}", &text.text[..start], &text.text[end..]);
        let after = text.bytes(&after);
        let changed = after != bytes;
        let placement = Placement {
            body: Body::Bytes(Vec::new()),
            path: args.path.clone(),
            wanted: args.attributes().settle(look)?,
            backup: args.backup,
            validate: args.validate.clone(),
        };
        let work = edit(look, Some(&bytes), after, placement)?;
        let message = if changed {
            format!("{count} replacements made")
        } else {
            String::new()
        };
        let plan = Plan {
            work,
            result: Return::new().with("rc", 0).with("msg", message),
            path: args.path.clone(),
        };
        Ok(plan.verdict())
    }

    fn describe(plan: &Plan) -> Vec<Diff> {
        plan.work.diffs.clone()
    }

    fn apply(plan: Plan, touch: &mut Touch) -> Result<Return, Failure> {
        plan.run(touch)
    }
}

/// The part of the text that `after` and `before` leave, or else the
/// expression that did not match.
fn section(args: &Args, text: &Text) -> Result<Result<(usize, usize), String>, Failure> {
    let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    let expression = match (given(&args.after), given(&args.before)) {
        (None, None) => return Ok(Ok((0, text.text.len()))),
        (Some(after), Some(before)) => format!("{after}(?P<subsection>.*?){before}"),
        (Some(after), None) => format!("{after}(?P<subsection>.*)"),
        (None, Some(before)) => format!("(?P<subsection>.*){before}"),
    };
    let pattern = Pattern::across("s", &text.adopt(&expression))?;
    let found = pattern.captures(&text.text)?;
    Ok(found
        .and_then(|captures| captures.name("subsection"))
        .map(|part| (part.start(), part.end()))
        .ok_or(expression))
}
