//! What dpkg knows to be installed, read from its own file: a few
//! milliseconds instead of a process.

use std::collections::HashMap;
use std::path::Path;

use crate::host::{Failure, Look, glob};

/// A package that dpkg has heard of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Package {
    pub(super) name: String,
    pub(super) architecture: String,
    pub(super) version: String,
    pub(super) installed: bool,
    /// Removed, with its configuration left.
    pub(super) configured: bool,
    pub(super) held: bool,
}

/// All packages, and who provides which other name.
#[derive(Debug, Default)]
pub(super) struct Database {
    packages: HashMap<String, Vec<Package>>,
    provided: HashMap<String, Vec<String>>,
}

impl Database {
    pub(super) fn read(look: &Look) -> Result<Self, Failure> {
        let text = look
            .read_text(Path::new("/var/lib/dpkg/status"))?
            .unwrap_or_default();
        Ok(Self::parse(&text))
    }

    fn parse(text: &str) -> Self {
        let mut database = Self::default();
        for stanza in text.split("\n\n") {
            let field = |name: &str| {
                stanza
                    .lines()
                    .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
                    .map(str::trim)
            };
            let (Some(name), Some(status)) = (field("Package"), field("Status")) else {
                continue;
            };
            let state = status.rsplit(' ').next().unwrap_or_default();
            let package = Package {
                name: name.to_owned(),
                architecture: field("Architecture").unwrap_or_default().to_owned(),
                version: field("Version").unwrap_or_default().to_owned(),
                installed: matches!(state, "installed" | "triggers-awaited" | "triggers-pending"),
                configured: state == "config-files",
                held: status.starts_with("hold "),
            };
            if package.installed {
                for other in field("Provides").unwrap_or_default().split(',') {
                    let other = other.split('(').next().unwrap_or_default().trim();
                    if !other.is_empty() {
                        database
                            .provided
                            .entry(other.to_owned())
                            .or_default()
                            .push(name.to_owned());
                    }
                }
            }
            database
                .packages
                .entry(name.to_owned())
                .or_default()
                .push(package);
        }
        database
    }

    /// The package of this name, which may end in `:architecture`.
    pub(super) fn get(&self, name: &str) -> Option<&Package> {
        let (name, architecture) = match name.split_once(':') {
            Some((name, architecture)) => (name, Some(architecture)),
            None => (name, None),
        };
        let fits = |package: &&Package| {
            architecture.is_none_or(|wanted| {
                package.architecture == wanted || package.architecture == "all"
            })
        };
        let all = self.packages.get(name)?;
        all.iter()
            .filter(fits)
            .find(|package| package.installed)
            .or_else(|| all.iter().find(fits))
    }

    pub(super) fn installed(&self, name: &str) -> Option<&Package> {
        self.get(name).filter(|package| package.installed)
    }

    /// Installed packages that provide this name.
    pub(super) fn providers(&self, name: &str) -> &[String] {
        self.provided.get(name).map_or(&[], Vec::as_slice)
    }

    /// Names that match a pattern: installed, or with configuration left.
    pub(super) fn matching(&self, pattern: &str) -> Vec<&Package> {
        let mut found: Vec<&Package> = self
            .packages
            .values()
            .flatten()
            .filter(|package| package.installed || package.configured)
            .filter(|package| glob::matches(pattern, &package.name))
            .collect();
        found.sort_by(|one, other| one.name.cmp(&other.name));
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATUS: &str = "Package: a\nStatus: install ok installed\nArchitecture: amd64\n\
        Version: 1.2-3\nProvides: mail-agent, b-api (= 1)\n\n\
        Package: gone\nStatus: deinstall ok config-files\nVersion: 1\n\n\
        Package: kept\nStatus: hold ok installed\nArchitecture: all\nVersion: 2\n";

    #[test]
    fn stanzas() {
        let database = Database::parse(STATUS);
        assert_eq!(database.installed("a").unwrap().version, "1.2-3");
        assert!(database.installed("a:amd64").is_some());
        assert!(database.installed("a:i386").is_none());
        assert!(database.installed("kept:amd64").unwrap().held);
        assert!(database.installed("gone").is_none());
        assert!(database.get("gone").unwrap().configured);
        assert_eq!(database.providers("b-api"), ["a"]);
        assert_eq!(database.matching("*").len(), 3);
        assert_eq!(database.matching("k*")[0].name, "kept");
    }
}
