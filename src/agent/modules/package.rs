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
        state: String = "present".to_owned(),
        /// Fetch the lists of packages first.
        update_cache: bool ["update-cache"] = false,
        /// Accepted for apt, where it is the age at which lists are old.
        cache_valid_time: i64 = 0,
        /// Install recommended packages too, for apt.
        install_recommends: Option<bool> ["install-recommends"],
        /// Allow an older version to replace a newer one.
        allow_downgrade: bool ["allow-downgrade"] = false,
        /// Remove unneeded dependencies.
        autoremove: bool = false,
        /// Remove configuration files too, for apt.
        purge: bool = false,
        /// Release to prefer, for apt.
        default_release: Option<String> ["default-release"],
        /// Accept packages of repositories that are not signed, for apt.
        allow_unauthenticated: bool ["allow-unauthenticated"] = false,
        /// Force whatever apt-get can be forced to, for apt.
        force: bool = false,
        /// Accepted for old playbooks; apt-get is always used.
        force_apt_get: bool = false,
        /// Options for dpkg, separated by commas, for apt.
        dpkg_options: Option<String>,
        /// Only upgrade what is installed, for apt.
        only_upgrade: bool = false,
        /// Seconds to wait for another package manager, for apt.
        lock_timeout: Option<i64>,
        /// Packages to leave alone, for dnf and yum.
        exclude: Vec<String> = Vec::new(),
        /// Repositories to switch on for this task, for dnf and yum.
        enablerepo: Vec<String> = Vec::new(),
        /// Repositories to switch off for this task, for dnf and yum.
        disablerepo: Vec<String> = Vec::new(),
        /// Do not check signatures, for dnf and yum.
        disable_gpg_check: bool = false,
        /// Go on without packages that break, for dnf and yum.
        skip_broken: bool = false,
        /// Install weak dependencies too, for dnf.
        install_weak_deps: Option<bool>,
        /// Release whose packages are meant, for dnf and yum.
        releasever: Option<String>,
        /// Package manager to use.
        use_ as "use": String = "auto".to_owned(),
    }
}

pub(super) struct Package;

pub(super) enum Plan {
    Apt(<Apt as Module>::Plan),
    Other(Change),
}

/// Calls of a package manager.
pub(super) struct Change {
    /// Fetches the lists of packages.
    refresh: Option<Command>,
    command: Option<Command>,
    names: Vec<String>,
    verb: &'static str,
    /// Calls whose answers tell whether something has changed, where the call
    /// itself is made in any case.
    compared: Vec<Command>,
}

/// What is wanted of a package manager; also built by the modules that are
/// called after one.
pub(super) struct Wish<'a> {
    pub(super) manager: &'a str,
    pub(super) names: &'a [String],
    pub(super) state: State,
    /// Further words for the calls that change something.
    pub(super) options: Vec<String>,
    /// Words that stand before what is to be done.
    pub(super) global: Vec<String>,
    pub(super) refresh: bool,
    /// Upgrade whatever can be.
    pub(super) everything: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Present,
    Absent,
    Latest,
}

/// How a package manager is called.
struct Manager {
    name: &'static str,
    /// Succeeds for an installed package.
    query: &'static [&'static str],
    /// Lists all packages with their versions.
    all: &'static [&'static str],
    install: &'static [&'static str],
    upgrade: &'static [&'static str],
    remove: &'static [&'static str],
    outdated: Outdated,
    /// Fetches the lists of packages.
    refresh: &'static [&'static str],
    /// Upgrades everything.
    everything: &'static [&'static str],
}

/// How a package manager tells of upgrades: of all, or of a package named last.
enum Outdated {
    /// Ends with 100.
    Code100(&'static [&'static str]),
    /// Says something.
    Says(&'static [&'static str]),
    /// Lists all in XML, whatever is named.
    Lists(&'static [&'static str]),
    /// It does not: versions are compared before and after.
    Unknown,
}

