//! Lowering a task to a request for the agent.

use std::sync::Arc;
use std::time::Duration;

use ocplay_language::value::{Map, Value};
use ocplay_protocol::{Blob, Outcome, Request};
use serde_json::Value as Json;

use super::{Call, detached};
use crate::connection::{Attached, BlobSource, Link, LinkError, Progress};
use crate::event::Event;
use crate::outcome::{ActionOutcome, Effect};

/// Runs a module of the agent with the task's arguments as they are.
pub(super) async fn run(call: &Call<'_>, module: &str) -> ActionOutcome {
    let mut args = call.args.clone();
    if let Some(manager) = chosen_manager(call, module) {
        args.insert("use", manager);
    }
    let args = Value::from(args).to_json();
    execute(call, module, args, Vec::new(), Vec::new()).await
}

/// The variable by which a host says what `package` and `service` are to use.
fn chosen_manager(call: &Call<'_>, module: &str) -> Option<Value> {
    let variable = match module {
        "package" => "ansible_package_use",
        "service" => "ansible_service_use",
        _ => return None,
    };
    if call.args.contains_key("use") {
        return None;
    }
    let value = call.scope.get(variable)?;
    call.shared.templar.resolve(value, call.scope).ok()
}

/// Runs a module of the agent.
pub(super) async fn execute(
    call: &Call<'_>,
    module: &str,
    args: Json,
    blobs: Vec<Blob>,
    sources: Vec<BlobSource>,
) -> ActionOutcome {
    execute_with(call, module, args, blobs, sources, &mut |_, _| Ok(())).await
}

/// As [`execute`], with a taker for the parts of a fetched file.
pub(super) async fn execute_with(
    call: &Call<'_>,
    module: &str,
    args: Json,
    blobs: Vec<Blob>,
    sources: Vec<BlobSource>,
    file: &mut (dyn FnMut(Vec<u8>, bool) -> Result<(), String> + Send),
) -> ActionOutcome {
    if let Some(problem) = wrong_arguments(call, module, &args) {
        return problem;
    }
    let link = match call.link().await {
        Ok(link) => link,
        Err(outcome) => return *outcome,
    };
    call.shared.events.event(Event::Note {
        level: 3,
        text: format!("<{}> EXEC {module}", call.host),
    });
    let detached = match detached::request(call) {
        Ok(detached) => detached,
        Err(outcome) => return *outcome,
    };
    let request = Request {
        task: 0,
        heard: 0,
        module: module.to_owned(),
        args: args.to_string(),
        check: call.settings.check,
        diff: call.settings.diff,
        environment: call.settings.environment.clone(),
        blobs,
        detached,
    };
    let shared = call.shared;
    let host = Arc::clone(call.host);
    let show = !call.settings.no_log;
    let mut progress = |progress| match progress {
        Progress::Output(stream, data) => {
            if show {
                shared.events.event(Event::Output {
                    host: Arc::clone(&host),
                    stream,
                    data,
                });
            }
            Ok(())
        }
        Progress::File(data, last) => file(data, last),
    };
    let mut link = link;
    let mut request = request;
    // A request that had not begun is run again, on a new link each time.
    for _ in 0..ATTEMPTS {
        match link.run(request, &sources, &mut progress).await {
            Ok(outcome) => return from_agent(module, outcome),
            Err(LinkError::Local(reason)) => return ActionOutcome::failure(reason),
            Err(LinkError::Lost {
                reason,
                task,
                request: asked,
            }) => match recover(call, &link, task, &reason).await {
                Recovered::Done(outcome) => return from_agent(module, outcome),
                Recovered::Again(next) => (link, request) = (next, *asked),
                Recovered::Lost(outcome) => return *outcome,
            },
        }
    }
    ActionOutcome::unreachable(format!(
        "the connection to {} was lost {ATTEMPTS} times before the task could begin",
        call.worker()
    ))
}

