//! A whole run: plays, batches, sections.

use std::collections::HashMap;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use indexmap::IndexMap;
use ocplay_language::diagnostic::Diagnostic;
use ocplay_language::inventory::{self, Inventory, VarsFolders};
use ocplay_language::loader::Loader;
use ocplay_language::plan::{Node, Plan, PlannedBlock, PlannedPlay, PlannedTask, Resolver};
use ocplay_language::playbook::ast::{Action, Arg, Keyword, Keywords, Task, Word};
use ocplay_language::source::Span;
use ocplay_language::value::{Map, Value};
use ocplay_language::vars::precedence::Level;
use ocplay_language::vars::scope::Scope;
use ocplay_protocol::coerce;
use tokio::sync::Notify;

use crate::connection::{AgentBinary, Pool};
use crate::cursor::Cursor;
use crate::dispatcher::{Dispatcher, PlayRun, VarsFiles};
use crate::event::{Event, HostStats, Sink};
use crate::host::{Host, Standing};
use crate::options::{Gathering, Mismatch, RunOptions};
use crate::task::{GATHERING, Shared};
use crate::vars_prompt;

/// Everything that a run needs.
pub struct Setup {
    pub plan: Plan,
    pub options: RunOptions,
    pub inventory: Inventory,
    /// Connection facts of lab hosts, by name.
    pub lab: HashMap<Arc<str>, Arc<Map>>,
    pub resolver: Arc<Resolver>,
    pub loader: Arc<dyn Loader>,
    pub agent: AgentBinary,
    pub events: Arc<dyn Sink>,
    /// Set from outside to stop after the running tasks.
    pub stop: Arc<AtomicBool>,
    /// Told from outside to end what runs on the hosts, and back when that is
    /// done.
    pub abort: Arc<Abort>,
}

/// Ending what runs on the hosts.
#[derive(Debug, Default)]
pub struct Abort {
    pub wanted: Notify,
    pub done: Notify,
}

/// How a run ended.
#[derive(Debug, Clone, Default)]
pub struct Ending {
    pub stats: IndexMap<Arc<str>, HostStats>,
    /// A host has failed, and nothing rescued or forgave it.
    pub failed: bool,
    pub unreachable: bool,
    /// Something went wrong that belongs to no host.
    pub broken: bool,
    pub stopped: bool,
}

/// How many plays a playbook has, where the first of them begins.
fn announced(plan: &Plan, number: usize) -> Option<String> {
    let at = match number {
        0 => 0,
        number => plan.ends.iter().position(|end| *end == number)? + 1,
    };
    let name = plan.names.get(at)?;
    let end = plan.ends.get(at).copied().unwrap_or(plan.plays.len());
    Some(format!("{} plays in {name}", end - number))
}

/// Runs a plan to its end.
pub async fn run(setup: Setup) -> Ending {
    let templar = setup.resolver.templar().clone();
    let shared = Arc::new(Shared {
        options: setup.options,
        resolver: setup.resolver,
        templar,
        pool: Pool::new(setup.agent, Arc::clone(&setup.events)),
        events: setup.events,
        loader: Arc::clone(&setup.loader),
        warned: Mutex::default(),
    });
    let ending_all = tokio::spawn({
        let (shared, abort) = (Arc::clone(&shared), setup.abort);
        async move {
            abort.wanted.notified().await;
            shared.pool.abort().await;
            // What was sent needs a moment to arrive.
            tokio::time::sleep(Duration::from_millis(300)).await;
            abort.done.notify_one();
        }
    });
    let folders = VarsFolders::new(setup.loader);
    let mut dispatcher = Dispatcher::new(
        Arc::clone(&shared),
        setup.inventory,
        folders,
        setup.lab,
        setup.stop,
    );
    let mut ending = Ending::default();
    for (number, play) in setup.plan.plays.iter().enumerate() {
        if dispatcher.stopped() {
            break;
        }
        if setup.plan.ends.contains(&number) {
            shared.events.event(Event::PlaybookDone {
                stats: stats(&dispatcher),
            });
        }
        if let Some(text) = announced(&setup.plan, number) {
            shared.events.event(Event::Note { level: 2, text });
        }
        dispatcher.last_play = number + 1 == setup.plan.plays.len();
        match run_play(&mut dispatcher, play).await {
            PlayEnd::On => {}
            PlayEnd::Broken => {
                ending.broken = true;
                break;
            }
            PlayEnd::NobodyLeft => {
                shared.events.event(Event::NoHostsLeft);
                break;
            }
        }
    }
    ending_all.abort();
    shared.pool.close().await;
    ending.stopped = dispatcher.stopped();
    let any = |wanted| {
        let mut standings = dispatcher.hosts.values().map(|host| host.standing);
        standings.any(|standing| standing == wanted)
    };
    ending.failed = any(Standing::Failed);
    ending.unreachable = any(Standing::Unreachable);
    ending.stats = stats(&dispatcher);
    shared.events.event(Event::Finished {
        stats: ending.stats.clone(),
        custom: dispatcher.stats.value(),
    });
    ending
}

