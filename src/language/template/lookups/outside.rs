//! Lookups that read files and run commands of the controller.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use minijinja::Error;

use super::{Call, Row, glob};
use crate::source::Source;
use crate::template::marker::Missing;
use crate::template::options::FileOptions;
use crate::template::{Jinja, convert, python};
use crate::value::{Map, Value};
use crate::vars::Level;

pub(super) const ROWS: &[Row] = &[
    ("file", "lstrip rstrip", file),
    ("unvault", "", unvault),
    (
        "template",
        "template_vars trim_blocks lstrip_blocks variable_start_string variable_end_string comment_start_string comment_end_string convert_data jinja2_native",
        template,
    ),
    ("pipe", "", pipe),
    ("lines", "", lines),
    ("first_found", "files paths skip", first_found),
    ("fileglob", "", fileglob),
    ("filetree", "exclude", filetree),
];

fn file(call: &Call<'_>) -> Result<Vec<Jinja>, Error> {
    call.texts()?
        .into_iter()
        .map(|name| {
            let mut text = call.read(&call.find_file("files", &name)?)?;
            if call.flag("rstrip", true) {
                text.truncate(text.trim_end().len());
            }
            if call.flag("lstrip", false) {
                text = text.trim_start().to_owned();
            }
            Ok(Jinja::from(text))
        })
        .collect()
}

/// A file as it is, decrypted where it is encrypted.
fn unvault(call: &Call<'_>) -> Result<Vec<Jinja>, Error> {
    call.texts()?
        .into_iter()
        .map(|name| call.read(&call.find_file("files", &name)?).map(Jinja::from))
        .collect()
}

fn template(call: &Call<'_>) -> Result<Vec<Jinja>, Error> {
    let mut options = FileOptions {
        trim_blocks: call.flag("trim_blocks", true),
        lstrip_blocks: call.flag("lstrip_blocks", false),
        ..FileOptions::default()
    };
    for (name, place) in [
        ("variable_start_string", &mut options.variable_start_string),
        ("variable_end_string", &mut options.variable_end_string),
        ("comment_start_string", &mut options.comment_start_string),
        ("comment_end_string", &mut options.comment_end_string),
    ] {
        if let Some(mark) = call.option(name) {
            *place = python::text(mark)?;
        }
    }
    let extra = match call.option("template_vars") {
        Some(vars) => match convert::settle(vars)? {
            Value::Map(vars) => Some(vars),
            _ => return Err(call.fail("template_vars must be a mapping")),
        },
        None => None,
    };
    if crate::template::context::depth() > 60 {
        return Err(call.fail("templates include each other without end"));
    }
    call.texts()?
        .into_iter()
        .map(|name| {
            let path = call.find_file("templates", &name)?;
            let mut own = Map::new();
            own.insert("template_path", name.as_str());
            own.insert("template_fullpath", &*path.to_string_lossy());
            if call.context.scope.get("ansible_managed").is_none() {
                own.insert("ansible_managed", "Ansible managed");
            }
            let mut scope = call.context.scope.with(Level::ExtraVars, Arc::new(own));
            if let Some(vars) = &extra {
                scope = scope.with(Level::ExtraVars, Arc::clone(vars));
            }
            let context = call.context.beside(scope);
            let source = Source::new(&path, call.read(&path)?);
            let value = crate::template::templar::render_value(
                &context.templar,
                &source,
                &options,
                &context,
            )
            .map_err(crate::template::TemplateError::into_engine)?;
            Ok(value)
        })
        .collect()
}

fn run(call: &Call<'_>, line: &str) -> Result<String, Error> {
    let folder = call.base();
    let (code, stdout, stderr) = call
        .context
        .templar
        .loader
        .shell(line, &folder)
        .map_err(|error| call.fail(format!("cannot run '{line}': {error}")))?;
    if code != 0 {
        return Err(call.fail(format!(
            "'{line}' returned {code}: {}",
            String::from_utf8_lossy(&stderr).trim()
        )));
    }
    Ok(String::from_utf8_lossy(&stdout).into_owned())
}

