//! `dnf`: packages of the Red Hat family.

use super::package::{State, Wish, decide, one_manager};
use super::{Module, Verdict};
use crate::facts::package_manager;
use crate::host::{Failure, Look, Return};

ocplay_protocol::choices! {
    /// Wanted state of the packages.
    pub(super) enum Wanted {
        Present = "present",
        Installed = "installed",
        Absent = "absent",
        Removed = "removed",
        Latest = "latest",
    }
}

ocplay_protocol::arguments! {
    /// Installs, upgrades and removes packages with dnf or yum.
    pub(super) struct Args {
        /// Packages, `@groups`, files or addresses; `*` with state latest for everything.
        name: Vec<String> ["pkg"] = Vec::new(),
        /// Wanted state; by default present.
        state: Option<Wanted>,
        /// Fetch the lists of packages first.
        update_cache: bool ["expire-cache"] = false,
        /// Repositories to switch on for this task.
        enablerepo: Vec<String> = Vec::new(),
        /// Repositories to switch off for this task.
        disablerepo: Vec<String> = Vec::new(),
        /// Packages to leave alone.
        exclude: Vec<String> = Vec::new(),
        /// Only what mends security.
        security: bool = false,
        /// Only what mends bugs.
        bugfix: bool = false,
        /// Configuration file.
        conf_file: Option<String>,
        /// Do not check signatures.
        disable_gpg_check: bool = false,
        /// Another root directory.
        installroot: String = "/".to_owned(),
        /// Release whose packages are meant.
        releasever: Option<String>,
        /// Remove what nothing needs any more.
        autoremove: bool = false,
        /// Go on without packages that break.
        skip_broken: bool = false,
        /// Only upgrade what is there.
        update_only: bool = false,
        /// Install weak dependencies too.
        install_weak_deps: bool = true,
        /// Only fetch the packages.
        download_only: bool = false,
        /// Where to fetch them to.
        download_dir: Option<String>,
        /// Allow an older version to replace a newer one.
        allow_downgrade: bool = false,
        /// Allow packages to be removed for the sake of others.
        allowerasing: bool = false,
        /// Do not insist on the best candidate.
        nobest: Option<bool>,
        /// Insist on the best candidate.
        best: Option<bool>,
        /// Use only what is in the cache.
        cacheonly: bool = false,
        /// Plug-ins to switch on.
        enable_plugin: Vec<String> = Vec::new(),
        /// Plug-ins to switch off.
        disable_plugin: Vec<String> = Vec::new(),
        /// Ignore exclusions of the configuration.
        disable_excludes: Option<String>,
        /// Check the certificates of repositories.
        sslverify: bool = true,
        /// Check the certificates of addresses given as names.
        validate_certs: bool = true,
        /// Accepted for old playbooks; the tool waits for its lock.
        lock_timeout: i64 = 30,
        /// Accepted for old playbooks.
        install_repoquery: bool = true,
        /// Which tool: auto, dnf, dnf5, dnf4 or yum.
        use_backend: String ["use"] = "auto".to_owned(),
        /// List packages instead: a name, or installed, updates, available, repos.
        list: Option<String>,
    }
}

pub(super) struct Dnf;

impl Module for Dnf {
    const NAME: &'static str = "dnf";
    const ALIASES: &'static [&'static str] = &["yum", "dnf5"];
    type Args = Args;

    fn check(args: &Args, look: &Look) -> Result<Verdict<Self::Plan>, Failure> {
        let manager = match args.use_backend.as_str() {
            "auto" | "" => package_manager(),
            "dnf4" | "yum4" => "dnf",
            other => other,
        };
        if let Some(what) = &args.list {
            return list(manager, what, look);
        }
        let everything = args.name.iter().any(|name| name == "*");
        let names: Vec<String> = args
            .name
            .iter()
            .filter(|name| *name != "*")
            .cloned()
            .collect();
        let wish = Wish {
            global: Vec::new(),
            manager,
            names: &names,
            state: match args.state {
                Some(Wanted::Absent | Wanted::Removed) => State::Absent,
                Some(Wanted::Latest) => State::Latest,
                // Without packages, autoremove is all that is wanted.
                _ => State::Present,
            },
            options: options(args),
            refresh: args.update_cache,
            everything: everything && args.state == Some(Wanted::Latest),
        };
        decide(&wish, look)
    }

    one_manager!();
}

