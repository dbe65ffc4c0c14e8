//! `docker_image_build`: an image is built.

use std::path::PathBuf;

use ocplay_protocol::{Diff, arguments, choices};
use serde_json::{Map, Value, json};

use super::docker_image::{self, Act, DockerImage};
use super::{Module, Verdict};
use crate::docker::docker_arguments;
use crate::host::{Failure, Look, Return, Touch};

choices! {
    /// Whether an image that is there is built again.
    pub(super) enum Rebuild { Never = "never", Always = "always" }
}
choices! {
    /// Where a secret is.
    pub(super) enum SecretKind { File = "file", Env = "env", Value = "value" }
}
choices! {
    /// What becomes of the build.
    pub(super) enum OutputKind {
        Local = "local",
        Tar = "tar",
        Oci = "oci",
        Docker = "docker",
        Image = "image",
    }
}

arguments! {
    /// Something that steps of the build may read and the image does not hold.
    pub(super) struct BuildSecret {
        /// Its name.
        id: String,
        /// Where it is.
        kind as "type": SecretKind,
        /// File on the host.
        src: Option<PathBuf>,
        /// Variable.
        env: Option<String>,
        /// The secret itself.
        value: Option<String>,
    }
}
arguments! {
    /// What becomes of the build.
    pub(super) struct Output {
        /// Kind.
        kind as "type": OutputKind,
        /// Where it goes.
        dest: Option<PathBuf>,
        /// Context of the client that the image goes to.
        context: Option<String>,
        /// Names of the image.
        name: Option<Vec<String>>,
        /// Push it.
        push: bool = false,
    }
}

docker_arguments! {
    /// Builds a Docker image.
    pub(super) struct Args {
        /// Name of the image, with or without a tag.
        name: String,
        /// Tag, if the name has none.
        tag: String = "latest".to_owned(),
        /// Directory on the host with the Dockerfile and what it copies.
        path: PathBuf,
        /// The Dockerfile's name, if it is another one.
        dockerfile: Option<String>,
        /// Images whose steps may be used again.
        cache_from: Option<Vec<String>>,
        /// Look for newer versions of the images it builds on.
        pull: bool = false,
        /// Network of the steps.
        network: Option<String>,
        /// Build every step again.
        nocache: bool = false,
        /// Lines of /etc/hosts in the steps: name to address.
        etc_hosts: Option<Map<String, Value>>,
        /// Arguments of the build.
        args: Option<Map<String, Value>>,
        /// Stage to build.
        target: Option<String>,
        /// Platforms.
        platform: Option<Vec<String>>,
        /// Size of /dev/shm in the steps.
        shm_size: Option<String>,
        /// Labels.
        labels: Option<Map<String, Value>>,
        /// Whether an image that is there is built again.
        rebuild: Rebuild = Rebuild::Never,
        /// Secrets for steps of the build.
        secrets: Option<Vec<BuildSecret>>,
        /// What becomes of the build besides an image.
        outputs: Option<Vec<Output>>,
    }
}

pub(super) struct DockerImageBuild;

/// Words of the command line, and variables of its environment.
type Words = (Vec<String>, Vec<(String, String)>);

fn secret_words(args: &Args) -> Result<Words, Failure> {
    let (mut words, mut environment) = (Vec::new(), Vec::new());
    for (index, secret) in args.secrets.iter().flatten().enumerate() {
        let missing = |what: &str| Failure::new(format!("the secret {} has no {what}", secret.id));
        let place = match secret.kind {
            SecretKind::File => {
                let path = secret.src.as_ref().ok_or_else(|| missing("src"))?;
                format!("type=file,src={}", path.display())
            }
            SecretKind::Env => {
                let name = secret.env.as_ref().ok_or_else(|| missing("env"))?;
                format!("type=env,env={name}")
            }
            SecretKind::Value => {
                let value = secret.value.clone().ok_or_else(|| missing("value"))?;
                let name = format!("OCPLAY_BUILD_SECRET_{index}");
                environment.push((name.clone(), value));
                format!("type=env,env={name}")
            }
        };
        words.extend(["--secret".to_owned(), format!("id={},{place}", secret.id)]);
    }
    Ok((words, environment))
}

fn output_words(args: &Args) -> Result<Vec<String>, Failure> {
    let mut words = Vec::new();
    for output in args.outputs.iter().flatten() {
        let mut text = format!("type={}", output.kind.word());
        match (&output.dest, output.kind) {
            (Some(dest), _) => text.push_str(&format!(",dest={}", dest.display())),
            (None, OutputKind::Local | OutputKind::Tar | OutputKind::Oci) => {
                return Err(Failure::new(format!(
                    "an output of type {} needs dest",
                    output.kind.word()
                )));
            }
            (None, _) => {}
        }
        if let Some(context) = &output.context {
            text.push_str(&format!(",context={context}"));
        }
        if let Some(names) = &output.name {
            text.push_str(&format!(",\"name={}\"", names.join(",")));
        }
        if output.push {
            text.push_str(",push=true");
        }
        words.extend(["--output".to_owned(), text]);
    }
    Ok(words)
}

impl Module for DockerImageBuild {
    const NAME: &'static str = "docker_image_build";
    const COLLECTION: &'static str = "community.docker";
    type Args = Args;
    type Plan = docker_image::Plan;

    fn check(args: &Args, look: &Look) -> Result<Verdict<Self::Plan>, Failure> {
        let platform = args.platform.as_ref().map(|all| all.join(","));
        let wish = docker_image::wish(
            json!({
                "name": args.name, "tag": args.tag, "source": "build",
                "force_source": args.rebuild == Rebuild::Always,
                "build": {
                    "path": args.path, "dockerfile": args.dockerfile, "cache_from": args.cache_from,
                    "pull": args.pull, "network": args.network, "nocache": args.nocache,
                    "etc_hosts": args.etc_hosts, "args": args.args, "target": args.target,
                    "platform": platform, "shm_size": args.shm_size, "labels": args.labels,
                },
            }),
            args.connection(),
        )?;
        let (mut words, environment) = secret_words(args)?;
        words.extend(output_words(args)?);
        let mut verdict = DockerImage::check(&wish, look)?;
        // Secrets and outputs only the newer way of building has.
        if let (Verdict::Change(plan, _), false) = (&mut verdict, words.is_empty()) {
            for act in &mut plan.acts {
                if let Act::Bring(line, _) = act {
                    let more = line.clone().with(words.clone());
                    *line = more
                        .secrets(environment.clone())
                        .env("DOCKER_BUILDKIT", "1");
                }
            }
        }
        Ok(verdict)
    }

    fn describe(plan: &Self::Plan) -> Vec<Diff> {
        DockerImage::describe(plan)
    }

    fn apply(plan: Self::Plan, touch: &mut Touch) -> Result<Return, Failure> {
        DockerImage::apply(plan, touch)
    }
}
