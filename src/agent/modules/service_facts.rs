//! `service_facts`: the services of the host as facts.

use std::collections::BTreeMap;
use std::path::Path;

use ocplay_protocol::Diff;
use serde_json::{Value, json};

use super::{Module, Verdict};
use crate::host::{Failure, Look, Return, Touch};

ocplay_protocol::arguments! {
    /// Lists the services and how they are, as the fact `services`.
    pub(super) struct Args {}
}

pub(super) struct ServiceFacts;

impl Module for ServiceFacts {
    const NAME: &'static str = "service_facts";
    type Args = Args;
    type Plan = std::convert::Infallible;

    fn check(_: &Args, look: &Look) -> Result<Verdict<Self::Plan>, Failure> {
        let mut services: BTreeMap<String, Value> = scripts(look);
        if look.which("systemctl").is_some() && Path::new("/run/systemd/system").exists() {
            services.extend(units(look)?);
        }
        if services.is_empty() {
            return Ok(Verdict::Skip(Return::new().with(
                "msg",
                "Failed to find any services. This can be due to privileges or some other \
                 configuration issue.",
            )));
        }
        Ok(Verdict::Same(
            Return::new().with("ansible_facts", json!({ "services": services })),
        ))
    }

    fn describe(plan: &Self::Plan) -> Vec<Diff> {
        match *plan {}
    }

    fn apply(plan: Self::Plan, _: &mut Touch) -> Result<Return, Failure> {
        match plan {}
    }
}

fn units(look: &Look) -> Result<BTreeMap<String, Value>, Failure> {
    let words = [
        "--no-pager",
        "--no-legend",
        "--plain",
        "--type",
        "service",
        "--all",
    ];
    let list = |verb: &str| -> Result<String, Failure> {
        let mut argv = vec!["systemctl", verb];
        argv.extend(words);
        Ok(look.query(argv)?.out())
    };
    Ok(combine(&list("list-units")?, &list("list-unit-files")?))
}

/// Units that are loaded, and files of units that are not.
fn combine(units: &str, files: &str) -> BTreeMap<String, Value> {
    let entry = |name: &str, state: &str, status: &str| json!({ "name": name, "state": state, "status": status, "source": "systemd" });
    let mut found = BTreeMap::new();
    for line in units.lines() {
        let [name, load, _, sub, ..] = line.split_whitespace().collect::<Vec<_>>()[..] else {
            continue;
        };
        let status = if load == "not-found" { load } else { "unknown" };
        let state = match (sub, load) {
            (_, "not-found") => "stopped",
            ("running", _) => "running",
            ("failed", _) => "failed",
            ("dead", _) => "inactive",
            _ => "stopped",
        };
        found.insert(name.to_owned(), entry(name, state, status));
    }
    for line in files.lines() {
        let [name, status, ..] = line.split_whitespace().collect::<Vec<_>>()[..] else {
            continue;
        };
        match found.get_mut(name) {
            Some(known) => known["status"] = status.into(),
            None => {
                let state = if name.contains('@') {
                    "unknown"
                } else {
                    "inactive"
                };
                found.insert(name.to_owned(), entry(name, state, status));
            }
        }
    }
    found
}

/// Init scripts: those that start at boot count as running.
fn scripts(look: &Look) -> BTreeMap<String, Value> {
    let Ok(entries) = std::fs::read_dir("/etc/init.d") else {
        return BTreeMap::new();
    };
    let Ok(output) = look.query(["service", "--status-all"]) else {
        return BTreeMap::new();
    };
    let text = output.out();
    let state = |name: &str| {
        let line = text.lines().find(|line| {
            line.trim_start().starts_with('[')
                && line
                    .split(']')
                    .nth(1)
                    .is_some_and(|rest| rest.trim() == name)
        });
        match line.and_then(|line| line.trim_start().chars().nth(2)) {
            Some('+') => "running",
            _ => "stopped",
        }
    };
    entries
        .flatten()
        .filter(|entry| entry.path().is_file())
        .map(|entry| {
            let name = entry.file_name().to_string_lossy().into_owned();
            let value = json!({ "name": name, "state": state(&name), "source": "sysv" });
            (name, value)
        })
        .filter(|(name, _)| name != "README" && name != "skeleton")
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_and_their_files() {
        let found = combine(
            "ssh.service loaded active running OpenBSD Secure Shell server\n\
             gone.service not-found inactive dead gone.service\n",
            "ssh.service enabled enabled\ncron.service disabled enabled\ngetty@.service enabled -\n",
        );
        assert_eq!(found["ssh.service"]["state"], "running");
        assert_eq!(found["ssh.service"]["status"], "enabled");
        assert_eq!(found["gone.service"]["status"], "not-found");
        assert_eq!(found["cron.service"]["state"], "inactive");
        assert_eq!(found["getty@.service"]["state"], "unknown");
    }
}
