//! From what is wanted and what is there to the calls of apt-get.

use super::database::Database;
use super::{Action, Args, State, Upgrade, tool};
use crate::host::{Failure, Look, glob};

/// What apt-get has to do. `stale` means that the lists will be fetched anew,
/// so nobody should complain about them yet.
pub(super) fn actions(args: &Args, look: &Look, stale: bool) -> Result<Vec<Action>, Failure> {
    let database = Database::read(look)?;
    let mut found = Vec::new();
    if args.clean && !glob::expand("/var/cache/apt/archives/*.deb").is_empty() {
        found.push(Action::new("clean up", ["clean"]));
    }
    match args.upgrade {
        Upgrade::No => {}
        Upgrade::Dist | Upgrade::Full => found.push(Action::new("upgrade", ["dist-upgrade"])),
        Upgrade::Safe | Upgrade::Yes => {
            found.push(Action::new("upgrade", ["upgrade", "--with-new-pkgs"]));
        }
    }
    if args.upgrade != Upgrade::No {
        keep_effective(args, look, &mut found)?;
    }
    if let Some(deb) = &args.deb {
        found.extend(deb_action(args, look, &database, deb)?);
    }
    let names: Vec<&str> = args
        .name
        .iter()
        .map(|name| name.trim())
        .filter(|name| !name.is_empty())
        .collect();
    match args.state {
        State::Absent => found.extend(removal(args, &database, &names)?),
        State::BuildDep if !names.is_empty() => {
            let words = ["build-dep"].into_iter().chain(names.iter().copied());
            let mut action = vec![Action::new("install build dependencies", words)];
            if !stale {
                keep_effective(args, look, &mut action)?;
            }
            found.extend(action);
        }
        State::Fixed => {
            let words = ["install", "-f"].into_iter().chain(names.iter().copied());
            let mut action = vec![Action::new("repair", words)];
            keep_effective(args, look, &mut action)?;
            found.extend(action);
        }
        State::Present | State::Latest | State::BuildDep => {
            found.extend(installation(args, look, &database, &names, stale)?);
        }
    }
    if args.autoremove && found.is_empty() {
        let mut action = vec![Action::new("remove", ["autoremove"])];
        keep_effective(args, look, &mut action)?;
        found.extend(action);
    }
    if args.autoclean {
        let mut action = vec![Action::new("clean up", ["autoclean"])];
        keep_effective(args, look, &mut action)?;
        found.extend(action);
    }
    Ok(found)
}

/// Drops what would change nothing.
fn keep_effective(args: &Args, look: &Look, actions: &mut Vec<Action>) -> Result<(), Failure> {
    let mut kept = Vec::new();
    for action in actions.drain(..) {
        let certain = action.words == ["clean"];
        if certain
            || !tool::simulate(args, look, &action.words())?
                .lines
                .is_empty()
        {
            kept.push(action);
        }
    }
    *actions = kept;
    Ok(())
}

/// Name and version of `name=version`.
fn split(spec: &str) -> (&str, Option<&str>) {
    match spec.split_once('=') {
        Some((name, version)) => (name.trim_end_matches('>'), Some(version)),
        None => (spec, None),
    }
}

fn installation(
    args: &Args,
    look: &Look,
    database: &Database,
    names: &[&str],
    stale: bool,
) -> Result<Option<Action>, Failure> {
    let mut wanted: Vec<String> = Vec::new();
    // Names whose candidates have to be asked for.
    let mut unsure: Vec<&str> = Vec::new();
    for spec in expand(look, names)?.iter() {
        let (name, version) = split(spec);
        let installed = database.installed(name);
        if args.only_upgrade && installed.is_none() {
            continue;
        }
        match (installed, version) {
            (Some(package), Some(version)) => {
                if !glob::matches(version, &package.version) {
                    wanted.push(spec.clone());
                }
            }
            (None, Some(_)) => wanted.push(spec.clone()),
            (Some(_), None) if args.state == State::Latest => {
                if let Some(name) = names.iter().find(|other| **other == spec) {
                    unsure.push(name);
                } else {
                    wanted.push(spec.clone());
                }
            }
            (Some(_), None) => {}
            (None, None) if !database.providers(name).is_empty() => {
                if let Some(name) = names.iter().find(|other| **other == spec) {
                    unsure.push(name);
                }
            }
            (None, None) => wanted.push(spec.clone()),
        }
    }
    let candidates = tool::candidates(args, look, &unsure)?;
    for name in unsure {
        let candidate = candidates
            .iter()
            .find(|(other, _)| other == name.split(':').next().unwrap_or(name) || other == name)
            .and_then(|(_, version)| version.as_deref());
        match (database.installed(name), candidate) {
            (Some(package), Some(candidate)) => {
                let held = package.held && !args.allow_change_held_packages && !args.force;
                if package.version != candidate && !held {
                    wanted.push(name.to_owned());
                }
            }
            // Only a name that other packages provide, and one is installed.
            (None, None) | (Some(_), None) => {}
            (None, Some(_)) => wanted.push(name.to_owned()),
        }
    }
    if wanted.is_empty() {
        return Ok(None);
    }
    if !stale && look.is_check() {
        unknown(args, look, &wanted)?;
    }
    let words = ["install".to_owned()].into_iter().chain(wanted);
    Ok(Some(Action::new("install", words)))
}

