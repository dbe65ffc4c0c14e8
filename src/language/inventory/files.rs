//! `group_vars` and `host_vars`: files and folders beside inventories and
//! playbooks.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use crate::diagnostic::Diagnostic;
use crate::loader::Loader;
use crate::plain_json;
use crate::source::Source;
use crate::value::{Map, Value};
use crate::yaml::parse_one;

/// Ends of names of files of variables, in the order in which they are tried.
const ENDS: [&str; 4] = ["", ".yml", ".yaml", ".json"];

/// Names in a folder; nothing where it is not there.
type Names = Option<Arc<HashSet<String>>>;

/// Reads variable files on demand, each once.
pub struct VarsFolders {
    loader: Arc<dyn Loader>,
    cache: Mutex<HashMap<PathBuf, Arc<Map>>>,
    listed: Mutex<HashMap<PathBuf, Names>>,
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl VarsFolders {
    #[must_use]
    pub fn new(loader: Arc<dyn Loader>) -> Self {
        Self {
            loader,
            cache: Mutex::default(),
            listed: Mutex::default(),
        }
    }

    /// Forgets what was read, so that changed files are seen.
    pub fn forget(&self) {
        lock(&self.cache).clear();
        lock(&self.listed).clear();
    }

    /// Variables of `<folder>/group_vars/<name>` in all its shapes.
    ///
    /// # Errors
    /// The first file that cannot be read or parsed.
    pub fn group(&self, folder: &Path, name: &str) -> Result<Arc<Map>, Box<Diagnostic>> {
        self.get(&folder.join("group_vars"), name)
    }

    /// Variables of `<folder>/host_vars/<name>` in all its shapes.
    ///
    /// # Errors
    /// The first file that cannot be read or parsed.
    pub fn host(&self, folder: &Path, name: &str) -> Result<Arc<Map>, Box<Diagnostic>> {
        self.get(&folder.join("host_vars"), name)
    }

    fn get(&self, folder: &Path, name: &str) -> Result<Arc<Map>, Box<Diagnostic>> {
        static EMPTY: LazyLock<Arc<Map>> = LazyLock::new(Arc::default);
        let Some(names) = self.names(folder) else {
            return Ok(Arc::clone(&EMPTY));
        };
        // A name with a slash in it may be below a folder of its own.
        let deep = name.contains('/');
        let there = |end: &str| deep || names.contains(&format!("{name}{end}"));
        if !ENDS.iter().any(|end| there(end)) {
            return Ok(Arc::clone(&EMPTY));
        }
        let base = folder.join(name);
        if let Some(known) = lock(&self.cache).get(&base) {
            return Ok(Arc::clone(known));
        }
        let mut vars = Map::new();
        self.read(&base, &mut vars)?;
        let vars = Arc::new(vars);
        lock(&self.cache).insert(base, Arc::clone(&vars));
        Ok(vars)
    }

    fn names(&self, folder: &Path) -> Names {
        if let Some(known) = lock(&self.listed).get(folder) {
            return known.clone();
        }
        let names = self.loader.is_dir(folder).then(|| {
            let entries = self.loader.list(folder).unwrap_or_default();
            Arc::new(
                entries
                    .iter()
                    .filter_map(|entry| entry.file_name())
                    .map(|name| name.to_string_lossy().into_owned())
                    .collect::<HashSet<_>>(),
            )
        });
        lock(&self.listed).insert(folder.to_owned(), names.clone());
        names
    }

    fn read(&self, base: &Path, vars: &mut Map) -> Result<(), Box<Diagnostic>> {
        for end in ENDS {
            let mut name = base.as_os_str().to_owned();
            name.push(end);
            let path = PathBuf::from(name);
            if self.loader.is_dir(&path) {
                return self.folder(&path, vars);
            }
            if self.loader.is_file(&path) {
                return self.file(&path, vars);
            }
        }
        Ok(())
    }

    /// Every file below a folder, in name order.
    fn folder(&self, folder: &Path, vars: &mut Map) -> Result<(), Box<Diagnostic>> {
        let entries = self
            .loader
            .list(folder)
            .map_err(|error| unreadable(folder, &error))?;
        for entry in entries {
            let name = entry.file_name().unwrap_or_default().to_string_lossy();
            if name.starts_with('.') || name.ends_with('~') {
                continue;
            }
            let end = entry.extension().and_then(|extension| extension.to_str());
            if self.loader.is_dir(&entry) {
                if end.is_none() {
                    self.folder(&entry, vars)?;
                }
            } else if matches!(end, None | Some("yml" | "yaml" | "json")) {
                self.file(&entry, vars)?;
            }
        }
        Ok(())
    }

    fn file(&self, path: &Path, vars: &mut Map) -> Result<(), Box<Diagnostic>> {
        vars.extend(&*read_vars(path, &*self.loader)?);
        Ok(())
    }
}

/// Reads one file of variables.
///
/// # Errors
/// It cannot be read, is no YAML, or no mapping.
pub fn read_vars(path: &Path, loader: &dyn Loader) -> Result<Arc<Map>, Box<Diagnostic>> {
    read(path, loader, false)
}

/// Reads one file of a play's `vars_files`, which may also be a list of
/// mappings.
///
/// # Errors
/// As [`read_vars`].
pub fn read_play_vars(path: &Path, loader: &dyn Loader) -> Result<Arc<Map>, Box<Diagnostic>> {
    read(path, loader, true)
}

fn read(path: &Path, loader: &dyn Loader, lists: bool) -> Result<Arc<Map>, Box<Diagnostic>> {
    let bytes = loader
        .read(path)
        .map_err(|error| unreadable(path, &error))?;
    let text = String::from_utf8(bytes)
        .map_err(|_| Diagnostic::error("vars", format!("{} is not UTF-8 text", path.display())))?;
    if let Some(vars) = plain_json::read(&text) {
        return Ok(vars);
    }
    let source = Source::of_file(path, text, loader);
    let (node, _) = parse_one(&source)?;
    match node.value() {
        Value::Map(vars) => Ok(vars),
        Value::Null => Ok(Arc::default()),
        // Several mappings in a list count as one, later ones winning.
        Value::List(items) if lists && items.iter().all(|item| item.as_map().is_some()) => {
            let mut vars = Map::new();
            items
                .iter()
                .filter_map(Value::as_map)
                .for_each(|map| vars.extend(map));
            Ok(Arc::new(vars))
        }
        _ => Err(Box::new(
            Diagnostic::error("vars", "a file of variables must be a mapping")
                .at(&node.span)
                .help("write 'name: value' lines"),
        )),
    }
}

fn unreadable(path: &Path, error: &std::io::Error) -> Box<Diagnostic> {
    Box::new(Diagnostic::error(
        "vars",
        format!("{} cannot be read: {error}", path.display()),
    ))
}
