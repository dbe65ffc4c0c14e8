//! `add_host`: a new host for the rest of the run.

use ocplay_language::value::{Map, Value};
use ocplay_protocol::{arguments, coerce};

use super::Call;
use crate::outcome::{ActionOutcome, Effect};

arguments! {
    /// Adds a host, and maybe groups, to the inventory of this run. Other
    /// arguments become variables of the host.
    pub struct Args {
        /// Name of the host, maybe with a port.
        name: String ["host", "hostname"],
        /// Groups that the host joins.
        groups: Option<Vec<String>> ["group", "groupname"],
    }
}

pub(super) fn run(call: &Call<'_>) -> ActionOutcome {
    let text = |names: &[&str]| {
        names
            .iter()
            .find_map(|name| call.args.get(name))
            .map(Value::to_json)
    };
    let Some(name) = text(&["name", "host", "hostname"]).and_then(|name| coerce::text(&name).ok())
    else {
        return ActionOutcome::failure("add_host needs the argument 'name'");
    };
    let (name, port) = match name.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') => (host.to_owned(), port.parse::<i64>().ok()),
        _ => (name, None),
    };
    let groups: Vec<String> = text(&["groups", "group", "groupname"])
        .and_then(|groups| coerce::list(&groups).ok())
        .unwrap_or_default()
        .iter()
        .filter_map(|group| coerce::text(group).ok())
        .filter(|group| !group.is_empty())
        .collect();
    let mut vars = Map::new();
    if let Some(port) = port {
        vars.insert("ansible_ssh_port", port);
    }
    for (key, value) in call.args.entries() {
        if !matches!(
            &**key,
            "name" | "host" | "hostname" | "groups" | "group" | "groupname"
        ) {
            vars.insert(key.to_string(), value.clone());
        }
    }
    let changed = is_news(call, &name, &groups, &vars);
    let mut added = Map::new();
    added.insert("host_name", name.as_str());
    added.insert(
        "groups",
        groups
            .iter()
            .map(|group| Value::from(group.as_str()))
            .collect::<Vec<_>>(),
    );
    added.insert("host_vars", vars.clone());
    let mut outcome = ActionOutcome::ok()
        .with("add_host", added)
        .effect(Effect::AddHost { name, groups, vars });
    outcome.changed = changed;
    outcome
}

/// Whether something is new: the host, one of its groups, or a variable.
fn is_news(call: &Call<'_>, name: &str, groups: &[String], vars: &Map) -> bool {
    let known = call.scope.get("groups").and_then(Value::as_map);
    let member = |group: &str| {
        let members = known.and_then(|groups| groups.get(group)?.as_list());
        members.is_some_and(|members| members.iter().any(|host| host.as_str() == Some(name)))
    };
    let scope = call.step.snapshot.scopes.get(name);
    !member("all")
        || groups.iter().any(|group| !member(group))
        || vars
            .entries()
            .any(|(name, value)| scope.and_then(|scope| scope.get(name)) != Some(value))
}
