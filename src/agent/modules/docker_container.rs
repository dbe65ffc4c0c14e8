//! `docker_container`: finds out what there is, has it decided what to do
//! (`docker::container`), shows the command lines and runs them.

use std::time::{Duration, Instant};

use ocplay_protocol::Diff;
use serde_json::{Map, Value, json};

use super::{Module, Verdict};
use crate::docker::Engine;
use crate::docker::container::args::{ImageComparison, State};
use crate::docker::container::{
    Args, Decision, Difference, Situation, Step, decide, named_containers, named_profiles,
};
use crate::host::{Failure, Look, Output, Return, Touch};

/// How often is looked whether something has come true.
const BEAT: Duration = Duration::from_millis(300);
/// How long a removed container may take to go, where nobody says it.
const GOING: Duration = Duration::from_secs(60);

pub(super) struct DockerContainer;

pub(super) struct Plan {
    args: Args,
    engine: Option<Engine>,
    decision: Decision,
}

/// Finds out what there is.
fn survey(args: &Args, engine: &Engine, look: &Look) -> Result<Situation, Failure> {
    let mut situation = Situation {
        check: look.is_check(),
        ..Situation::default()
    };
    if let Some(image) = &args.image {
        situation.wanted_image = engine.image(image)?.unwrap_or_default();
    }
    let facts = &mut situation.facts;
    facts.container = engine.container(&args.name)?.unwrap_or_default();
    facts.image = situation.wanted_image.clone();
    if (args.image_comparison == ImageComparison::Current || facts.image.is_null())
        && let Some(id) = facts.container["Image"].as_str()
    {
        facts.image = engine.image(id)?.unwrap_or_default();
    }
    for name in named_containers(args) {
        if let Some(id) = engine
            .container(&name)?
            .and_then(|found| found["Id"].as_str().map(str::to_owned))
        {
            facts.ids.insert(name, id);
        }
    }
    for file in named_profiles(args) {
        let content = look.read(file.as_ref())?;
        if let Some(content) = content.and_then(|content| serde_json::from_slice(&content).ok()) {
            facts.profiles.insert(file, content);
        }
    }
    Ok(situation)
}

/// The arguments with what only this host knows.
fn settle(args: &Args, look: &Look) -> Result<Args, Failure> {
    let mut args = args.clone().with_defaults();
    for name in [Some(&args.name), args.image.as_ref()]
        .into_iter()
        .flatten()
    {
        if name.is_empty() || name.starts_with('-') {
            return Err(Failure::new(format!(
                "'{name}' is no name of a container or image"
            )));
        }
    }
    for volume in args.volumes.iter_mut().flatten() {
        if volume.starts_with('~') {
            *volume = look.expand(volume);
        } else if volume.starts_with("./") || volume.starts_with("../") {
            return Err(Failure::new(format!(
                "volumes: '{volume}' begins in the directory of the agent, which is nobody's; \
                 give the full path"
            )));
        }
    }
    if let Some(file) = &args.env_file {
        let text = look.read_text(file)?.ok_or_else(|| {
            Failure::new(format!(
                "env_file: there is no {} on this host",
                file.display()
            ))
        })?;
        let mut env: Map<String, Value> = text
            .lines()
            .map(str::trim_start)
            .filter(|line| !line.is_empty() && !line.starts_with('#'))
            .filter_map(|line| line.split_once('='))
            .map(|(name, value)| (name.to_owned(), Value::from(value)))
            .collect();
        env.extend(args.env.take().unwrap_or_default());
        args.env = Some(env);
    }
    Ok(args)
}

fn result(engine: Option<&Engine>, decision: &Decision, container: Value) -> Return {
    let show = |lines: &mut dyn Iterator<Item = &crate::docker::Line>| {
        lines.map(|line| line.show(engine)).collect::<Vec<_>>()
    };
    let run = show(&mut decision.creation.iter());
    let differences: Vec<Value> = decision.differences.iter().map(Difference::json).collect();
    let mut result = Return::new().with("container", container);
    if !run.is_empty() {
        result = result.with("docker_run", run.join("\n"));
    }
    result
        .with("commands", show(&mut decision.lines()))
        .with("differences", differences)
}

