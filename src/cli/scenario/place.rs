//! Where scenarios are found, and where each keeps what it needs between two commands.

use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use ocplay_language::diagnostic::Diagnostic;
use sha2::{Digest, Sha256};

/// Folders of scenarios, below a project's own.
const FOLDERS: [&str; 3] = ["molecule-tests", "molecule", "extensions/molecule"];

/// A scenario as it is found.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    /// The folder's name; in a role of the project with the role's before it.
    pub(crate) name: String,
    /// The project, or the role that has the scenario.
    pub(super) project: PathBuf,
    /// With `molecule.yml`.
    pub(super) folder: PathBuf,
    /// Inventory, state and the like; gone with `destroy`.
    pub(super) ephemeral: PathBuf,
    /// What its lab is called: no other scenario's is.
    pub(super) lab: String,
}

impl Place {
    fn new(name: String, project: &Path, folder: PathBuf, state: &Path) -> Self {
        let digest = Sha256::digest(folder.to_string_lossy().as_bytes());
        let id: String = digest
            .iter()
            .take(3)
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let plain = name.replace(|letter: char| !letter.is_ascii_alphanumeric(), "-");
        let lab = format!("test-{plain}-{id}");
        Self {
            ephemeral: state.join("test").join(&lab),
            name,
            project: project.to_owned(),
            folder,
            lab,
        }
    }

    pub(super) fn file(&self) -> PathBuf {
        self.folder.join("molecule.yml")
    }

    pub(super) fn inventory_folder(&self) -> PathBuf {
        self.ephemeral.join("inventory")
    }

    /// The inventory that is written for the scenario.
    pub(super) fn inventory(&self) -> PathBuf {
        self.inventory_folder().join("ansible_inventory.yml")
    }

    /// Where `create.yml` says how its hosts are reached.
    pub(super) fn instances(&self) -> PathBuf {
        self.ephemeral.join("instance_config.yml")
    }

    /// Makes the folder of what must not be read by others: keys and passwords may be in it.
    pub(super) fn make(&self) -> Result<(), Diagnostic> {
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(self.inventory_folder())
            .map_err(|error| unwritable(&self.ephemeral, &error))
    }

    pub(super) fn remove(&self) -> Result<(), Diagnostic> {
        match std::fs::remove_dir_all(&self.ephemeral) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(unwritable(&self.ephemeral, &error))
            }
            _ => Ok(()),
        }
    }

    /// What a scenario's file and playbooks can read from the environment.
    pub(super) fn environment(&self, driver: &str) -> Vec<(&'static str, String)> {
        let path = |path: PathBuf| path.to_string_lossy().into_owned();
        vec![
            ("MOLECULE_DRIVER_NAME", driver.to_owned()),
            ("MOLECULE_EPHEMERAL_DIRECTORY", path(self.ephemeral.clone())),
            ("MOLECULE_FILE", path(self.file())),
            ("MOLECULE_INSTANCE_CONFIG", path(self.instances())),
            ("MOLECULE_INVENTORY_FILE", path(self.inventory())),
            ("MOLECULE_PROJECT_DIRECTORY", path(self.project.clone())),
            ("MOLECULE_PROVISIONER_NAME", "ansible".to_owned()),
            ("MOLECULE_SCENARIO_DIRECTORY", path(self.folder.clone())),
            ("MOLECULE_SCENARIO_NAME", self.short_name().to_owned()),
            (
                "MOLECULE_STATE_FILE",
                path(self.ephemeral.join("state.yml")),
            ),
            ("MOLECULE_VERIFIER_NAME", "ansible".to_owned()),
            ("MOLECULE_DEPENDENCY_NAME", "galaxy".to_owned()),
            ("MOLECULE_DEBUG", "False".to_owned()),
        ]
    }

    /// The name of the folder alone.
    fn short_name(&self) -> &str {
        self.name.rsplit('/').next().unwrap_or(&self.name)
    }
}

pub(super) fn unwritable(path: &Path, error: &std::io::Error) -> Diagnostic {
    Diagnostic::error(
        "file",
        format!("{} cannot be written: {error}", path.display()),
    )
}

/// Every scenario of a project and of its roles, by name.
pub(crate) fn all(project: &Path, state: &Path) -> Vec<Place> {
    let mut places = Vec::new();
    scenarios_of(project, "", state, &mut places);
    for role in folders(&project.join("roles")) {
        let name = role.file_name().unwrap_or_default().to_string_lossy();
        scenarios_of(&role, &format!("{name}/"), state, &mut places);
    }
    places.sort_by(|a, b| a.name.cmp(&b.name));
    places.dedup_by(|a, b| a.name == b.name);
    places
}

