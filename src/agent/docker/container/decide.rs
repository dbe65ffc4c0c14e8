//! From what is wanted and what is to the command lines that are needed.

use serde_json::{Value, json};

use super::args::{Args, LabelMismatch, NameMismatch, Pull, PullCheck, State};
use super::compare::{Difference, Kind, Mode, Rules};
use super::fields::{Facts, Table, is_secret, list, table, text};
use super::network;
use crate::docker::{Line, reference};

/// All that is known before the decision.
#[derive(Debug, Default, Clone)]
pub(crate) struct Situation {
    pub(crate) facts: Facts,
    /// The image that is wanted, as it is on this host; null if it is not.
    pub(crate) wanted_image: Value,
    /// It was fetched already.
    pub(crate) pulled: bool,
    /// Only foreseen, not done.
    pub(crate) check: bool,
}

/// One thing to do.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Step {
    /// A line, and what it does, to be read on from "cannot".
    Run(Line, &'static str),
    /// Runs to the end of the container's process.
    Foreground(Line),
    /// Wait until the container is gone.
    Gone,
    /// Wait until its check passes.
    Healthy,
}

/// What is to be done, and why.
#[derive(Debug, Clone, Default)]
pub(crate) struct Decision {
    /// Fetches the image; after that all is decided again.
    pub(crate) pull: Option<Line>,
    pub(crate) steps: Vec<Step>,
    pub(crate) differences: Vec<Difference>,
    /// The lines that make such a container.
    pub(crate) creation: Vec<Line>,
}

impl Decision {
    /// Whether there is something to do beyond waiting.
    pub(crate) fn changes(&self) -> bool {
        self.pull.is_some()
            || self
                .steps
                .iter()
                .any(|step| matches!(step, Step::Run(..) | Step::Foreground(_)))
    }

    /// The lines to run, in order.
    pub(crate) fn lines(&self) -> impl Iterator<Item = &Line> {
        self.pull
            .iter()
            .chain(self.steps.iter().filter_map(|step| match step {
                Step::Run(line, _) | Step::Foreground(line) => Some(line),
                Step::Gone | Step::Healthy => None,
            }))
    }

    fn differs(&mut self, field: &str, before: impl Into<Value>, after: impl Into<Value>) {
        self.differences
            .push(Difference::new(field, before.into(), after.into()));
    }

    fn run(&mut self, line: Line, what: &'static str) {
        self.steps.push(Step::Run(line, what));
    }
}

/// The name of the option that a name or alias stands for.
fn option(name: &str) -> Option<&'static str> {
    let fields = <Args as ocplay_protocol::Arguments>::FIELDS;
    ocplay_protocol::argument::field(fields, name).map(|field| field.name)
}

/// Decides. Pure: the same in check mode, in a run and in a test.
pub(crate) fn decide(args: &Args, situation: &Situation) -> Result<Decision, String> {
    let container = &situation.facts.container;
    let exists = !container.is_null();
    let mut decision = Decision::default();
    if args.state == State::Absent {
        if exists {
            decision.differs("state", status(container), "absent");
            removal(args, container, &mut decision);
        }
        return Ok(decision);
    }
    let rules =
        Rules::read(args.comparisons.as_ref(), &option).map_err(|failure| failure.message)?;
    let table = table(args, &situation.facts)?;
    if let Some(image) = &args.image {
        decision.creation = creation(args, &table, image);
        decision.pull = pull(args, image, exists, situation)?;
    }
    labels_of_image(args, &situation.facts)?;
    if !exists {
        if args.image.is_none() {
            return Err(format!(
                "there is no container {}; image must say what to make it from",
                args.name
            ));
        }
        let after = if starting(args) { "running" } else { "created" };
        decision.differs("state", "absent", after);
        make(args, &mut decision);
        return Ok(decision);
    }
    let mut found = image_difference(args, situation, &rules);
    found.extend(
        table
            .fields
            .iter()
            .flat_map(|field| field.differences(&rules)),
    );
    mask(&mut found);
    let broken = matches!(status(container), "dead" | "removing");
    let update = update(&table, &found);
    if args.recreate || broken || (update.is_none() && !found.is_empty()) {
        if args.image.is_none() {
            return Err(format!(
                "the container {} must be made anew ({}); image must say what from",
                args.name,
                names(&found)
            ));
        }
        decision.differences = found;
        if decision.differences.is_empty() {
            decision.differs("container", id(container), "made anew");
        }
        removal(args, container, &mut decision);
        make(args, &mut decision);
        return Ok(decision);
    }
    decision.differences = found;
    if let Some(line) = update.flatten() {
        decision.run(line, "change the limits of the container");
    }
    let (differences, lines) = network::changes(args, container, &rules);
    decision.differences.extend(differences);
    for line in lines {
        decision.run(line, "change the networks of the container");
    }
    run_state(args, container, &mut decision);
    Ok(decision)
}

