//! Lowering a task to a request for the agent.

use std::sync::Arc;
use std::time::Duration;

use ocplay_language::value::Value;
use ocplay_protocol::{Blob, Outcome, Request};
use serde_json::Value as Json;

use super::{Call, answer, detached};
use crate::connection::{Attached, BlobSource, Link, LinkError, Progress};
use crate::event::Event;
use crate::outcome::ActionOutcome;

/// Runs a module of the agent with the task's arguments as they are.
pub(super) async fn run(call: &Call<'_>, module: &str) -> ActionOutcome {
    let mut args = call.args.clone();
    match chosen_manager(call, module) {
        Ok(Some(manager)) => args.insert("use", manager),
        Ok(None) => {}
        Err(outcome) => return *outcome,
    }
    let args = Value::from(args).to_json();
    execute(call, module, args, Vec::new(), Vec::new()).await
}

/// The variable by which a host says what `package` and `service` are to use.
fn chosen_manager(call: &Call<'_>, module: &str) -> Result<Option<Value>, Box<ActionOutcome>> {
    let variable = match module {
        "package" => "ansible_package_use",
        "service" => "ansible_service_use",
        _ => return Ok(None),
    };
    if call.args.contains_key("use") {
        return Ok(None);
    }
    let Some(value) = call.scope.get(variable) else {
        return Ok(None);
    };
    let manager = call.shared.templar.resolve(value, call.scope);
    manager
        .map(Some)
        .map_err(|error| Box::new(ActionOutcome::template(&error)))
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
        behind: None,
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
        request.behind = match call.turn {
            Some(turn) => turn.come(&link).await,
            None => None,
        };
        let mut sent = |task| {
            if let Some(turn) = call.turn {
                turn.sent(&link, task);
            }
        };
        let ended = link.run(request, &sources, &mut sent, &mut progress).await;
        match ended {
            Ok(outcome) => return answer::outcome(call, module, outcome),
            Err(LinkError::Local(reason)) => return ActionOutcome::failure(reason),
            Err(LinkError::Lost {
                reason,
                task,
                request: asked,
            }) => match recover(call, &link, task, &reason).await {
                Recovered::Done(outcome) => return answer::outcome(call, module, outcome),
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

/// How often the outcome of one task is asked for anew.
const RETURNS: usize = 10;

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
    let (target, becoming) = match call.target() {
        Ok(found) => found,
        Err(outcome) => return Recovered::Lost(outcome),
    };
    // Who may know: the agent that ran it, and those that asked it and were
    // lost themselves, if the question had reached them.
    if lost.hello.session.is_empty() {
        return gone("The helper that ran it cannot be found");
    }
    let mut knowing = vec![(lost.hello.session.clone(), task)];
    'lost: for _ in 0..RETURNS {
        let pool = &call.shared.pool;
        let link = pool.relink(&worker, &target, becoming.as_ref(), PATIENCE);
        let link = call.fork.lend(link).await;
        let link = match link {
            Ok(link) => link,
            Err(error) => return gone(&format!("It did not come back: {error}")),
        };
        for number in (0..knowing.len()).rev() {
            let (session, task) = knowing[number].clone();
            match link.attach(&session, task).await {
                Ok(Attached::Done(outcome)) => return Recovered::Done(outcome),
                Ok(Attached::NotStarted) if number == 0 => return Recovered::Again(link),
                Ok(Attached::Gone) if number == 0 => {
                    return gone("The helper that ran it is gone");
                }
                Ok(Attached::NotStarted | Attached::Gone) => {}
                Err(next) => {
                    let session = link.hello.session.clone();
                    knowing.push((session, next));
                    continue 'lost;
                }
            }
        }
    }
    gone(&format!("It was lost {RETURNS} times more"))
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
