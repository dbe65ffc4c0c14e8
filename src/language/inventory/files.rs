//! `group_vars` and `host_vars`: files and folders beside inventories and
//! playbooks.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use crate::diagnostic::Diagnostic;
use crate::loader::Loader;
use crate::source::Source;
use crate::value::{Map, Value};
use crate::yaml::parse_one;

/// Reads variable files on demand, each once.
pub struct VarsFolders {
    loader: Arc<dyn Loader>,
    cache: Mutex<HashMap<PathBuf, Arc<Map>>>,
}

impl VarsFolders {
    #[must_use]
    pub fn new(loader: Arc<dyn Loader>) -> Self {
        Self {
            loader,
            cache: Mutex::default(),
        }
    }

    /// Variables of `<folder>/group_vars/<name>` in all its shapes.
    ///
    /// # Errors
    /// The first file that cannot be read or parsed.
    pub fn group(&self, folder: &Path, name: &str) -> Result<Arc<Map>, Box<Diagnostic>> {
        self.get(&folder.join("group_vars").join(name))
    }

    /// Variables of `<folder>/host_vars/<name>` in all its shapes.
    ///
    /// # Errors
    /// The first file that cannot be read or parsed.
    pub fn host(&self, folder: &Path, name: &str) -> Result<Arc<Map>, Box<Diagnostic>> {
        self.get(&folder.join("host_vars").join(name))
    }

    fn get(&self, base: &Path) -> Result<Arc<Map>, Box<Diagnostic>> {
        let lock = || self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = lock().get(base) {
            return Ok(Arc::clone(known));
        }
        let mut vars = Map::new();
        self.read(base, &mut vars)?;
        let vars = Arc::new(vars);
        lock().insert(base.to_owned(), Arc::clone(&vars));
        Ok(vars)
    }

    fn read(&self, base: &Path, vars: &mut Map) -> Result<(), Box<Diagnostic>> {
        if !base
            .parent()
            .is_some_and(|folder| self.loader.is_dir(folder))
        {
            return Ok(());
        }
        if self.loader.is_dir(base) {
            return self.folder(base, vars);
        }
        for extension in ["", ".yml", ".yaml", ".json"] {
            let mut name = base.as_os_str().to_owned();
            name.push(extension);
            let path = PathBuf::from(name);
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
            let name = entry
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            if name.starts_with('.') || name.ends_with('~') {
                continue;
            }
            if self.loader.is_dir(&entry) {
                self.folder(&entry, vars)?;
            } else if matches!(
                entry.extension().and_then(|extension| extension.to_str()),
                None | Some("yml" | "yaml" | "json")
            ) {
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
    let bytes = loader
        .read(path)
        .map_err(|error| unreadable(path, &error))?;
    let text = String::from_utf8(bytes)
        .map_err(|_| Diagnostic::error("vars", format!("{} is not UTF-8 text", path.display())))?;
    let source = Source::new(path, text);
    let (node, _) = parse_one(&source)?;
    match node.value() {
        Value::Map(vars) => Ok(vars),
        Value::Null => Ok(Arc::default()),
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
