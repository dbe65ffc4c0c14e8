//! `docker_compose`, `docker_service`: the modules of old for Compose. They are
//! carried out by `docker_compose_v2`.

use std::path::PathBuf;

use ocplay_protocol::{Diff, choices};
use serde_json::{Map, Value, json};

use super::docker_compose_v2::{self, DockerComposeV2};
use super::{Module, Verdict};
use crate::docker::docker_arguments;
use crate::host::{Failure, Look, Return, Touch};

choices! {
    /// Wanted state.
    pub(super) enum State { Absent = "absent", Present = "present" }
}
choices! {
    /// When containers are made anew.
    pub(super) enum Recreate { Always = "always", Never = "never", Smart = "smart" }
}
choices! {
    /// Which images go with a project.
    pub(super) enum Images { All = "all", Local = "local" }
}

docker_arguments! {
    /// Starts, stops and removes a project of Docker Compose. Kept for old playbooks: the work is
    /// that of docker_compose_v2, which new ones better name.
    pub(super) struct Args {
        /// Directory on the host with the project's files.
        project_src: Option<PathBuf>,
        /// Name of the project.
        project_name: Option<String>,
        /// Files of the project, in place of the usual ones.
        files: Option<Vec<PathBuf>>,
        /// The project itself, in place of files; needs project_name.
        definition: Option<Map<String, Value>>,
        /// A file of variables, in place of .env.
        env_file: Option<PathBuf>,
        /// Profiles to use.
        profiles: Option<Vec<String>>,
        /// Whether the project shall be there.
        state: State = State::Present,
        /// Only these services.
        services: Option<Vec<String>>,
        /// How many containers of a service.
        scale: Option<Map<String, Value>>,
        /// Services that the named ones need, too.
        dependencies: bool = true,
        /// Accepted for old playbooks.
        hostname_check: bool = false,
        /// When containers are made anew.
        recreate: Recreate = Recreate::Smart,
        /// Build images.
        build: bool = false,
        /// Look for newer images.
        pull: bool = false,
        /// Build every step again.
        nocache: bool = false,
        /// Images to remove with the project.
        remove_images: Option<Images>,
        /// Remove volumes with the project.
        remove_volumes: bool = false,
        /// Stop the containers.
        stopped: bool = false,
        /// Restart the containers.
        restarted: bool = false,
        /// Remove containers of services that the files do not name.
        remove_orphans: bool = false,
    }
}

pub(super) struct DockerCompose;

impl Module for DockerCompose {
    const NAME: &'static str = "docker_compose";
    const ALIASES: &'static [&'static str] = &["docker_service"];
    const COLLECTION: &'static str = "community.docker";
    type Args = Args;
    type Plan = docker_compose_v2::Plan;

    fn check(args: &Args, look: &Look) -> Result<Verdict<Self::Plan>, Failure> {
        use ocplay_protocol::Arguments;
        if args.nocache {
            return Err(
                "nocache is not supported by Compose's own way of building; build the \
                        image with docker_image and nocache: true before"
                    .into(),
            );
        }
        let state = match (args.state, args.stopped, args.restarted) {
            (State::Absent, ..) => "absent",
            (State::Present, true, _) => "stopped",
            (State::Present, false, true) => "restarted",
            (State::Present, false, false) => "present",
        };
        let given = json!({
            "project_src": args.project_src, "project_name": args.project_name,
            "files": args.files, "definition": args.definition,
            "env_files": args.env_file.as_ref().map(|file| vec![file]),
            "profiles": args.profiles, "state": state, "services": args.services,
            "scale": args.scale, "dependencies": args.dependencies,
            "recreate": match args.recreate {
                Recreate::Always => "always",
                Recreate::Never => "never",
                Recreate::Smart => "auto",
            },
            "build": if args.build { "always" } else { "policy" },
            "pull": if args.pull { "always" } else { "policy" },
            "remove_images": args.remove_images.map(Images::word),
            "remove_volumes": args.remove_volumes, "remove_orphans": args.remove_orphans,
            "stop_timeout": args.timeout, "docker_host": args.connection().host,
            "api_version": args.connection().api_version,
        });
        let given = given.as_object().cloned().unwrap_or_default();
        let wish = <docker_compose_v2::Args as Arguments>::read(given)
            .map_err(|problems| Failure::new(ocplay_protocol::catalogue::join(&problems)))?;
        let warning = "docker_compose (docker_service) is a module of old; it is carried out by \
                       docker_compose_v2, which is the name to use";
        docker_compose_v2::decide(&wish, look, vec![warning.to_owned()])
    }

    fn describe(plan: &Self::Plan) -> Vec<Diff> {
        DockerComposeV2::describe(plan)
    }

    fn apply(plan: Self::Plan, touch: &mut Touch) -> Result<Return, Failure> {
        DockerComposeV2::apply(plan, touch)
    }
}