impl Module for DockerContainer {
    const NAME: &'static str = "docker_container";
    const COLLECTION: &'static str = "community.docker";
    type Args = Args;
    type Plan = Plan;

    fn check(args: &Args, look: &Look) -> Result<Verdict<Plan>, Failure> {
        let args = settle(args, look)?;
        let engine = Engine::reach(look, &args.connection())?;
        let situation = match &engine {
            Some(engine) => survey(&args, engine, look)?,
            None => Situation {
                check: true,
                ..Situation::default()
            },
        };
        let decision = decide(&args, &situation)?;
        let container = situation.facts.container;
        let container = if container.is_null() {
            json!({})
        } else {
            container
        };
        let mut foreseen = result(engine.as_ref(), &decision, container);
        if engine.is_none() {
            foreseen =
                foreseen.warn("there is no Docker engine yet; an earlier task may install it");
        }
        if decision.pull.is_none() && decision.steps.is_empty() {
            return Ok(Verdict::Same(foreseen));
        }
        let foreseen = foreseen.changed(decision.changes());
        let plan = Plan {
            args,
            engine,
            decision,
        };
        Ok(Verdict::Change(plan, foreseen))
    }

    fn describe(plan: &Plan) -> Vec<Diff> {
        let decision = &plan.decision;
        let mut diffs = Vec::new();
        let side = |pick: fn(&Difference) -> &Value| {
            decision
                .differences
                .iter()
                .filter(|difference| !pick(difference).is_null())
                .map(|difference| format!("{}: {}\n", difference.field, shown(pick(difference))))
                .collect::<String>()
        };
        if !decision.differences.is_empty() {
            let (before, after) = (side(|found| &found.before), side(|found| &found.after));
            diffs.push(Diff::text(
                &format!("container {}", plan.args.name),
                before,
                after,
            ));
        }
        let lines: String = decision
            .lines()
            .map(|line| format!("run: {}\n", line.show(plan.engine.as_ref())))
            .collect();
        if !lines.is_empty() {
            diffs.push(Diff::prepared(lines));
        }
        diffs
    }

    fn apply(plan: Plan, touch: &mut Touch) -> Result<Return, Failure> {
        let Some(engine) = plan.engine else {
            return Err("the Docker engine is gone; this is a bug of ocplay".into());
        };
        Job {
            args: plan.args,
            engine,
            changed: false,
            output: None,
        }
        .run(plan.decision, touch)
    }
}

/// A value without the marks of JSON where it needs none.
fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

struct Job {
    args: Args,
    engine: Engine,
    changed: bool,
    /// Of a container that ran to its end.
    output: Option<Output>,
}

impl Job {
    fn run(mut self, decision: Decision, touch: &mut Touch) -> Result<Return, Failure> {
        let mut decision = decision;
        let mut fetched = None;
        if let Some(line) = decision.pull.take() {
            let before = self.image_id()?;
            let image = self.args.image.clone().unwrap_or_default();
            line.must(&self.engine, touch, &format!("fetch the image {image}"))?;
            self.changed |= before != self.image_id()?;
            // Only now it is known what the image brings.
            let mut situation = survey(&self.args, &self.engine, touch)?;
            situation.pulled = true;
            decision = decide(&self.args, &situation)?;
            fetched = Some(line);
        }
        for step in &decision.steps {
            self.step(step, touch).map_err(|failure| Failure {
                changed: failure.changed || self.changed,
                ..failure
            })?;
        }
        decision.pull = fetched;
        let container = self.engine.container(&self.args.name)?;
        self.finish(&decision, container, touch)
    }

    fn image_id(&self) -> Result<Option<String>, Failure> {
        let Some(name) = &self.args.image else {
            return Ok(None);
        };
        let image = self.engine.image(name)?;
        Ok(image.and_then(|image| image["Id"].as_str().map(str::to_owned)))
    }

    fn step(&mut self, step: &Step, touch: &mut Touch) -> Result<(), Failure> {
        match step {
            Step::Run(line, what) => {
                line.must(&self.engine, touch, &format!("{what} {}", self.args.name))?;
                self.changed = true;
                Ok(())
            }
            Step::Foreground(line) => {
                self.output = Some(line.run(&self.engine, touch)?);
                self.changed = true;
                Ok(())
            }
            Step::Gone => self.gone(touch),
            Step::Healthy => self.healthy(touch),
        }
    }

