//! `docker_volume`: makes and removes volumes.

use ocplay_protocol::{Diff, choices};
use serde_json::{Map, Value, json};

use super::{Module, Verdict};
use crate::docker::container::texts;
use crate::docker::{Engine, Line, docker_arguments, segment};
use crate::host::{Failure, Look, Return, Touch};

choices! {
    /// Wanted state.
    pub(super) enum State { Present = "present", Absent = "absent" }
}

choices! {
    /// When a volume that is there is made anew.
    pub(super) enum Recreate {
        Never = "never",
        Always = "always",
        OptionsChanged = "options-changed",
    }
}

docker_arguments! {
    /// Makes and removes Docker volumes.
    pub(super) struct Args {
        /// Name of the volume.
        volume_name: String ["name"],
        /// Wanted state.
        state: State = State::Present,
        /// Driver.
        driver: String = "local".to_owned(),
        /// Options of the driver.
        driver_options: Map<String, Value> = Map::new(),
        /// Labels.
        labels: Option<Map<String, Value>>,
        /// When a volume that is there is made anew; what is in it is lost then.
        recreate: Recreate = Recreate::Never,
    }
}

pub(super) struct DockerVolume;

pub(super) struct Plan {
    engine: Option<Engine>,
    name: String,
    lines: Vec<Line>,
    before: String,
    after: String,
    absent: bool,
}

fn volume(engine: &Engine, name: &str) -> Result<Option<Value>, Failure> {
    engine.get(&format!("/volumes/{}", segment(name)))
}

/// In what a volume is not as wanted: name, actual, wanted.
fn differences(args: &Args, found: &Value) -> Result<Vec<(String, String, String)>, String> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut out = Vec::new();
    if text(&found["Driver"]) != args.driver {
        out.push((
            "driver".to_owned(),
            text(&found["Driver"]),
            args.driver.clone(),
        ));
    }
    let none = Map::new();
    for (name, wanted, key) in [
        ("driver_options", &args.driver_options, "Options"),
        ("labels", args.labels.as_ref().unwrap_or(&none), "Labels"),
    ] {
        for (option, value) in texts(name, wanted)? {
            let is = text(&found[key][&option]);
            if is != value {
                out.push((format!("{name}.{option}"), is, value));
            }
        }
    }
    Ok(out)
}

fn creation(args: &Args) -> Result<Line, String> {
    let mut line = Line::new(["volume", "create", "--driver", &args.driver]);
    for (key, value) in texts("driver_options", &args.driver_options)? {
        line = line.with(["--opt", &format!("{key}={value}")]);
    }
    for (key, value) in texts("labels", args.labels.as_ref().unwrap_or(&Map::new()))? {
        line = line.with(["--label", &format!("{key}={value}")]);
    }
    Ok(line.with([&args.volume_name]))
}

impl Module for DockerVolume {
    const NAME: &'static str = "docker_volume";
    const COLLECTION: &'static str = "community.docker";
    type Args = Args;
    type Plan = Plan;

    fn check(args: &Args, look: &Look) -> Result<Verdict<Plan>, Failure> {
        let name = &args.volume_name;
        if name.is_empty() || name.starts_with('-') {
            return Err(Failure::new(format!("'{name}' is no name of a volume")));
        }
        let engine = Engine::reach(look, &args.connection())?;
        let found = match &engine {
            Some(engine) => volume(engine, name)?,
            None => None,
        };
        let mut result = Return::new().with("volume", found.clone().unwrap_or_else(|| json!({})));
        if engine.is_none() {
            result = result.warn("there is no Docker engine yet; an earlier task may install it");
        }
        let remove = Line::new(["volume", "rm", name]);
        let absent = args.state == State::Absent;
        let (mut before, mut after) = (String::new(), String::new());
        let lines = match (found, absent) {
            (None, true) => Vec::new(),
            (Some(_), true) => {
                before = "state: present\n".to_owned();
                vec![remove]
            }
            (None, false) => {
                after = "state: present\n".to_owned();
                vec![creation(args)?]
            }
            (Some(found), false) => {
                let different = differences(args, &found)?;
                for (option, is, wanted) in &different {
                    before.push_str(&format!("{option}: {is}\n"));
                    after.push_str(&format!("{option}: {wanted}\n"));
                }
                let anew = match args.recreate {
                    Recreate::Never => false,
                    Recreate::Always => true,
                    Recreate::OptionsChanged => !different.is_empty(),
                };
                if !anew && !different.is_empty() {
                    let names: Vec<_> = different.into_iter().map(|(name, ..)| name).collect();
                    result = result.warn(format!(
                        "the volume {name} differs in {}; it stays as it is unless recreate says \
                         otherwise",
                        names.join(", ")
                    ));
                }
                if anew {
                    vec![remove, creation(args)?]
                } else {
                    Vec::new()
                }
            }
        };
        let shown: Vec<_> = lines
            .iter()
            .map(|line| line.show(engine.as_ref()))
            .collect();
        let result = result.with("commands", shown);
        if lines.is_empty() {
            return Ok(Verdict::Same(result));
        }
        let plan = Plan {
            engine,
            name: name.clone(),
            lines,
            before,
            after,
            absent,
        };
        Ok(Verdict::Change(plan, result))
    }

    fn describe(plan: &Plan) -> Vec<Diff> {
        let lines = plan.lines.iter();
        let lines: String = lines
            .map(|line| format!("run: {}\n", line.show(plan.engine.as_ref())))
            .collect();
        let header = format!("volume {}", plan.name);
        vec![
            Diff::text(&header, plan.before.clone(), plan.after.clone()),
            Diff::prepared(lines),
        ]
    }

    fn apply(plan: Plan, touch: &mut Touch) -> Result<Return, Failure> {
        let Some(engine) = &plan.engine else {
            return Err("the Docker engine is gone; this is a bug of ocplay".into());
        };
        for line in &plan.lines {
            let what = if plan.absent { "remove" } else { "make" };
            line.must(engine, touch, &format!("{what} the volume {}", plan.name))?;
        }
        let shown: Vec<_> = plan
            .lines
            .iter()
            .map(|line| line.show(Some(engine)))
            .collect();
        let found = volume(engine, &plan.name)?;
        Ok(Return::new()
            .with("volume", found.unwrap_or_else(|| json!({})))
            .with("commands", shown))
    }
}
