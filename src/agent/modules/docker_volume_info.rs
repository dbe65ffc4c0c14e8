//! `docker_volume_info`: what the engine says about a volume.

use super::acts::{Acts, acting};
use super::{Module, Verdict};
use crate::docker::{Engine, docker_arguments, segment};
use crate::host::{Failure, Look, Return};

docker_arguments! {
    /// Reads what the engine knows of a Docker volume, as `docker volume inspect` shows it.
    pub(super) struct Args {
        /// Name of the volume.
        name: String ["volume_name"],
    }
}

pub(super) struct DockerVolumeInfo;

impl Module for DockerVolumeInfo {
    const NAME: &'static str = "docker_volume_info";
    const COLLECTION: &'static str = "community.docker";
    type Args = Args;
    acting!();

    fn check(args: &Args, look: &Look) -> Result<Verdict<Acts>, Failure> {
        let engine = Engine::reach(look, &args.connection())?;
        let found = match &engine {
            Some(engine) => engine.get(&format!("/volumes/{}", segment(&args.name)))?,
            None => None,
        };
        let result = Return::new()
            .with("exists", found.is_some())
            .with("volume", found);
        Ok(Acts::new(result).verdict())
    }
}
