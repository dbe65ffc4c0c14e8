//! The lab's own Docker engine, in a network namespace of its own.
//!
//! The machine's engine, bridges and filter rules are never touched: the
//! private engine sees neither the machine's interfaces nor its settings.
//! All that the machine itself gets is one cable into that namespace, three
//! packet-filter rules and forwarding switched on, and `remove` takes these
//! back.

use std::fs::File;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use super::Outcome;
use super::network::Network;
use super::shell::{self, command, ip, problem, try_run};
use super::state::Lab;

/// Stands between the engine and runc on machines that lack a capability.
pub(super) const RUNC_WRAPPER: &str = include_str!("image/runc-lab.sh");

const FORWARD: &str = "/proc/sys/net/ipv4/ip_forward";

pub(super) struct Engine {
    /// Name of the network namespace.
    namespace: String,
    /// This machine's end of the cable.
    cable: String,
    network: Network,
    state: PathBuf,
    run: PathBuf,
}

impl Engine {
    /// Name of the hosts' network and its bridge, inside the namespace.
    pub(super) const NETWORK: &str = "lab";

    pub(super) fn of(lab: &Lab) -> Self {
        Self {
            namespace: format!("ocplay-{}", lab.id),
            cable: format!("ocl{}", lab.id),
            network: lab.network,
            state: lab.state.clone(),
            run: lab.run.clone(),
        }
    }

    pub(super) fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The largest packet of the hosts' network.
    pub(super) fn mtu(&self) -> String {
        uplink_mtu()
    }

    fn socket(&self) -> PathBuf {
        self.run.join("docker.sock")
    }

    fn pidfile(&self) -> PathBuf {
        self.run.join("docker.pid")
    }

    pub(super) fn log(&self) -> PathBuf {
        self.state.join("engine.log")
    }

    /// A docker command that speaks to this engine and to no other.
    pub(super) fn client(&self) -> std::process::Command {
        let mut docker = command("docker");
        docker
            .env_remove("DOCKER_CONTEXT")
            .env_remove("DOCKER_TLS_VERIFY")
            .env("DOCKER_BUILDKIT", "0")
            .env("DOCKER_CONFIG", self.state.join("client"))
            .env("DOCKER_HOST", format!("unix://{}", self.socket().display()));
        docker
    }

    pub(super) fn docker(&self, arguments: &[&str]) -> Outcome<String> {
        shell::run(self.client().args(arguments))
    }

    pub(super) fn is_running(&self) -> bool {
        self.socket().exists()
            && self
                .docker(&["version", "--format", "{{.Server.Version}}"])
                .is_ok()
    }