fn starting(args: &Args) -> bool {
    matches!(args.state, State::Started | State::Healthy)
}

fn detached(args: &Args) -> bool {
    args.detach != Some(false)
}

fn status(container: &Value) -> &str {
    match text(&container["State"]["Status"]) {
        "" => "unknown",
        status => status,
    }
}

fn id(of: &Value) -> String {
    let id = text(&of["Id"]);
    let id = id.strip_prefix("sha256:").unwrap_or(id);
    id.get(..12).unwrap_or(id).to_owned()
}

fn is(container: &Value, key: &str) -> bool {
    container["State"][key].as_bool().unwrap_or(false)
}

fn names(differences: &[Difference]) -> String {
    let names: Vec<&str> = differences
        .iter()
        .map(|difference| difference.field.as_str())
        .collect();
    names.join(", ")
}

/// Values that should not be seen in a diff.
fn mask(differences: &mut [Difference]) {
    for difference in differences {
        let Some(name) = difference.field.strip_prefix("env.") else {
            continue;
        };
        let secret = [&difference.before, &difference.after]
            .iter()
            .any(|value| is_secret(name, text(value)));
        if secret {
            for value in [&mut difference.before, &mut difference.after] {
                if !value.is_null() {
                    *value = json!("********");
                }
            }
        }
    }
}

fn pull(
    args: &Args,
    image: &str,
    exists: bool,
    situation: &Situation,
) -> Result<Option<Line>, String> {
    if situation.pulled {
        return Ok(None);
    }
    let missing = situation.wanted_image.is_null();
    let fetch = match args.pull {
        Pull::Never if missing && !situation.check && (!exists || args.recreate) => {
            return Err(format!(
                "the image {image} is not on this host, and pull: never forbids to fetch it; \
                 build or load it first (docker_image)"
            ));
        }
        Pull::Never => false,
        Pull::Missing => missing,
        Pull::Always if reference::is_id(image) => missing,
        Pull::Always => {
            missing || !situation.check || args.pull_check_mode_behavior == PullCheck::Always
        }
    };
    if fetch && reference::is_id(image) {
        return Err(format!(
            "the image {image} is not on this host, and numbers cannot be fetched; name it"
        ));
    }
    let line = Line::new(["pull"]);
    let line = match &args.platform {
        Some(platform) => line.with(["--platform", platform]),
        None => line,
    };
    Ok(fetch.then(|| line.with([image]).live()))
}

fn labels_of_image(args: &Args, facts: &Facts) -> Result<(), String> {
    if args.image_label_mismatch == LabelMismatch::Ignore {
        return Ok(());
    }
    let labels = facts.image["Config"]["Labels"].as_object();
    let unwanted: Vec<&str> = labels
        .into_iter()
        .flatten()
        .map(|(name, _)| name.as_str())
        .filter(|name| !args.labels.iter().any(|labels| labels.contains_key(*name)))
        .collect();
    if unwanted.is_empty() {
        return Ok(());
    }
    Err(format!(
        "the image has labels that are not among the wanted ones: {}; list them in labels or set \
         image_label_mismatch: ignore",
        unwanted.join(", ")
    ))
}