/// Options of the command line.
fn options(args: &Args) -> Vec<String> {
    let mut out = Vec::new();
    let mut each = |option: &str, values: &[String]| {
        out.extend(values.iter().map(|value| format!("--{option}={value}")));
    };
    each("enablerepo", &args.enablerepo);
    each("disablerepo", &args.disablerepo);
    each("exclude", &args.exclude);
    each("enableplugin", &args.enable_plugin);
    each("disableplugin", &args.disable_plugin);
    for (option, value) in [
        ("config", &args.conf_file),
        ("releasever", &args.releasever),
        ("downloaddir", &args.download_dir),
        ("disableexcludes", &args.disable_excludes),
    ] {
        if let Some(value) = value {
            out.push(format!("--{option}={value}"));
        }
    }
    if args.installroot != "/" {
        out.push(format!("--installroot={}", args.installroot));
    }
    for (option, wanted) in [
        ("--security", args.security),
        ("--bugfix", args.bugfix),
        ("--nogpgcheck", args.disable_gpg_check),
        ("--skip-broken", args.skip_broken),
        ("--downloadonly", args.download_only),
        ("--allowerasing", args.allowerasing),
        ("--cacheonly", args.cacheonly),
        (
            "--nobest",
            args.nobest == Some(true) || args.best == Some(false),
        ),
        (
            "--best",
            args.best == Some(true) || args.nobest == Some(false),
        ),
        ("--setopt=install_weak_deps=0", !args.install_weak_deps),
        ("--setopt=sslverify=0", !args.sslverify),
    ] {
        if wanted {
            out.push(option.to_owned());
        }
    }
    out
}

/// What `list` asks for, by rpm's own query format.
fn list(
    manager: &str,
    what: &str,
    look: &Look,
) -> Result<Verdict<super::package::Change>, Failure> {
    let format = "%{NAME}|%{EPOCHNUM}|%{VERSION}|%{RELEASE}|%{ARCH}\n";
    let installed = |name: Option<&str>| {
        let mut argv = vec!["rpm", "-q", "--qf", format];
        argv.push(name.unwrap_or("-a"));
        look.query(argv)
    };
    let output = match what {
        "installed" => installed(None)?,
        "updates" | "upgrades" | "available" | "repos" | "repositories" => {
            return Err(Failure::new(format!(
                "list: {what} is not supported; use '{manager} list' in the command module"
            )));
        }
        name => installed(Some(name))?,
    };
    let results: Vec<serde_json::Value> = output
        .out()
        .lines()
        .filter_map(|line| {
            let [name, epoch, version, release, arch] = line.split('|').collect::<Vec<_>>()[..]
            else {
                return None;
            };
            Some(serde_json::json!({
                "name": name, "epoch": epoch, "version": version, "release": release,
                "arch": arch, "yumstate": "installed", "repo": "@System",
                "nevra": format!("{epoch}:{name}-{version}-{release}.{arch}"),
                "envra": format!("{epoch}:{name}-{version}-{release}.{arch}"),
            }))
        })
        .collect();
    Ok(Verdict::Same(Return::new().with("results", results)))
}

#[cfg(test)]
mod tests {
    use ocplay_protocol::Arguments;

    use super::*;

    #[test]
    fn options_become_words() {
        let given = serde_json::json!({
            "name": "a", "enablerepo": "x,y", "install_weak_deps": false, "disable_gpg_check": true,
        });
        let args = Args::read(given.as_object().unwrap().clone()).unwrap();
        assert_eq!(
            options(&args),
            [
                "--enablerepo=x",
                "--enablerepo=y",
                "--nogpgcheck",
                "--setopt=install_weak_deps=0"
            ]
        );
    }
}