    pub(super) fn start(&self) -> Outcome {
        self.lay_cable()?;
        let log = self.log();
        let mut child = self.spawn(&log)?;
        let deadline = Instant::now() + Duration::from_secs(60);
        while !self.is_running() {
            let ended = child.try_wait().ok().flatten();
            if ended.is_some() || Instant::now() > deadline {
                let said = shell::last_lines(&shell::read(&log).unwrap_or_default(), 8);
                return Err(
                    problem(format!("the lab's Docker engine does not start\n{said}"))
                        .help(format!("its log is {}", log.display()))
                        .into(),
                );
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        self.make_network()
    }

    /// The namespace, the cable into it, and the way out to package archives.
    fn lay_cable(&self) -> Outcome {
        let network = self.network;
        let taken = ip(&["-o", "-4", "address", "show", "to", &network.to_string()])?;
        if let Some(line) = taken.lines().next() {
            let owner = line.split_whitespace().nth(1).unwrap_or("?");
            return Err(problem(format!("addresses of {network} are in use on this machine, by {owner}"))
                .help("take the other lab down, or give this one a part of its own: lab_network=198.51.100.64/26 in [all:vars]")
                .into());
        }
        let before = shell::read(FORWARD.as_ref())?;
        shell::write(&self.state.join("forwarding"), &before)?;
        let (namespace, cable) = (&*self.namespace, &*self.cable);
        let mtu = uplink_mtu();
        ip(&["netns", "add", namespace])?;
        ip(&[
            "link", "add", cable, "mtu", &mtu, "type", "veth", "peer", "name", "uplink", "mtu",
            &mtu, "netns", namespace,
        ])?;
        let end = format!("{}/{}", network.uplink(), network.bits());
        ip(&["address", "add", &end, "dev", cable])?;
        ip(&["link", "set", cable, "up"])?;
        ip(&["-n", namespace, "link", "set", "lo", "up"])?;
        ip(&["-n", namespace, "link", "set", "uplink", "up"])?;
        for rule in self.rules() {
            shell::run(
                command("iptables")
                    .args(["-w", "-t", rule.table, "-I"])
                    .args(rule.words),
            )?;
        }
        shell::write(FORWARD.as_ref(), "1\n")
    }

    fn rules(&self) -> [Rule; 3] {
        let comment = ["-m", "comment", "--comment", "ocplay lab", "-j"];
        let words = |specific: &[&str], target: &str| {
            specific
                .iter()
                .chain(&comment)
                .chain(&[target])
                .map(|word| (*word).to_owned())
                .collect()
        };
        let range = self.network.to_string();
        [
            Rule {
                table: "nat",
                words: words(
                    &["POSTROUTING", "-s", &range, "!", "-d", &range],
                    "MASQUERADE",
                ),
            },
            Rule {
                table: "filter",
                words: words(&["FORWARD", "-i", &self.cable], "ACCEPT"),
            },
            Rule {
                table: "filter",
                words: words(&["FORWARD", "-o", &self.cable], "ACCEPT"),
            },
        ]
    }

    fn spawn(&self, log: &Path) -> Outcome<std::process::Child> {
        let wrapper = self.state.join("runc-lab");
        let runc = shell::find("runc").unwrap_or_else(|| "/usr/sbin/runc".into());
        let text = RUNC_WRAPPER.replace("/usr/sbin/runc.real", &runc.to_string_lossy());
        shell::write(&wrapper, &text)?;
        std::fs::set_permissions(&wrapper, std::fs::Permissions::from_mode(0o755)).map_err(
            |error| {
                problem(format!(
                    "{} cannot be made a program: {error}",
                    wrapper.display()
                ))
            },
        )?;
        shell::write(&self.state.join("engine.json"), "{}\n")?;
        let out = File::create(log)
            .map_err(|error| problem(format!("{} cannot be made: {error}", log.display())))?;
        let err = out
            .try_clone()
            .map_err(|error| problem(format!("the engine's log cannot be shared: {error}")))?;
        // In this mount namespace the machine's own containerd and Docker settings are out of sight:
        // the engine starts a containerd of its own, and every mount goes away with the last process.
        let script = "for folder in /run/containerd /etc/docker; do \
                      if [ -d $folder ]; then mount -t tmpfs tmpfs $folder || exit 1; fi; done; \
                      exec \"$@\"";
        command("setsid")
            .arg("nsenter")
            .arg(format!("--net=/run/netns/{}", self.namespace))
            .args(["unshare", "--mount", "--propagation", "slave"])
            .args(["sh", "-c", script, "sh"])
            .arg(shell::find("dockerd").unwrap_or_else(|| "dockerd".into()))
            .arg("--config-file")
            .arg(self.state.join("engine.json"))
            .arg("--data-root")
            .arg(self.state.join("engine"))
            .arg("--exec-root")
            .arg(self.run.join("exec"))
            .arg("--pidfile")
            .arg(self.pidfile())
            .arg("--host")
            .arg(format!("unix://{}", self.socket().display()))
            .args(["--bridge", "none", "--storage-driver", "overlay2"])
            .arg("--add-runtime")
            .arg(format!("lab={}", wrapper.display()))
            .args([
                "--default-runtime",
                "lab",
                "--cgroup-parent",
                &format!("/{}", self.namespace),
            ])
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(err)
            .spawn()
            .map_err(|error| {
                problem(format!(
                    "the lab's Docker engine cannot be started: {error}"
                ))
                .into()
            })
    }

    fn make_network(&self) -> Outcome {
        let network = self.network;
        let mtu = format!("com.docker.network.driver.mtu={}", uplink_mtu());
        self.docker(&[
            "network",
            "create",
            "--subnet",
            &network.to_string(),
            "--gateway",
            &network.gateway().to_string(),
            "--opt",
            "com.docker.network.bridge.name=lab",
            "--opt",
            &mtu,
            Self::NETWORK,
        ])?;
        let namespace = &*self.namespace;
        ip(&["-n", namespace, "link", "set", "uplink", "master", "lab"])?;
        let way_out = network.uplink().to_string();
        ip(&["-n", namespace, "route", "add", "default", "via", &way_out])?;
        let mut accept = command("ip");
        shell::run(accept.args([
            "netns", "exec", namespace, "iptables", "-w", "-P", "FORWARD", "ACCEPT",
        ]))?;
        Ok(())
    }

    /// Stops the hosts and the engine, and takes back what the machine was given.
    /// Does what is needed after a crash or a reboot, too.
    pub(super) fn remove(&self) -> Outcome {
        if self.is_running() {
            let hosts = self.docker(&["ps", "--all", "--quiet"])?;
            let hosts: Vec<_> = hosts.split_whitespace().collect();
            if !hosts.is_empty() {
                self.docker(&[&["rm", "--force", "--volumes"], &hosts[..]].concat())?;
            }
        }
        self.stop_process()?;
        for rule in self.rules() {
            while try_run(
                command("iptables")
                    .args(["-w", "-t", rule.table, "-D"])
                    .args(&rule.words),
            ) {}
        }
        try_run(command("ip").args(["link", "delete", &self.cable]));
        try_run(command("ip").args(["netns", "delete", &self.namespace]));
        // The folder of names is a mount of its own from the first name on.
        let names = Path::new("/run/netns");
        if names
            .read_dir()
            .is_ok_and(|mut entries| entries.next().is_none())
        {
            try_run(command("umount").arg(names));
            std::fs::remove_dir(names).ok();
        }
        self.restore_forwarding()?;
        self.remove_groups();
        shell::remove_folder(&self.state.join("engine"))
    }

    /// Forwarding goes back to what it was, unless another lab still needs it.
    fn restore_forwarding(&self) -> Outcome {
        let Ok(before) = std::fs::read_to_string(self.state.join("forwarding")) else {
            return Ok(());
        };
        let others = ip(&["-o", "link", "show", "type", "veth"])?;
        if before.trim() == "0" && !others.contains(": ocl") {
            shell::write(FORWARD.as_ref(), "0\n")?;
        }
        Ok(())
    }

    /// The hosts' control groups, which nobody else removes: one tree, or one per controller.
    fn remove_groups(&self) {
        let root = Path::new("/sys/fs/cgroup");
        let entries = std::fs::read_dir(root).into_iter().flatten().flatten();
        for place in entries.map(|entry| entry.path()).chain([root.to_owned()]) {
            remove_group(&place.join(&self.namespace));
        }
    }

    fn stop_process(&self) -> Outcome {
        let Some(pid) = self.pid() else {
            return Ok(());
        };
        for signal in ["-TERM", "-KILL"] {
            try_run(command("kill").args([signal, &pid]));
            let deadline = Instant::now() + Duration::from_secs(20);
            while Instant::now() < deadline {
                if self.pid().is_none() {
                    return Ok(());
                }
                std::thread::sleep(Duration::from_millis(100));
            }
        }
        Err(problem(format!(
            "the lab's Docker engine, process {pid}, does not end"
        ))
        .into())
    }

    /// The engine's process, if the pid on file is still an engine of this lab.
    fn pid(&self) -> Option<String> {
        let pid = std::fs::read_to_string(self.pidfile()).ok()?;
        let pid = pid.trim();
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).ok()?;
        let own = self.pidfile();
        line.windows(own.as_os_str().len())
            .any(|part| part == own.as_os_str().as_encoded_bytes())
            .then(|| pid.to_owned())
    }
}

/// One line of the machine's packet filter.
struct Rule {
    table: &'static str,
    words: Vec<String>,
}

/// Removes a control group and those below it; one with processes in it stays.
fn remove_group(group: &Path) {
    let entries = std::fs::read_dir(group).into_iter().flatten().flatten();
    for entry in entries {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove_group(&entry.path());
        }
    }
    // A group that is not there or still in use is no reason to stop taking the rest down.
    std::fs::remove_dir(group).ok();
}

/// The largest packet that the machine's way out carries.
fn uplink_mtu() -> String {
    let route = ip(&["-o", "-4", "route", "show", "default"]).unwrap_or_default();
    let mut words = route.split_whitespace();
    words
        .find(|word| *word == "dev")
        .and_then(|_| words.next())
        .and_then(|device| std::fs::read_to_string(format!("/sys/class/net/{device}/mtu")).ok())
        .map_or_else(|| "1500".to_owned(), |mtu| mtu.trim().to_owned())
}
