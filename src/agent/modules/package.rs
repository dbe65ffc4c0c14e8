//! `package`: packages by whatever package manager the host has.

use ocplay_protocol::Diff;

use super::apt::{self, Apt};
use super::{Module, Verdict};
use crate::facts::package_manager;
use crate::host::{Command, Failure, Look, Return, Touch};

ocplay_protocol::arguments! {
    /// Installs, upgrades and removes packages with the host's own package manager.
    pub(super) struct Args {
        /// Packages.
        name: Vec<String> ["pkg", "package"],
        /// present, absent or latest.
        state: String,
        /// Package manager to use.
        use_ as "use": String = "auto".to_owned(),
    }
}

pub(super) struct Package;

pub(super) enum Plan {
    Apt(<Apt as Module>::Plan),
    Other {
        command: Command,
        names: Vec<String>,
        verb: &'static str,
    },
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Present,
    Absent,
    Latest,
}

/// How a package manager is called.
struct Manager {
    name: &'static str,
    /// Succeeds for an installed package.
    query: &'static [&'static str],
    install: &'static [&'static str],
    upgrade: &'static [&'static str],
    remove: &'static [&'static str],
    /// Succeeds, or with 100, tells of an upgrade.
    outdated: &'static [&'static str],
}

const MANAGERS: &[Manager] = &[
    Manager {
        name: "dnf",
        query: &["rpm", "-q", "--whatprovides"],
        install: &["dnf", "-y", "install"],
        upgrade: &["dnf", "-y", "install", "--best"],
        remove: &["dnf", "-y", "remove"],
        outdated: &["dnf", "-q", "check-update"],
    },
    Manager {
        name: "dnf5",
        query: &["rpm", "-q", "--whatprovides"],
        install: &["dnf5", "-y", "install"],
        upgrade: &["dnf5", "-y", "install", "--best"],
        remove: &["dnf5", "-y", "remove"],
        outdated: &["dnf5", "-q", "check-upgrade"],
    },
    Manager {
        name: "microdnf",
        query: &["rpm", "-q", "--whatprovides"],
        install: &["microdnf", "-y", "install"],
        upgrade: &["microdnf", "-y", "upgrade"],
        remove: &["microdnf", "-y", "remove"],
        outdated: &[],
    },
    Manager {
        name: "yum",
        query: &["rpm", "-q", "--whatprovides"],
        install: &["yum", "-y", "install"],
        upgrade: &["yum", "-y", "install"],
        remove: &["yum", "-y", "remove"],
        outdated: &["yum", "-q", "check-update"],
    },
    Manager {
        name: "zypper",
        query: &["rpm", "-q", "--whatprovides"],
        install: &["zypper", "--non-interactive", "install"],
        upgrade: &["zypper", "--non-interactive", "install"],
        remove: &["zypper", "--non-interactive", "remove"],
        outdated: &[],
    },
    Manager {
        name: "apk",
        query: &["apk", "info", "-e"],
        install: &["apk", "add"],
        upgrade: &["apk", "add", "--upgrade"],
        remove: &["apk", "del"],
        outdated: &[],
    },
    Manager {
        name: "pacman",
        query: &["pacman", "-Q"],
        install: &["pacman", "--noconfirm", "--needed", "-S"],
        upgrade: &["pacman", "--noconfirm", "-S"],
        remove: &["pacman", "--noconfirm", "-R"],
        outdated: &[],
    },
    Manager {
        name: "xbps",
        query: &["xbps-query"],
        install: &["xbps-install", "-y"],
        upgrade: &["xbps-install", "-yu"],
        remove: &["xbps-remove", "-y"],
        outdated: &[],
    },
    Manager {
        name: "opkg",
        query: &["opkg", "status"],
        install: &["opkg", "install"],
        upgrade: &["opkg", "upgrade"],
        remove: &["opkg", "remove"],
        outdated: &[],
    },
];

fn state_of(word: &str) -> Result<State, Failure> {
    match word {
        "present" | "installed" => Ok(State::Present),
        "absent" | "removed" => Ok(State::Absent),
        "latest" => Ok(State::Latest),
        other => Err(Failure::new(format!(
            "state '{other}' is not one of present, absent, latest"
        ))),
    }
}

