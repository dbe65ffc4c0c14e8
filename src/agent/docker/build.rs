//! How an image is built: the arguments, and the client's command line.

use std::path::PathBuf;
use std::time::Duration;

use ocplay_protocol::arguments;
use serde_json::{Map, Value};

use super::Line;
use super::container::{is_secret, texts};
use super::units;

arguments! {
    /// Limits of the containers in which a build runs.
    pub(crate) struct Limits {
        /// Most memory, like 512m.
        memory: Option<String>,
        /// Most memory and swap together; -1 for no limit.
        memswap: Option<String>,
        /// Weight of the share of the processors.
        cpushares: Option<i64>,
        /// Processors that may be used, like 0-2.
        cpusetcpus: Option<String>,
    }
}

arguments! {
    /// A build.
    pub(crate) struct Build {
        /// Directory on the host with the Dockerfile and what it copies; or an address.
        path: PathBuf,
        /// The Dockerfile's name, if it is another one, below path.
        dockerfile: Option<String>,
        /// Arguments of the build (ARG). Values of names that look secret do not get onto command lines.
        args: Option<Map<String, Value>>,
        /// Look for newer versions of the images it builds on.
        pull: bool = false,
        /// Build every step again.
        nocache: bool = false,
        /// Remove the containers of the steps.
        rm: bool = true,
        /// Labels.
        labels: Option<Map<String, Value>>,
        /// Network of the steps, such as host.
        network: Option<String>,
        /// Stage to build.
        target: Option<String>,
        /// Images whose steps may be used again.
        cache_from: Option<Vec<String>>,
        /// Lines of /etc/hosts in the steps: name to address.
        etc_hosts: Option<Map<String, Value>>,
        /// Size of /dev/shm in the steps.
        shm_size: Option<String>,
        /// Platform, such as linux/amd64.
        platform: Option<String>,
        /// Limits of the steps.
        container_limits: Option<Limits>,
        /// Most seconds that the build may take.
        http_timeout: Option<i64>,
        /// Accepted for old playbooks: the client always passes the proxies of its own settings on.
        use_config_proxy: Option<bool>,
    }
}

/// The command line; `builder` is what DOCKER_BUILDKIT shall be.
pub(crate) fn line(build: &Build, name: &str, builder: &str) -> Result<Line, String> {
    let mut words: Vec<String> = vec!["build".to_owned(), "--tag".to_owned(), name.to_owned()];
    let mut secrets = Vec::new();
    let path = build.path.to_string_lossy().into_owned();
    let mut add = |flag: &str, value: String| words.extend([flag.to_owned(), value]);
    if let Some(file) = &build.dockerfile {
        add(
            "--file",
            build.path.join(file).to_string_lossy().into_owned(),
        );
    }
    for (key, value) in texts("build.args", build.args.as_ref().unwrap_or(&Map::new()))? {
        if is_secret(&key, &value) {
            add("--build-arg", key.clone());
            secrets.push((key, value));
        } else {
            add("--build-arg", format!("{key}={value}"));
        }
    }
    for (key, value) in texts("build.labels", build.labels.as_ref().unwrap_or(&Map::new()))? {
        add("--label", format!("{key}={value}"));
    }
    for (key, value) in texts(
        "build.etc_hosts",
        build.etc_hosts.as_ref().unwrap_or(&Map::new()),
    )? {
        add("--add-host", format!("{key}:{value}"));
    }
    for (flag, value) in [
        ("--network", &build.network),
        ("--target", &build.target),
        ("--platform", &build.platform),
    ] {
        if let Some(value) = value {
            add(flag, value.clone());
        }
    }
    for image in build.cache_from.iter().flatten() {
        add("--cache-from", image.clone());
    }
    let size = |what: &str, text: &str| {
        units::bytes(text)
            .map(|bytes| bytes.to_string())
            .map_err(|reason| format!("build.{what}: {reason}"))
    };
    if let Some(shm) = &build.shm_size {
        add("--shm-size", size("shm_size", shm)?);
    }
    if let Some(limits) = &build.container_limits {
        if let Some(memory) = &limits.memory {
            add("--memory", size("container_limits.memory", memory)?);
        }
        if let Some(swap) = &limits.memswap {
            add("--memory-swap", size("container_limits.memswap", swap)?);
        }
        if let Some(shares) = limits.cpushares {
            add("--cpu-shares", shares.to_string());
        }
        if let Some(cpus) = &limits.cpusetcpus {
            add("--cpuset-cpus", cpus.clone());
        }
    }
    for (flag, given) in [
        ("--pull", build.pull),
        ("--no-cache", build.nocache),
        ("--rm=false", !build.rm),
    ] {
        if given {
            words.push(flag.to_owned());
        }
    }
    words.push(path);
    let limit = build
        .http_timeout
        .and_then(|seconds| u64::try_from(seconds).ok())
        .filter(|seconds| *seconds > 0)
        .map(Duration::from_secs);
    Ok(Line::new(words)
        .secrets(secrets)
        .env("DOCKER_BUILDKIT", builder)
        .live()
        .timeout(limit))
}

#[cfg(test)]
mod tests {
    use ocplay_protocol::Argument;
    use serde_json::json;

    use super::*;

    #[test]
    fn all_that_a_build_can_say() {
        let build = Build::read(&json!({
            "path": "/ctx", "dockerfile": "D", "pull": true, "nocache": true, "rm": false,
            "args": {"A": 1, "TOKEN": "x"}, "labels": {"l": "a b"}, "network": "host",
            "target": "t", "cache_from": ["c"], "etc_hosts": {"h": "1.2.3.4"},
            "shm_size": "1m", "container_limits": {"memory": "1g", "cpushares": 5},
        }))
        .unwrap();
        assert_eq!(
            line(&build, "n:1", "0").unwrap().show(None),
            "DOCKER_BUILDKIT=0 TOKEN=******** docker build --tag n:1 --file /ctx/D --build-arg A=1 \
             --build-arg TOKEN --label 'l=a b' --add-host h:1.2.3.4 --network host --target t \
             --cache-from c --shm-size 1048576 --memory 1073741824 --cpu-shares 5 --pull \
             --no-cache --rm=false /ctx"
        );
    }
}