/// How often a task is begun that every time is cut before it has begun.
const ATTEMPTS: usize = 3;
/// How long a host is waited for whose connection was lost.
const PATIENCE: Duration = Duration::from_secs(30);

/// What became of a task whose connection was lost.
enum Recovered {
    Done(Outcome),
    /// It had not begun; here is a new link to run it on.
    Again(Arc<Link>),
    Lost(Box<ActionOutcome>),
}

/// Connects anew and asks the agent that ran the task how it ended. Its effect
/// is there exactly once, whatever happened to the connection.
async fn recover(call: &Call<'_>, lost: &Link, task: u64, reason: &str) -> Recovered {
    let gone = |why: &str| {
        Recovered::Lost(Box::new(ActionOutcome::unreachable(format!(
            "the connection to {} was lost while the task ran: {reason}. {why}. Whether it took effect is not known; run it again",
            call.worker()
        ))))
    };
    let worker = call.worker();
    let (mut session, mut task) = (lost.hello.session.clone(), task);
    let (target, becoming) = match call.target() {
        Ok(found) => found,
        Err(outcome) => return Recovered::Lost(outcome),
    };
    loop {
        let pool = &call.shared.pool;
        let link = pool
            .relink(&worker, &target, becoming.as_ref(), PATIENCE)
            .await;
        let link = match link {
            Ok(link) => link,
            Err(error) => return gone(&format!("It did not come back: {error}")),
        };
        if session.is_empty() {
            return gone("The helper that ran it cannot be found");
        }
        match link.attach(&session, task).await {
            Ok(Attached::Done(outcome)) => return Recovered::Done(outcome),
            Ok(Attached::NotStarted) => return Recovered::Again(link),
            Ok(Attached::Gone) => return gone("The helper that ran it is gone"),
            // Lost again: the agent that was asked will know.
            Err(next) => (session, task) = (link.hello.session.clone(), next),
        }
    }
}

/// Arguments that became known only now are checked like literal ones.
fn wrong_arguments(call: &Call<'_>, module: &str, args: &Json) -> Option<ActionOutcome> {
    let catalogue = call.shared.resolver.catalogue();
    let info = catalogue.get(module)?;
    let name = catalogue.full_name(module);
    let reason =
        ocplay_protocol::catalogue::explain(&name, &info.args, info.open, args.as_object()?)?;
    Some(ActionOutcome::failure(reason))
}

/// Modules whose results hold a list of changes; the others have one.
const DIFF_LISTS: [&str; 3] = ["copy", "lineinfile", "blockinfile"];

fn from_agent(module: &str, outcome: Outcome) -> ActionOutcome {
    let parsed: Result<Json, _> = serde_json::from_str(&outcome.result);
    let mut result = match parsed.as_ref().map(Value::from_json) {
        Ok(Value::Map(map)) => Map::clone(&map),
        _ => {
            return ActionOutcome::failure("the host's answer could not be read");
        }
    };
    let mut effects = Vec::new();
    if let Some(Value::Map(facts)) = result.get("ansible_facts") {
        effects.push(Effect::Facts(Map::clone(facts)));
    }
    if let [diff] = &outcome.diff[..]
        && !DIFF_LISTS.contains(&module)
        && !result.contains_key("diff")
    {
        result.insert("diff", crate::task::difference(diff));
    }
    result.remove("changed");
    result.remove("failed");
    add_lines(&mut result);
    ActionOutcome {
        result,
        changed: outcome.changed,
        failed: outcome.failed,
        skipped: outcome.skipped,
        unreachable: false,
        diff: outcome.diff,
        effects,
        mistake: None,
    }
}

/// `stdout_lines` and `stderr_lines`, which every program's result has.
fn add_lines(result: &mut Map) {
    for stream in ["stdout", "stderr"] {
        let name = format!("{stream}_lines");
        if let Some(text) = result.get(stream).and_then(Value::as_str)
            && !result.contains_key(&name)
        {
            let lines: Vec<Value> = text.lines().map(Value::from).collect();
            result.insert(name, lines);
        }
    }
}
