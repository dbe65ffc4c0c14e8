//! `assemble`: one file out of a directory of fragments.

use std::path::PathBuf;

use ocplay_protocol::{BlobKind, Diff};

use super::pattern::Pattern;
use super::steps::{Body, Placement, Work, edit};
use super::{Module, Verdict};
use crate::host::attributes::{describe, file_arguments};
use crate::host::{Explain, Failure, Look, Return, Touch, sha1_of};

file_arguments! {
    /// Puts the files of a directory together into one.
    pub(super) struct Args {
        /// Directory of fragments; its files are taken in the order of their names.
        src: PathBuf,
        /// The file to write.
        dest: PathBuf,
        /// Text between two fragments.
        delimiter: Option<String>,
        /// Only fragments whose name matches.
        regexp: Option<String>,
        /// Leave out hidden files.
        ignore_hidden: bool = false,
        /// src is a directory of the host, not of the controller.
        remote_src: bool = true,
        /// Keep a copy of a file that is replaced.
        backup: bool = false,
        /// Command that must accept the new file, named %s.
        validate: Option<String>,
        /// Decrypt vaulted fragments; done by the controller.
        decrypt: bool = true,
    }
}

pub(super) struct Assemble;

pub(super) struct Plan {
    work: Work,
    path: PathBuf,
    result: Return,
}

impl Module for Assemble {
    const NAME: &'static str = "assemble";
    type Args = Args;
    type Plan = Plan;

    fn check(args: &Args, look: &Look) -> Result<Verdict<Plan>, Failure> {
        if args
            .validate
            .as_ref()
            .is_some_and(|text| !text.contains("%s"))
        {
            let text = args.validate.clone().unwrap_or_default();
            return Err(Failure::new(format!("validate must contain %s: {text}")));
        }
        let pattern = args
            .regexp
            .as_deref()
            .map(|text| {
                Pattern::new(text).map_err(|failure| {
                    Failure::new(format!(
                        "Invalid Regexp ({}) in \"{text}\"",
                        failure.message
                    ))
                })
            })
            .transpose()?;
        let mut fragments = if look.blobs().is_empty() {
            on_host(args, look)?
        } else {
            let blobs = look.blobs().iter();
            blobs
                .filter(|blob| blob.kind == BlobKind::File && !blob.name.contains('/'))
                .map(|blob| (blob.name.clone(), blob.inline.clone().unwrap_or_default()))
                .collect()
        };
        fragments.sort();
        let mut wanted = Vec::new();
        for (name, content) in fragments {
            let fits = match &pattern {
                Some(pattern) => pattern.is_match(&name)?,
                None => true,
            };
            if fits && !(args.ignore_hidden && name.starts_with('.')) {
                wanted.push(content);
            }
        }
        let delimiter = args.delimiter.as_deref().map(unescape);
        let after = assemble(&wanted, delimiter.as_deref());
        let before = look.read(&args.dest)?;
        let result = Return::new()
            .with("src", args.src.to_string_lossy())
            .with("dest", args.dest.to_string_lossy())
            .with("checksum", sha1_of(&after))
            .with("msg", "OK");
        let placement = Placement {
            body: Body::Bytes(Vec::new()),
            path: args.dest.clone(),
            wanted: args.attributes().settle(look)?,
            backup: args.backup,
            validate: args.validate.clone(),
        };
        let work = edit(look, before.as_deref(), after, placement)?;
        if work.is_empty() {
            return Ok(Verdict::Same(describe(look, &args.dest, result)));
        }
        let foreseen = result.clone();
        let plan = Plan {
            work,
            path: args.dest.clone(),
            result,
        };
        Ok(Verdict::Change(plan, foreseen))
    }

    fn describe(plan: &Plan) -> Vec<Diff> {
        plan.work.diffs.clone()
    }

    fn apply(plan: Plan, touch: &mut Touch) -> Result<Return, Failure> {
        let backups = plan.work.run(touch)?;
        let backup = backups
            .first()
            .map(|path| path.to_string_lossy().into_owned());
        let result = plan.result.maybe("backup_file", backup);
        Ok(describe(touch, &plan.path, result))
    }
}

fn on_host(args: &Args, look: &Look) -> Result<Vec<(String, Vec<u8>)>, Failure> {
    match look.stat(&args.src)? {
        None => {
            return Err(Failure::new(format!(
                "Source ({}) does not exist",
                args.src.display()
            )));
        }
        Some(found) if !found.is_dir() => {
            return Err(Failure::new(format!(
                "Source ({}) is not a directory",
                args.src.display()
            )));
        }
        Some(_) => {}
    }
    let mut out = Vec::new();
    let entries =
        std::fs::read_dir(&args.src).explain(format_args!("list {}", args.src.display()))?;
    for entry in entries.flatten() {
        let path = entry.path();
        if path.is_file()
            && let Some(content) = look.read(&path)?
        {
            out.push((entry.file_name().to_string_lossy().into_owned(), content));
        }
    }
    Ok(out)
}

/// All fragments, each beginning on a line of its own.
fn assemble(fragments: &[Vec<u8>], delimiter: Option<&str>) -> Vec<u8> {
    let mut out: Vec<u8> = Vec::new();
    for (index, fragment) in fragments.iter().enumerate() {
        let before = index.checked_sub(1).and_then(|index| fragments.get(index));
        if before.is_some_and(|before| !before.ends_with(b"\n")) {
            out.push(b'\n');
        }
        if let (Some(delimiter), true) = (delimiter.filter(|text| !text.is_empty()), index > 0) {
            out.extend_from_slice(delimiter.as_bytes());
            if !delimiter.ends_with('\n') {
                out.push(b'\n');
            }
        }
        out.extend_from_slice(fragment);
    }
    out
}

/// `\n` and its kind as a playbook may write them.
fn unescape(text: &str) -> String {
    let mut out = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match (c, (c == '\\').then(|| chars.next()).flatten()) {
            ('\\', Some('n')) => out.push('\n'),
            ('\\', Some('t')) => out.push('\t'),
            ('\\', Some('r')) => out.push('\r'),
            ('\\', Some('\\')) => out.push('\\'),
            ('\\', Some(other)) => out.extend(['\\', other]),
            (c, _) => out.push(c),
        }
    }
    out
}
