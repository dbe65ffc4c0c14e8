//! `docker_image_remove`: an image goes.

use serde_json::{Value, json};

use super::acts::{Acts, acting, state};
use super::{Module, Verdict};
use crate::docker::{Engine, docker_arguments, reference, segment};
use crate::host::{Failure, Look, Return};

docker_arguments! {
    /// Removes a Docker image.
    pub(super) struct Args {
        /// Name of the image, with or without a tag, or its number.
        name: String,
        /// Tag, if the name has none.
        tag: String = "latest".to_owned(),
        /// Also if it has other names or a stopped container uses it.
        force: bool = false,
        /// With images below it that have no name.
        prune: bool = true,
    }
}

pub(super) struct DockerImageRemove;

impl Module for DockerImageRemove {
    const NAME: &'static str = "docker_image_remove";
    const COLLECTION: &'static str = "community.docker";
    type Args = Args;
    acting!();

    fn check(args: &Args, look: &Look) -> Result<Verdict<Acts>, Failure> {
        let engine = Engine::reach(look, &args.connection())?;
        let name = reference::with_tag(&args.name, &args.tag);
        let image = match &engine {
            Some(engine) => engine.image(&name)?,
            None => None,
        };
        let none: Vec<String> = Vec::new();
        let mut acts = Acts::new(
            Return::new()
                .with("image", image.clone().unwrap_or_else(|| json!({})))
                .with("deleted", none.clone())
                .with("untagged", none),
        );
        let (Some(engine), Some(image)) = (engine, image) else {
            return Ok(acts.verdict());
        };
        let id = image["Id"].as_str().unwrap_or_default();
        acts.diff(state(&format!("image {name}"), id, ""));
        let path = format!(
            "/images/{}?force={}&noprune={}",
            segment(&name),
            args.force,
            !args.prune
        );
        acts.body(move |touch| {
            let what = format!("remove the image {name}");
            let answer = engine.tell(touch, "DELETE", &path, None, &what)?;
            let all = |key: &str| -> Vec<Value> {
                let mut all: Vec<Value> = answer
                    .as_array()
                    .into_iter()
                    .flatten()
                    .filter_map(|entry| entry.get(key).cloned())
                    .collect();
                all.sort_by_key(ToString::to_string);
                all
            };
            Ok(Return::new()
                .with("deleted", all("Deleted"))
                .with("untagged", all("Untagged")))
        });
        Ok(acts.verdict())
    }
}
