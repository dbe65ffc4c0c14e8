//! apt-get and its kin: command lines, simulation, what went wrong.

use std::path::Path;
use std::time::{Duration, SystemTime};

use super::Args;
use crate::host::{Command, Failure, Look, Output, Settled, Touch, glob};

/// The options that every call gets.
pub(super) fn command(args: &Args, words: &[&str]) -> Command {
    let mut argv: Vec<String> = vec!["apt-get".to_owned(), "-y".to_owned(), "-q".to_owned()];
    for option in args.dpkg_options.split(',') {
        let option = option.trim();
        if !option.is_empty() {
            argv.push("-o".to_owned());
            argv.push(format!("Dpkg::Options::=--{option}"));
        }
    }
    argv.push("-o".to_owned());
    argv.push(format!("DPkg::Lock::Timeout={}", args.lock_timeout));
    let flag = |on: bool, flag: &str, argv: &mut Vec<String>| {
        if on {
            argv.push(flag.to_owned());
        }
    };
    match args.install_recommends {
        Some(true) => argv.extend(["-o".to_owned(), "APT::Install-Recommends=yes".to_owned()]),
        Some(false) => argv.push("--no-install-recommends".to_owned()),
        None => {}
    }
    if let Some(release) = &args.default_release {
        argv.extend(["-t".to_owned(), release.clone()]);
    }
    flag(
        args.allow_unauthenticated || args.force,
        "--allow-unauthenticated",
        &mut argv,
    );
    flag(
        args.allow_downgrade || args.force,
        "--allow-downgrades",
        &mut argv,
    );
    flag(
        args.allow_change_held_packages || args.force,
        "--allow-change-held-packages",
        &mut argv,
    );
    flag(args.force, "--allow-remove-essential", &mut argv);
    flag(args.only_upgrade, "--only-upgrade", &mut argv);
    flag(args.autoremove, "--auto-remove", &mut argv);
    flag(args.purge, "--purge", &mut argv);
    argv.extend(words.iter().map(|word| (*word).to_owned()));
    Command::new(argv)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .env("DEBIAN_PRIORITY", "critical")
        .env("APT_LISTCHANGES_FRONTEND", "none")
        .env("NEEDRESTART_MODE", "l")
}

/// What a run of apt-get would do: one line per package, for people.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Simulation {
    pub(super) lines: Vec<String>,
    pub(super) removes: bool,
}

/// Asks apt-get what it would do.
pub(super) fn simulate(args: &Args, look: &Look, words: &[&str]) -> Result<Simulation, Failure> {
    let mut command = command(args, words);
    command.argv.insert(1, "-s".into());
    let output = look.ask(&command)?;
    if !output.ok() {
        return Err(failure(&output, "work out what to do", words));
    }
    Ok(parse(&output.out()))
}

fn parse(text: &str) -> Simulation {
    let mut found = Simulation::default();
    for line in text.lines() {
        let mut words = line.split_whitespace();
        let verb = words.next().unwrap_or_default();
        let Some(name) = words.next() else { continue };
        let rest: Vec<&str> = words.collect();
        let old = rest
            .iter()
            .find_map(|word| word.strip_prefix('['))
            .map(|word| word.trim_end_matches(']'));
        let new = rest.iter().find_map(|word| word.strip_prefix('('));
        match (verb, old, new) {
            ("Inst", Some(old), Some(new)) if rest[0].starts_with('[') => {
                found.lines.push(format!("upgrade {name} {old} to {new}"));
            }
            ("Inst", _, Some(new)) => found.lines.push(format!("install {name} {new}")),
            ("Remv", old, _) => {
                found.removes = true;
                let old = old.unwrap_or_default();
                found
                    .lines
                    .push(format!("remove {name} {old}").trim_end().to_owned());
            }
            ("Purg", old, _) => {
                found.removes = true;
                let old = old.unwrap_or_default();
                found
                    .lines
                    .push(format!("purge {name} {old}").trim_end().to_owned());
            }
            ("Del", ..) => found.lines.push(format!("delete {name}")),
            _ => {}
        }
    }
    found
}

/// The failure of a call, with what to do about it.
pub(super) fn failure(output: &Output, what: &str, words: &[&str]) -> Failure {
    let said = format!("{}\n{}", output.err(), output.out());
    let errors: Vec<&str> = said
        .lines()
        .filter(|line| line.starts_with("E: ") || line.starts_with("dpkg: error"))
        .map(|line| line.trim_start_matches("E: "))
        .collect();
    let cause = if errors.is_empty() {
        output.complaint()
    } else {
        errors.join("; ")
    };
    let hint = if said.contains("Unable to locate package")
        || said.contains("has no installation candidate")
    {
        "; no configured repository has it: check the name, set update_cache: true if the lists \
         may be old, or add the repository first"
    } else if said.contains("Version '") && said.contains("was not found") {
        "; see the versions there are with 'apt-cache madison <name>'"
    } else if said.contains("dpkg was interrupted") {
        "; run 'dpkg --configure -a' on the host, then again"
    } else if said.contains("Could not get lock") {
        "; another package manager is running, wait for it or raise lock_timeout"
    } else if said.contains("unmet dependencies") {
        "; see the packages named in stdout, or try state: fixed first"
    } else if said.contains("Temporary failure resolving") || said.contains("Could not resolve") {
        "; the host cannot resolve the mirror's name, check /etc/resolv.conf"
    } else if said.contains("are you root") {
        "; the task needs become: true"
    } else if said.contains("Held packages were changed") {
        "; set allow_change_held_packages: true to change them"
    } else if said.contains("packages were downgraded") || said.contains("Packages were downgraded")
    {
        "; set allow_downgrade: true to allow it"
    } else if said.contains("cannot be authenticated") || said.contains("is not signed") {
        "; install the repository's key, or set allow_unauthenticated: true"
    } else {
        ""
    };
    output.failure(format!(
        "apt-get cannot {what} ({}): {cause}{hint}",
        words.join(" ")
    ))
}

