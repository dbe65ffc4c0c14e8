//! A world for the targets in which nothing outside can be reached.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ocplay_language::loader::Loader;
use ocplay_language::source::Source;
use ocplay_language::value::Map;
use ocplay_language::vars::precedence::Level;
use ocplay_language::vars::scope::Scope;
use ocplay_language::yaml;

/// Files in memory; no environment, no programs, no network.
#[derive(Debug, Default)]
pub struct Shelf(pub BTreeMap<PathBuf, Vec<u8>>);

impl Shelf {
    /// A loader with one file.
    #[must_use]
    pub fn with(path: &str, content: &[u8]) -> Arc<dyn Loader> {
        Arc::new(Self(BTreeMap::from([(path.into(), content.to_vec())])))
    }
}

impl Loader for Shelf {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let found = self.0.get(path);
        found.cloned().ok_or_else(|| io::ErrorKind::NotFound.into())
    }
    fn is_file(&self, path: &Path) -> bool {
        self.0.contains_key(path)
    }
    fn is_dir(&self, path: &Path) -> bool {
        self.0.keys().any(|file| file.parent() == Some(path))
    }
    fn list(&self, path: &Path) -> io::Result<Vec<PathBuf>> {
        let files = self.0.keys();
        Ok(files
            .filter(|file| file.parent() == Some(path))
            .cloned()
            .collect())
    }
    fn env(&self, _: &str) -> Option<String> {
        None
    }
    fn shell(&self, _: &str, _: &Path) -> io::Result<(i32, Vec<u8>, Vec<u8>)> {
        Err(io::ErrorKind::Unsupported.into())
    }
    fn write_private(&self, _: &Path, _: &[u8]) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

const VARIABLES: &str = "
text: some text
number: 42
float: 2.5
flag: true
nothing: null
list: [3, 1, 2, x]
map: {a: 1, b: {c: [1, 2]}, items: 3}
lazy: '{{ number + 1 }}'
chain: '{{ lazy }}-{{ missing | default(text) }}'
loop_a: '{{ loop_b }}'
loop_b: '{{ loop_a }}'
";

/// A few variables of every kind.
///
/// # Panics
/// The variables above are no YAML.
#[must_use]
pub fn scope() -> Scope {
    let source = Source::new("variables.yml", VARIABLES);
    let (node, _) = yaml::parse_one(&source).expect("the variables are YAML");
    let ocplay_language::value::Value::Map(map) = node.value() else {
        return Scope::new();
    };
    Scope::new().with(Level::ExtraVars, Arc::new(Map::clone(&map)))
}
