//! Kernel, architecture, names of the machine, security frameworks.

use std::path::Path;

use serde_json::{Map, Value, json};

use super::{Gather, text};

pub(super) fn gather(gather: &mut Gather<'_>) {
    let name = rustix::system::uname();
    let node = name.nodename().to_string_lossy().into_owned();
    let machine = name.machine().to_string_lossy().into_owned();
    gather.put("system", "Linux");
    gather.put("kernel", &*name.release().to_string_lossy());
    gather.put("kernel_version", &*name.version().to_string_lossy());
    gather.put("machine", machine.as_str());
    let architecture = match machine.as_str() {
        "i486" | "i586" | "i686" => "i386",
        other => other,
    };
    gather.put("architecture", architecture);
    // The agent is a program of the userspace that it runs in.
    gather.put("userspace_bits", usize::BITS.to_string());
    gather.put("userspace_architecture", std::env::consts::ARCH);
    let full = full_name(&node, &text("/etc/hosts"));
    let short = node.split('.').next().unwrap_or(&node).to_owned();
    gather.put("nodename", node.as_str());
    gather.put("hostname", short);
    gather.put(
        "domain",
        full.split_once('.').map_or("", |(_, domain)| domain),
    );
    gather.put("fqdn", full);
    let id = text("/etc/machine-id");
    let id = if id.is_empty() {
        text("/var/lib/dbus/machine-id")
    } else {
        id
    };
    gather.put("machine_id", id);
    let apparmor = Path::new("/sys/kernel/security/apparmor").exists();
    gather.put("apparmor", json!({ "status": status(apparmor) }));
    gather.put("fips", text("/proc/sys/crypto/fips_enabled") == "1");
    gather.put("selinux", selinux());
    gather.put("selinux_python_present", true);
}

fn status(on: bool) -> &'static str {
    if on { "enabled" } else { "disabled" }
}

fn selinux() -> Value {
    if !Path::new("/sys/fs/selinux/enforce").exists() {
        return json!({ "status": "disabled" });
    }
    let mode = |text: &str| {
        if text == "1" {
            "enforcing"
        } else {
            "permissive"
        }
    };
    let config = text("/etc/selinux/config");
    let setting = |name: &str| {
        config
            .lines()
            .find_map(|line| line.trim().strip_prefix(name)?.strip_prefix('='))
            .unwrap_or("unknown")
            .trim()
            .to_owned()
    };
    json!({
        "status": "enabled",
        "mode": mode(&text("/sys/fs/selinux/enforce")),
        "config_mode": setting("SELINUX"),
        "type": setting("SELINUXTYPE"),
        "policyvers": text("/sys/fs/selinux/policyvers"),
    })
}

/// The full name of the machine as /etc/hosts has it.
fn full_name(node: &str, hosts: &str) -> String {
    if node.contains('.') {
        return node.to_owned();
    }
    hosts
        .lines()
        .map(|line| line.split('#').next().unwrap_or_default())
        .filter_map(|line| {
            let names: Vec<&str> = line.split_whitespace().skip(1).collect();
            names.contains(&node).then_some(names)
        })
        .find_map(|names| names.into_iter().find(|name| name.contains('.')))
        .unwrap_or(node)
        .to_owned()
}

pub(super) fn command_line(gather: &mut Gather<'_>) {
    let line = text("/proc/cmdline");
    let mut last = Map::new();
    let mut all: Map<String, Value> = Map::new();
    for word in line.split_whitespace() {
        let (name, value) = match word.split_once('=') {
            Some((name, value)) => (name, Value::from(value)),
            None => (word, Value::Bool(true)),
        };
        last.insert(name.to_owned(), value.clone());
        match all.get_mut(name) {
            None => {
                all.insert(name.to_owned(), value);
            }
            Some(Value::Array(values)) => values.push(value),
            Some(first) => *first = json!([first.clone(), value]),
        }
    }
    gather.put("cmdline", last);
    gather.put("proc_cmdline", all);
}

#[cfg(test)]
mod tests {
    use super::full_name;

    #[test]
    fn names() {
        let hosts = "127.0.0.1 localhost\n127.0.1.1 n1.lab.example n1\n";
        assert_eq!(full_name("n1", hosts), "n1.lab.example");
        assert_eq!(full_name("n2", hosts), "n2");
        assert_eq!(full_name("n2.x", hosts), "n2.x");
    }
}
