//! The user that the agent runs as, its environment, the host's SSH keys.

use serde_json::{Map, Value};

use super::{Gather, names, text};

pub(super) fn gather(gather: &mut Gather<'_>) {
    let uid = rustix::process::geteuid().as_raw();
    let user = gather.look.user_of(uid);
    gather.put("user_uid", uid);
    gather.put("user_gid", rustix::process::getegid().as_raw());
    gather.put("effective_user_id", uid);
    gather.put("effective_group_id", rustix::process::getegid().as_raw());
    gather.put("real_user_id", rustix::process::getuid().as_raw());
    gather.put("real_group_id", rustix::process::getgid().as_raw());
    if let Some(user) = user {
        gather.put("user_id", user.name);
        gather.put("user_gecos", user.comment);
        gather.put("user_dir", user.home);
        gather.put("user_shell", user.shell);
    } else {
        gather.put("user_id", uid.to_string());
        gather.put("user_dir", gather.look.home("").unwrap_or_default());
    }
    let mut environment: Map<String, Value> = std::env::vars_os()
        .map(|(name, value)| {
            (
                name.to_string_lossy().into_owned(),
                Value::String(value.to_string_lossy().into_owned()),
            )
        })
        .collect();
    for (name, value) in gather.look.environment() {
        environment.insert(name.clone(), Value::String(value.clone()));
    }
    gather.put("env", environment);
    for directory in ["/etc/ssh", "/etc/openssh", "/etc"] {
        let keys: Vec<String> = names(directory)
            .into_iter()
            .filter(|name| name.starts_with("ssh_host_") && name.ends_with("_key.pub"))
            .collect();
        for key in &keys {
            let line = text(format!("{directory}/{key}"));
            let mut words = line.split_whitespace();
            let kind = key
                .trim_start_matches("ssh_host_")
                .trim_end_matches("_key.pub");
            if let (Some(word), Some(body)) = (words.next(), words.next()) {
                gather.put(&format!("ssh_host_key_{kind}_public"), body);
                gather.put(&format!("ssh_host_key_{kind}_public_keytype"), word);
            }
        }
        if !keys.is_empty() {
            break;
        }
    }
}