impl Module for Package {
    const NAME: &'static str = "package";
    type Args = Args;
    type Plan = Plan;

    fn check(args: &Args, look: &Look) -> Result<Verdict<Plan>, Failure> {
        let state = state_of(&args.state)?;
        let used = match args.use_.as_str() {
            "auto" => package_manager(),
            other => other,
        };
        if used == "apt" {
            let state = match state {
                State::Present => apt::State::Present,
                State::Absent => apt::State::Absent,
                State::Latest => apt::State::Latest,
            };
            return Ok(match Apt::check(&apt::wish(&args.name, state), look)? {
                Verdict::Same(result) => Verdict::Same(result),
                Verdict::Change(plan, result) => Verdict::Change(Plan::Apt(plan), result),
                Verdict::MustRun(plan) => Verdict::MustRun(Plan::Apt(plan)),
                Verdict::Always(plan) => Verdict::Always(Plan::Apt(plan)),
                Verdict::Skip(result) => Verdict::Skip(result),
            });
        }
        let manager = MANAGERS
            .iter()
            .find(|manager| manager.name == used)
            .ok_or_else(|| {
                Failure::new(format!(
                    "no package manager that can be used is on this host (found: {used}); name \
                     one in 'use', or install by the command module"
                ))
            })?;
        other(manager, args, state, look)
    }

    fn describe(plan: &Plan) -> Vec<Diff> {
        match plan {
            Plan::Apt(plan) => Apt::describe(plan),
            Plan::Other { names, verb, .. } => {
                let lines: String = names
                    .iter()
                    .map(|name| format!("{verb} {name}\n"))
                    .collect();
                vec![Diff::prepared(lines)]
            }
        }
    }

    fn apply(plan: Plan, touch: &mut Touch) -> Result<Return, Failure> {
        match plan {
            Plan::Apt(plan) => Apt::apply(plan, touch),
            Plan::Other {
                command,
                names,
                verb,
            } => {
                let what = format!("{verb} {}", names.join(", "));
                let output = touch.must(&command, &what)?;
                Ok(Return::new()
                    .with("rc", 0)
                    .with("results", names)
                    .with("stdout", output.out())
                    .with("stderr", output.err())
                    .with("msg", ""))
            }
        }
    }
}

fn other(
    manager: &Manager,
    args: &Args,
    state: State,
    look: &Look,
) -> Result<Verdict<Plan>, Failure> {
    let mut names = Vec::new();
    let mut newer = Vec::new();
    for name in args.name.iter().filter(|name| !name.is_empty()) {
        let words = manager.query.iter().copied().chain([name.as_str()]);
        let output = look.query(words)?;
        // opkg says nothing, successfully, about what it does not know.
        let installed = output.ok() && !output.stdout.trim_ascii().is_empty();
        match (state, installed) {
            (State::Present, false) | (State::Latest, false) | (State::Absent, true) => {
                names.push(name.clone());
            }
            (State::Latest, true) if manager.outdated.is_empty() => newer.push(name.clone()),
            (State::Latest, true) => {
                let words = manager.outdated.iter().copied().chain([name.as_str()]);
                if look.query(words)?.code == 100 {
                    newer.push(name.clone());
                }
            }
            (State::Present, true) | (State::Absent, false) => {}
        }
    }
    let result = Return::new().with("rc", 0).with("msg", "");
    let (verb, prefix) = match state {
        State::Absent => ("remove", manager.remove),
        State::Present => ("install", manager.install),
        State::Latest if newer.is_empty() => ("install", manager.install),
        State::Latest => ("upgrade", manager.upgrade),
    };
    names.append(&mut newer);
    if names.is_empty() {
        return Ok(Verdict::Same(result.with("results", names)));
    }
    let command = Command::new(
        prefix
            .iter()
            .map(|word| (*word).to_owned())
            .chain(names.iter().cloned()),
    );
    let result = result.with("results", names.clone());
    let plan = Plan::Other {
        command,
        names,
        verb,
    };
    Ok(Verdict::Change(plan, result))
}