/// When the package lists were last fetched.
pub(super) fn cache_time() -> Option<SystemTime> {
    [
        "/var/lib/apt/periodic/update-success-stamp",
        "/var/lib/apt/lists",
    ]
    .iter()
    .filter_map(|path| std::fs::metadata(path).ok()?.modified().ok())
    .max()
}

/// Whether there are lists at all; a fresh image has none.
pub(super) fn has_lists() -> bool {
    !glob::expand("/var/lib/apt/lists/*_Packages*").is_empty()
        || !glob::expand("/var/lib/apt/lists/*_InRelease").is_empty()
}

/// Fetches the lists, again after a failure that may pass.
/// Brings the package lists. Unless it is strict, old ones do where one of
/// several sources cannot be had.
pub(super) fn update(args: &Args, strict: bool, touch: &mut Touch) -> Result<(), Failure> {
    let command = command(args, &["update"]);
    let mut delay = 1;
    let mut attempt = 0;
    loop {
        let output = touch.run(&command)?;
        let said = output.err();
        // apt-get update succeeds although a list could not be fetched.
        let partial = said.contains("Some index files failed to download");
        if output.ok() && !partial {
            return Ok(());
        }
        attempt += 1;
        if attempt > args.update_cache_retries {
            if output.ok() && has_lists() && !strict {
                return Ok(());
            }
            let mut failure = failure(&output, "update the package lists", &["update"]);
            failure.message = format!("Failed to update apt cache: {}", failure.message);
            return Err(failure);
        }
        touch.sleep(Duration::from_secs(delay))?;
        let most = u64::try_from(args.update_cache_retry_max_delay).unwrap_or(12);
        delay = (delay * 2).min(most.max(1));
    }
}

const POLICY: &str = "/usr/sbin/policy-rc.d";

/// Runs something while services are kept from being started.
pub(super) fn with_policy<T>(
    args: &Args,
    touch: &mut Touch,
    run: impl FnOnce(&mut Touch) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let Some(code) = args.policy_rc_d else {
        return run(touch);
    };
    let path = Path::new(POLICY);
    let before = touch.read(path)?;
    let executable = Settled {
        mode: Some(crate::host::Mode::Bits(0o755)),
        ..Settled::default()
    };
    touch.write(
        path,
        format!("#!/bin/sh\nexit {code}\n").as_bytes(),
        &executable,
    )?;
    let result = run(touch);
    match before {
        Some(before) => touch.write(path, &before, &Settled::default())?,
        None => touch.remove(path)?,
    }
    result
}

/// Installed and candidate version of packages, by `apt-cache policy`.
pub(super) fn candidates(
    args: &Args,
    look: &Look,
    names: &[&str],
) -> Result<Vec<(String, Option<String>)>, Failure> {
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let mut argv = vec!["apt-cache".to_owned()];
    if let Some(release) = &args.default_release {
        argv.extend(["-o".to_owned(), format!("APT::Default-Release={release}")]);
    }
    argv.push("policy".to_owned());
    argv.extend(names.iter().map(|name| (*name).to_owned()));
    let output = look.query(argv)?;
    Ok(parse_policy(&output.out()))
}

fn parse_policy(text: &str) -> Vec<(String, Option<String>)> {
    let mut found: Vec<(String, Option<String>)> = Vec::new();
    for line in text.lines() {
        if !line.starts_with(' ') {
            found.push((line.trim_end_matches(':').to_owned(), None));
        } else if let Some(version) = line.trim().strip_prefix("Candidate: ")
            && let Some(last) = found.last_mut()
        {
            last.1 = Some(version.to_owned()).filter(|version| version != "(none)");
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn simulations() {
        let text = "Reading package lists...\n\
            Inst libx (1.0 Debian:12.1/stable [amd64])\n\
            Inst y [1.0] (1.1 Debian:12.1/stable [amd64]) []\n\
            Conf libx (1.0 Debian:12.1/stable [amd64])\n\
            Remv z [3]\nPurg q [4]\n";
        let found = parse(text);
        assert_eq!(
            found.lines,
            [
                "install libx 1.0",
                "upgrade y 1.0 to 1.1",
                "remove z 3",
                "purge q 4"
            ]
        );
        assert!(found.removes);
    }

    #[test]
    fn policies() {
        let text = "a:\n  Installed: 1\n  Candidate: 2\n  Version table:\n     2 500\nb:\n  \
            Installed: (none)\n  Candidate: (none)\n";
        assert_eq!(
            parse_policy(text),
            [
                ("a".to_owned(), Some("2".to_owned())),
                ("b".to_owned(), None)
            ]
        );
    }
}
