//! Lookups that read files and run commands of the controller.

use std::path::Path;

use minijinja::Error;

use super::{Call, Row, glob};
use crate::source::Source;
use crate::template::marker::Missing;
use crate::template::options::FileOptions;
use crate::template::{Jinja, python};
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
];

fn file(call: &Call<'_>) -> Result<Vec<Jinja>, Error> {
    call.texts()?
        .into_iter()
        .map(|name| {
            let path = call
                .find("files", &name)
                .ok_or_else(|| call.fail(format!("no file '{name}' was found")))?;
            let mut text = call.read(&path)?;
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
        .map(|name| {
            let path = call
                .find("files", &name)
                .ok_or_else(|| call.fail(format!("no file '{name}' was found")))?;
            call.read(&path).map(Jinja::from)
        })
        .collect()
}

fn template(call: &Call<'_>) -> Result<Vec<Jinja>, Error> {
    let mut options = FileOptions {
        keep_trailing_newline: true,
        ..FileOptions::default()
    };
    options.trim_blocks = call.flag("trim_blocks", true);
    options.lstrip_blocks = call.flag("lstrip_blocks", false);
    options.variable_start_string = call.text_option("variable_start_string", "{{")?;
    options.variable_end_string = call.text_option("variable_end_string", "}}")?;
    let mut context = std::sync::Arc::clone(call.context);
    if let Some(vars) = call.option("template_vars") {
        let vars = crate::template::convert::settle(vars)?;
        if let crate::value::Value::Map(vars) = vars {
            context = context.beside(context.scope.with(Level::ExtraVars, vars));
        }
    }
    if crate::template::context::depth() > 60 {
        return Err(call.fail("templates include each other without end"));
    }
    call.texts()?
        .into_iter()
        .map(|name| {
            let path = call
                .find("templates", &name)
                .ok_or_else(|| call.fail(format!("no template '{name}' was found")))?;
            let source = Source::new(&path, call.read(&path)?);
            let text =
                crate::template::templar::render(&context.templar, &source, &options, &context)
                    .map_err(crate::template::TemplateError::into_engine)?;
            Ok(Jinja::from(text))
        })
        .collect()
}

fn run(call: &Call<'_>, line: &str) -> Result<String, Error> {
    let folder = call
        .context
        .scope
        .search()
        .last()
        .cloned()
        .unwrap_or_else(|| ".".into());
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

/// Terms are names, or mappings with `files` and `paths`.
fn first_found(call: &Call<'_>) -> Result<Vec<Jinja>, Error> {
    let mut skip = call.flag("skip", false);
    let mut names: Vec<String> = Vec::new();
    let words = |value: &Jinja| -> Result<Vec<String>, Error> {
        if python::is_list(value) {
            python::items(value)?.iter().map(python::text).collect()
        } else {
            Ok(python::text(value)?
                .split([',', ';'])
                .map(|word| word.trim().to_owned())
                .filter(|word| !word.is_empty())
                .collect())
        }
    };
    let mut add = |files: &[String], paths: &[String]| {
        if paths.is_empty() {
            names.extend_from_slice(files);
        } else if files.is_empty() {
            names.extend_from_slice(paths);
        }
        for path in paths {
            for file in files {
                names.push(Path::new(path).join(file).to_string_lossy().into_owned());
            }
        }
    };
    let optional = |value: Option<&Jinja>| value.map_or_else(|| Ok(Vec::new()), words);
    let paths = optional(call.option("paths"))?;
    let files = optional(call.option("files"))?;
    if !files.is_empty() {
        add(&files, &paths);
    }
    let mut terms = Vec::new();
    for term in &call.terms {
        if python::is_list(term) {
            terms.extend(python::items(term)?);
        } else {
            terms.push(term.clone());
        }
    }
    for term in &terms {
        if python::is_map(term) {
            let member = |name: &str| -> Result<Vec<String>, Error> {
                let value = python::valid(term.get_item(&Jinja::from(name))?)?;
                optional(Some(&value).filter(|value| !value.is_missing() && !value.is_none()))
            };
            add(&member("files")?, &member("paths")?);
            skip |= term.get_item(&Jinja::from("skip"))?.is_true();
        } else {
            add(&[python::text(term)?], &paths);
        }
    }
    for name in &names {
        for sub in ["files", "templates", "vars", "tasks"] {
            if let Some(path) = call.find(sub, name) {
                return Ok(vec![Jinja::from(path.to_string_lossy().into_owned())]);
            }
        }
    }
    if skip {
        return Ok(Vec::new());
    }
    Err(call.fail(format!(
        "none of these files was found: {}",
        names.join(", ")
    )))
}
