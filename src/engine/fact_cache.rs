//! Facts kept between runs: one JSON file per host.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use ocplay_language::value::{Map, Value};

/// Where facts are kept, and for how long (`fact_caching = jsonfile`).
#[derive(Debug, Clone, Default)]
pub struct FactCache {
    pub folder: PathBuf,
    /// Put before the name of each file.
    pub prefix: String,
    /// Facts older than this are forgotten; nothing for never.
    pub timeout: Option<Duration>,
}

impl FactCache {
    fn file(&self, host: &str) -> PathBuf {
        // A host's name is no path.
        let name = host.replace('/', "_");
        self.folder.join(format!("{}{name}", self.prefix))
    }

    /// A host's facts, if there are any that are young enough.
    pub(crate) fn load(&self, host: &str) -> Option<Map> {
        let file = self.file(host);
        let age = SystemTime::now().duration_since(std::fs::metadata(&file).ok()?.modified().ok()?);
        if self
            .timeout
            .is_some_and(|limit| age.unwrap_or_default() > limit)
        {
            return None;
        }
        let json = serde_json::from_slice(&std::fs::read(&file).ok()?).ok()?;
        match Value::from_json(&json) {
            Value::Map(map) => Some(Map::clone(&map)),
            _ => None,
        }
    }

    /// Keeps a host's facts.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(crate) fn store(&self, host: &str, facts: &Map) -> std::io::Result<()> {
        std::fs::create_dir_all(&self.folder)?;
        let file = self.file(host);
        let mut staged = tempfile_in(&self.folder)?;
        // Facts may tell more about a host than others should know: the
        // temporary file, and so this one, is the owner's alone.
        std::io::Write::write_all(
            &mut staged,
            Value::from(facts.clone()).to_json().to_string().as_bytes(),
        )?;
        staged.persist(file).map_err(|error| error.error)?;
        Ok(())
    }

    /// Forgets a host's facts.
    pub fn forget(&self, host: &str) {
        // There may be none.
        std::fs::remove_file(self.file(host)).unwrap_or_default();
    }
}

fn tempfile_in(folder: &Path) -> std::io::Result<tempfile::NamedTempFile> {
    tempfile::Builder::new()
        .prefix(".facts-")
        .tempfile_in(folder)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn facts_come_back_until_they_are_too_old() {
        let folder = tempfile::tempdir().unwrap();
        let mut cache = FactCache {
            folder: folder.path().join("deep/facts"),
            ..FactCache::default()
        };
        let mut facts = Map::new();
        facts.insert("os_family", "Debian");
        cache.store("h/1", &facts).unwrap();
        assert_eq!(cache.load("h/1"), Some(facts));
        assert_eq!(cache.load("other"), None);
        let mode = std::fs::metadata(cache.file("h/1")).unwrap().permissions();
        assert_eq!(mode.mode() & 0o777, 0o600);
        cache.timeout = Some(Duration::ZERO);
        assert_eq!(cache.load("h/1"), None);
        cache.timeout = None;
        cache.forget("h/1");
        assert_eq!(cache.load("h/1"), None);
    }
}