/// Counts of every host that did anything.
fn stats(dispatcher: &Dispatcher) -> IndexMap<Arc<str>, HostStats> {
    dispatcher
        .hosts
        .iter()
        .filter(|(_, host)| host.stats != HostStats::default())
        .map(|(name, host)| (Arc::clone(name), host.stats))
        .collect()
}

enum PlayEnd {
    On,
    Broken,
    NobodyLeft,
}

async fn run_play(dispatcher: &mut Dispatcher, play: &Arc<PlannedPlay>) -> PlayEnd {
    let events = Arc::clone(&dispatcher.shared.events);
    let mut scope = play_scope(dispatcher, play);
    let mut vars = vec![(Level::PlayVars, Arc::clone(&play.context.own().vars))];
    // Asked first: the answers may say which hosts the play is for.
    if !play.play.vars_prompt.is_empty() {
        match vars_prompt::ask_all(&dispatcher.shared, &play.play.vars_prompt, &scope).await {
            Ok(answers) => {
                scope = scope.with(Level::PlayVarsPrompt, Arc::clone(&answers));
                vars.push((Level::PlayVarsPrompt, answers));
            }
            Err(problem) => {
                events.event(Event::Mistakes(vec![*problem]));
                return PlayEnd::Broken;
            }
        }
    }
    let hosts = match play_hosts(dispatcher, play, &scope) {
        Ok(hosts) => hosts,
        Err(problem) => {
            events.event(Event::Mistakes(vec![problem]));
            return PlayEnd::Broken;
        }
    };
    let name = play_name(dispatcher, play, &scope);
    events.event(Event::PlayStarted {
        name,
        hosts: hosts.clone(),
    });
    if hosts.is_empty() {
        events.event(Event::NoHostsMatched);
        return PlayEnd::On;
    }
    dispatcher.prepare_all(play, &hosts);
    for name in &hosts {
        if let Some(host) = dispatcher.hosts.get_mut(name)
            && host.standing == Standing::Ended
        {
            host.standing = Standing::Active;
        }
    }
    let batches = match batches(dispatcher, play, &hosts, &scope) {
        Ok(batches) => batches,
        Err(problem) => {
            events.event(Event::Mistakes(vec![problem]));
            return PlayEnd::Broken;
        }
    };
    let force_handlers = play
        .play
        .options
        .force_handlers
        .as_ref()
        .and_then(|word| coerce::boolean(&word.value.to_json()).ok())
        .unwrap_or(dispatcher.shared.options.force_handlers);
    let mut run = PlayRun {
        play: Arc::clone(play),
        vars: Arc::new(vars),
        files: VarsFiles::default(),
        handlers: play.handlers.clone(),
        dynamic_roles: Arc::default(),
        roles: Default::default(),
        all: hosts,
        batch: Vec::new(),
        cursors: IndexMap::new(),
        force_handlers,
        ended: false,
        broken: false,
    };
    let strategy = match strategy(dispatcher, play, &scope) {
        Ok(strategy) => strategy,
        Err(problem) => {
            events.event(Event::Mistakes(vec![problem]));
            return PlayEnd::Broken;
        }
    };
    let names = run.all.clone();
    dispatcher.read_vars_files(&mut run, &names, true);
    for batch in batches {
        if run.broken {
            return PlayEnd::Broken;
        }
        run.batch = batch.clone();
        let nodes = play_nodes(dispatcher, &run, &batch);
        run.cursors = batch
            .iter()
            .map(|name| (Arc::clone(name), Cursor::new(Arc::clone(&nodes))))
            .collect();
        match strategy {
            Strategy::Linear => dispatcher.lockstep(&mut run).await,
            Strategy::Free => dispatcher.free(&mut run, false).await,
            Strategy::HostPinned => dispatcher.free(&mut run, true).await,
        }
        if run.broken {
            return PlayEnd::Broken;
        }
        if run.ended || dispatcher.stopped() {
            break;
        }
        let lost = |name: &Arc<str>| {
            let standing = dispatcher.hosts.get(name).map(|host| host.standing);
            matches!(standing, Some(Standing::Failed | Standing::Unreachable))
        };
        if batch.iter().all(lost) {
            return PlayEnd::NobodyLeft;
        }
    }
    PlayEnd::On
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Strategy {
    Linear,
    Free,
    HostPinned,
}

fn strategy(
    dispatcher: &Dispatcher,
    play: &PlannedPlay,
    scope: &Scope,
) -> Result<Strategy, Diagnostic> {
    let shared = &dispatcher.shared;
    let word = play.play.options.strategy.as_ref();
    let name = match word {
        Some(word) => {
            let value = shared.templar.resolve(&word.value, scope);
            ocplay_language::python::text(&value.map_err(|error| error.diagnostic())?)
        }
        None => shared.options.rules.strategy.clone(),
    };
    match name.strip_prefix("ansible.builtin.").unwrap_or(&name) {
        "linear" | "debug" => Ok(Strategy::Linear),
        "free" => Ok(Strategy::Free),
        "host_pinned" => Ok(Strategy::HostPinned),
        other => {
            let problem = Diagnostic::error("strategy", format!("there is no strategy '{other}'"))
                .suggest(other, ["linear", "free", "host_pinned", "debug"]);
            Err(match word {
                Some(word) => problem.at(&word.span),
                None => problem.help("the name comes from the configuration (ANSIBLE_STRATEGY)"),
            })
        }
    }
}

/// Everything that a host goes through in a play: facts, the three lists of
/// tasks, and behind each of them what was notified. With forced handlers a
/// list's failure does not keep its notifications from being heard.
fn play_nodes(dispatcher: &Dispatcher, run: &PlayRun, batch: &[Arc<str>]) -> Arc<[Node]> {
    let play = &run.play;
    let mut nodes = Vec::new();
    if gathers(dispatcher, play, batch) {
        nodes.push(gather_task(play));
    }
    for list in [&play.pre_tasks, &play.tasks, &play.post_tasks] {
        let flush = flush_task(play);
        if run.force_handlers {
            nodes.push(Node::Block(Arc::new(PlannedBlock {
                name: None,
                context: Arc::clone(&play.context),
                block: list.clone(),
                rescue: Vec::new(),
                always: vec![flush],
            })));
        } else {
            nodes.extend(list.iter().cloned());
            nodes.push(flush);
        }
    }
    nodes.into()
}

/// The flush of handlers that stands behind each list of tasks.
fn flush_task(play: &PlannedPlay) -> Node {
    let span: Span = play.play.span.clone();
    let word = |text: &str| Word {
        value: text.into(),
        span: span.clone(),
    };
    let keywords = Keywords {
        tags: vec![word("always")],
        ..Keywords::default()
    };
    let action = Action {
        name: "ansible.builtin.meta".to_owned(),
        name_span: span.clone(),
        args: Vec::new(),
        raw: Some(word("flush_handlers")),
    };
    let task = Task {
        keywords: keywords.clone(),
        ..Task::new(span, action)
    };
    Node::Task(Arc::new(PlannedTask {
        id: "flush-handlers".to_owned(),
        task: Arc::new(task),
        context: play.context.child(keywords),
        implicit: true,
    }))
}

fn play_scope(dispatcher: &Dispatcher, play: &PlannedPlay) -> Scope {
    let folder = crate::world::absolute(&play.folder);
    Scope::new()
        .with(Level::PlayVars, Arc::clone(&play.context.own().vars))
        .with(
            Level::ExtraVars,
            Arc::clone(&dispatcher.shared.options.extra_vars),
        )
        .with_var(
            Level::Magic,
            "playbook_dir",
            Value::from(&*folder.to_string_lossy()),
        )
        .with_var(
            Level::Magic,
            "groups",
            crate::world::groups(&dispatcher.inventory),
        )
}

fn play_name(dispatcher: &Dispatcher, play: &PlannedPlay, scope: &Scope) -> String {
    let written = play.play.name.as_ref().or(Some(&play.play.hosts));
    let value = written.map(|word| {
        dispatcher
            .shared
            .templar
            .resolve(&word.value, scope)
            .unwrap_or_else(|_| word.value.clone())
    });
    match value {
        Some(Value::List(items)) => items
            .iter()
            .map(ocplay_language::python::text)
            .collect::<Vec<_>>()
            .join(","),
        Some(value) => ocplay_language::python::text(&value),
        None => String::new(),
    }
}

/// The hosts of a play that can still take part.
fn play_hosts(
    dispatcher: &Dispatcher,
    play: &PlannedPlay,
    scope: &Scope,
) -> Result<Vec<Arc<str>>, Diagnostic> {
    let shared = &dispatcher.shared;
    let word = &play.play.hosts;
    let value = shared
        .templar
        .resolve(&word.value, scope)
        .map_err(|error| error.diagnostic())?;
    let pattern = match &value {
        Value::List(items) => items
            .iter()
            .map(ocplay_language::python::text)
            .collect::<Vec<_>>()
            .join(","),
        other => ocplay_language::python::text(other),
    };
    let (mut hosts, misses) =
        inventory::select(&pattern, &dispatcher.inventory, &*shared.loader)
            .map_err(|error| Diagnostic::error("hosts", error.to_string()).at(&word.span))?;
    for miss in misses {
        match shared.options.rules.pattern_mismatch {
            Mismatch::Warning => {}
            Mismatch::Ignored => continue,
            Mismatch::Error => {
                return Err(Diagnostic::error("hosts", miss.to_string()).at(&word.span));
            }
        }
        let mut warning = Diagnostic::warning("hosts", miss.to_string()).at(&word.span);
        if let inventory::PatternError::NoMatch {
            near: Some(near), ..
        } = &miss
        {
            warning = warning.help(format!("did you mean '{near}'?"));
        }
        shared.events.event(Event::Warning(warning));
    }
    if let Some(limit) = &shared.options.limit {
        hosts.retain(|name| limit.contains(name));
    }
    hosts.retain(|name| {
        let standing = dispatcher.hosts.get(name).map(|host| host.standing);
        !matches!(standing, Some(Standing::Failed | Standing::Unreachable))
    });
    let order = match &play.play.options.order {
        Some(word) => {
            let value = shared
                .templar
                .resolve(&word.value, scope)
                .map_err(|error| error.diagnostic())?;
            Some(ocplay_language::python::text(&value))
        }
        None => None,
    };
    match order.as_deref() {
        Some("reverse_inventory") => hosts.reverse(),
        Some("sorted") => hosts.sort(),
        Some("reverse_sorted") => {
            hosts.sort();
            hosts.reverse();
        }
        Some("shuffle") => shuffle(&mut hosts),
        _ => {}
    }
    Ok(hosts)
}

/// Any order will do, as long as it differs from run to run.
fn shuffle(hosts: &mut [Arc<str>]) {
    use std::hash::{BuildHasher, RandomState};
    let random = RandomState::new();
    hosts.sort_by_key(|name| random.hash_one(name));
}

/// `serial`: a number, a percentage, or a list of them.
fn batches(
    dispatcher: &Dispatcher,
    play: &PlannedPlay,
    hosts: &[Arc<str>],
    scope: &Scope,
) -> Result<Vec<Vec<Arc<str>>>, Diagnostic> {
    let Some(word) = &play.play.options.serial else {
        return Ok(vec![hosts.to_vec()]);
    };
    let templar = &dispatcher.shared.templar;
    let value = templar
        .resolve(&word.value, scope)
        .map_err(|error| error.diagnostic())?;
    let steps = match value {
        Value::Omit | Value::Null => return Ok(vec![hosts.to_vec()]),
        Value::List(items) => items.to_vec(),
        one => vec![one],
    };
    let mut sizes = Vec::new();
    for step in &steps {
        sizes.push(batch_size(step, hosts.len()).ok_or_else(|| {
            Diagnostic::error(
                "serial",
                "serial takes a number, a percentage or a list of them",
            )
            .at(&word.span)
        })?);
    }
    let mut rest = hosts;
    let mut out = Vec::new();
    let mut sizes = sizes.into_iter().peekable();
    let mut size = hosts.len();
    while !rest.is_empty() {
        // The last size repeats.
        size = sizes.next().unwrap_or(size);
        let (batch, after) = rest.split_at(size.clamp(1, rest.len()));
        out.push(batch.to_vec());
        rest = after;
    }
    Ok(out)
}

fn batch_size(value: &Value, total: usize) -> Option<usize> {
    let text = ocplay_language::python::text(value);
    if let Some(percent) = text.trim().strip_suffix('%') {
        let percent: f64 = percent.trim().parse().ok()?;
        return Some(((total as f64 * percent / 100.0) as usize).max(1));
    }
    let size: i64 = text.trim().parse().ok()?;
    Some(if size <= 0 {
        total
    } else {
        usize::try_from(size).ok()?
    })
}

fn gathers(dispatcher: &Dispatcher, play: &PlannedPlay, batch: &[Arc<str>]) -> bool {
    let word = play.play.options.gather_facts.as_ref();
    let said = word.and_then(|word| coerce::boolean(&word.value.to_json()).ok());
    match dispatcher.shared.options.rules.gathering {
        Gathering::Implicit => said != Some(false),
        Gathering::Explicit => said == Some(true),
        Gathering::Smart => {
            let known = |name: &Arc<str>| {
                let host = dispatcher.hosts.get(name);
                host.is_some_and(Host::has_facts)
            };
            said != Some(false) && !batch.iter().all(known)
        }
    }
}

/// "Gathering Facts", as every play begins unless told otherwise.
fn gather_task(play: &PlannedPlay) -> Node {
    let span: Span = play.play.span.clone();
    let options = &play.play.options;
    let word = |text: &str| Word {
        value: text.into(),
        span: span.clone(),
    };
    let arg = |name: &str, word: &Option<Word>| {
        word.as_ref().map(|word| Arg {
            name: name.into(),
            name_span: word.span.clone(),
            value: word.value.clone(),
            value_span: word.span.clone(),
        })
    };
    let keywords = Keywords {
        tags: vec![word("always")],
        words: [(
            Keyword::CheckMode,
            Word {
                value: Value::Bool(false),
                span: span.clone(),
            },
        )]
        .into_iter()
        .collect(),
        ..Keywords::default()
    };
    let action = Action {
        name: "ansible.builtin.setup".to_owned(),
        name_span: span.clone(),
        args: [
            arg("gather_subset", &options.gather_subset),
            arg("gather_timeout", &options.gather_timeout),
            arg("fact_path", &options.fact_path),
        ]
        .into_iter()
        .flatten()
        .collect(),
        raw: None,
    };
    let task = Task {
        name: Some(word("Gathering Facts")),
        keywords: keywords.clone(),
        ..Task::new(span.clone(), action)
    };
    Node::Task(Arc::new(PlannedTask {
        id: GATHERING.to_owned(),
        task: Arc::new(task),
        context: play.context.child(keywords),
        implicit: false,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_of_batches() {
        assert_eq!(batch_size(&Value::Int(2), 5), Some(2));
        assert_eq!(batch_size(&"50%".into(), 5), Some(2));
        assert_eq!(batch_size(&"1%".into(), 5), Some(1));
        assert_eq!(batch_size(&Value::Int(0), 5), Some(5));
        assert_eq!(batch_size(&"many".into(), 5), None);
    }
}