fn pipe(call: &Call<'_>) -> Result<Vec<Jinja>, Error> {
    call.texts()?
        .iter()
        .map(|line| Ok(Jinja::from(run(call, line)?.trim_end())))
        .collect()
}

fn lines(call: &Call<'_>) -> Result<Vec<Jinja>, Error> {
    let mut all = Vec::new();
    for line in call.texts()? {
        all.extend(run(call, &line)?.lines().map(Jinja::from));
    }
    Ok(all)
}

fn fileglob(call: &Call<'_>) -> Result<Vec<Jinja>, Error> {
    let mut all = Vec::new();
    for pattern in call.texts()? {
        all.extend(glob(call.context, &pattern)?.into_iter().map(Jinja::from));
    }
    Ok(all)
}

/// How `first_found` looks for one group of names.
#[derive(Clone, Default)]
struct Search {
    files: Option<Jinja>,
    paths: Option<Jinja>,
    skip: bool,
}

/// Words of a text or list, split at some characters.
fn words(value: &Jinja, marks: &[char]) -> Result<Vec<String>, Error> {
    let texts = if python::is_list(value) {
        let mut texts = Vec::new();
        for item in python::items(value)? {
            texts.extend(words(&item, marks)?);
        }
        return Ok(texts);
    } else {
        python::text(value)?
    };
    Ok(texts
        .split(marks)
        .map(|word| word.trim().to_owned())
        .filter(|word| !word.is_empty())
        .collect())
}

/// Terms are names, lists of them, or mappings with options. In a loop what is
/// undefined is left out.
fn first_found(call: &Call<'_>) -> Result<Vec<Jinja>, Error> {
    if let Some((_, missing)) = call
        .all_options()
        .iter()
        .find(|(_, value)| value.is_missing())
    {
        return Err(python::undefined(missing));
    }
    let mut search = Search {
        files: call.option("files").cloned(),
        paths: call.option("paths").cloned(),
        skip: call.flag("skip", false),
    };
    let mut names = Vec::new();
    let terms = match (&call.terms[..], &search.files) {
        ([], Some(files)) => vec![files.clone()],
        (terms, _) => terms.to_vec(),
    };
    gather(call, &terms, &mut search, &mut names)?;
    let subs = match call.action.as_deref() {
        Some(action) if action.contains("template") => &["templates"][..],
        Some(action) if action.contains("var") => &["vars"],
        _ => &["files"],
    };
    for name in &names {
        for sub in subs {
            if let Some(path) = call.find(sub, name) {
                let path = crate::template::filters::normpath(&path.to_string_lossy());
                return Ok(vec![Jinja::from(path)]);
            }
        }
    }
    if search.skip {
        return Ok(Vec::new());
    }
    Err(call.fail(format!(
        "No file was found when using first_found. Looked for: {}",
        names.join(", ")
    )))
}

fn gather(
    call: &Call<'_>,
    terms: &[Jinja],
    search: &mut Search,
    names: &mut Vec<String>,
) -> Result<(), Error> {
    for term in terms {
        if term.is_missing() {
            if call.in_loop && term.is_absent() {
                continue;
            }
            return Err(python::undefined(term));
        }
        let files = if python::is_map(term) {
            let mut own = Search {
                paths: search.paths.clone(),
                files: None,
                skip: search.skip,
            };
            for (name, value) in crate::template::objects::entries_of(term)? {
                if value.is_missing() {
                    if call.in_loop && value.is_absent() {
                        continue;
                    }
                    return Err(python::undefined(&value));
                }
                match name.as_str() {
                    Some("files") => own.files = Some(value),
                    Some("paths") => own.paths = Some(value),
                    Some("skip") => {
                        own.skip = crate::template::filters::truth(&value).unwrap_or(false);
                    }
                    _ => {
                        return Err(
                            call.fail(format!("there is no option '{}'", python::text(&name)?))
                        );
                    }
                }
            }
            *search = own;
            search.files.clone()
        } else if term.as_str().is_some() {
            Some(term.clone())
        } else if python::is_list(term) {
            gather(call, &python::raw_items(term)?, search, names)?;
            continue;
        } else {
            return Err(call.fail(format!(
                "Invalid term supplied. A string, dict or list is required, not '{}'.",
                python::type_name(term)
            )));
        };
        let files = match files {
            Some(files) => {
                present(&files, call)?.map_or(Ok(Vec::new()), |files| words(&files, &[',', ';']))?
            }
            None => Vec::new(),
        };
        let paths = match &search.paths {
            Some(paths) => present(paths, call)?
                .map_or(Ok(Vec::new()), |paths| words(&paths, &[',', ':', ';']))?,
            None => Vec::new(),
        };
        if paths.is_empty() {
            names.extend(files);
        } else {
            for path in &paths {
                for file in &files {
                    names.push(Path::new(path).join(file).to_string_lossy().into_owned());
                }
            }
        }
    }
    Ok(())
}

