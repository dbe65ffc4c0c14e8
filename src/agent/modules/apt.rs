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
use crate::host::{Failure, Look, Return, Touch};

mod actions;
mod database;
mod tool;

use actions::actions;

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

/// Updates the package lists for another module.
pub(super) fn refresh(retries: i64, most_delay: i64, touch: &mut Touch) -> Result<(), Failure> {
    let mut args = wish(&[], State::Present);
    args.update_cache_retries = retries;
    args.update_cache_retry_max_delay = most_delay;
    tool::update(&args, true, touch)
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
            tool::update(&args, false, touch)?;
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
            actions = actions::actions(&args, touch, false)?;
        }
        let mut args = args;
        let deb = fetch_deb(&args, touch)?;
        if let Some(deb) = &deb {
            // Now it can be read what it is, and whether that is there.
            args.deb = Some(deb.to_string_lossy().into_owned());
            actions = actions::actions(&args, touch, false)?;
        }
        let changed = !actions.is_empty();
        let (mut stdout, mut stderr) = (String::new(), String::new());
        let done = tool::with_policy(&args, touch, |touch| {
            for action in &actions {
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
        });
        if let Some(deb) = deb {
            touch.remove(&deb)?;
        }
        done?;
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
