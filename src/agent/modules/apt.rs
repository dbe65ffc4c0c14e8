//! `apt`: packages of Debian and its kin.
//!
//! What is installed is read from dpkg's own file; what would happen is asked
//! of `apt-get -s`; what happens is done by apt-get.

use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ocplay_protocol::Diff;
use serde_json::Value;

use super::http::Call;
use super::{Module, Verdict};
use crate::host::{Failure, Look, Return, Touch, glob};

mod database;
mod tool;

use database::Database;

ocplay_protocol::choices! {
    /// Wanted state of packages.
    pub(super) enum State {
        Absent = "absent",
        /// What a source package needs to be built.
        BuildDep = "build-dep",
        Latest = "latest",
        Present = "present",
        /// Repair what is broken.
        Fixed = "fixed",
    }
}

ocplay_protocol::choices! {
    /// How far all packages are upgraded.
    pub(super) enum Upgrade {
        Dist = "dist",
        Full = "full",
        No = "no",
        Safe = "safe",
        Yes = "yes",
    }
}

ocplay_protocol::arguments! {
    /// Installs, upgrades and removes Debian packages.
    pub(super) struct Args {
        /// Packages: `name`, `name=version`, or a pattern.
        name: Vec<String> ["package", "pkg"] = Vec::new(),
        /// Wanted state.
        state: State = State::Present,
        /// Fetch the package lists first.
        update_cache: Option<bool> ["update-cache"],
        /// Seconds for which fetched lists are good enough.
        cache_valid_time: i64 = 0,
        /// How often to try again to fetch the lists.
        update_cache_retries: i64 = 5,
        /// Seconds between two tries at most.
        update_cache_retry_max_delay: i64 = 12,
        /// Remove configuration files too.
        purge: bool = false,
        /// Release to prefer.
        default_release: Option<String> ["default-release"],
        /// Install recommended packages; by default as the host is set up.
        install_recommends: Option<bool> ["install-recommends"],
        /// Force whatever apt-get can be forced to.
        force: bool = false,
        /// Accept packages of repositories that are not signed.
        allow_unauthenticated: bool ["allow-unauthenticated"] = false,
        /// Accept an older version.
        allow_downgrade: bool ["allow-downgrade", "allow_downgrades", "allow-downgrades"] = false,
        /// Change packages that are on hold.
        allow_change_held_packages: bool = false,
        /// Upgrade all packages.
        upgrade: Upgrade = Upgrade::No,
        /// Options for dpkg, separated by commas.
        dpkg_options: String = "force-confdef,force-confold".to_owned(),
        /// A .deb file on the host, or its URL.
        deb: Option<String>,
        /// Remove packages that nothing needs any more.
        autoremove: bool = false,
        /// Remove downloaded packages that are no longer offered.
        autoclean: bool = false,
        /// Remove all downloaded packages.
        clean: bool = false,
        /// Exit code of policy-rc.d during the task; 101 keeps services from starting.
        policy_rc_d: Option<i64>,
        /// Only upgrade what is installed.
        only_upgrade: bool = false,
        /// Fail if other packages would be removed.
        fail_on_autoremove: bool = false,
        /// Accepted for old playbooks; apt-get is always used.
        force_apt_get: bool = false,
        /// Seconds to wait for another package manager.
        lock_timeout: i64 = 60,
        /// Accepted for old playbooks; nothing has to be installed for this module.
        auto_install_module_deps: bool = true,
    }
}

pub(super) struct Apt;

pub(super) struct Plan {
    args: Args,
    update: bool,
    actions: Vec<Action>,
    lines: Vec<String>,
}

/// One call of apt-get.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Action {
    /// Verb and operands.
    words: Vec<String>,
    what: &'static str,
}

impl Action {
    fn new(what: &'static str, words: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self {
            words: words.into_iter().map(Into::into).collect(),
            what,
        }
    }

    fn words(&self) -> Vec<&str> {
        self.words.iter().map(String::as_str).collect()
    }
}

/// Another module's wish, with apt's defaults.
pub(super) fn wish(names: &[String], state: State) -> Args {
    use ocplay_protocol::Arguments;
    let given = serde_json::json!({ "name": names, "state": state.word() });
    match <Args as Arguments>::read(given.as_object().cloned().unwrap_or_default()) {
        Ok(args) => args,
        Err(_) => unreachable!("names and a state are all that is required"),
    }
}

impl Module for Apt {
    const NAME: &'static str = "apt";
    type Args = Args;
    type Plan = Plan;

