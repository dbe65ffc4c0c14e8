//! `docker_host_info`: what an engine says about itself and what it has.

use serde_json::{Map, Value};

use super::acts::{Acts, acting};
use super::{Module, Verdict};
use crate::docker::{Engine, docker_arguments};
use crate::host::{Failure, Look, Return};

docker_arguments! {
    /// Reads what a Docker engine says about itself, its containers, images, networks and volumes.
    pub(super) struct Args {
        /// List containers that run.
        containers: bool = false,
        /// List all containers.
        containers_all: bool = false,
        /// Which containers.
        containers_filters: Option<Map<String, Value>>,
        /// List images.
        images: bool = false,
        /// Which images.
        images_filters: Option<Map<String, Value>>,
        /// List networks.
        networks: bool = false,
        /// Which networks.
        networks_filters: Option<Map<String, Value>>,
        /// List volumes.
        volumes: bool = false,
        /// Which volumes.
        volumes_filters: Option<Map<String, Value>>,
        /// Sum up used space.
        disk_usage: bool = false,
        /// All that the engine says, instead of the most important.
        verbose_output: bool = false,
    }
}

pub(super) struct DockerHostInfo;

const CONTAINER: &[&str] = &[
    "Id", "Image", "Command", "Created", "Status", "Ports", "Names",
];
const IMAGE: &[&str] = &["Id", "RepoTags", "Created", "Size"];
const NETWORK: &[&str] = &["Id", "Driver", "Name", "Scope"];
const VOLUME: &[&str] = &["Driver", "Name"];

fn part(object: &Value, keys: &[&str], all: bool) -> Value {
    let Value::Object(map) = object else {
        return object.clone();
    };
    map.iter()
        .filter(|(key, _)| all || keys.contains(&key.as_str()))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect()
}

impl Module for DockerHostInfo {
    const NAME: &'static str = "docker_host_info";
    const COLLECTION: &'static str = "community.docker";
    type Args = Args;
    acting!();

    fn check(args: &Args, look: &Look) -> Result<Verdict<Acts>, Failure> {
        let engine = Engine::reach(look, &args.connection())
            .map_err(|failure| failure.with("can_talk_to_docker", false))?;
        let Some(engine) = engine else {
            let result = Return::new()
                .with("can_talk_to_docker", false)
                .warn("there is no Docker engine yet; an earlier task may install it");
            return Ok(Acts::new(result).verdict());
        };
        let get = |path: &str| engine.get(path).map(Option::unwrap_or_default);
        let mut result = Return::new()
            .with("can_talk_to_docker", true)
            .with("host_info", get("/info")?);
        let lists = [
            (
                args.containers,
                "containers",
                if args.containers_all {
                    "/containers/json?all=1&"
                } else {
                    "/containers/json?"
                },
                &args.containers_filters,
                CONTAINER,
            ),
            (
                args.images,
                "images",
                "/images/json?",
                &args.images_filters,
                IMAGE,
            ),
            (
                args.networks,
                "networks",
                "/networks?",
                &args.networks_filters,
                NETWORK,
            ),
            (
                args.volumes,
                "volumes",
                "/volumes?",
                &args.volumes_filters,
                VOLUME,
            ),
        ];
        for (wanted, name, path, filters, keys) in lists {
            if !wanted {
                continue;
            }
            let answer = get(&format!("{path}{}", Engine::filters(filters.as_ref())?))?;
            let list = if name == "volumes" {
                &answer["Volumes"]
            } else {
                &answer
            };
            let list: Vec<Value> = list
                .as_array()
                .into_iter()
                .flatten()
                .map(|object| part(object, keys, args.verbose_output))
                .collect();
            result = result.with(name, list);
        }
        if args.disk_usage {
            let usage = get("/system/df")?;
            result = result.with(
                "disk_usage",
                part(&usage, &["LayersSize"], args.verbose_output),
            );
        }
        Ok(Acts::new(result).verdict())
    }
}