/// The image is another, or it has another name now.
fn image_difference(args: &Args, situation: &Situation, rules: &Rules) -> Vec<Difference> {
    let Some(image) = &args.image else {
        return Vec::new();
    };
    if rules.of("image", Kind::Value) == Mode::Ignore {
        return Vec::new();
    }
    let container = &situation.facts.container;
    let name = text(&container["Config"]["Image"]);
    let (is, wanted) = (&container["Image"], &situation.wanted_image["Id"]);
    if situation.wanted_image.is_null() {
        // It will be fetched; which one that is nobody knows yet.
        return if args.pull == Pull::Never {
            Vec::new()
        } else {
            vec![Difference::new("image", json!(name), json!(image))]
        };
    }
    if is != wanted {
        let short = |id: &Value| {
            id.as_str()
                .map(|id| self::id(&json!({"Id": id})))
                .unwrap_or_default()
        };
        let before = format!("{name} ({})", short(is));
        let after = format!("{image} ({})", short(wanted));
        return vec![Difference::new("image", json!(before), json!(after))];
    }
    let renamed = args.image_name_mismatch == NameMismatch::Recreate
        && !reference::is_id(image)
        && reference::canonical(name) != reference::canonical(image);
    if renamed {
        return vec![Difference::new("image", json!(name), json!(image))];
    }
    Vec::new()
}

/// The lines that make the container.
fn creation(args: &Args, table: &Table<'_>, image: &str) -> Vec<Line> {
    let first = network::first(args);
    let others: Vec<_> = args
        .networks
        .iter()
        .flatten()
        .filter(|network| Some(network.name.as_str()) != first)
        .collect();
    let at_once = starting(args) && others.is_empty();
    let line = match (at_once, detached(args)) {
        (true, true) => Line::new(["run", "--detach"]),
        (true, false) => Line::new(["run"]).live(),
        (false, _) => Line::new(["create"]),
    };
    // The decision to fetch was made before, by pull.
    let line = line
        .with(["--name", &args.name])
        .with(table.flags.iter().cloned())
        .with([image])
        .with(table.tail.iter().cloned())
        .secrets(table.secrets.clone());
    let mut lines = vec![line];
    lines.extend(
        others
            .into_iter()
            .map(|other| network::connect(other, &args.name)),
    );
    if starting(args) && !at_once {
        lines.push(start(args));
    }
    lines
}

fn start(args: &Args) -> Line {
    if detached(args) {
        Line::new(["start", &args.name])
    } else {
        Line::new(["start", "--attach", &args.name]).live()
    }
}

fn make(args: &Args, decision: &mut Decision) {
    let lines = decision.creation.clone();
    let last = lines.len().saturating_sub(1);
    for (index, line) in lines.into_iter().enumerate() {
        if index == last && starting(args) && !detached(args) {
            decision.steps.push(Step::Foreground(line));
        } else {
            decision.run(line, "make the container");
        }
    }
    if starting(args) && args.paused == Some(true) {
        decision.run(Line::new(["pause", &args.name]), "pause the container");
    }
    if args.state == State::Healthy {
        decision.steps.push(Step::Healthy);
    }
}

fn end(args: &Args) -> (Line, &'static str) {
    if args.force_kill {
        let line = Line::new(["kill"]);
        let line = match &args.kill_signal {
            Some(signal) => line.with(["--signal", signal]),
            None => line,
        };
        return (line.with([&args.name]), "kill the container");
    }
    let line = Line::new(["stop"]);
    let line = match args.stop_timeout {
        Some(seconds) => line.with(["-t", &seconds.to_string()]),
        None => line,
    };
    (line.with([&args.name]), "stop the container")
}

