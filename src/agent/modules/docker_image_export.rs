//! `docker_image_export`: images go into an archive.

use std::path::PathBuf;

use super::acts::{Acts, acting, state};
use super::{Module, Verdict};
use crate::docker::{Engine, Line, archive, docker_arguments, reference};
use crate::host::{Failure, Look, Return};

docker_arguments! {
    /// Saves Docker images to an archive.
    pub(super) struct Args {
        /// Names of the images, with or without tags, or their numbers.
        names: Vec<String> ["name"],
        /// Tag, if a name has none.
        tag: String = "latest".to_owned(),
        /// The archive on the host.
        path: PathBuf,
        /// Save them also if the archive holds just these.
        force: bool = false,
    }
}

pub(super) struct DockerImageExport;

impl Module for DockerImageExport {
    const NAME: &'static str = "docker_image_export";
    const COLLECTION: &'static str = "community.docker";
    type Args = Args;
    acting!();

    fn check(args: &Args, look: &Look) -> Result<Verdict<Acts>, Failure> {
        let Some(engine) = Engine::reach(look, &args.connection())? else {
            let result = Return::new().warn("there is no Docker engine yet");
            return Ok(Acts::new(result).verdict());
        };
        if args.names.is_empty() {
            return Err("At least one image name must be specified".into());
        }
        let (mut images, mut names) = (Vec::new(), Vec::new());
        for name in &args.names {
            let name = reference::with_tag(name, &args.tag);
            let image = engine
                .image(&name)?
                .ok_or_else(|| Failure::new(format!("Image {name} not found")))?;
            images.push(image);
            names.push(name);
        }
        let mut wanted: Vec<String> = images
            .iter()
            .filter_map(|image| {
                image["Id"]
                    .as_str()?
                    .strip_prefix("sha256:")
                    .map(str::to_owned)
            })
            .collect();
        wanted.sort();
        wanted.dedup();
        let saved = archive::images(&args.path).unwrap_or_default();
        let mut is: Vec<String> = saved.iter().map(|image| image.id.clone()).collect();
        is.sort();
        let held = |name: &String| {
            reference::is_id(name)
                || saved
                    .iter()
                    .flat_map(|image| &image.names)
                    .any(|known| reference::canonical(known) == reference::canonical(name))
        };
        let mut acts = Acts::new(Return::new().with("images", images));
        if is == wanted && names.iter().all(held) && !args.force {
            return Ok(acts.verdict());
        }
        let path = args.path.to_string_lossy().into_owned();
        acts.diff(state(&path, &is.join("\n"), &wanted.join("\n")));
        let line = Line::new(["save", "--output", &path]).with(names);
        acts.body(move |touch| {
            line.must(&engine, touch, &format!("save the images to {path}"))?;
            Ok(Return::new())
        });
        Ok(acts.verdict())
    }
}