impl Outdated {
    /// Whether there is an upgrade for a package, or for any.
    fn tells(&self, name: Option<&str>, look: &Look) -> Result<bool, Failure> {
        Ok(match self {
            Self::Code100(words) => look.query(words.iter().copied().chain(name))?.code == 100,
            Self::Says(words) => {
                let output = look.query(words.iter().copied().chain(name))?;
                !output.stdout.trim_ascii().is_empty()
            }
            Self::Lists(words) => {
                let output = look.query(words.iter().copied())?;
                if !output.ok() {
                    let message = format!("cannot list upgrades: {}", output.complaint());
                    return Err(output.failure(message));
                }
                listed(&output.out(), name)
            }
            Self::Unknown => true,
        })
    }
}

/// Whether zypper's list of updates holds a package, or any.
fn listed(xml: &str, name: Option<&str>) -> bool {
    let mut updates = xml.split("<update ").skip(1);
    match name {
        Some(name) => updates.any(|update| update.contains(&format!(" name=\"{name}\""))),
        None => updates.next().is_some(),
    }
}

const MANAGERS: &[Manager] = &[
    Manager {
        name: "dnf",
        all: &["rpm", "-qa"],
        query: &["rpm", "-q", "--whatprovides"],
        install: &["dnf", "-y", "install"],
        upgrade: &["dnf", "-y", "install", "--best"],
        remove: &["dnf", "-y", "remove"],
        outdated: Outdated::Code100(&["dnf", "-q", "check-update"]),
        refresh: &["dnf", "-q", "makecache"],
        everything: &["dnf", "-y", "upgrade"],
    },
    Manager {
        name: "dnf5",
        all: &["rpm", "-qa"],
        query: &["rpm", "-q", "--whatprovides"],
        install: &["dnf5", "-y", "install"],
        upgrade: &["dnf5", "-y", "install", "--best"],
        remove: &["dnf5", "-y", "remove"],
        outdated: Outdated::Code100(&["dnf5", "-q", "check-upgrade"]),
        refresh: &["dnf5", "-q", "makecache"],
        everything: &["dnf5", "-y", "upgrade"],
    },
    Manager {
        name: "microdnf",
        all: &["rpm", "-qa"],
        query: &["rpm", "-q", "--whatprovides"],
        install: &["microdnf", "-y", "install"],
        upgrade: &["microdnf", "-y", "upgrade"],
        remove: &["microdnf", "-y", "remove"],
        outdated: Outdated::Unknown,
        refresh: &["microdnf", "makecache"],
        everything: &["microdnf", "-y", "upgrade"],
    },
    Manager {
        name: "yum",
        all: &["rpm", "-qa"],
        query: &["rpm", "-q", "--whatprovides"],
        install: &["yum", "-y", "install"],
        upgrade: &["yum", "-y", "install"],
        remove: &["yum", "-y", "remove"],
        outdated: Outdated::Code100(&["yum", "-q", "check-update"]),
        refresh: &["yum", "-q", "makecache"],
        everything: &["yum", "-y", "update"],
    },
    Manager {
        name: "zypper",
        all: &["rpm", "-qa"],
        query: &["rpm", "-q", "--whatprovides"],
        install: &["zypper", "--non-interactive", "install"],
        upgrade: &["zypper", "--non-interactive", "install"],
        remove: &["zypper", "--non-interactive", "remove"],
        outdated: Outdated::Lists(&[
            "zypper",
            "--non-interactive",
            "--quiet",
            "--xmlout",
            "list-updates",
        ]),
        refresh: &["zypper", "--non-interactive", "refresh"],
        everything: &["zypper", "--non-interactive", "update"],
    },
    Manager {
        name: "apk",
        all: &["apk", "info", "-v"],
        query: &["apk", "info", "-e"],
        install: &["apk", "add"],
        upgrade: &["apk", "add", "--upgrade"],
        remove: &["apk", "del"],
        outdated: Outdated::Says(&["apk", "version", "--quiet", "--limit", "<"]),
        refresh: &["apk", "update"],
        everything: &["apk", "upgrade"],
    },
    Manager {
        name: "pacman",
        all: &["pacman", "-Q"],
        query: &["pacman", "-Q"],
        install: &["pacman", "--noconfirm", "--needed", "-S"],
        upgrade: &["pacman", "--noconfirm", "-S"],
        remove: &["pacman", "--noconfirm", "-R"],
        outdated: Outdated::Says(&["pacman", "-Qu"]),
        refresh: &["pacman", "-Sy"],
        everything: &["pacman", "--noconfirm", "-Su"],
    },
    Manager {
        name: "xbps",
        all: &["xbps-query", "-l"],
        query: &["xbps-query"],
        install: &["xbps-install", "-y"],
        upgrade: &["xbps-install", "-yu"],
        remove: &["xbps-remove", "-y"],
        outdated: Outdated::Unknown,
        refresh: &["xbps-install", "-S"],
        everything: &["xbps-install", "-yu"],
    },
    Manager {
        name: "opkg",
        all: &["opkg", "list-installed"],
        query: &["opkg", "status"],
        install: &["opkg", "install"],
        upgrade: &["opkg", "upgrade"],
        remove: &["opkg", "remove"],
        outdated: Outdated::Unknown,
        refresh: &["opkg", "update"],
        everything: &["opkg", "upgrade"],
    },
];