fn removal(args: &Args, container: &Value, decision: &mut Decision) {
    let broken = matches!(status(container), "dead" | "removing");
    if is(container, "Running") && !broken {
        let (line, what) = end(args);
        decision.run(line, what);
        if container["HostConfig"]["AutoRemove"] == json!(true) {
            // It goes by itself.
            decision.steps.push(Step::Gone);
            return;
        }
    }
    let mut line = Line::new(["rm"]);
    if broken || args.force_kill {
        line = line.with(["--force"]);
    }
    if !args.keep_volumes {
        line = line.with(["--volumes"]);
    }
    decision.run(line.with([&args.name]), "remove the container");
    decision.steps.push(Step::Gone);
}

/// `Some(None)` if nothing differs, `Some(line)` if all that differs can be
/// changed in place, `None` if the container must be made anew.
fn update(table: &Table<'_>, found: &[Difference]) -> Option<Option<Line>> {
    if found.is_empty() {
        return Some(None);
    }
    let mut line = Line::new(["update"]);
    for difference in found {
        if !difference.update {
            return None;
        }
        let flag = match difference.field.as_str() {
            "restart_policy" => "--restart".to_owned(),
            name => format!("--{}", name.replace('_', "-")),
        };
        // What is said by leaving a flag out cannot be said to a container that is there.
        let at = table.flags.iter().position(|word| *word == flag)?;
        let value = table.flags.get(at + 1)?;
        line = line.with([&flag, value]);
        if difference.field == "memory" && table.args.memory_swap.is_none() {
            // As the engine sets it for a new container.
            let bytes: i64 = value.parse().unwrap_or(0);
            line = line.with(["--memory-swap", &(bytes.saturating_mul(2)).to_string()]);
        }
    }
    Some(Some(line.with([&table.args.name])))
}

/// Start, stop, restart, pause of a container that stays.
fn run_state(args: &Args, container: &Value, decision: &mut Decision) {
    let running = is(container, "Running");
    let before = status(container);
    match args.state {
        State::Started | State::Healthy => {
            if !running {
                decision.differs("state", before, "running");
                if detached(args) {
                    decision.run(start(args), "start the container");
                } else {
                    decision.steps.push(Step::Foreground(start(args)));
                }
            } else if args.restart {
                decision.differs("state", before, "restarted");
                let line = Line::new(["restart"]);
                let line = match args.stop_timeout {
                    Some(seconds) => line.with(["-t", &seconds.to_string()]),
                    None => line,
                };
                decision.run(line.with([&args.name]), "restart the container");
            }
            pause(args, running && is(container, "Paused"), decision);
            let healthy = text(&container["State"]["Health"]["Status"]) == "healthy";
            if args.state == State::Healthy && (decision.changes() || !healthy) {
                decision.steps.push(Step::Healthy);
            }
        }
        State::Stopped if running => {
            decision.differs("state", before, "stopped");
            let (line, what) = end(args);
            decision.run(line, what);
        }
        State::Stopped | State::Present | State::Absent => {}
    }
}

fn pause(args: &Args, paused: bool, decision: &mut Decision) {
    let (word, what) = match args.paused {
        Some(true) if !paused => ("pause", "pause the container"),
        Some(false) if paused => ("unpause", "let the container go on"),
        _ => return,
    };
    decision.differs("paused", paused, !paused);
    decision.run(Line::new([word, &args.name]), what);
}

/// Containers whose numbers are needed for comparing.
pub(crate) fn named_containers(args: &Args) -> Vec<String> {
    [&args.network_mode, &args.pid_mode, &args.ipc_mode]
        .into_iter()
        .flatten()
        .filter_map(|mode| mode.strip_prefix("container:"))
        .map(str::to_owned)
        .collect()
}

/// Files with seccomp profiles.
pub(crate) fn named_profiles(args: &Args) -> Vec<String> {
    list(&json!(args.security_opts))
        .iter()
        .filter_map(|option| option.strip_prefix("seccomp").map(|rest| rest.get(1..)))
        .flatten()
        .filter(|profile| *profile != "unconfined" && !profile.starts_with('{'))
        .map(str::to_owned)
        .collect()
}