/// Fails for names that no repository has.
fn unknown(args: &Args, look: &Look, wanted: &[String]) -> Result<(), Failure> {
    let names: Vec<&str> = wanted.iter().map(|spec| split(spec).0).collect();
    let known = tool::candidates(args, look, &names)?;
    let missing: Vec<&str> = names
        .into_iter()
        .filter(|name| {
            let base = name.split(':').next().unwrap_or(name);
            !known
                .iter()
                .any(|(other, _)| other == base || other == name)
        })
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(Failure::new(format!(
        "No package matching '{}' is available in the package lists of this host",
        missing.join("', '")
    )))
}

/// Patterns replaced by the names that they match.
fn expand(look: &Look, names: &[&str]) -> Result<Vec<String>, Failure> {
    let mut all: Option<String> = None;
    let mut out = Vec::new();
    for spec in names {
        if !glob::is_pattern(split(spec).0) {
            out.push((*spec).to_owned());
            continue;
        }
        if all.is_none() {
            all = Some(look.query(["apt-cache", "pkgnames"])?.out());
        }
        let mut found: Vec<String> = all
            .as_deref()
            .unwrap_or_default()
            .lines()
            .filter(|name| glob::matches(split(spec).0, name))
            .map(str::to_owned)
            .collect();
        found.sort();
        if found.is_empty() {
            return Err(Failure::new(format!(
                "No package matching '{spec}' is available in the package lists of this host"
            )));
        }
        out.extend(found);
    }
    Ok(out)
}

fn removal(args: &Args, database: &Database, names: &[&str]) -> Result<Option<Action>, Failure> {
    let mut gone: Vec<String> = Vec::new();
    for spec in names {
        let (name, version) = split(spec);
        if glob::is_pattern(name) {
            gone.extend(
                database
                    .matching(name)
                    .into_iter()
                    .filter(|package| package.installed || args.purge)
                    .map(|package| package.name.clone()),
            );
            continue;
        }
        let Some(package) = database.get(name) else {
            continue;
        };
        let there = package.installed || (args.purge && package.configured);
        if there && version.is_none_or(|version| glob::matches(version, &package.version)) {
            gone.push(name.to_owned());
        }
    }
    if gone.is_empty() {
        return Ok(None);
    }
    let words = ["remove".to_owned()].into_iter().chain(gone);
    Ok(Some(Action::new("remove", words)))
}

fn deb_action(
    args: &Args,
    look: &Look,
    database: &Database,
    deb: &str,
) -> Result<Option<Action>, Failure> {
    if deb.contains("://") {
        // What it is, and whether that is there, is known after the download.
        return Ok(Some(Action::new("install", ["install", deb])));
    }
    let path = if deb.starts_with('/') {
        deb.to_owned()
    } else {
        format!("./{deb}")
    };
    let output = look.query([
        "dpkg-deb",
        "-W",
        "--showformat=${Package}\t${Version}",
        &path,
    ])?;
    if !output.ok() {
        return Err(Failure::new(format!(
            "{deb} is no Debian package that can be read: {}",
            output.complaint()
        )));
    }
    let text = output.out();
    let (name, version) = text.split_once('\t').unwrap_or((text.trim(), ""));
    if let Some(package) = database.installed(name) {
        let newer = look.query([
            "dpkg",
            "--compare-versions",
            version,
            "gt",
            &package.version,
        ])?;
        let other = package.version != version && args.allow_downgrade;
        if !newer.ok() && !other && !args.force {
            return Ok(None);
        }
    }
    Ok(Some(Action::new("install", ["install", path.as_str()])))
}