pub(super) fn state_of(word: &str) -> Result<State, Failure> {
    match word {
        "present" | "installed" => Ok(State::Present),
        "absent" | "removed" => Ok(State::Absent),
        "latest" | "upgraded" | "dist-upgrade" => Ok(State::Latest),
        other => Err(Failure::new(format!(
            "state '{other}' is not one of present, absent, latest"
        ))),
    }
}

impl Args {
    /// Refuses what the host's package manager has no word for, as the module
    /// of that manager would.
    fn belongs(&self, manager: &str) -> Result<(), Failure> {
        let apt = [
            ("default_release", self.default_release.is_some()),
            ("allow_unauthenticated", self.allow_unauthenticated),
            ("force", self.force),
            ("dpkg_options", self.dpkg_options.is_some()),
            ("only_upgrade", self.only_upgrade),
        ];
        let rpm = [
            ("exclude", !self.exclude.is_empty()),
            ("enablerepo", !self.enablerepo.is_empty()),
            ("disablerepo", !self.disablerepo.is_empty()),
            ("disable_gpg_check", self.disable_gpg_check),
            ("skip_broken", self.skip_broken),
            ("install_weak_deps", self.install_weak_deps.is_some()),
            ("releasever", self.releasever.is_some()),
        ];
        let is_rpm = matches!(manager, "dnf" | "dnf5" | "microdnf" | "yum");
        let foreign = apt.iter().filter(|_| manager != "apt");
        let foreign = foreign.chain(rpm.iter().filter(|_| !is_rpm));
        match foreign.into_iter().find(|(_, given)| *given) {
            None => Ok(()),
            Some((name, _)) => Err(Failure::new(format!(
                "'{name}' means nothing to {manager}, which this host has; give it under a \
                 condition: when: ansible_pkg_mgr == ..."
            ))),
        }
    }

