//! `docker_compose_v2`: a project of Docker Compose is up, stopped or gone.
//!
//! What there is to do is decided by what the engine has and by the digests
//! that Compose itself works out of a service's definition; what was done, by
//! looking again.

pub(super) mod project;

use std::path::PathBuf;

use ocplay_protocol::{Diff, choices};
use serde_json::{Map, Value};

use super::{Module, Verdict};
use crate::docker::docker_arguments;
use crate::host::{Failure, Look, Return, Touch};
use project::{Project, Snapshot};

choices! {
    /// Wanted state.
    pub(super) enum State {
        Absent = "absent",
        Stopped = "stopped",
        Restarted = "restarted",
        Present = "present",
    }
}
choices! {
    /// When images are pulled.
    pub(super) enum Pull {
        Always = "always",
        Missing = "missing",
        Never = "never",
        Policy = "policy",
    }
}
choices! {
    /// When images are built.
    pub(super) enum Build { Always = "always", Never = "never", Policy = "policy" }
}
choices! {
    /// When containers are made anew.
    pub(super) enum Recreate { Always = "always", Never = "never", Auto = "auto" }
}
choices! {
    /// Which images go with a project.
    pub(super) enum Images { All = "all", Local = "local" }
}

docker_arguments! {
    /// Starts, stops and removes a project of Docker Compose, with the client's compose plug-in.
    pub(super) struct Args {
        /// Directory on the host with the project's files.
        project_src: Option<PathBuf>,
        /// Name of the project; by default that of its directory.
        project_name: Option<String>,
        /// Files of the project, in place of the usual ones.
        files: Option<Vec<PathBuf>>,
        /// The project itself, in place of files; needs project_name.
        definition: Option<Map<String, Value>>,
        /// Files of variables, in place of .env.
        env_files: Option<Vec<PathBuf>>,
        /// Profiles to use.
        profiles: Option<Vec<String>>,
        /// Fail if the project's directory holds none of the usual files.
        check_files_existing: bool = true,
        /// Wanted state.
        state: State = State::Present,
        /// When images are pulled.
        pull: Pull = Pull::Policy,
        /// When images are built.
        build: Build = Build::Policy,
        /// Services that the named ones need, too.
        dependencies: bool = true,
        /// A build alone is no change.
        ignore_build_events: bool = true,
        /// When containers are made anew.
        recreate: Recreate = Recreate::Auto,
        /// Make anonymous volumes anew with their containers.
        renew_anon_volumes: bool = false,
        /// Images to remove with the project.
        remove_images: Option<Images>,
        /// Remove volumes with the project.
        remove_volumes: bool = false,
        /// Remove containers of services that the files do not name.
        remove_orphans: bool = false,
        /// Only these services.
        services: Option<Vec<String>>,
        /// How many containers of a service.
        scale: Option<Map<String, Value>>,
        /// Wait until services run, or are healthy if they say what that is.
        wait: bool = false,
        /// Most seconds for that.
        wait_timeout: Option<i64>,
        /// Answer questions with yes.
        assume_yes: bool = false,
        /// Seconds for a container to stop.
        stop_timeout: Option<i64>,
        /// The docker program.
        docker_cli: Option<PathBuf>,
        /// Context of the client.
        cli_context: Option<String>,
    }
}

pub(super) struct DockerComposeV2;

pub(super) struct Plan {
    project: Project,
    args: Args,
    before: Snapshot,
    lines: Vec<String>,
    warnings: Vec<String>,
}

/// The verdict for this module and for the one of old.
pub(super) fn decide(
    args: &Args,
    look: &Look,
    warnings: Vec<String>,
) -> Result<Verdict<Plan>, Failure> {
    let project = Project::find(args, look)?;
    let Some(project) = project else {
        let result =
            Return::new().warn("there is no Docker engine yet; an earlier task may install it");
        return Ok(Verdict::Same(result));
    };
    let before = project.snapshot()?;
    let lines = project.foreseen(args, look, &before)?;
    let mut result = Return::new()
        .with("containers", before.containers.clone())
        .with("images", before.images())
        .with("actions", Vec::<Value>::new());
    for warning in &warnings {
        result = result.warn(warning.clone());
    }
    if lines.is_empty() {
        return Ok(Verdict::Same(result));
    }
    let plan = Plan {
        project,
        args: args.clone(),
        before,
        lines,
        warnings,
    };
    Ok(Verdict::Change(plan, result))
}

impl Module for DockerComposeV2 {
    const NAME: &'static str = "docker_compose_v2";
    const COLLECTION: &'static str = "community.docker";
    type Args = Args;
    type Plan = Plan;

    fn check(args: &Args, look: &Look) -> Result<Verdict<Plan>, Failure> {
        decide(args, look, Vec::new())
    }

    fn describe(plan: &Plan) -> Vec<Diff> {
        let lines: String = plan.lines.iter().map(|line| format!("{line}\n")).collect();
        vec![Diff::prepared(lines)]
    }

    fn apply(plan: Plan, touch: &mut Touch) -> Result<Return, Failure> {
        let output = plan.project.act(&plan.args, touch)?;
        let after = plan.project.snapshot()?;
        let actions = project::actions(&plan.before, &after);
        let restarted = plan.args.state == State::Restarted && !after.containers.is_empty();
        let changed = !actions.is_empty() || restarted;
        let mut result = Return::new()
            .with("containers", after.containers.clone())
            .with("images", after.images())
            .with("actions", actions)
            .with("stdout", output.out())
            .with("stderr", output.err())
            .changed(changed);
        for warning in plan.warnings {
            result = result.warn(warning);
        }
        Ok(result)
    }
}
