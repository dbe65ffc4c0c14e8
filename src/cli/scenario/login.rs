//! A shell on a scenario's host.

use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::Arc;

use ocplay_language::diagnostic::Diagnostic;
use ocplay_language::inventory::{self as hosts, Options};
use ocplay_language::loader::{Loader, Machine};
use ocplay_language::python;
use ocplay_language::value::Map;

use super::driver::Kind;
use super::inventory::sources;
use super::lab_hosts;
use super::memory::Memory;
use super::place::Place;
use super::settings::Settings;
use crate::lab;

/// Becomes a shell on the host; comes back only when that is not possible.
pub(crate) fn login(place: &Place, settings: &Settings, host: Option<&str>) -> Diagnostic {
    match attempt(place, settings, host) {
        Ok(problem) | Err(problem) => problem,
    }
}

fn attempt(
    place: &Place,
    settings: &Settings,
    host: Option<&str>,
) -> Result<Diagnostic, Diagnostic> {
    if settings.driver.kind != Kind::Existing {
        if !Memory::of(place).created {
            return Err(Diagnostic::error(
                "scenario",
                format!("the hosts of '{}' are not there", place.name),
            )
            .help(format!("ocplay test create {}", place.name)));
        }
        let lab = lab_hosts::of(place, settings)?;
        let names: Vec<&str> = lab.nodes.iter().map(|node| &*node.name).collect();
        let node = lab.node(which(&names, host)?).map_err(|problem| *problem)?;
        return Ok(*lab::ssh(&lab, node, &[]));
    }
    let loader: Arc<dyn Loader> = Arc::new(Machine);
    let (graph, _) = hosts::load(&sources(place, settings), &Options::default(), &loader)
        .map_err(|mut problems| problems.swap_remove(0))?;
    let names: Vec<&str> = graph.hosts().map(|(name, _)| &**name).collect();
    let name = which(&names, host)?;
    let mut vars = Map::new();
    if let Some(found) = graph.host(name) {
        for group in found.groups.iter().filter_map(|group| graph.group(group)) {
            vars.extend(&group.vars);
        }
        vars.extend(&found.vars);
    }
    let text = |names: &[&str]| {
        let found = names.iter().find_map(|name| vars.get(name));
        found.map(python::text)
    };
    let address = text(&["ansible_host", "ansible_ssh_host"]).unwrap_or_else(|| name.to_owned());
    let user = text(&["ansible_user", "ansible_ssh_user"]);
    let port = text(&["ansible_port", "ansible_ssh_port"]);
    let key = text(&["ansible_ssh_private_key_file", "ansible_private_key_file"]);
    let mut command = match &settings.driver.login {
        Some(template) => {
            let mut line = template.clone();
            for (field, value) in [
                ("instance", Some(name.to_owned())),
                ("address", Some(address)),
                ("user", user),
                ("port", port.or(Some("22".to_owned()))),
                ("identity_file", key),
            ] {
                line = line.replace(&format!("{{{field}}}"), &value.unwrap_or_default());
            }
            let mut shell = Command::new("sh");
            shell.args(["-c", &line]);
            shell
        }
        None => {
            let mut ssh = Command::new("ssh");
            for (option, value) in [("-p", port), ("-i", key), ("-l", user)] {
                if let Some(value) = value {
                    ssh.args([option, &value]);
                }
            }
            if let Some(file) = text(&["ansible_ssh_known_hosts_file"]) {
                ssh.args(["-o", &format!("UserKnownHostsFile={file}")]);
            }
            ssh.arg("--").arg(address);
            ssh
        }
    };
    let error = command.exec();
    Ok(Diagnostic::error(
        "login",
        format!(
            "{} cannot be started: {error}",
            command.get_program().to_string_lossy()
        ),
    ))
}

/// The host that is meant; the beginning of its name is enough.
fn which<'n>(names: &[&'n str], given: Option<&str>) -> Result<&'n str, Diagnostic> {
    let list = names.join(", ");
    let Some(given) = given else {
        return match names {
            [only] => Ok(only),
            [] => Err(Diagnostic::error("login", "the scenario has no host")),
            _ => Err(Diagnostic::error("login", "which host?")
                .help(format!("say one of them behind --host: {list}"))),
        };
    };
    let begin: Vec<&'n str> = names
        .iter()
        .filter(|name| name.starts_with(given))
        .copied()
        .collect();
    match &begin[..] {
        [only] => Ok(only),
        several => several
            .iter()
            .find(|name| **name == given)
            .copied()
            .ok_or_else(|| {
                let what = if several.is_empty() {
                    "no host"
                } else {
                    "more than one host"
                };
                Diagnostic::error("login", format!("'{given}' is {what} of the scenario"))
                    .suggest(given, names.iter().copied())
                    .help(format!("its hosts: {list}"))
            }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_that_is_meant() {
        assert_eq!(which(&["a1"], None).unwrap(), "a1");
        assert_eq!(which(&["a1", "b1"], Some("b")).unwrap(), "b1");
        assert_eq!(which(&["a", "a1"], Some("a")).unwrap(), "a");
        for (names, given) in [
            (&["a1", "a2"][..], None),
            (&["a1", "a2"], Some("a")),
            (&["a1"], Some("x")),
            (&[], None),
        ] {
            assert!(which(names, given).is_err(), "{given:?}");
        }
    }
}
