//! Settings from `ansible.cfg` and the environment, by one table.
//!
//! The command line wins over the environment, the environment over the file.
//! `rows.rs` says for each setting what becomes of it; `docs/configuration.md`
//! is made from the same table.

mod ini;
pub(crate) mod init;
mod page;
mod rows;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use ocplay_language::diagnostic::Diagnostic;
use ocplay_protocol::coerce;

pub(crate) use page::{list, page};
use rows::{Fate, Kind, ROWS, Row};

/// Where a setting's value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    Environment(&'static str),
    File(PathBuf),
    Default,
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Environment(name) => write!(f, "env: {name}"),
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Default => f.write_str("default"),
        }
    }
}

/// What a configuration is read from.
pub(crate) struct Surroundings {
    /// The program was called by one of Ansible's names.
    pub(crate) classic: bool,
    pub(crate) env: HashMap<String, String>,
    pub(crate) cwd: PathBuf,
    pub(crate) home: PathBuf,
}

impl Surroundings {
    /// Those of this process.
    pub(crate) fn here() -> Self {
        let called = std::env::args_os().next().map(PathBuf::from);
        let called = called.as_deref().and_then(Path::file_name);
        Self {
            classic: called.is_some_and(|name| name.to_string_lossy().starts_with("ansible")),
            env: std::env::vars_os()
                .filter_map(|(name, value)| {
                    Some((name.into_string().ok()?, value.into_string().ok()?))
                })
                .collect(),
            cwd: std::env::current_dir().unwrap_or_else(|_| PathBuf::from(".")),
            home: std::env::var_os("HOME").map_or_else(|| PathBuf::from("/"), PathBuf::from),
        }
    }
}

pub(crate) struct Config {
    around: Surroundings,
    file: Option<PathBuf>,
    entries: HashMap<(String, String), String>,
}

type Found<T> = Result<T, Vec<Diagnostic>>;

impl Config {
    /// Finds and reads the file; warns about what it cannot use.
    pub(crate) fn load(around: Surroundings) -> Found<(Self, Vec<Diagnostic>)> {
        let mut warnings = Vec::new();
        let file = find(&around, &mut warnings);
        let mut entries = HashMap::new();
        if let Some(path) = &file {
            let text = std::fs::read_to_string(path).map_err(|error| {
                vec![Diagnostic::error(
                    "config",
                    format!("{} cannot be read: {error}", path.display()),
                )]
            })?;
            entries = ini::parse(path, &text).map_err(|problem| vec![*problem])?;
        }
        let config = Self {
            around,
            file,
            entries,
        };
        Ok((config, warnings))
    }

    pub(crate) fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    pub(crate) fn classic(&self) -> bool {
        self.around.classic
    }

    pub(crate) fn home(&self) -> &Path {
        &self.around.home
    }

    /// The text of a setting and where it stands. The last entry of the table
    /// wins among several in the file, the first in the environment.
    fn raw(&self, row: &Row) -> Option<(String, Origin)> {
        for name in row.env {
            if let Some(text) = self.around.env.get(*name) {
                return Some((text.clone(), Origin::Environment(name)));
            }
        }
        let file = self.file.as_ref()?;
        let text = row.ini.iter().rev().find_map(|(section, key)| {
            self.entries
                .get(&((*section).to_owned(), (*key).to_owned()))
        })?;
        Some((unquote(text).to_owned(), Origin::File(file.clone())))
    }

