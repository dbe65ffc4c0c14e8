//! `docker_container_info`: what the engine says about one container.

use ocplay_protocol::Diff;
use serde_json::Value;

use super::{Module, Verdict};
use crate::docker::{Engine, docker_arguments};
use crate::host::{Failure, Look, Return, Touch};

docker_arguments! {
    /// Reads the state of a Docker container, as `docker inspect` shows it.
    pub(super) struct Args {
        /// Name or number of the container.
        name: String,
    }
}

pub(super) struct DockerContainerInfo;

impl Module for DockerContainerInfo {
    const NAME: &'static str = "docker_container_info";
    const COLLECTION: &'static str = "community.docker";
    type Args = Args;
    type Plan = std::convert::Infallible;

    fn check(args: &Args, look: &Look) -> Result<Verdict<Self::Plan>, Failure> {
        let Some(engine) = Engine::reach(look, &args.connection())? else {
            return Ok(Verdict::Same(
                Return::new()
                    .with("exists", false)
                    .with("container", Value::Null)
                    .warn("there is no Docker engine yet; an earlier task may install it"),
            ));
        };
        let container = engine.container(&args.name)?;
        Ok(Verdict::Same(
            Return::new()
                .with("exists", container.is_some())
                .with("container", container.unwrap_or_default()),
        ))
    }

    fn describe(plan: &Self::Plan) -> Vec<Diff> {
        match *plan {}
    }

    fn apply(plan: Self::Plan, _: &mut Touch) -> Result<Return, Failure> {
        match plan {}
    }
}
