//! Inventories: hosts, groups, their variables, and patterns over them.

mod files;
mod graph;
mod host_list;
mod ini;
mod pattern;
mod yaml;

use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use files::{VarsFolders, read_vars};
pub use graph::{Group, Host, Inventory};
pub use pattern::{PatternError, select};

use crate::diagnostic::Diagnostic;
use crate::loader::Loader;
use crate::source::Source;

/// Names that a folder given as inventory does not read.
const IGNORED: [&str; 11] = [
    "~",
    ".orig",
    ".bak",
    ".cfg",
    ".retry",
    ".pyc",
    ".pyo",
    ".rst",
    ".md",
    ".swp",
    ".ini.lock",
];

/// Reads every source of an inventory, in order: files, folders, or host
/// lists such as `h1,h2`.
///
/// # Errors
/// All mistakes of all sources.
pub fn load(
    sources: &[String],
    loader: &dyn Loader,
) -> Result<(Inventory, Vec<Diagnostic>), Vec<Diagnostic>> {
    let mut inventory = Inventory::default();
    let mut problems = Vec::new();
    let mut warnings = Vec::new();
    for source in sources {
        if source.contains(',') {
            host_list::read(source, &mut inventory, &mut problems);
            continue;
        }
        let path = PathBuf::from(source);
        if loader.is_dir(&path) {
            inventory.add_folder(&path);
            read_folder(&path, &mut inventory, loader, &mut problems, &mut warnings);
        } else {
            if let Some(folder) = path.parent() {
                inventory.add_folder(folder);
            }
            read_file(&path, &mut inventory, loader, &mut problems, &mut warnings);
        }
    }
    if problems.is_empty() {
        inventory.finish();
        Ok((inventory, warnings))
    } else {
        Err(problems)
    }
}

fn read_folder(
    folder: &Path,
    inventory: &mut Inventory,
    loader: &dyn Loader,
    problems: &mut Vec<Diagnostic>,
    warnings: &mut Vec<Diagnostic>,
) {
    let entries = match loader.list(folder) {
        Ok(entries) => entries,
        Err(error) => {
            problems.push(unreadable(folder, &error));
            return;
        }
    };
    for entry in entries {
        let name = entry
            .file_name()
            .map(|name| name.to_string_lossy().into_owned());
        let name = name.unwrap_or_default();
        if matches!(&*name, "group_vars" | "host_vars" | "vars_plugins")
            || name.starts_with('.')
            || IGNORED.iter().any(|suffix| name.ends_with(suffix))
        {
            continue;
        }
        if loader.is_dir(&entry) {
            read_folder(&entry, inventory, loader, problems, warnings);
        } else {
            read_file(&entry, inventory, loader, problems, warnings);
        }
    }
}

fn read_file(
    path: &Path,
    inventory: &mut Inventory,
    loader: &dyn Loader,
    problems: &mut Vec<Diagnostic>,
    warnings: &mut Vec<Diagnostic>,
) {
    let bytes = match loader.read(path) {
        Ok(bytes) => bytes,
        Err(error) => {
            problems.push(unreadable(path, &error));
            return;
        }
    };
    let Ok(text) = String::from_utf8(bytes) else {
        problems.push(Diagnostic::error(
            "inventory",
            format!("{} is not UTF-8 text", path.display()),
        ));
        return;
    };
    if text.starts_with("#!") {
        problems.push(
            Diagnostic::error("inventory", format!("{} is a script", path.display()))
                .help("run it and keep its answer: SCRIPT --list > inventory.json"),
        );
        return;
    }
    let yaml = matches!(
        path.extension().and_then(|extension| extension.to_str()),
        Some("yml" | "yaml" | "json")
    ) || text.starts_with("---");
    let source = Source::new(path, text);
    if yaml {
        yaml::read(&source, inventory, problems, warnings);
    } else {
        ini::read(&source, inventory, problems);
    }
}

fn unreadable(path: &Path, error: &std::io::Error) -> Diagnostic {
    Diagnostic::error(
        "inventory",
        format!("the inventory {} cannot be read: {error}", path.display()),
    )
    .help("give an existing file or folder with -i, or hosts as 'h1,h2,'")
}

/// The source of a value that was given on the command line.
fn given(text: &str) -> Arc<Source> {
    Source::new("-i", text)
}

#[cfg(test)]
mod tests;
