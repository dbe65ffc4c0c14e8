//! Lookups: values from files, commands and other variables.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use minijinja::{Error, ErrorKind};

use super::args::Given;
use super::context::Context;
use super::marker::Missing;
use super::run::Vm;
use super::{Jinja, TemplateError, python};
use crate::source::Span;

mod ini_file;
mod loops;
mod outside;
mod settings;
mod stored;
mod values;

/// One call of a lookup.
pub(super) struct Call<'a> {
    pub(super) context: &'a Arc<Context>,
    pub(super) terms: Vec<Jinja>,
    /// Called by `with_*`, not by a function.
    pub(super) in_loop: bool,
    /// The module of the task that loops.
    pub(super) action: Option<String>,
    options: Vec<(String, Jinja)>,
}

type Lookup = fn(&Call<'_>) -> Result<Vec<Jinja>, Error>;

/// Name, names of the options, work.
type Row = (&'static str, &'static str, Lookup);

const FAMILIES: &[&[Row]] = &[loops::ROWS, outside::ROWS, stored::ROWS, values::ROWS];

fn find(name: &str) -> Option<&'static Row> {
    let short = name.rsplit('.').next().unwrap_or(name);
    FAMILIES
        .iter()
        .copied()
        .flatten()
        .find(|(known, ..)| *known == short)
}

pub(super) fn names() -> impl Iterator<Item = &'static str> {
    FAMILIES.iter().copied().flatten().map(|(name, ..)| *name)
}

pub(super) fn known(name: &str) -> bool {
    find(name).is_some()
}

/// The option by which a loop says which module it is for.
pub(super) const ACTION: &str = "\u{0}action";

/// Lookups whose terms or options may be undefined.
const LENIENT: &[&str] = &["first_found", "env"];

/// Runs a lookup.
pub(super) fn run(
    vm: &mut Vm<'_>,
    name: &str,
    terms: Vec<Jinja>,
    options: Vec<(String, Jinja)>,
) -> Result<Vec<Jinja>, Error> {
    let context = vm.context;
    let Some((short, allowed, work)) = find(name) else {
        return foreign(context, name, terms, options);
    };
    if !LENIENT.contains(short) {
        let options = options.iter().map(|(_, value)| value);
        if let Some(missing) = terms.iter().chain(options).find(|value| value.is_missing()) {
            return Err(python::undefined(missing));
        }
    }
    let failed = |error: Error| match TemplateError::inside(&error) {
        Some(_) => error,
        None if error.kind() == ErrorKind::UndefinedError => error,
        None => TemplateError::new(
            "lookup",
            format!(
                "The lookup plugin '{name}' failed: {}",
                error.detail().unwrap_or_default()
            ),
            &Span::nowhere(),
        )
        .into_engine(),
    };
    if let Some((wrong, _)) = options.iter().find(|(option, _)| {
        !allowed
            .split_whitespace()
            .any(|known| known == option || known == "**")
            && option != ACTION
    }) {
        let mut message = format!("there is no option '{wrong}'");
        if let Some(near) = crate::suggest::nearest(wrong, allowed.split_whitespace()) {
            message.push_str(&format!(", did you mean '{near}'?"));
        }
        vm.context.templar.warn(&format!(
            "The lookup plugin '{name}': {message}; it is ignored"
        ));
    }
    let mut options = options;
    let action = options
        .iter()
        .position(|(name, _)| name == ACTION)
        .map(|at| options.remove(at).1.to_string());
    work(&Call {
        context,
        terms,
        in_loop: action.is_some(),
        action,
        options,
    })
    .map_err(failed)
}

