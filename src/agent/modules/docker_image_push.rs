//! `docker_image_push`: an image goes to its registry.

use ocplay_protocol::Diff;
use serde_json::json;

use super::docker_image::{self, DockerImage};
use super::{Module, Verdict};
use crate::docker::docker_arguments;
use crate::host::{Failure, Look, Return, Touch};

docker_arguments! {
    /// Pushes a Docker image to the registry that its name says.
    pub(super) struct Args {
        /// Name of the image, with or without a tag.
        name: String,
        /// Tag, if the name has none.
        tag: String = "latest".to_owned(),
    }
}

pub(super) struct DockerImagePush;

impl Module for DockerImagePush {
    const NAME: &'static str = "docker_image_push";
    const COLLECTION: &'static str = "community.docker";
    type Args = Args;
    type Plan = docker_image::Plan;

    fn check(args: &Args, look: &Look) -> Result<Verdict<Self::Plan>, Failure> {
        let wish = docker_image::wish(
            json!({
                "name": args.name, "tag": args.tag, "source": "local", "push": true,
            }),
            args.connection(),
        )?;
        DockerImage::check(&wish, look)
    }

    fn describe(plan: &Self::Plan) -> Vec<Diff> {
        DockerImage::describe(plan)
    }

    fn apply(plan: Self::Plan, touch: &mut Touch) -> Result<Return, Failure> {
        DockerImage::apply(plan, touch)
    }
}
