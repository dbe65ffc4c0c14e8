//! `docker_image_pull`: an image comes from its registry.

use ocplay_protocol::{Diff, choices};
use serde_json::json;

use super::docker_image::{self, DockerImage};
use super::{Module, Verdict};
use crate::docker::docker_arguments;
use crate::host::{Failure, Look, Return, Touch};

choices! {
    /// When it is pulled.
    pub(super) enum When { Always = "always", NotPresent = "not_present" }
}

docker_arguments! {
    /// Pulls a Docker image.
    pub(super) struct Args {
        /// Name of the image, with or without a tag.
        name: String,
        /// Tag, if the name has none.
        tag: String = "latest".to_owned(),
        /// Platform, such as linux/amd64.
        platform: Option<String>,
        /// Always, or only if there is no such image.
        pull: When = When::Always,
    }
}

pub(super) struct DockerImagePull;

impl Module for DockerImagePull {
    const NAME: &'static str = "docker_image_pull";
    const COLLECTION: &'static str = "community.docker";
    type Args = Args;
    type Plan = docker_image::Plan;

    fn check(args: &Args, look: &Look) -> Result<Verdict<Self::Plan>, Failure> {
        let wish = docker_image::wish(
            json!({
                "name": args.name, "tag": args.tag, "source": "pull",
                "pull": {"platform": args.platform}, "force_source": args.pull == When::Always,
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