    fn gone(&self, touch: &Touch) -> Result<(), Failure> {
        let limit = self.args.removal_wait_timeout.map_or(GOING, seconds);
        let start = Instant::now();
        while self.engine.container(&self.args.name)?.is_some() {
            if start.elapsed() > limit {
                return Err(Failure::new(format!(
                    "the container {} is still there {} seconds after it was removed",
                    self.args.name,
                    limit.as_secs()
                )));
            }
            touch.sleep(BEAT)?;
        }
        Ok(())
    }

    fn healthy(&self, touch: &Touch) -> Result<(), Failure> {
        let name = &self.args.name;
        let limit = match self.args.healthy_wait_timeout {
            limit if limit <= 0.0 => Duration::MAX,
            limit => seconds(limit),
        };
        let start = Instant::now();
        loop {
            let container = self.engine.container(name)?.unwrap_or_default();
            let state = &container["State"];
            let health = &state["Health"];
            let last = health["Log"].as_array().and_then(|log| log.last());
            let said = last
                .and_then(|last| last["Output"].as_str())
                .unwrap_or_default();
            let problem = match health["Status"].as_str() {
                Some("healthy") => return Ok(()),
                None | Some("none" | "") => format!(
                    "the container {name} has no health check; give it one (healthcheck) or use \
                     state: started"
                ),
                Some("unhealthy") => format!("the container {name} is unhealthy: {}", said.trim()),
                _ if state["Running"] != json!(true) => format!(
                    "the container {name} ended with {} before it was healthy; see: docker logs \
                     {name}",
                    state["ExitCode"]
                ),
                _ if start.elapsed() > limit => format!(
                    "the container {name} is not healthy after {} seconds: {}",
                    limit.as_secs(),
                    said.trim()
                ),
                _ => {
                    touch.sleep(BEAT)?;
                    continue;
                }
            };
            return Err(Failure::new(problem).with("container", container));
        }
    }

    fn finish(
        &self,
        decision: &Decision,
        container: Option<Value>,
        touch: &mut Touch,
    ) -> Result<Return, Failure> {
        let mut container = container.unwrap_or_else(|| json!({}));
        let Some(output) = &self.output else {
            return Ok(result(Some(&self.engine), decision, container).changed(self.changed));
        };
        // The client's code 125 and 127 may be its own; the container's record is not.
        let recorded = container["State"]["ExitCode"].as_i64();
        let began = container["State"]["StartedAt"]
            .as_str()
            .is_none_or(|time| !time.starts_with("0001"));
        let status = match recorded {
            Some(code) if began => code,
            _ => i64::from(output.code),
        };
        let said = [output.out(), output.err()].concat();
        if container
            .as_object()
            .is_some_and(|container| !container.is_empty())
            || self.args.output_logs
        {
            container["Output"] = json!(said);
        }
        let mut container_after = container;
        if self.args.cleanup
            && self.args.state != State::Absent
            && container_after.get("Id").is_some()
        {
            let mut line = crate::docker::Line::new(["rm", "--force"]);
            if !self.args.keep_volumes {
                line = line.with(["--volumes"]);
            }
            line.with([&self.args.name]).must(
                &self.engine,
                touch,
                &format!("remove the container {}", self.args.name),
            )?;
        }
        if let Some(map) = container_after.as_object_mut()
            && !map.contains_key("Output")
        {
            map.insert("Output".to_owned(), json!(said));
        }
        let result = result(Some(&self.engine), decision, container_after)
            .with("status", status)
            .changed(true);
        if status == 0 {
            return Ok(result);
        }
        let message = format!(
            "the container {} ended with {status}: {}",
            self.args.name,
            tail(said.trim(), 20)
        );
        Err(Failure::new(message).with_values(result))
    }
}

fn tail(text: &str, lines: usize) -> String {
    let all: Vec<&str> = text.lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}

fn seconds(number: f64) -> Duration {
    Duration::try_from_secs_f64(number).unwrap_or(Duration::MAX)
}
