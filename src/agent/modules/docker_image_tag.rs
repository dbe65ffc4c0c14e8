//! `docker_image_tag`: an image gets further names.

use serde_json::{Value, json};

use super::acts::{Acts, acting, state};
use super::{Module, Verdict};
use crate::docker::{Engine, Line, docker_arguments, reference};
use crate::host::{Failure, Look, Return};

ocplay_protocol::choices! {
    /// What happens to other images that have such a name.
    pub(super) enum Existing { Keep = "keep", Overwrite = "overwrite" }
}

docker_arguments! {
    /// Gives a Docker image further names.
    pub(super) struct Args {
        /// Name of the image, with or without a tag, or its number.
        name: String,
        /// Tag, if the name has none.
        tag: String = "latest".to_owned(),
        /// The names.
        repository: Vec<String>,
        /// What happens to other images that have such a name.
        existing_images: Existing = Existing::Overwrite,
    }
}

pub(super) struct DockerImageTag;

impl Module for DockerImageTag {
    const NAME: &'static str = "docker_image_tag";
    const COLLECTION: &'static str = "community.docker";
    type Args = Args;
    acting!();

    fn check(args: &Args, look: &Look) -> Result<Verdict<Acts>, Failure> {
        let engine = Engine::reach(look, &args.connection())?;
        let Some(engine) = engine else {
            let result = Return::new().warn("there is no Docker engine yet");
            return Ok(Acts::new(result).verdict());
        };
        let name = reference::with_tag(&args.name, &args.tag);
        let Some(image) = engine.image(&name)? else {
            return Err(Failure::new(format!("Cannot find image {name}")));
        };
        let tag = reference::split(&name).1.unwrap_or(&args.tag).to_owned();
        let (mut tagged, mut lines) = (Vec::new(), Vec::new());
        let mut acts = Acts::new(Return::new());
        for repository in &args.repository {
            let new = reference::with_tag(repository, &tag);
            let there = engine.image(&new)?;
            let id = |image: &Value| image["Id"].as_str().unwrap_or_default().to_owned();
            let keep = match &there {
                Some(there) if there["Id"] == image["Id"] => true,
                Some(_) => args.existing_images == Existing::Keep,
                None => false,
            };
            if keep {
                continue;
            }
            acts.diff(state(
                &format!("image {new}"),
                &there.as_ref().map(id).unwrap_or_default(),
                &id(&image),
            ));
            lines.push(Line::new(["tag", &name, &new]));
            tagged.push(new);
        }
        acts.result(|result| {
            result
                .with("image", image)
                .with("tagged_images", json!(tagged))
        });
        if !lines.is_empty() {
            acts.body(move |touch| {
                for line in lines {
                    line.must(&engine, touch, &format!("tag the image {name}"))?;
                }
                Ok(Return::new())
            });
        }
        Ok(acts.verdict())
    }
}