    /// The options of dnf and yum.
    fn rpm_options(&self) -> Vec<String> {
        let mut options = Vec::new();
        let lists = [
            ("--exclude", &self.exclude),
            ("--enablerepo", &self.enablerepo),
            ("--disablerepo", &self.disablerepo),
        ];
        for (option, names) in lists {
            options.extend(names.iter().map(|name| format!("{option}={name}")));
        }
        if self.disable_gpg_check {
            options.push("--nogpgcheck".to_owned());
        }
        if self.skip_broken {
            options.push("--skip-broken".to_owned());
        }
        if let Some(wanted) = self.install_weak_deps {
            let word = if wanted { "True" } else { "False" };
            options.push(format!("--setopt=install_weak_deps={word}"));
        }
        if let Some(release) = &self.releasever {
            options.push(format!("--releasever={release}"));
        }
        options
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
        args.belongs(used)?;
        if used == "apt" {
            let state = match state {
                State::Present => apt::State::Present,
                State::Absent => apt::State::Absent,
                State::Latest => apt::State::Latest,
            };
            let mut wish = apt::wish(&args.name, state);
            wish.update_cache = args.update_cache.then_some(true);
            wish.cache_valid_time = args.cache_valid_time;
            wish.install_recommends = args.install_recommends;
            wish.allow_downgrade = args.allow_downgrade;
            wish.autoremove = args.autoremove;
            wish.purge = args.purge;
            wish.default_release.clone_from(&args.default_release);
            wish.allow_unauthenticated = args.allow_unauthenticated;
            wish.force = args.force;
            wish.only_upgrade = args.only_upgrade;
            if let Some(options) = &args.dpkg_options {
                wish.dpkg_options.clone_from(options);
            }
            if let Some(seconds) = args.lock_timeout {
                wish.lock_timeout = seconds;
            }
            return Ok(match Apt::check(&wish, look)? {
                Verdict::Same(result) => Verdict::Same(result),
                Verdict::Change(plan, result) => Verdict::Change(Plan::Apt(plan), result),
                Verdict::MustRun(plan) => Verdict::MustRun(Plan::Apt(plan)),
                Verdict::Always(plan) => Verdict::Always(Plan::Apt(plan)),
                Verdict::Skip(result) => Verdict::Skip(result),
            });
        }
        let mut options = args.rpm_options();
        if args.allow_downgrade && used.starts_with("zypper") {
            options.push("--oldpackage".to_owned());
        }
        let wish = Wish {
            global: Vec::new(),
            manager: used,
            names: &args.name,
            state,
            options,
            refresh: args.update_cache,
            everything: false,
        };
        Ok(match decide(&wish, look)? {
            Verdict::Same(result) => Verdict::Same(result),
            Verdict::Change(plan, result) => Verdict::Change(Plan::Other(plan), result),
            Verdict::MustRun(plan) => Verdict::MustRun(Plan::Other(plan)),
            Verdict::Always(plan) => Verdict::Always(Plan::Other(plan)),
            Verdict::Skip(result) => Verdict::Skip(result),
        })
    }

    fn describe(plan: &Plan) -> Vec<Diff> {
        match plan {
            Plan::Apt(plan) => Apt::describe(plan),
            Plan::Other(change) => change.describe(),
        }
    }

    fn apply(plan: Plan, touch: &mut Touch) -> Result<Return, Failure> {
        match plan {
            Plan::Apt(plan) => Apt::apply(plan, touch),
            Plan::Other(change) => change.run(touch),
        }
    }
}

impl Change {
    pub(super) fn describe(&self) -> Vec<Diff> {
        let lines: String = self
            .names
            .iter()
            .map(|name| format!("{} {name}\n", self.verb))
            .collect();
        vec![Diff::prepared(lines)]
    }

    pub(super) fn run(self, touch: &mut Touch) -> Result<Return, Failure> {
        if let Some(refresh) = &self.refresh {
            touch.must(refresh, "fetch the lists of packages")?;
        }
        let result = Return::new().with("rc", 0).with("msg", "");
        let Some(command) = &self.command else {
            return Ok(result.with("results", self.names).changed(false));
        };
        let what = format!("{} {}", self.verb, self.names.join(", "));
        let versions = |look: &Look| -> Result<Vec<Vec<u8>>, Failure> {
            let answers = self.compared.iter().map(|call| look.ask(call));
            answers.map(|answer| Ok(answer?.stdout)).collect()
        };
        let before = versions(touch)?;
        let output = touch.must(command, &what)?;
        let result = match self.compared.is_empty() {
            true => result,
            false => result.changed(before != versions(touch)?),
        };
        Ok(result
            .with("results", self.names)
            .with("stdout", output.out())
            .with("stderr", output.err()))
    }
}

