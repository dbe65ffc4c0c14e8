//! Paths. Only text is looked at, never the machine, unless said otherwise.

use minijinja::Error;

use super::Row;
use crate::template::args::Args;
use crate::template::run::Vm;
use crate::template::{Jinja, context, python};

pub(super) const ROWS: &[Row] = &[
    ("basename", "value", |_, args| {
        each(args, |path| after(path, '/').1.to_owned())
    }),
    ("dirname", "value", |_, args| each(args, dirname)),
    ("splitext", "value", splitext),
    ("expanduser", "value", |_, args| each(args, expanduser)),
    ("expandvars", "value", |_, args| each(args, expandvars)),
    ("realpath", "value", |_, args| each(args, realpath)),
    ("normpath", "value", |_, args| each(args, normpath)),
    ("relpath", "value start", relpath),
    ("path_join", "value *", path_join),
    ("commonpath", "value", commonpath),
    ("win_basename", "value", |_, args| {
        each(args, |path| win_split(path).1.to_owned())
    }),
    ("win_dirname", "value", |_, args| {
        each(args, |path| win_split(path).0.to_owned())
    }),
    ("win_splitdrive", "value", win_splitdrive),
    ("fileglob", "value", |_, args| {
        let context = context::current().ok_or_else(|| args.fail("no files here"))?;
        let found = crate::template::lookups::glob(&context, &args.text(0)?)?;
        Ok(python::list(found.into_iter().map(Jinja::from).collect()))
    }),
];

/// Applies to one path, or to each of a list.
fn each(args: &Args<'_>, act: impl Fn(&str) -> String) -> Result<Jinja, Error> {
    Ok(Jinja::from(act(&args.text(0)?)))
}

/// What is before and after the last separator.
fn after(path: &str, separator: char) -> (&str, &str) {
    path.rsplit_once(separator).unwrap_or(("", path))
}

pub(in crate::template) fn dirname(path: &str) -> String {
    let Some(at) = path.rfind('/') else {
        return String::new();
    };
    let head = &path[..=at];
    let trimmed = head.trim_end_matches('/');
    if trimmed.is_empty() { head } else { trimmed }.to_owned()
}

fn splitext(_: &mut Vm<'_>, args: &Args<'_>) -> Result<Jinja, Error> {
    let path = args.text(0)?;
    let name_at = path.rfind('/').map_or(0, |at| at + 1);
    let name = &path[name_at..];
    let leading = name.len() - name.trim_start_matches('.').len();
    let split = name
        .rfind('.')
        .filter(|at| *at >= leading && *at > 0)
        .map_or(path.len(), |at| name_at + at);
    let (root, extension) = path.split_at(split);
    Ok(python::tuple(vec![
        Jinja::from(root),
        Jinja::from(extension),
    ]))
}

fn variable(name: &str) -> Option<String> {
    context::current()?.templar.loader.env(name)
}

fn expanduser(path: &str) -> String {
    match path.strip_prefix('~') {
        Some(rest) if rest.is_empty() || rest.starts_with('/') => {
            variable("HOME").unwrap_or_else(|| "~".into()) + rest
        }
        _ => path.to_owned(),
    }
}

fn expandvars(path: &str) -> String {
    let mut result = String::with_capacity(path.len());
    let mut rest = path;
    while let Some(at) = rest.find('$') {
        result.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let (name, length) = match rest.strip_prefix('{') {
            Some(braced) => match braced.find('}') {
                Some(end) => (&braced[..end], end + 2),
                None => ("", 0),
            },
            None => {
                let end = rest
                    .find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
                    .unwrap_or(rest.len());
                (&rest[..end], end)
            }
        };
        match variable(name).filter(|_| !name.is_empty()) {
            Some(value) => result.push_str(&value),
            None => {
                result.push('$');
                result.push_str(&rest[..length]);
            }
        }
        rest = &rest[length..];
    }
    result.push_str(rest);
    result
}

fn absolute(path: &str) -> String {
    if path.starts_with('/') {
        return normpath(path);
    }
    let here = std::env::current_dir().map(|path| path.to_string_lossy().into_owned());
    normpath(&format!("{}/{path}", here.unwrap_or_default()))
}

fn realpath(path: &str) -> String {
    std::fs::canonicalize(path).map_or_else(
        |_| absolute(path),
        |path| path.to_string_lossy().into_owned(),
    )
}

