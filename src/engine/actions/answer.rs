//! What a host answers. It is data: never evaluated, and without a say in how
//! hosts are reached.

use ocplay_language::diagnostic::Diagnostic;
use ocplay_language::value::{Map, Value};
use ocplay_protocol::Outcome;
use serde_json::Value as Json;

use super::Call;
use crate::outcome::{ActionOutcome, Effect};

/// Modules whose results hold a list of changes; the others have one.
const DIFF_LISTS: [&str; 3] = ["copy", "lineinfile", "blockinfile"];

/// What the module did, as the task's outcome.
pub(super) fn outcome(call: &Call<'_>, module: &str, outcome: Outcome) -> ActionOutcome {
    let parsed: Result<Json, _> = serde_json::from_str(&outcome.result);
    let mut result = match parsed.as_ref().map(Value::from_json) {
        Ok(Value::Map(map)) => Map::clone(&map),
        _ => {
            return ActionOutcome::failure("the host's answer could not be read");
        }
    };
    let mut effects = Vec::new();
    if let Some(Value::Map(facts)) = result.get("ansible_facts") {
        let (facts, refused) = clean(facts);
        for name in refused {
            call.shared.warn_once(Diagnostic::warning(
                "facts",
                format!(
                    "{} answered with a fact '{name}', which would say how to reach it; it is dropped",
                    call.worker()
                ),
            ));
        }
        result.insert("ansible_facts", facts.clone());
        effects.push(Effect::Facts(facts));
    }
    if let [diff] = &outcome.diff[..]
        && !DIFF_LISTS.contains(&module)
        && !result.contains_key("diff")
    {
        result.insert("diff", crate::task::difference(diff));
    }
    result.remove("changed");
    result.remove("failed");
    add_lines(&mut result);
    ActionOutcome {
        result,
        changed: outcome.changed,
        failed: outcome.failed,
        skipped: outcome.skipped,
        unreachable: false,
        diff: outcome.diff,
        effects,
        mistake: None,
    }
}

/// `stdout_lines` and `stderr_lines`, which every program's result has.
fn add_lines(result: &mut Map) {
    for stream in ["stdout", "stderr"] {
        let name = format!("{stream}_lines");
        if let Some(text) = result.get(stream).and_then(Value::as_str)
            && !result.contains_key(&name)
        {
            let lines: Vec<Value> = text.lines().map(Value::from).collect();
            result.insert(name, lines);
        }
    }
}

/// Facts without those that would be variables of a connection, and the names
/// of these.
fn clean(facts: &Map) -> (Map, Vec<String>) {
    let mut kept = Map::new();
    let mut refused = Vec::new();
    for (name, value) in facts.entries() {
        if leads(name) {
            refused.push(name.to_string());
        } else {
            kept.insert(&**name, value.clone());
        }
    }
    (kept, refused)
}

/// Whether a variable of this name says how a host is reached, or as whom.
fn leads(name: &str) -> bool {
    const WORDS: [&str; 14] = [
        "connection",
        "host",
        "port",
        "user",
        "password",
        "private_key_file",
        "timeout",
        "pipelining",
        "executable",
        "shell_type",
        "shell_executable",
        "scp_if_ssh",
        "delegated_vars",
        "become",
    ];
    const FAMILIES: [&str; 11] = [
        "ssh_",
        "become_",
        "sudo_",
        "su_",
        "doas_",
        "docker_",
        "podman_",
        "chroot_",
        "lxc_",
        "local_",
        "paramiko_",
    ];
    let Some(word) = name.strip_prefix("ansible_") else {
        return false;
    };
    // Keys of hosts are facts, and so are bridges of container engines.
    if word.starts_with("ssh_host_key_") || word.ends_with("bridge") {
        return false;
    }
    WORDS.contains(&word)
        || word.ends_with("_interpreter")
        || FAMILIES.iter().any(|family| word.starts_with(family))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_do_not_lead_anywhere_else() {
        let facts: Map = [
            "ansible_connection",
            "ansible_host",
            "ansible_ssh_common_args",
            "ansible_become_exe",
            "ansible_python_interpreter",
            "ansible_docker_command",
            "ansible_docker_gwbridge",
            "ansible_ssh_host_key_ed25519_public",
            "ansible_hostname",
            "ansible_user_id",
            "ansible_local",
            "ansible_python",
            "users",
        ]
        .into_iter()
        .map(|name| (name.into(), Value::Null))
        .collect();
        let (kept, refused) = clean(&facts);
        assert_eq!(refused.len(), 6, "{refused:?}");
        assert_eq!(kept.entries().count(), 7);
    }
}
