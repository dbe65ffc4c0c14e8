//! `ocplay test`: scenarios in molecule's form, on hosts made for them.
//!
//! [`place`] finds scenarios, [`settings`] reads what each says, [`life`] goes
//! through the steps that [`sequence`] names: hosts by [`driver`] (made by
//! [`lab_hosts`], or [`existing`]), playbooks by [`playbook`], each a run of
//! its own. [`idempotence`] reads from a run's record what changed again;
//! [`schedule`] says which scenarios run at once. docs/testing.md is for users.

mod driver;
mod existing;
mod idempotence;
mod interpolate;
mod inventory;
mod lab_hosts;
mod life;
mod login;
mod memory;
mod place;
mod platforms;
mod playbook;
mod reader;
mod role;
pub(crate) mod schedule;
mod sequence;
mod settings;

use ocplay_language::diagnostic::Diagnostic;

pub(crate) use driver::Kind;
pub(crate) use idempotence::Restless;
pub(crate) use life::{How, Life, Past, Wishes, Witness};
pub(crate) use login::login;
pub(crate) use place::{Place, all, chosen};
pub(crate) use sequence::Action;
pub(crate) use settings::Settings;

/// Reads what a scenario says; a shared file is read before its own.
///
/// # Errors
/// Every mistake in its files.
pub(crate) fn read(
    place: &Place,
    shared: Option<&std::path::Path>,
    driver: Option<Kind>,
) -> Result<(Settings, Vec<Diagnostic>), Vec<Diagnostic>> {
    let environment = place.environment(driver.map_or("", Kind::word));
    let lookup = |name: &str| {
        let own = environment.iter().find(|(known, _)| *known == name);
        own.map(|(_, value)| value.clone())
            .or_else(|| std::env::var(name).ok())
    };
    let usual = place.project.join(".config/molecule/config.yml");
    let shared = shared.map_or_else(
        || usual.is_file().then_some(usual),
        |given| Some(given.to_owned()),
    );
    let files: Vec<_> = shared.into_iter().chain([place.file()]).collect();
    settings::Reading {
        folder: &place.folder,
        lookup: &lookup,
        driver,
    }
    .files(&files)
}

/// What the machine must have for a scenario.
pub(crate) fn need(settings: &Settings) -> schedule::Need {
    let usual = |platform: &platforms::Platform| if platform.vm { 1536 } else { 512 };
    let existing = settings.driver.kind == Kind::Existing;
    let platforms = settings.platforms.iter();
    let mut memory: u64 = platforms
        .map(|platform| platform.memory.unwrap_or_else(|| usual(platform)))
        .sum();
    if settings.driver.inventory.is_some() {
        // A whole site: nobody has counted it.
        memory = settings.driver.memory.unwrap_or(6144);
    }
    schedule::Need {
        memory: if existing { 64 } else { memory },
        alone: existing,
    }
}

/// A scenario in a list.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) scenario: String,
    pub(crate) host: String,
    pub(crate) driver: &'static str,
    pub(crate) created: bool,
    pub(crate) converged: bool,
}

/// The hosts of a scenario, and how far they are.
pub(crate) fn rows(place: &Place, settings: &Settings) -> Vec<Row> {
    let memory = memory::Memory::of(place);
    let mut names: Vec<String> = settings
        .platforms
        .iter()
        .map(|platform| platform.name.clone())
        .collect();
    if let (Some(inventory), true) = (&settings.driver.inventory, names.is_empty()) {
        names = match lab_hosts::of(place, settings) {
            Ok(lab) => lab.nodes.iter().map(|node| node.name.clone()).collect(),
            Err(_) => vec![format!("those of {}", inventory.display())],
        };
    }
    if names.is_empty() {
        names.push("(of an inventory)".to_owned());
    }
    names
        .into_iter()
        .map(|host| Row {
            scenario: place.name.clone(),
            host,
            driver: settings.driver.kind.word(),
            created: memory.created,
            converged: memory.converged,
        })
        .collect()
}