/// What there is to do for a wish.
pub(super) fn decide(wish: &Wish<'_>, look: &Look) -> Result<Verdict<Change>, Failure> {
    let manager = MANAGERS
        .iter()
        .find(|manager| manager.name == wish.manager)
        .ok_or_else(|| {
            Failure::new(format!(
                "Could not find a matching action for the \"{}\" package manager; name one that \
                 is on the host in 'use', or install by the command module",
                wish.manager
            ))
        })?;
    // Lists that are fetched first may hold what today's do not.
    let unknown = match manager.outdated {
        Outdated::Unknown => true,
        Outdated::Says(_) => wish.refresh,
        Outdated::Code100(_) | Outdated::Lists(_) => false,
    };
    let mut names = Vec::new();
    let mut newer = Vec::new();
    for name in wish.names.iter().filter(|name| !name.is_empty()) {
        // A package in a file is there if the same version of it is.
        let file = name.ends_with(".rpm") && manager.query.first() == Some(&"rpm");
        let output = if file {
            let form = "%{NAME}-%{VERSION}-%{RELEASE}.%{ARCH}";
            let held = look.query(["rpm", "-qp", "--nosignature", "--qf", form, name])?;
            match held.ok() {
                true => look.query(["rpm", "-q", held.out().trim()])?,
                false => held,
            }
        } else {
            look.query(manager.query.iter().copied().chain([name.as_str()]))?
        };
        // opkg says nothing, successfully, about what it does not know.
        let installed = output.ok() && !output.stdout.trim_ascii().is_empty();
        match (wish.state, installed) {
            (State::Present, false) | (State::Latest, false) | (State::Absent, true) => {
                names.push(name.clone());
            }
            (State::Latest, true) => {
                if unknown || manager.outdated.tells(Some(name), look)? {
                    newer.push(name.clone());
                }
            }
            (State::Present, true) | (State::Absent, false) => {}
        }
    }
    let (verb, prefix) = match wish.state {
        State::Absent => ("remove", manager.remove),
        State::Present => ("install", manager.install),
        State::Latest if newer.is_empty() => ("install", manager.install),
        State::Latest => ("upgrade", manager.upgrade),
    };
    let mut compared = Vec::new();
    if unknown && names.is_empty() {
        compared.extend(
            newer
                .iter()
                .map(|name| Command::new(manager.query.iter().copied().chain([name.as_str()]))),
        );
    }
    names.append(&mut newer);
    let words = |prefix: &[&str]| -> Vec<String> {
        let prefix = prefix.iter().map(|word| (*word).to_owned());
        prefix.chain(wish.options.iter().cloned()).collect()
    };
    let mut command = None;
    if !names.is_empty() {
        let mut argv = words(prefix);
        argv.splice(1..1, wish.global.iter().cloned());
        argv.extend(names.iter().cloned());
        command = Some(Command::new(argv));
    } else if wish.everything {
        if unknown {
            compared.push(Command::new(manager.all.iter().copied()));
        }
        if unknown || manager.outdated.tells(None, look)? {
            names.push("*".to_owned());
            command = Some(Command::new(words(manager.everything)));
        }
    }
    let verb = if wish.everything { "upgrade" } else { verb };
    let result = Return::new()
        .with("rc", 0)
        .with("msg", "")
        .with("results", names.clone());
    let refresh = (wish.refresh && !manager.refresh.is_empty())
        .then(|| Command::new(manager.refresh.iter().copied()));
    if command.is_none() && refresh.is_none() {
        return Ok(Verdict::Same(result));
    }
    let result = match &command {
        Some(_) => result,
        None => result.changed(false),
    };
    let change = Change {
        refresh,
        command,
        names,
        verb,
        compared,
    };
    Ok(Verdict::Change(change, result))
}

/// Gives a module that is called after one package manager its plan.
macro_rules! one_manager {
    () => {
        type Plan = super::package::Change;

        fn describe(plan: &Self::Plan) -> Vec<ocplay_protocol::Diff> {
            plan.describe()
        }

        fn apply(
            plan: Self::Plan,
            touch: &mut crate::host::Touch,
        ) -> Result<crate::host::Return, crate::host::Failure> {
            plan.run(touch)
        }
    };
}
pub(super) use one_manager;

#[cfg(test)]
mod tests {
    use super::listed;

    /// As zypper 1.14.42 printed it.
    #[test]
    fn zypper_lists_updates() {
        let some = r#"<?xml version='1.0'?>
<stream>
<update-status version="0.6">
<update-list>
<update kind="package" name="mod-rpm-late" edition="2-1" arch="noarch" edition-old="1-1"><summary>a package to try on</summary><description>x</description><license/><source url="file:/srv/modules/rpm/packages" alias="mod"/></update></update-list>
</update-status>
</stream>"#;
        assert!(listed(some, Some("mod-rpm-late")) && listed(some, None));
        assert!(!listed(some, Some("mod-rpm")));
        let none =
            "<update-status version=\"0.6\">\n<update-list>\n</update-list>\n</update-status>";
        assert!(!listed(none, None));
    }
}
