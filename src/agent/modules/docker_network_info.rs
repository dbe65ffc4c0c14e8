//! `docker_network_info`: what the engine says about a network.

use super::acts::{Acts, acting};
use super::{Module, Verdict};
use crate::docker::{Engine, docker_arguments, segment};
use crate::host::{Failure, Look, Return};

docker_arguments! {
    /// Reads what the engine knows of a Docker network, as `docker network inspect` shows it.
    pub(super) struct Args {
        /// Name of the network.
        name: String,
    }
}

pub(super) struct DockerNetworkInfo;

impl Module for DockerNetworkInfo {
    const NAME: &'static str = "docker_network_info";
    const COLLECTION: &'static str = "community.docker";
    type Args = Args;
    acting!();

    fn check(args: &Args, look: &Look) -> Result<Verdict<Acts>, Failure> {
        let engine = Engine::reach(look, &args.connection())?;
        let found = match &engine {
            Some(engine) => engine.get(&format!("/networks/{}", segment(&args.name)))?,
            None => None,
        };
        let result = Return::new()
            .with("exists", found.is_some())
            .with("network", found);
        Ok(Acts::new(result).verdict())
    }
}