/// A lookup that content brings itself.
fn foreign(
    context: &Arc<Context>,
    name: &str,
    terms: Vec<Jinja>,
    options: Vec<(String, Jinja)>,
) -> Result<Vec<Jinja>, Error> {
    if let Some(plugins) = context.templar.plugins()
        && plugins.has("lookup", name)
    {
        let given = Given {
            positional: vec![python::list(terms)],
            named: options
                .into_iter()
                .map(|(name, value)| (name.into(), value))
                .collect(),
        };
        if let Some(marker) = given.marker() {
            return Err(python::undefined(&marker));
        }
        let found = super::plugins::call(&*plugins, "lookup", name, &given, context)?;
        return python::items(&found);
    }
    let names = FAMILIES.iter().copied().flatten().map(|(name, ..)| *name);
    let mut error = TemplateError::new(
        "unknown-lookup",
        format!("The lookup plugin '{name}' was not found."),
        &Span::nowhere(),
    );
    if let Some(near) = crate::suggest::nearest(name, names) {
        error.help = Some(format!("did you mean '{near}'?").into());
    }
    Err(error.into_engine())
}

impl Call<'_> {
    pub(super) fn option(&self, name: &str) -> Option<&Jinja> {
        self.options
            .iter()
            .find(|(option, _)| option == name)
            .map(|(_, value)| value)
            .filter(|value| !value.is_missing() && !value.is_none())
    }

    /// An option that may be None or undefined on purpose.
    pub(super) fn option_or_none(&self, name: &str) -> Option<&Jinja> {
        self.options
            .iter()
            .find(|(option, _)| option == name)
            .map(|(_, value)| value)
    }

    pub(super) fn text_option(&self, name: &str, default: &str) -> Result<String, Error> {
        self.option(name)
            .map_or_else(|| Ok(default.to_owned()), python::text)
    }

    pub(super) fn flag(&self, name: &str, default: bool) -> bool {
        self.option(name).map_or(default, |value| {
            super::filters::truth(value).unwrap_or_else(|| value.is_true())
        })
    }

    pub(super) fn all_options(&self) -> &[(String, Jinja)] {
        &self.options
    }

    /// Terms as text; lists among them are flattened.
    pub(super) fn texts(&self) -> Result<Vec<String>, Error> {
        let mut texts = Vec::new();
        for term in &self.terms {
            if python::is_list(term) {
                for item in python::items(term)? {
                    texts.push(python::text(&item)?);
                }
            } else {
                texts.push(python::text(term)?);
            }
        }
        Ok(texts)
    }

    pub(super) fn fail(&self, message: impl std::fmt::Display) -> Error {
        python::fail(message.to_string())
    }

    /// Finds a file: in a sub-folder of each search folder, then in the folder
    /// itself.
    pub(super) fn find(&self, sub: &str, name: &str) -> Option<PathBuf> {
        self.context
            .templar
            .find(&home(self.context, name), &folders(self.context, sub))
    }

    /// Like [`Self::find`], for a folder.
    pub(super) fn folder(&self, sub: &str, name: &str) -> Option<PathBuf> {
        folders(self.context, sub)
            .into_iter()
            .map(|folder| folder.join(name))
            .find(|path| self.context.templar.loader.is_dir(path))
    }

    /// Like [`Self::find`], for a file that must be there.
    pub(super) fn find_file(&self, sub: &str, name: &str) -> Result<PathBuf, Error> {
        self.find(sub, name).ok_or_else(|| {
            let searched: Vec<String> = folders(self.context, sub)
                .iter()
                .map(|folder| folder.join(name).display().to_string())
                .collect();
            self.fail(format!(
                "Unable to access the file '{name}': No such file or directory. Searched in: {}",
                searched.join(", ")
            ))
        })
    }

    /// The folder of the playbook.
    pub(super) fn base(&self) -> PathBuf {
        let own = self.context.scope.get("playbook_dir");
        match own.and_then(crate::value::Value::as_str) {
            Some(folder) => PathBuf::from(folder),
            None => self
                .context
                .scope
                .search()
                .last()
                .cloned()
                .unwrap_or_else(|| ".".into()),
        }
    }

    pub(super) fn bytes(&self, path: &Path) -> Result<Vec<u8>, Error> {
        self.context
            .templar
            .loader
            .read(path)
            .map_err(|error| self.fail(format!("cannot read {}: {error}", path.display())))
    }

    pub(super) fn read(&self, path: &Path) -> Result<String, Error> {
        Ok(String::from_utf8_lossy(&self.bytes(path)?).into_owned())
    }
}