    fn row(name: &str) -> &'static Row {
        #[expect(clippy::expect_used, reason = "a test asks for every name in use")]
        ROWS.iter()
            .find(|row| row.name == name)
            .expect("a setting of the table")
    }

    /// The setting as text, if it was set at all.
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        self.raw(Self::row(name)).map(|(text, _)| text)
    }

    fn wrong(name: &str, text: &str, origin: &Origin, what: &str) -> Vec<Diagnostic> {
        vec![
            Diagnostic::error(
                "config",
                format!(
                    "Config '{name}' from '{origin}' has an invalid value: '{text}' is not {what}"
                ),
            )
            .help("docs/configuration.md lists all settings with their kinds"),
        ]
    }

    pub(crate) fn flag(&self, name: &str) -> Found<Option<bool>> {
        match self.raw(Self::row(name)) {
            None => Ok(None),
            Some((text, origin)) => coerce::boolean(&text.trim().into())
                .map(Some)
                .map_err(|_| Self::wrong(name, &text, &origin, "a boolean")),
        }
    }

    pub(crate) fn number(&self, name: &str) -> Found<Option<u64>> {
        match self.raw(Self::row(name)) {
            None => Ok(None),
            Some((text, _)) if text.trim().is_empty() => Ok(None),
            Some((text, origin)) => text
                .trim()
                .parse()
                .map(Some)
                .map_err(|_| Self::wrong(name, &text, &origin, "a whole number")),
        }
    }

    /// One of several words.
    pub(crate) fn choice(&self, name: &str, words: &[&str]) -> Found<Option<String>> {
        match self.raw(Self::row(name)) {
            None => Ok(None),
            Some((text, _)) if words.contains(&text.trim()) => Ok(Some(text.trim().to_owned())),
            Some((text, origin)) => Err(Self::wrong(
                name,
                &text,
                &origin,
                &format!("one of {}", words.join(", ")),
            )),
        }
    }

    /// Words between commas.
    pub(crate) fn list(&self, name: &str) -> Option<Vec<String>> {
        let text = self.text(name)?;
        Some(
            text.split(',')
                .map(|word| unquote(word.trim()).to_owned())
                .filter(|word| !word.is_empty())
                .collect(),
        )
    }

    pub(crate) fn path(&self, name: &str) -> Option<PathBuf> {
        let (text, origin) = self.raw(Self::row(name))?;
        let text = text.trim();
        (!text.is_empty()).then(|| self.resolve(text, &origin))
    }

    /// Paths between colons.
    pub(crate) fn paths(&self, name: &str) -> Option<Vec<PathBuf>> {
        let (text, origin) = self.raw(Self::row(name))?;
        Some(
            text.split(':')
                .map(str::trim)
                .filter(|path| !path.is_empty())
                .map(|path| self.resolve(path, &origin))
                .collect(),
        )
    }

    /// Inventory sources between commas: paths, except where one is a list of
    /// hosts.
    pub(crate) fn sources(&self, name: &str) -> Option<Vec<String>> {
        let (text, origin) = self.raw(Self::row(name))?;
        Some(
            text.split(',')
                .map(str::trim)
                .filter(|path| !path.is_empty())
                .map(|path| self.resolve(path, &origin).to_string_lossy().into_owned())
                .collect(),
        )
    }

    /// `~`, variables, and for the file: relative to the file.
    fn resolve(&self, text: &str, origin: &Origin) -> PathBuf {
        let text = self.expand(text);
        let path = PathBuf::from(&text);
        if path.is_absolute() {
            return path;
        }
        let folder = match origin {
            Origin::File(file) => file.parent().unwrap_or(Path::new("/")),
            _ => &self.around.cwd,
        };
        folder.join(path)
    }

    fn expand(&self, text: &str) -> String {
        let cwd = self.around.cwd.to_string_lossy();
        let home = self.ansible_home();
        let mut text = text.to_owned();
        for (name, value) in [("CWD", &*cwd), ("ANSIBLE_HOME", &*home.to_string_lossy())] {
            text = text
                .replace(&format!("{{{{{name}}}}}"), value)
                .replace(&format!("{{{{ {name} }}}}"), value);
        }
        let mut out = String::new();
        let mut rest = match text.strip_prefix('~') {
            Some(rest) if rest.is_empty() || rest.starts_with('/') => {
                out.push_str(&self.around.home.to_string_lossy());
                rest
            }
            _ => &text,
        };
        while let Some(at) = rest.find('$') {
            out.push_str(&rest[..at]);
            rest = &rest[at + 1..];
            let braced = rest.starts_with('{');
            let inside = rest.trim_start_matches('{');
            let end = inside
                .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
                .unwrap_or(inside.len());
            match self.around.env.get(&inside[..end]) {
                Some(value) => {
                    out.push_str(value);
                    rest = &inside[end..];
                    if braced {
                        rest = rest.strip_prefix('}').unwrap_or(rest);
                    }
                }
                None => out.push('$'),
            }
        }
        out.push_str(rest);
        out
    }

    /// The folder of the user's own roles and collections.
    pub(crate) fn ansible_home(&self) -> PathBuf {
        match self.around.env.get("ANSIBLE_HOME") {
            Some(home) => PathBuf::from(home),
            None => self.around.home.join(".ansible"),
        }
    }

    /// What the file says, by names of the environment; paths are absolute.
    pub(crate) fn of_file(&self) -> HashMap<String, String> {
        ROWS.iter()
            .filter_map(|row| {
                let name = row.env.first()?;
                let (text, origin) = self.raw(row)?;
                if !matches!(origin, Origin::File(_)) {
                    return None;
                }
                let text = match row.kind {
                    Kind::Path | Kind::Paths => text
                        .split(':')
                        .map(str::trim)
                        .filter(|path| !path.is_empty())
                        .map(|path| self.resolve(path, &origin).to_string_lossy().into_owned())
                        .collect::<Vec<_>>()
                        .join(":"),
                    _ => text,
                };
                Some(((*name).to_owned(), text))
            })
            .collect()
    }

    /// Every setting of the table with its value and origin, by name.
    pub(crate) fn dump(&self) -> Vec<(&'static str, String, Origin, bool)> {
        let mut out: Vec<_> = ROWS
            .iter()
            .map(|row| {
                let (text, origin) = self
                    .raw(row)
                    .unwrap_or_else(|| (row.default.to_owned(), Origin::Default));
                let ignored = matches!(row.fate, Fate::Ignored(_));
                (row.name, text, origin, ignored)
            })
            .collect();
        out.sort_by_key(|row| row.0);
        out
    }
}

