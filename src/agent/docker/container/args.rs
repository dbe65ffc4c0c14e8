//! The arguments of `docker_container`.

use std::path::PathBuf;

use ocplay_protocol::{Argument, arguments, choices};
use serde_json::{Map, Value};

use crate::docker::docker_arguments;

choices! {
    /// What shall become of the container.
    pub(crate) enum State {
        Started = "started",
        Present = "present",
        Stopped = "stopped",
        Absent = "absent",
        Healthy = "healthy",
    }
}

choices! {
    /// What Docker does when the process ends.
    pub(crate) enum RestartPolicy {
        No = "no",
        OnFailure = "on-failure",
        Always = "always",
        UnlessStopped = "unless-stopped",
    }
}

choices! {
    /// Which cgroup namespace.
    pub(crate) enum CgroupNamespace { Host = "host", Private = "private" }
}

choices! {
    /// What options are when they are left out.
    pub(crate) enum Defaults { Compatibility = "compatibility", NoDefaults = "no_defaults" }
}

choices! {
    /// Whether another name of the same image is a difference.
    pub(crate) enum NameMismatch { Recreate = "recreate", Ignore = "ignore" }
}

choices! {
    /// Whether labels of the image that are not wanted are an error.
    pub(crate) enum LabelMismatch { Ignore = "ignore", Fail = "fail" }
}

choices! {
    /// What check mode says about a pull that is always done.
    pub(crate) enum PullCheck { Missing = "image_not_present", Always = "always" }
}

choices! {
    /// Which image's own settings are taken as given.
    pub(crate) enum ImageComparison { Desired = "desired-image", Current = "current-image" }
}

choices! {
    /// How command and entrypoint are understood.
    pub(crate) enum CommandHandling { Correct = "correct", Compatibility = "compatibility" }
}

choices! {
    /// Kind of a mount.
    pub(crate) enum MountKind { Bind = "bind", Volume = "volume", Tmpfs = "tmpfs" }
}

/// When an image is fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pull {
    Never,
    Missing,
    Always,
}

impl Argument for Pull {
    fn kind() -> ocplay_protocol::ArgKind {
        ocplay_protocol::ArgKind::Any
    }
    fn read(value: &Value) -> Result<Self, String> {
        match value.as_str() {
            Some("never") => Ok(Self::Never),
            Some("missing") => Ok(Self::Missing),
            Some("always") => Ok(Self::Always),
            _ => match ocplay_protocol::coerce::boolean(value) {
                Ok(true) => Ok(Self::Always),
                Ok(false) => Ok(Self::Missing),
                Err(_) => Err(format!(
                    "{} is not one of never, missing, always",
                    ocplay_protocol::coerce::describe(value)
                )),
            },
        }
    }
    fn show(&self) -> Value {
        Value::from(match self {
            Self::Never => "never",
            Self::Missing => "missing",
            Self::Always => "always",
        })
    }
    fn blank() -> Self {
        Self::Missing
    }
}

arguments! {
    /// Membership in a network.
    pub(crate) struct Network {
        /// Name of the network.
        name: String,
        /// Other names of the container in this network.
        aliases: Option<Vec<String>>,
        /// Fixed address.
        ipv4_address: Option<String>,
        /// Fixed IPv6 address.
        ipv6_address: Option<String>,
        /// Containers to link to, as `name:alias`.
        links: Option<Vec<String>>,
        /// Hardware address; only for the network that the container starts in.
        mac_address: Option<String>,
    }
}

arguments! {
    /// A mount.
    pub(crate) struct Mount {
        /// Path in the container.
        target: String,
        /// Path on the host, or name of a volume.
        source: Option<String>,
        /// Kind of the mount.
        kind as "type": MountKind = MountKind::Volume,
        /// Mount it read-only.
        read_only: Option<bool>,
        /// How later mounts spread (bind).
        propagation: Option<String>,
        /// Do not fill a new volume from the image.
        no_copy: Option<bool>,
        /// Labels of a new volume.
        labels: Option<Map<String, Value>>,
        /// Driver of a new volume.
        volume_driver: Option<String>,
        /// Options of the driver.
        volume_options: Option<Map<String, Value>>,
        /// Most bytes (tmpfs).
        tmpfs_size: Option<String>,
        /// Mode in octal (tmpfs).
        tmpfs_mode: Option<String>,
    }
}

arguments! {
    /// A health check.
    pub(crate) struct HealthCheck {
        /// Command: text, or a list that begins with CMD, CMD-SHELL or NONE.
        test: Option<Value>,
        /// Time between checks, like 30s.
        interval: Option<String>,
        /// Time that a check may take.
        timeout: Option<String>,
        /// Failures in a row that count.
        retries: Option<i64>,
        /// Time in which failures do not count.
        start_period: Option<String>,
        /// Time between checks in the start period; needs a client of version 25.
        start_interval: Option<String>,
        /// Accepted for old playbooks: an empty test never stands for the image's.
        test_cli_compatible: bool = false,
    }
}

