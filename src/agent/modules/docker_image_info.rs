//! `docker_image_info`: what the engine says about images.

use ocplay_protocol::Diff;
use serde_json::Value;

use super::{Module, Verdict};
use crate::docker::{Engine, docker_arguments};
use crate::host::{Failure, Look, Return, Touch};

docker_arguments! {
    /// Reads what the engine knows of Docker images, as `docker image inspect` shows it.
    pub(super) struct Args {
        /// Names or numbers of images; without a tag, `latest`. All images if left out.
        name: Option<Vec<String>>,
    }
}

pub(super) struct DockerImageInfo;

fn images(args: &Args, engine: &Engine) -> Result<Vec<Value>, Failure> {
    let names = match &args.name {
        Some(names) => names.clone(),
        None => all(engine)?,
    };
    let mut images = Vec::new();
    for name in names {
        images.extend(engine.image(&name)?);
    }
    Ok(images)
}

fn all(engine: &Engine) -> Result<Vec<String>, Failure> {
    let list = engine.get("/images/json")?.unwrap_or_default();
    Ok(list
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|image| image["Id"].as_str().map(str::to_owned))
        .collect())
}

impl Module for DockerImageInfo {
    const NAME: &'static str = "docker_image_info";
    const COLLECTION: &'static str = "community.docker";
    type Args = Args;
    type Plan = std::convert::Infallible;

    fn check(args: &Args, look: &Look) -> Result<Verdict<Self::Plan>, Failure> {
        let Some(engine) = Engine::reach(look, &args.connection())? else {
            return Ok(Verdict::Same(
                Return::new()
                    .with("images", Vec::<Value>::new())
                    .warn("there is no Docker engine yet; an earlier task may install it"),
            ));
        };
        let images = images(args, &engine)?;
        Ok(Verdict::Same(Return::new().with("images", images)))
    }

    fn describe(plan: &Self::Plan) -> Vec<Diff> {
        match *plan {}
    }

    fn apply(plan: Self::Plan, _: &mut Touch) -> Result<Return, Failure> {
        match plan {}
    }
}
