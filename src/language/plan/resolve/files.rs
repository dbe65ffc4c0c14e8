//! Files that content names: where they are looked for, and what is in them.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError};

use super::{Found, Resolver};
use crate::diagnostic::{Diagnostic, Severity};
use crate::plan::Context;
use crate::playbook::ast::{Action, Item, Word};
use crate::playbook::parse_task_list;
use crate::source::{Source, Span};
use crate::yaml::{self, parse_one};

impl Resolver {
    /// Looks a file of tasks up, from the including file outwards.
    ///
    /// # Errors
    /// It is nowhere; the message says where it was looked for.
    pub fn find_tasks(&self, name: &str, context: &Context, span: &Span) -> Found<PathBuf> {
        let mut folders = vec![context.folder().to_owned()];
        folders.extend(context.search("tasks"));
        self.find(name, &folders, span)
    }

    /// Looks a file up in folders, in order.
    ///
    /// # Errors
    /// It is nowhere; the message says where it was looked for.
    pub fn find(&self, name: &str, folders: &[PathBuf], span: &Span) -> Found<PathBuf> {
        let candidates: Vec<PathBuf> = folders.iter().map(|folder| folder.join(name)).collect();
        let found = candidates
            .iter()
            .find(|path| self.loader.is_file(path) || self.loader.is_dir(path));
        if let Some(found) = found {
            return Ok(found.clone());
        }
        let near: Vec<String> = folders
            .iter()
            .filter_map(|folder| self.loader.list(folder).ok())
            .flatten()
            .filter_map(|path| Some(path.file_name()?.to_str()?.to_owned()))
            .collect();
        let mut places: Vec<String> = folders
            .iter()
            .map(|folder| folder.display().to_string())
            .collect();
        places.dedup();
        Err(vec![
            Diagnostic::error("missing-file", format!("there is no file '{name}'"))
                .at(span)
                .suggest(name, near.iter().map(String::as_str))
                .help(format!("looked in {}", places.join(", "))),
        ])
    }

    pub(super) fn task_file(&self, path: &Path) -> Found<Arc<Vec<Item>>> {
        let lock = || self.files.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = lock().get(path) {
            return Ok(Arc::clone(known));
        }
        let node = self.read_yaml(path)?;
        let (items, problems) = parse_task_list(&node, &self.catalogue);
        let problems = self.keep_warnings(problems);
        if !problems.is_empty() {
            return Err(problems);
        }
        let items = Arc::new(items);
        lock().insert(path.to_owned(), Arc::clone(&items));
        Ok(items)
    }

    /// Where a file of variables names a variable.
    #[must_use]
    pub fn place_of(&self, path: &Path, name: &str) -> Option<Span> {
        let node = self.read_yaml(path).ok()?;
        Some(node.get(name)?.key_span.clone())
    }

    pub(super) fn keep_warnings(&self, found: Vec<Diagnostic>) -> Vec<Diagnostic> {
        let (errors, warnings) = found
            .into_iter()
            .partition(|problem| problem.severity == Severity::Error);
        self.warn(warnings);
        errors
    }

    pub(in crate::plan) fn read_yaml(&self, path: &Path) -> Found<Arc<yaml::Node>> {
        let source = self.read_source(path)?;
        match parse_one(&source) {
            Ok((node, warnings)) => {
                self.warn(warnings);
                Ok(node)
            }
            Err(error) => Err(vec![*error]),
        }
    }

    /// Reads a text file.
    ///
    /// # Errors
    /// It cannot be read or is not UTF-8.
    pub fn read_source(&self, path: &Path) -> Found<Arc<Source>> {
        let problem = |reason: String| {
            vec![Diagnostic::error(
                "unreadable-file",
                format!("{} {reason}", path.display()),
            )]
        };
        let bytes = self
            .loader
            .read(path)
            .map_err(|error| problem(format!("cannot be read: {error}")))?;
        let text = String::from_utf8(bytes).map_err(|_| problem("is not UTF-8 text".to_owned()))?;
        Ok(Source::of_file(path, text, &*self.loader))
    }
}

/// The file that an import or include names.
pub(in crate::plan) fn file_word(action: &Action, names: &[&str]) -> Found<Word> {
    if let Some(raw) = &action.raw {
        return Ok(raw.clone());
    }
    names
        .iter()
        .find_map(|name| action.arg(name))
        .map(|arg| Word {
            value: arg.value.clone(),
            span: arg.value_span.clone(),
        })
        .ok_or_else(|| {
            vec![
                Diagnostic::error("missing-argument", format!("{} names no file", action.name))
                    .at(&action.name_span)
                    .help(format!("write '{}: FILE.yml'", action.name)),
            ]
        })
}

pub(super) fn circle(span: &Span) -> Diagnostic {
    Diagnostic::error(
        "circle",
        "imports or roles are nested too deep: they probably name each other",
    )
    .at(span)
}

pub(super) fn folder_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    }
}