fn folders(context: &Context, sub: &str) -> Vec<PathBuf> {
    context
        .scope
        .search()
        .iter()
        .flat_map(|folder| {
            let folder = std::path::absolute(folder).unwrap_or_else(|_| folder.clone());
            [folder.join(sub), folder]
        })
        .collect()
}

/// `~/x` in the user's home.
pub(super) fn home(context: &Context, path: &str) -> String {
    match path.strip_prefix("~/") {
        Some(rest) => match context.templar.loader.env("HOME") {
            Some(home) => format!("{home}/{rest}"),
            None => path.to_owned(),
        },
        None => path.to_owned(),
    }
}

/// Files whose name fits a shell pattern. Only the last part may hold one.
pub(super) fn glob(context: &Context, pattern: &str) -> Result<Vec<String>, Error> {
    let pattern = home(context, pattern);
    let path = Path::new(&pattern);
    let name = path
        .file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default();
    let folder = path.parent().unwrap_or(Path::new(""));
    let places = if folder.is_absolute() {
        vec![folder.to_owned()]
    } else {
        folders(context, "files")
            .into_iter()
            .map(|place| place.join(folder))
            .collect()
    };
    for place in places {
        if !context.templar.loader.is_dir(&place) {
            continue;
        }
        let found: Vec<String> = context
            .templar
            .loader
            .list(&place)
            .map_err(|error| python::fail(format!("cannot list {}: {error}", place.display())))?
            .into_iter()
            .filter(|path| {
                let own = path.file_name().unwrap_or_default().to_string_lossy();
                fits(&name, &own) && (name.starts_with('.') || !own.starts_with('.'))
            })
            .filter(|path| context.templar.loader.is_file(path))
            .map(|path| path.to_string_lossy().into_owned())
            .collect();
        if !found.is_empty() {
            return Ok(found);
        }
    }
    Ok(Vec::new())
}

/// Whether a name fits a shell pattern of `*`, `?` and `[...]`.
pub(super) fn fits(pattern: &str, name: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let name: Vec<char> = name.chars().collect();
    // Place after the last star, and how far it had eaten.
    let (mut p, mut n, mut star) = (0, 0, None);
    while n < name.len() {
        let step = match pattern.get(p) {
            Some('*') => {
                star = Some((p + 1, n));
                p += 1;
                continue;
            }
            Some('?') => Some(1),
            Some('[') => set(&pattern[p..], name[n]),
            Some(c) if *c == name[n] => Some(1),
            _ => None,
        };
        match (step, star) {
            (Some(width), _) => {
                p += width;
                n += 1;
            }
            (None, Some((after, eaten))) => {
                star = Some((after, eaten + 1));
                p = after;
                n = eaten + 1;
            }
            (None, None) => return false,
        }
    }
    pattern[p.min(pattern.len())..].iter().all(|c| *c == '*')
}

/// The width of a set such as `[a-z]` that holds a character.
fn set(pattern: &[char], wanted: char) -> Option<usize> {
    let negated = matches!(pattern.get(1), Some('!' | '^'));
    let start = if negated { 2 } else { 1 };
    let end = (start + 1..pattern.len()).find(|at| pattern[*at] == ']');
    let Some(end) = end else {
        return (wanted == '[').then_some(1);
    };
    let mut hit = false;
    let mut at = start;
    while at < end {
        if at + 2 < end && pattern[at + 1] == '-' {
            hit |= (pattern[at]..=pattern[at + 2]).contains(&wanted);
            at += 3;
        } else {
            hit |= pattern[at] == wanted;
            at += 1;
        }
    }
    (hit != negated).then_some(end + 1)
}