/// The first of the places that holds a file.
fn find(around: &Surroundings, warnings: &mut Vec<Diagnostic>) -> Option<PathBuf> {
    if let Some(given) = around
        .env
        .get("ANSIBLE_CONFIG")
        .filter(|given| !given.is_empty())
    {
        let path = match given.strip_prefix("~/") {
            Some(rest) => around.home.join(rest),
            None => around.cwd.join(given),
        };
        let path = if path.is_dir() {
            path.join("ansible.cfg")
        } else {
            path
        };
        if path.is_file() {
            return Some(path);
        }
    }
    let local = around.cwd.join("ansible.cfg");
    if local.is_file() {
        if !world_writable(&around.cwd) {
            return Some(local);
        }
        warnings.push(Diagnostic::warning(
            "config",
            format!(
                "Ansible is being run in a world writable directory ({}), ignoring it as an ansible.cfg source",
                around.cwd.display()
            ),
        ).help("anybody could have put the file there; take the right away with 'chmod o-w .', or name the file in ANSIBLE_CONFIG"));
    }
    [
        around.home.join(".ansible.cfg"),
        PathBuf::from("/etc/ansible/ansible.cfg"),
    ]
    .into_iter()
    .find(|path| path.is_file())
}

fn world_writable(folder: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(folder).is_ok_and(|found| found.permissions().mode() & 0o002 != 0)
}