    fn check(args: &Args, look: &Look) -> Result<Verdict<Plan>, Failure> {
        if look.which("apt-get").is_none() {
            return Err(
                "apt-get is not on this host, so it has no Debian packages; use the package \
                 module for playbooks that run on several distributions"
                    .into(),
            );
        }
        let only_update = args.name.iter().all(String::is_empty)
            && args.deb.is_none()
            && args.upgrade == Upgrade::No
            && args.state != State::Fixed
            && !args.autoremove
            && !args.autoclean
            && !args.clean;
        let update = wants_update(args);
        if only_update {
            let result = cache_result(update);
            if !update {
                return Ok(Verdict::Same(result));
            }
            let plan = Plan {
                args: args.clone(),
                update,
                actions: Vec::new(),
                lines: vec!["update the package lists".to_owned()],
            };
            return Ok(Verdict::Change(plan, result));
        }
        let (actions, warning) = match actions(args, look, update) {
            Ok(actions) => (actions, None),
            Err(failure) if look.is_check() => (
                vec![Action::new("install", args.name.clone())],
                Some(failure.message),
            ),
            // New lists may help.
            Err(_) if update => (Vec::new(), None),
            Err(failure) => return Err(failure),
        };
        let mut result = cache_result(update);
        if let Some(warning) = &warning {
            result = result.warn(format!(
                "{warning} (an earlier task may add what is missing)"
            ));
        }
        if actions.is_empty() && !update {
            return Ok(Verdict::Same(result));
        }
        let mut lines = Vec::new();
        if warning.is_some() {
            let line = |name: &String| format!("install {name} (not to be had yet)");
            lines.extend(args.name.iter().map(line));
        }
        if warning.is_none() && (look.is_check() || look.wants_diff()) {
            for action in &actions {
                match tool::simulate(args, look, &action.words()) {
                    Ok(simulation) => lines.extend(simulation.lines),
                    Err(failure) if look.is_check() => {
                        result = result.warn(failure.message);
                        lines.push(format!("{} {}", action.what, action.words.join(" ")));
                    }
                    // It may work once the lists are new; apply will tell.
                    Err(_) => lines.push(action.words.join(" ")),
                }
            }
        }
        let changed = !actions.is_empty();
        let plan = Plan {
            args: args.clone(),
            update,
            actions,
            lines,
        };
        Ok(Verdict::Change(plan, result.changed(changed)))
    }

    fn describe(plan: &Plan) -> Vec<Diff> {
        let mut text = plan.lines.join("\n");
        text.push('\n');
        vec![Diff::prepared(text)]
    }

    fn apply(plan: Plan, touch: &mut Touch) -> Result<Return, Failure> {
        let Plan {
            args,
            update,
            mut actions,
            ..
        } = plan;
        if update {
            tool::update(&args, touch)?;
            let nothing_else = actions.is_empty()
                && args.name.iter().all(String::is_empty)
                && args.deb.is_none()
                && args.upgrade == Upgrade::No
                && args.state != State::Fixed
                && !args.autoremove
                && !args.autoclean
                && !args.clean;
            if nothing_else {
                return Ok(cache_result(true));
            }
            actions = self::actions(&args, touch, false)?;
        }
        let changed = !actions.is_empty();
        let (mut stdout, mut stderr) = (String::new(), String::new());
        let deb = fetch_deb(&args, touch)?;
        tool::with_policy(&args, touch, |touch| {
            for action in &mut actions {
                if let Some(deb) = &deb {
                    for word in &mut action.words {
                        if word.contains("://") {
                            *word = deb.to_string_lossy().into_owned();
                        }
                    }
                }
                if args.fail_on_autoremove {
                    let foreseen = tool::simulate(&args, touch, &action.words())?;
                    if foreseen.removes {
                        return Err(Failure::new(format!(
                            "packages would be removed, which fail_on_autoremove forbids: {}",
                            foreseen.lines.join(", ")
                        )));
                    }
                }
                let output = touch.run(&tool::command(&args, &action.words()))?;
                if !output.ok() {
                    return Err(tool::failure(&output, action.what, &action.words()));
                }
                stdout.push_str(&output.out());
                stderr.push_str(&output.err());
            }
            Ok(())
        })?;
        if let Some(deb) = deb {
            touch.remove(&deb)?;
        }
        Ok(cache_result(update)
            .with("stdout", stdout)
            .with("stderr", stderr)
            .changed(changed))
    }
}

fn wants_update(args: &Args) -> bool {
    let wanted = args.update_cache.unwrap_or(args.cache_valid_time > 0);
    if !wanted {
        return false;
    }
    let valid = Duration::from_secs(u64::try_from(args.cache_valid_time).unwrap_or(0));
    let age = tool::cache_time().and_then(|time| SystemTime::now().duration_since(time).ok());
    !(tool::has_lists() && age.is_some_and(|age| age < valid))
}

fn cache_result(updated: bool) -> Return {
    let time = tool::cache_time()
        .and_then(|time| time.duration_since(UNIX_EPOCH).ok())
        .map_or(0, |since| since.as_secs());
    Return::new()
        .with("cache_updated", updated)
        .with("cache_update_time", time)
}

/// What apt-get has to do. `stale` means that the lists will be fetched anew,
/// so nobody should complain about them yet.
fn actions(args: &Args, look: &Look, stale: bool) -> Result<Vec<Action>, Failure> {
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
        // Known only after the download; apt-get itself skips what is there.
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

/// Downloads a package that is given by its URL.
fn fetch_deb(args: &Args, touch: &mut Touch) -> Result<Option<PathBuf>, Failure> {
    let Some(url) = args.deb.as_ref().filter(|deb| deb.contains("://")) else {
        return Ok(None);
    };
    let call = Call {
        url: url.clone(),
        timeout: Duration::from_secs(30),
        ..Call::default()
    }
    .discreet();
    let mut answer = call.send(touch)?;
    if answer.status != 200 {
        return Err(Failure::new(format!("{url} answered {}", answer.status))
            .with("status_code", Value::from(answer.status)));
    }
    let path = touch.temporary(&std::env::temp_dir(), "ocplay-", ".deb", false)?;
    let mut staged = touch.stage(&std::env::temp_dir())?;
    touch.pour(&mut staged, &mut answer.body)?;
    touch.place(staged, &path, &crate::host::Settled::default())?;
    Ok(Some(path))
}
