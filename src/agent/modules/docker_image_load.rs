//! `docker_image_load`: images come from an archive.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::acts::{Acts, acting, state};
use super::{Module, Verdict};
use crate::docker::{Engine, Line, archive, docker_arguments};
use crate::host::{Failure, Look, Return};

docker_arguments! {
    /// Loads Docker images from an archive.
    pub(super) struct Args {
        /// The archive on the host.
        path: PathBuf,
    }
}

pub(super) struct DockerImageLoad;

impl Module for DockerImageLoad {
    const NAME: &'static str = "docker_image_load";
    const COLLECTION: &'static str = "community.docker";
    type Args = Args;
    acting!();

    fn check(args: &Args, look: &Look) -> Result<Verdict<Acts>, Failure> {
        let engine = Engine::reach(look, &args.connection())?;
        let shown = args.path.display().to_string();
        if look.stat(&args.path)?.is_none() {
            return Err(Failure::new(format!(
                "Error opening archive {shown}: there is no such file"
            )));
        }
        let saved = archive::images(&args.path)
            .ok_or_else(|| Failure::new(format!("{shown} is no archive that docker save made")))?;
        // A name that stands for just this image, or its number where it has none.
        let names: Vec<(String, String)> = saved
            .iter()
            .flat_map(|image| {
                let id = format!("sha256:{}", image.id);
                let names = if image.names.is_empty() {
                    vec![id.clone()]
                } else {
                    image.names.clone()
                };
                names.into_iter().map(move |name| (name, id.clone()))
            })
            .collect();
        let mut missing = Vec::new();
        let mut images = Vec::new();
        for (name, id) in &names {
            let found = match &engine {
                Some(engine) => engine.image(name)?,
                None => None,
            };
            match found.filter(|image| image["Id"].as_str() == Some(id)) {
                Some(image) => images.push(image),
                None => missing.push(name.clone()),
            }
        }
        let all: Vec<String> = names.into_iter().map(|(name, _)| name).collect();
        let mut acts = Acts::new(
            Return::new()
                .with("image_names", json!(all))
                .with("images", images),
        );
        if missing.is_empty() {
            return Ok(acts.verdict());
        }
        acts.diff(state("images", "", &missing.join("\n")));
        acts.body(move |touch| {
            let Some(engine) = engine else {
                return Err("there is no Docker engine".into());
            };
            Line::new(["load", "--quiet", "--input", &shown]).must(
                &engine,
                touch,
                &format!("load the archive {shown}"),
            )?;
            let mut images: Vec<Value> = Vec::new();
            for name in &all {
                images.extend(engine.image(name)?);
            }
            Ok(Return::new().with("images", images))
        });
        Ok(acts.verdict())
    }
}