/// Text without a pair of quotes around it.
fn unquote(text: &str) -> &str {
    for quote in ['"', '\''] {
        if let Some(inside) = text
            .strip_prefix(quote)
            .and_then(|rest| rest.strip_suffix(quote))
        {
            return inside;
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(file: &str, env: &[(&str, &str)]) -> (tempfile::TempDir, Config) {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("ansible.cfg"), file).unwrap();
        let around = Surroundings {
            classic: false,
            env: env
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
            cwd: folder.path().to_owned(),
            home: folder.path().join("home"),
        };
        let (config, warnings) = Config::load(around).unwrap();
        assert!(warnings.is_empty());
        (folder, config)
    }

    #[test]
    fn the_environment_wins_over_the_file() {
        let file = "[defaults]\nforks = 7\ngathering: explicit ; no facts\n";
        let (_folder, both) = config(file, &[("ANSIBLE_FORKS", "9")]);
        assert_eq!(both.number("DEFAULT_FORKS").unwrap(), Some(9));
        let (_folder, only) = config(file, &[]);
        assert_eq!(only.number("DEFAULT_FORKS").unwrap(), Some(7));
        assert_eq!(
            only.choice("DEFAULT_GATHERING", &["implicit", "explicit"])
                .unwrap(),
            Some("explicit".to_owned())
        );
        assert_eq!(only.flag("DIFF_ALWAYS").unwrap(), None);
    }

    #[test]
    fn paths_of_the_file_are_relative_to_it() {
        let file = "[defaults]\nroles_path = roles:~/r:/abs:$X/y\ninventory = a,b/c\n";
        let (folder, config) = config(file, &[("X", "/x")]);
        let at = |path: &str| folder.path().join(path);
        assert_eq!(
            config.paths("DEFAULT_ROLES_PATH").unwrap(),
            [at("roles"), at("home/r"), "/abs".into(), "/x/y".into()]
        );
        assert_eq!(
            config.sources("DEFAULT_HOST_LIST").unwrap(),
            [at("a"), at("b/c")].map(|path| path.to_string_lossy().into_owned())
        );
    }

    #[test]
    fn a_wrong_value_is_said_with_its_place() {
        let (_folder, config) = config("[defaults]\nforks = many\n", &[]);
        let problem = config.number("DEFAULT_FORKS").unwrap_err();
        assert!(problem[0].message.contains("'many' is not a whole number"));
        assert!(problem[0].message.contains("ansible.cfg"));
    }

    /// Whoever asks for a setting that the table does not have, gets a panic.
    #[test]
    fn every_setting_in_use_is_in_the_table() {
        fn walk(folder: &Path, names: &mut Vec<String>) {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    walk(&path, names);
                } else if path.extension().is_some_and(|end| end == "rs") {
                    let text = std::fs::read_to_string(&path).unwrap();
                    for part in text.split('"').skip(1).step_by(2) {
                        let loud = part.len() > 4 && part.contains('_');
                        let word =
                            |c: char| c.is_ascii_uppercase() || c == '_' || c.is_ascii_digit();
                        if loud && part.chars().all(word) && !part.starts_with("ANSIBLE_") {
                            names.push(part.to_owned());
                        }
                    }
                }
            }
        }
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut names = Vec::new();
        for folder in ["commands", "config"] {
            walk(&root.join(folder), &mut names);
        }
        assert!(names.contains(&"DEFAULT_FORKS".to_owned()));
        for name in names {
            // Variables of other programs.
            let foreign = [
                "SSH_AUTH_SOCK",
                "XDG_STATE_HOME",
                "CARGO_MANIFEST_DIR",
                "NO_COLOR",
                "GIT_TERMINAL_PROMPT",
                "GIT_SSH_COMMAND",
            ];
            assert!(
                foreign.contains(&name.as_str()) || ROWS.iter().any(|row| row.name == name),
                "{name} is not in the table"
            );
        }
    }

    /// The page must not promise what nothing reads.
    #[test]
    fn every_setting_that_is_honoured_is_read() {
        fn text(folder: &Path, all: &mut String) {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    text(&path, all);
                } else if path.extension().is_some_and(|end| end == "rs") {
                    all.push_str(&std::fs::read_to_string(&path).unwrap());
                }
            }
        }
        let mut all = String::new();
        text(Path::new(env!("CARGO_MANIFEST_DIR")), &mut all);
        // Read where content is: through the loader.
        let elsewhere = ["COLLECTIONS_PATHS", "DEFAULT_MODULE_PATH"];
        for row in ROWS {
            let read = elsewhere.contains(&row.name) || all.contains(&format!("\"{}\"", row.name));
            assert!(
                read || matches!(row.fate, Fate::Ignored(_)),
                "{} is not read",
                row.name
            );
        }
    }

    #[test]
    fn a_folder_that_anybody_can_write_is_no_source() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("ansible.cfg"), "[defaults]\nforks = 7\n").unwrap();
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
        let around = Surroundings {
            classic: false,
            env: HashMap::new(),
            cwd: folder.path().to_owned(),
            home: folder.path().join("home"),
        };
        let (config, warnings) = Config::load(around).unwrap();
        assert_eq!(config.number("DEFAULT_FORKS").unwrap(), None);
        assert_eq!(warnings.len(), 1);
    }
}