arguments! {
    /// A limit of a device.
    pub(crate) struct Rate {
        /// The device's file.
        path: String,
        /// Bytes (like 1m) or operations per second.
        rate: String,
    }
}

docker_arguments! {
    /// Brings a Docker container into a state. It is compared with what is wanted field by field,
    /// and made anew only where it must be; the docker command lines are shown and returned.
    pub(crate) struct Args {
        /// Name of the container.
        name: String,
        /// Name of the image; needed to make a container.
        image: Option<String>,
        /// Wanted state: started; present (made, not started); stopped; absent; healthy (started, and its check passes).
        state: State = State::Started,
        /// Command: a list, or text that is split as a shell would.
        command: Option<Value>,
        /// Program in front of the command, instead of the image's.
        entrypoint: Option<Vec<String>>,
        /// How command and entrypoint are understood; both ways are the same here.
        command_handling: CommandHandling = CommandHandling::Correct,
        /// Environment variables. Values of names that look secret do not get onto command lines.
        env: Option<Map<String, Value>>,
        /// File on the host with NAME=value lines; env goes first.
        env_file: Option<PathBuf>,
        /// Labels.
        labels: Option<Map<String, Value>>,
        /// Network that it starts in: host, bridge, none, container:NAME or a network's name.
        network_mode: Option<String>,
        /// Networks that it is in; the first is where it starts unless network_mode says so.
        networks: Option<Vec<Network>>,
        /// Without network_mode, the container starts in the first of networks, as with the docker client.
        networks_cli_compatible: bool = true,
        /// Ports to publish, such as 8080:80 or 127.0.0.1:53:53/udp.
        published_ports: Option<Vec<String>> ["ports"],
        /// Publish all exposed ports on some port of the host.
        publish_all_ports: Option<bool>,
        /// Address that ports are published on where none is said.
        default_host_ip: Option<String>,
        /// Further ports that the container listens on.
        exposed_ports: Option<Vec<String>> ["exposed", "expose"],
        /// Directories and volumes to mount, as source:target:mode.
        volumes: Option<Vec<String>>,
        /// Mounts with more settings than volumes can say.
        mounts: Option<Vec<Mount>>,
        /// Containers whose mounts are taken over.
        volumes_from: Option<Vec<String>>,
        /// Driver of new volumes.
        volume_driver: Option<String>,
        /// Directories in memory, as path or path:options.
        tmpfs: Option<Vec<String>>,
        /// What Docker does when the process ends.
        restart_policy: Option<RestartPolicy>,
        /// How often on-failure starts it again.
        restart_retries: Option<i64>,
        /// All capabilities and devices.
        privileged: Option<bool>,
        /// Capabilities to add.
        capabilities: Option<Vec<String>>,
        /// Capabilities to take away.
        cap_drop: Option<Vec<String>>,
        /// Devices, as host path:container path:rwm.
        devices: Option<Vec<String>>,
        /// Rules for devices, such as `c 42:* rmw`.
        device_cgroup_rules: Option<Vec<String>>,
        /// Most bytes read per second.
        device_read_bps: Option<Vec<Rate>>,
        /// Most reads per second.
        device_read_iops: Option<Vec<Rate>>,
        /// Most bytes written per second.
        device_write_bps: Option<Vec<Rate>>,
        /// Most writes per second.
        device_write_iops: Option<Vec<Rate>>,
        /// User, or user:group, of the process.
        user: Option<String>,
        /// Further groups of the process.
        groups: Option<Vec<String>>,
        /// Directory that the process starts in.
        working_dir: Option<String>,
        /// Name of the machine inside.
        hostname: Option<String>,
        /// Domain inside.
        domainname: Option<String>,
        /// Lines of /etc/hosts: name to address.
        etc_hosts: Option<Map<String, Value>>,
        /// Name servers.
        dns_servers: Option<Vec<String>>,
        /// Options of the resolver.
        dns_opts: Option<Vec<String>>,
        /// Domains to search.
        dns_search_domains: Option<Vec<String>>,
        /// Containers to link to, as name:alias.
        links: Option<Vec<String>>,
        /// Hardware address.
        mac_address: Option<String>,
        /// Log driver.
        log_driver: Option<String>,
        /// Options of the log driver.
        log_options: Option<Map<String, Value>> ["log_opt"],
        /// Most memory, like 512m.
        memory: Option<String>,
        /// Memory that is kept free for it when memory is short.
        memory_reservation: Option<String>,
        /// Most memory and swap together; -1 or unlimited for no limit.
        memory_swap: Option<String>,
        /// How willingly its memory is swapped, 0 to 100.
        memory_swappiness: Option<i64>,
        /// Most memory of the kernel.
        kernel_memory: Option<String>,
        /// Most processors, also parts of one.
        cpus: Option<f64>,
        /// Weight of its share of the processors.
        cpu_shares: Option<i64>,
        /// Period of the scheduler in microseconds.
        cpu_period: Option<i64>,
        /// Time in each period in microseconds.
        cpu_quota: Option<i64>,
        /// Processors that it may use, like 0-2,4.
        cpuset_cpus: Option<String>,
        /// Memory nodes that it may use.
        cpuset_mems: Option<String>,
        /// Weight of its share of the disks, 10 to 1000.
        blkio_weight: Option<i64>,
        /// Most processes; -1 for no limit.
        pids_limit: Option<i64>,
        /// Switch off the killer for lack of memory.
        oom_killer: Option<bool>,
        /// How likely it is killed for lack of memory.
        oom_score_adj: Option<i64>,
        /// Limits, as name:soft:hard.
        ulimits: Option<Vec<String>>,
        /// Settings of the kernel in its namespaces.
        sysctls: Option<Map<String, Value>>,
        /// Security options, such as apparmor=unconfined.
        security_opts: Option<Vec<String>>,
        /// Process namespace: host or container:NAME.
        pid_mode: Option<String>,
        /// Namespace of shared memory: host, private, shareable, container:NAME.
        ipc_mode: Option<String>,
        /// Namespace of the host name: host.
        uts: Option<String>,
        /// Namespace of users: host.
        userns_mode: Option<String>,
        /// Namespace of control groups.
        cgroupns_mode: Option<CgroupNamespace>,
        /// Control group above it.
        cgroup_parent: Option<String>,
        /// Size of /dev/shm.
        shm_size: Option<String>,
        /// Options of the storage driver.
        storage_opts: Option<Map<String, Value>>,
        /// Program that runs containers.
        runtime: Option<String>,
        /// Platform of the image, such as linux/amd64.
        platform: Option<String>,
        /// Put a small init in front of the process.
        init: Option<bool>,
        /// Signal that asks the process to end.
        stop_signal: Option<String>,
        /// Seconds that it gets to end. Not compared unless comparisons says so.
        stop_timeout: Option<i64>,
        /// Health check.
        healthcheck: Option<HealthCheck>,
        /// Seconds to wait for state healthy.
        healthy_wait_timeout: f64 = 300.0,
        /// Root file system is read-only.
        read_only: Option<bool>,
        /// Give it a terminal.
        tty: Option<bool>,
        /// Keep its standard input open.
        interactive: Option<bool>,
        /// Let it run in the background; otherwise its end is waited for.
        detach: Option<bool>,
        /// Remove it when the process ends.
        auto_remove: Option<bool>,
        /// Remove it after its end, with detach: false.
        cleanup: bool = false,
        /// Return the output also of a container that is removed, with detach: false.
        output_logs: bool = false,
        /// Halted or not.
        paused: Option<bool>,
        /// Volumes without a name survive the container.
        keep_volumes: bool = true,
        /// Kill it instead of stopping it.
        force_kill: bool ["forcekill"] = false,
        /// Signal to kill it with.
        kill_signal: Option<String>,
        /// Make it anew in any case.
        recreate: bool = false,
        /// Restart it if it runs and is not made anew.
        restart: bool = false,
        /// Seconds to wait until a removed container is gone.
        removal_wait_timeout: Option<f64>,
        /// When to fetch the image: never, missing or always.
        pull: Pull = Pull::Missing,
        /// What check mode says about pull: always.
        pull_check_mode_behavior: PullCheck = PullCheck::Missing,
        /// Per option, or `*`: strict, ignore or allow_more_present.
        comparisons: Option<Map<String, Value>>,
        /// What options are when they are left out.
        container_default_behavior: Defaults = Defaults::NoDefaults,
        /// Which image's own settings are taken as given.
        image_comparison: ImageComparison = ImageComparison::Desired,
        /// Whether another name of the same image is a difference.
        image_name_mismatch: NameMismatch = NameMismatch::Recreate,
        /// Whether labels of the image that are not wanted are an error.
        image_label_mismatch: LabelMismatch = LabelMismatch::Ignore,
    }
}

impl Args {
    /// Fills in what an old playbook expects of options that are left out.
    pub(crate) fn with_defaults(mut self) -> Self {
        if self.container_default_behavior == Defaults::Compatibility {
            let off = Some(false);
            self.auto_remove = self.auto_remove.or(off);
            self.detach = self.detach.or(Some(true));
            self.init = self.init.or(off);
            self.interactive = self.interactive.or(off);
            self.memory = self.memory.or_else(|| Some("0".to_owned()));
            self.paused = self.paused.or(off);
            self.privileged = self.privileged.or(off);
            self.read_only = self.read_only.or(off);
            self.tty = self.tty.or(off);
        }
        self
    }
}