/// A list without what is undefined, in a loop.
fn present(value: &Jinja, call: &Call<'_>) -> Result<Option<Jinja>, Error> {
    if !python::is_list(value) || !call.in_loop {
        return Ok(Some(value.clone()));
    }
    let items = python::raw_items(value)?
        .into_iter()
        .filter(|item| !item.is_absent())
        .collect();
    Ok(Some(python::list(items)))
}

/// Every file and folder below some folders, as community.general has it.
fn filetree(call: &Call<'_>) -> Result<Vec<Jinja>, Error> {
    let excluded = call
        .option("exclude")
        .map(|pattern| {
            crate::template::filters::compile(
                &python::text(pattern)?,
                crate::template::filters::Flags::default(),
            )
        })
        .transpose()?;
    let mut all = Vec::new();
    for term in call.texts()? {
        let name = term.trim_end_matches('/');
        let top = if Path::new(name).is_absolute() {
            PathBuf::from(name)
        } else {
            call.folder("files", name)
                .unwrap_or_else(|| call.base().join(name))
        };
        let mut pending = vec![top.clone()];
        let mut seen = Vec::new();
        while let Some(folder) = pending.pop() {
            let Ok(entries) = call.context.templar.loader.list(&folder) else {
                continue;
            };
            for path in entries {
                if excluded.as_ref().is_some_and(|pattern| {
                    pattern
                        .is_match(&*path.file_name().unwrap_or_default().to_string_lossy())
                        .unwrap_or(false)
                }) {
                    continue;
                }
                if path.is_dir() && !path.is_symlink() {
                    pending.push(path.clone());
                }
                seen.push(path);
            }
        }
        seen.sort();
        for path in seen {
            all.push(tree_entry(&top, &path)?);
        }
    }
    Ok(all)
}

fn tree_entry(top: &Path, path: &Path) -> Result<Jinja, Error> {
    use std::os::unix::fs::MetadataExt;
    let about = path
        .symlink_metadata()
        .map_err(|error| python::fail(format!("{}: {error}", path.display())))?;
    let shown = |path: &Path| Jinja::from(path.to_string_lossy().into_owned());
    let (state, src) = if about.is_symlink() {
        let target = path
            .read_link()
            .map_err(|error| python::fail(format!("{}: {error}", path.display())))?;
        ("link", shown(&target))
    } else if about.is_dir() {
        ("directory", shown(path))
    } else {
        ("file", shown(path))
    };
    Ok(python::record([
        ("root", Jinja::from(format!("{}/", top.display()))),
        ("path", shown(path.strip_prefix(top).unwrap_or(path))),
        ("state", Jinja::from(state)),
        ("src", src),
        ("mode", Jinja::from(format!("0{:o}", about.mode() & 0o7777))),
        ("uid", Jinja::from(about.uid())),
        ("gid", Jinja::from(about.gid())),
        ("size", Jinja::from(about.size())),
        ("mtime", Jinja::from(about.mtime() as f64)),
        ("ctime", Jinja::from(about.ctime() as f64)),
    ]))
}
