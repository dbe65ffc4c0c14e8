//! `docker_prune`: what nothing uses any more is removed.

use serde_json::{Map, Value};

use super::acts::{Acts, acting};
use super::{Module, Verdict};
use crate::docker::{Engine, docker_arguments, units};
use crate::host::{Failure, Look, Return};

docker_arguments! {
    /// Removes containers that have ended, and images, networks, volumes and caches that nothing
    /// uses.
    pub(super) struct Args {
        /// Containers that have ended.
        containers: bool = false,
        /// Which containers.
        containers_filters: Option<Map<String, Value>>,
        /// Images; by default only those without a name.
        images: bool = false,
        /// Which images; dangling: false stands for all that nothing uses.
        images_filters: Option<Map<String, Value>>,
        /// Networks.
        networks: bool = false,
        /// Which networks.
        networks_filters: Option<Map<String, Value>>,
        /// Volumes; by default only those without a name.
        volumes: bool = false,
        /// Which volumes.
        volumes_filters: Option<Map<String, Value>>,
        /// Caches of builds.
        builder_cache: bool = false,
        /// All kinds of them.
        builder_cache_all: bool = false,
        /// Which caches.
        builder_cache_filters: Option<Map<String, Value>>,
        /// How much of them may stay, like 2g.
        builder_cache_keep_storage: Option<String>,
    }
}

pub(super) struct DockerPrune;

/// The values that each kind returns, and where the engine says them.
const KINDS: [(&str, &str, &str); 5] = [
    ("containers", "/containers/prune", "ContainersDeleted"),
    ("images", "/images/prune", "ImagesDeleted"),
    ("networks", "/networks/prune", "NetworksDeleted"),
    ("volumes", "/volumes/prune", "VolumesDeleted"),
    ("builder_cache", "/build/prune", "CachesDeleted"),
];

impl Module for DockerPrune {
    const NAME: &'static str = "docker_prune";
    const COLLECTION: &'static str = "community.docker";
    type Args = Args;
    acting!();

    fn check(args: &Args, look: &Look) -> Result<Verdict<Acts>, Failure> {
        let wanted = [
            (args.containers, &args.containers_filters),
            (args.images, &args.images_filters),
            (args.networks, &args.networks_filters),
            (args.volumes, &args.volumes_filters),
            (args.builder_cache, &args.builder_cache_filters),
        ];
        if !wanted.iter().any(|(on, _)| *on) {
            return Ok(Acts::new(Return::new()).verdict());
        }
        let engine = Engine::reach(look, &args.connection())?;
        if look.is_check() {
            let text = "what nothing uses is only known to the engine, which cannot rehearse it";
            return Ok(Verdict::Skip(Return::new().with("msg", text)));
        }
        let Some(engine) = engine else {
            return Err("there is no Docker engine".into());
        };
        let mut calls = Vec::new();
        for ((kind, path, list), (on, filters)) in KINDS.into_iter().zip(wanted) {
            if !on {
                continue;
            }
            let mut query = Engine::filters(filters.as_ref())?;
            if kind == "builder_cache" {
                if args.builder_cache_all {
                    query.push_str("&all=true");
                }
                if let Some(size) = &args.builder_cache_keep_storage {
                    query.push_str(&format!("&keep-storage={}", units::bytes(size)?));
                }
            }
            calls.push((kind, format!("{path}?{query}"), list));
        }
        let mut acts = Acts::new(Return::new());
        acts.body(move |touch| {
            let mut result = Return::new();
            let mut changed = false;
            for (kind, path, list) in calls {
                let what = format!("remove unused {kind}");
                let answer = engine.tell(touch, "POST", &path, None, &what)?;
                let gone = match &answer[list] {
                    Value::Array(gone) => gone.clone(),
                    _ => Vec::new(),
                };
                changed |= !gone.is_empty();
                let space = answer["SpaceReclaimed"].as_u64();
                changed |= kind == "builder_cache" && space.unwrap_or(0) > 0;
                if kind != "networks" {
                    let name = format!("{kind}_space_reclaimed");
                    result = result.with(&name, space.unwrap_or(0));
                }
                let name = match kind {
                    "builder_cache" => "builder_cache_caches_deleted",
                    kind => kind,
                };
                result = result.with(name, gone);
            }
            Ok(result.changed(changed))
        });
        Ok(acts.verdict())
    }
}
