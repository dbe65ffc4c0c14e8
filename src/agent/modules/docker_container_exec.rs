//! `docker_container_exec`: a command in a container that runs.

use ocplay_protocol::Diff;
use serde_json::{Map, Value, json};

use super::{Module, Verdict};
use crate::docker::container::texts;
use crate::docker::{Engine, Line, docker_arguments, segment};
use crate::host::{Failure, Look, Return, Touch, words};

docker_arguments! {
    /// Runs a command in a Docker container that runs.
    pub(super) struct Args {
        /// The container.
        container: String,
        /// The command, word by word.
        argv: Option<Vec<String>>,
        /// The command as one line.
        command: Option<String>,
        /// Directory in the container.
        chdir: Option<String>,
        /// Do not wait for its end.
        detach: bool = false,
        /// User in the container.
        user: Option<String>,
        /// What it reads.
        stdin: Option<String>,
        /// End that with a newline.
        stdin_add_newline: bool = true,
        /// Cut newlines off the end of what it prints.
        strip_empty_ends: bool = true,
        /// Give it a terminal.
        tty: bool = false,
        /// Variables for it; they do not get onto command lines.
        env: Option<Map<String, Value>>,
    }
}

pub(super) struct DockerContainerExec;

pub(super) struct Plan {
    engine: Engine,
    args: Args,
    argv: Vec<String>,
    env: Vec<(String, String)>,
}

impl Module for DockerContainerExec {
    const NAME: &'static str = "docker_container_exec";
    const COLLECTION: &'static str = "community.docker";
    type Args = Args;
    type Plan = Plan;

    fn check(args: &Args, look: &Look) -> Result<Verdict<Plan>, Failure> {
        let argv = match (&args.argv, &args.command) {
            (Some(argv), None) => argv.clone(),
            (None, Some(line)) => words::split(line)?,
            _ => return Err("exactly one of argv and command is required".into()),
        };
        if argv.is_empty() {
            return Err("the command is empty".into());
        }
        if args.detach && args.stdin.is_some() {
            return Err("If detach=true, stdin cannot be provided.".into());
        }
        let env = match &args.env {
            Some(env) => texts("env", env)?,
            None => Vec::new(),
        };
        let engine = Engine::reach(look, &args.connection())?;
        let Some(engine) = engine else {
            let text = "there is no Docker engine yet; an earlier task may install it";
            return Ok(Verdict::Skip(Return::new().with("msg", text)));
        };
        if !look.is_check() {
            let found = engine.container(&args.container)?.ok_or_else(|| {
                Failure::new(format!("Could not find container \"{}\"", args.container))
            })?;
            if found["State"]["Running"] != true {
                return Err(Failure::new(format!(
                    "the container \"{}\" does not run",
                    args.container
                )));
            }
            if found["State"]["Paused"] == true {
                return Err(Failure::new(format!(
                    "The container \"{}\" has been paused",
                    args.container
                )));
            }
        }
        Ok(Verdict::MustRun(Plan {
            engine,
            args: args.clone(),
            argv,
            env,
        }))
    }

    fn describe(_: &Plan) -> Vec<Diff> {
        Vec::new()
    }

    fn apply(plan: Plan, touch: &mut Touch) -> Result<Return, Failure> {
        let args = &plan.args;
        if args.detach {
            return detached(&plan, touch);
        }
        let mut words = vec!["exec".to_owned()];
        let mut add = |more: &[&str]| words.extend(more.iter().map(|word| (*word).to_owned()));
        if args.stdin.is_some() {
            add(&["--interactive"]);
        }
        if args.tty {
            add(&["--tty"]);
        }
        if let Some(user) = &args.user {
            add(&["--user", user]);
        }
        if let Some(directory) = &args.chdir {
            add(&["--workdir", directory]);
        }
        for (name, _) in &plan.env {
            add(&["--env", name]);
        }
        add(&[&args.container]);
        words.extend(plan.argv.iter().cloned());
        let mut line = Line::new(words).secrets(plan.env.clone()).live();
        if let Some(text) = &args.stdin {
            let end = if args.stdin_add_newline { "\n" } else { "" };
            line = line.stdin(format!("{text}{end}"));
        }
        let output = line.run(&plan.engine, touch)?;
        let cut = |text: String| {
            if args.strip_empty_ends {
                text.trim_end_matches(['\n', '\r']).to_owned()
            } else {
                text
            }
        };
        let (out, err) = (cut(output.out()), cut(output.err()));
        let values = Return::new()
            .with("rc", output.code)
            .with("stdout", out)
            .with("stderr", err);
        if output.code != 0 {
            let mut failure = Failure::new("non-zero return code").with_values(values);
            failure.changed = true;
            return Err(failure);
        }
        Ok(values)
    }
}

/// Only the engine tells the number of what it started.
fn detached(plan: &Plan, touch: &mut Touch) -> Result<Return, Failure> {
    let args = &plan.args;
    let env: Vec<String> = plan
        .env
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let body = json!({
        "Cmd": plan.argv, "Env": env, "User": args.user.clone().unwrap_or_default(),
        "WorkingDir": args.chdir.clone().unwrap_or_default(), "Tty": args.tty,
        "AttachStdin": false, "AttachStdout": false, "AttachStderr": false,
    });
    let what = format!("run the command in {}", args.container);
    let path = format!("/containers/{}/exec", segment(&args.container));
    let made = plan.engine.tell(touch, "POST", &path, Some(&body), &what)?;
    let id = made["Id"].as_str().unwrap_or_default();
    let start = json!({"Detach": true, "Tty": args.tty});
    let path = format!("/exec/{}/start", segment(id));
    plan.engine
        .tell(touch, "POST", &path, Some(&start), &what)?;
    Ok(Return::new().with("exec_id", id))
}