pub(in crate::template) fn normpath(path: &str) -> String {
    if path.is_empty() {
        return ".".into();
    }
    let root = if path.starts_with("//") && !path.starts_with("///") {
        "//"
    } else if path.starts_with('/') {
        "/"
    } else {
        ""
    };
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                if parts.last().is_some_and(|last| *last != "..") {
                    parts.pop();
                } else if root.is_empty() {
                    parts.push("..");
                }
            }
            part => parts.push(part),
        }
    }
    let joined = root.to_owned() + &parts.join("/");
    if joined.is_empty() {
        ".".into()
    } else {
        joined
    }
}

fn relpath(_: &mut Vm<'_>, args: &Args<'_>) -> Result<Jinja, Error> {
    let path = absolute(&args.text(0)?);
    let start = absolute(&args.text_or(1, ".")?);
    let split = |path: &str| -> Vec<String> {
        path.split('/')
            .filter(|part| !part.is_empty())
            .map(str::to_owned)
            .collect()
    };
    let (path, start) = (split(&path), split(&start));
    let common = path.iter().zip(&start).take_while(|(a, b)| a == b).count();
    let mut parts = vec!["..".to_owned(); start.len() - common];
    parts.extend_from_slice(&path[common..]);
    Ok(Jinja::from(if parts.is_empty() {
        ".".to_owned()
    } else {
        parts.join("/")
    }))
}

fn path_join(_: &mut Vm<'_>, args: &Args<'_>) -> Result<Jinja, Error> {
    let value = args.need(0)?;
    let mut parts = if value.as_str().is_some() {
        vec![args.text(0)?]
    } else if !python::is_list(value) {
        return Err(args.fail(format!(
            "|path_join expects string or sequence, got {}",
            python::type_name(value)
        )));
    } else {
        python::items(value)?
            .iter()
            .map(python::text)
            .collect::<Result<_, _>>()?
    };
    for more in args.rest() {
        parts.push(python::text(more)?);
    }
    let mut joined = String::new();
    for part in parts {
        if part.starts_with('/') {
            joined = part;
        } else {
            if !joined.is_empty() && !joined.ends_with('/') {
                joined.push('/');
            }
            joined.push_str(&part);
        }
    }
    Ok(Jinja::from(joined))
}

fn commonpath(_: &mut Vm<'_>, args: &Args<'_>) -> Result<Jinja, Error> {
    if !python::is_list(args.need(0)?) {
        return Err(args.fail(format!(
            "|commonpath expects sequence, got {}",
            python::type_name(args.need(0)?)
        )));
    }
    let paths = args
        .items(0)?
        .iter()
        .map(python::text)
        .collect::<Result<Vec<_>, _>>()?;
    let rooted = paths.iter().filter(|path| path.starts_with('/')).count();
    if rooted != 0 && rooted != paths.len() {
        return Err(args.fail("can't mix absolute and relative paths"));
    }
    let split: Vec<Vec<&str>> = paths
        .iter()
        .map(|path| {
            path.split('/')
                .filter(|part| !part.is_empty() && *part != ".")
                .collect()
        })
        .collect();
    let Some((first, others)) = split.split_first() else {
        return Ok(Jinja::from(""));
    };
    let common = (0..first.len())
        .take_while(|index| {
            others
                .iter()
                .all(|other| other.get(*index) == first.get(*index))
        })
        .count();
    let root = if rooted > 0 { "/" } else { "" };
    Ok(Jinja::from(root.to_owned() + &first[..common].join("/")))
}

/// Drive and the rest of a Windows path.
fn win_drive(path: &str) -> (&str, &str) {
    let bytes = path.as_bytes();
    if bytes.len() >= 2 && bytes[1] == b':' && bytes[0].is_ascii() {
        return path.split_at(2);
    }
    if path.starts_with("\\\\") || path.starts_with("//") {
        let mut ends = path
            .char_indices()
            .skip(2)
            .filter(|(_, c)| matches!(c, '\\' | '/'));
        ends.next();
        return path.split_at(ends.next().map_or(path.len(), |(at, _)| at));
    }
    ("", path)
}

fn win_split(path: &str) -> (&str, &str) {
    let (drive, rest) = win_drive(path);
    let at = drive.len() + rest.rfind(['\\', '/']).map_or(0, |at| at + 1);
    let (head, tail) = path.split_at(at);
    let trimmed = head[drive.len()..].trim_end_matches(['\\', '/']);
    let end = if trimmed.is_empty() {
        head.len()
    } else {
        drive.len() + trimmed.len()
    };
    (&head[..end], tail)
}

fn win_splitdrive(_: &mut Vm<'_>, args: &Args<'_>) -> Result<Jinja, Error> {
    let path = args.text(0)?;
    let (drive, rest) = win_drive(&path);
    Ok(python::tuple(vec![Jinja::from(drive), Jinja::from(rest)]))
}