fn scenarios_of(project: &Path, prefix: &str, state: &Path, into: &mut Vec<Place>) {
    for folder in FOLDERS.iter().flat_map(|name| folders(&project.join(name))) {
        if folder.join("molecule.yml").is_file() {
            let name = folder.file_name().unwrap_or_default().to_string_lossy();
            into.push(Place::new(
                format!("{prefix}{name}"),
                project,
                folder.clone(),
                state,
            ));
        }
    }
}

fn folders(of: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(of).into_iter().flatten().flatten();
    entries
        .map(|entry| entry.path())
        .filter(|path| path.is_dir())
        .collect()
}

/// The scenarios that a command means.
///
/// # Errors
/// A name that there is not, or none where there are several.
pub(crate) fn chosen(
    all: &[Place],
    names: &[String],
    everything: bool,
    but: &[String],
) -> Result<Vec<Place>, Vec<Diagnostic>> {
    if all.is_empty() {
        return Err(vec![
            Diagnostic::error("scenario", "there is no scenario here")
                .help("a scenario is a folder with molecule.yml and converge.yml in molecule-tests/ or molecule/"),
        ]);
    }
    let known: Vec<&str> = all.iter().map(|place| &*place.name).collect();
    let problems: Vec<Diagnostic> = names
        .iter()
        .chain(but)
        .filter(|name| !known.contains(&&***name))
        .map(|name| {
            Diagnostic::error("scenario", format!("there is no scenario '{name}'"))
                .suggest(name, known.iter().copied())
                .help(format!("there are: {}", known.join(", ")))
        })
        .collect();
    if !problems.is_empty() {
        return Err(problems);
    }
    let left = || {
        all.iter()
            .filter(|place| !but.contains(&place.name))
            .cloned()
    };
    if everything {
        return Ok(left().collect());
    }
    if !names.is_empty() {
        return Ok(left().filter(|place| names.contains(&place.name)).collect());
    }
    match all {
        [only] => Ok(vec![only.clone()]),
        _ => match all.iter().find(|place| place.name == "default") {
            Some(usual) => Ok(vec![usual.clone()]),
            None => Err(vec![
                Diagnostic::error("scenario", "which scenario?")
                    .help(format!("name one or more of: {}", known.join(", ")))
                    .help("or all of them: --all"),
            ]),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(names: &[&str]) -> (tempfile::TempDir, Vec<Place>) {
        let folder = tempfile::tempdir().unwrap();
        for name in names {
            let path = folder.path().join(name);
            std::fs::create_dir_all(&path).unwrap();
            std::fs::write(path.join("molecule.yml"), "").unwrap();
        }
        let places = all(folder.path(), Path::new("/state"));
        (folder, places)
    }

    fn names(places: &[Place]) -> Vec<&str> {
        places.iter().map(|place| &*place.name).collect()
    }

    #[test]
    fn scenarios_are_found_in_all_places() {
        let (_folder, places) = tree(&[
            "molecule-tests/docker",
            "molecule/default",
            "roles/web/molecule/default",
        ]);
        assert_eq!(names(&places), ["default", "docker", "web/default"]);
        assert!(places[2].project.ends_with("roles/web"));
        assert_ne!(places[0].lab, places[2].lab);
    }

    #[test]
    fn what_is_meant() {
        let (_folder, places) = tree(&["molecule/a", "molecule/b"]);
        let word = |text: &str| vec![text.to_owned()];
        assert!(chosen(&places, &[], false, &[]).is_err());
        assert_eq!(
            names(&chosen(&places, &word("b"), false, &[]).unwrap()),
            ["b"]
        );
        assert_eq!(
            names(&chosen(&places, &[], true, &word("b")).unwrap()),
            ["a"]
        );
        let wrong = chosen(&places, &word("c"), false, &[]).unwrap_err();
        assert!(wrong[0].help.iter().any(|help| help.contains("a, b")));
        assert!(chosen(&[], &[], true, &[]).is_err());
        let (_folder, places) = tree(&["molecule/default", "molecule/b"]);
        assert_eq!(
            names(&chosen(&places, &[], false, &[]).unwrap()),
            ["default"]
        );
    }
}
