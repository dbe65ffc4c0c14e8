//! Rights, namespaces and limits.

use serde_json::json;

use super::compare::Kind;
use super::fields::{Table, as_texts, dict, text, texts};

impl Table<'_> {
    pub(super) fn isolation(&mut self) -> Result<(), String> {
        let args = self.args;
        let capability = |name: &str| {
            let name = name.to_ascii_uppercase();
            name.strip_prefix("CAP_").unwrap_or(&name).to_owned()
        };
        self.set(
            "capabilities",
            args.capabilities.as_ref(),
            "--cap-add",
            self.host("CapAdd"),
            capability,
        );
        self.set(
            "cap_drop",
            args.cap_drop.as_ref(),
            "--cap-drop",
            self.host("CapDrop"),
            capability,
        );
        let profiles = &self.facts.profiles;
        let option = |option: &str| {
            let option = match option.split_once(['=', ':']) {
                Some((name, value)) => format!("{name}={value}"),
                None => option.to_owned(),
            };
            match option.strip_prefix("seccomp=") {
                Some(profile) => {
                    let content = profiles
                        .get(profile)
                        .cloned()
                        .or_else(|| serde_json::from_str(profile).ok());
                    content.map_or(option.clone(), |content| format!("seccomp={content}"))
                }
                None => option.strip_suffix("=true").unwrap_or(&option).to_owned(),
            }
        };
        self.set(
            "security_opts",
            args.security_opts.as_ref(),
            "--security-opt",
            self.host("SecurityOpt"),
            option,
        );
        if args.security_opts.is_some() {
            // The engine adds this by itself where namespaces are shared.
            self.brought(json!(["label=disable"]));
        }
        let ids = &self.facts.ids;
        let namespace = |word: &Option<String>| {
            word.as_ref().map(|word| {
                let id = word
                    .strip_prefix("container:")
                    .and_then(|name| ids.get(name));
                id.map_or(word.clone(), |id| format!("container:{id}"))
            })
        };
        for (name, given, flag, key) in [
            ("pid_mode", &args.pid_mode, "--pid", "PidMode"),
            ("ipc_mode", &args.ipc_mode, "--ipc", "IpcMode"),
        ] {
            if let Some(given) = given {
                let wanted = namespace(&Some(given.clone()));
                if !given.is_empty() {
                    self.flag(flag, given.clone());
                }
                let actual = self.host(key);
                self.field(name, Kind::Value, json!(wanted), json!(text(&actual)));
            }
        }
        self.word("uts", args.uts.as_deref(), "--uts", self.host("UTSMode"));
        self.word(
            "userns_mode",
            args.userns_mode.as_deref(),
            "--userns",
            self.host("UsernsMode"),
        );
        let namespace = args.cgroupns_mode.map(|mode| mode.word());
        self.word(
            "cgroupns_mode",
            namespace,
            "--cgroupns",
            self.host("CgroupnsMode"),
        );
        self.word(
            "cgroup_parent",
            args.cgroup_parent.as_deref(),
            "--cgroup-parent",
            self.host("CgroupParent"),
        );
        self.word(
            "runtime",
            args.runtime.as_deref(),
            "--runtime",
            self.host("Runtime"),
        );
        if let Some(platform) = &args.platform {
            // Which one was taken is not on record; the image says it.
            self.flag("--platform", platform.clone());
        }
        for (name, given, flag, key) in [
            ("sysctls", &args.sysctls, "--sysctl", "Sysctls"),
            (
                "storage_opts",
                &args.storage_opts,
                "--storage-opt",
                "StorageOpt",
            ),
        ] {
            if let Some(given) = given {
                let given = texts(name, given)?;
                for (key, value) in &given {
                    self.flag(flag, format!("{key}={value}"));
                }
                let actual = as_texts(&self.host(key));
                self.field(name, Kind::Dict, dict(&given), actual);
            }
        }
        Ok(())
    }

    pub(super) fn limits(&mut self) -> Result<(), String> {
        let args = self.args;
        for (name, given, flag, key) in [
            ("memory", &args.memory, "--memory", "Memory"),
            (
                "memory_reservation",
                &args.memory_reservation,
                "--memory-reservation",
                "MemoryReservation",
            ),
            (
                "memory_swap",
                &args.memory_swap,
                "--memory-swap",
                "MemorySwap",
            ),
            (
                "kernel_memory",
                &args.kernel_memory,
                "--kernel-memory",
                "KernelMemory",
            ),
        ] {
            if given.is_some() {
                self.size(name, given.as_deref(), flag, self.host(key))?;
                self.updatable();
            }
        }
        for (name, given, flag, key) in [
            ("cpu_shares", args.cpu_shares, "--cpu-shares", "CpuShares"),
            ("cpu_period", args.cpu_period, "--cpu-period", "CpuPeriod"),
            ("cpu_quota", args.cpu_quota, "--cpu-quota", "CpuQuota"),
            (
                "blkio_weight",
                args.blkio_weight,
                "--blkio-weight",
                "BlkioWeight",
            ),
            ("pids_limit", args.pids_limit, "--pids-limit", "PidsLimit"),
        ] {
            if given.is_some() {
                self.number(name, given, flag, self.host(key));
                self.updatable();
            }
        }
        if let Some(cpus) = args.cpus {
            self.flag("--cpus", cpus.to_string());
            let nano = (cpus * 1e9).round() as i64;
            let actual = self.host("NanoCpus").as_i64().unwrap_or(0);
            self.field(
                "cpus",
                Kind::Value,
                json!(nano as f64 / 1e9),
                json!(actual as f64 / 1e9),
            );
            self.updatable();
        }
        for (name, given, flag, key) in [
            (
                "cpuset_cpus",
                &args.cpuset_cpus,
                "--cpuset-cpus",
                "CpusetCpus",
            ),
            (
                "cpuset_mems",
                &args.cpuset_mems,
                "--cpuset-mems",
                "CpusetMems",
            ),
        ] {
            if given.is_some() {
                self.word(name, given.as_deref(), flag, self.host(key));
                self.updatable();
            }
        }
        self.number(
            "memory_swappiness",
            args.memory_swappiness,
            "--memory-swappiness",
            self.host("MemorySwappiness"),
        );
        self.switch(
            "oom_killer",
            args.oom_killer,
            "--oom-kill-disable",
            self.host("OomKillDisable"),
        );
        self.number(
            "oom_score_adj",
            args.oom_score_adj,
            "--oom-score-adj",
            self.host("OomScoreAdj"),
        );
        self.size(
            "shm_size",
            args.shm_size.as_deref(),
            "--shm-size",
            self.host("ShmSize"),
        )?;
        if let Some(ulimits) = &args.ulimits {
            let mut wanted = Vec::new();
            for limit in ulimits {
                let wrong = || format!("ulimits: '{limit}' is not of the form name:soft:hard");
                let (name, limits) = limit.split_once([':', '=']).ok_or_else(wrong)?;
                let (soft, hard) = limits.split_once(':').unwrap_or((limits, limits));
                let line = format!("{name}={soft}:{hard}");
                self.flag("--ulimit", line.clone());
                wanted.push(line);
            }
            let actual: Vec<String> = self
                .host("Ulimits")
                .as_array()
                .into_iter()
                .flatten()
                .map(|limit| {
                    format!(
                        "{}={}:{}",
                        text(&limit["Name"]),
                        limit["Soft"],
                        limit["Hard"]
                    )
                })
                .collect();
            self.field("ulimits", Kind::Set, json!(wanted), json!(actual));
        }
        Ok(())
    }
}
