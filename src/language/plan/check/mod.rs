//! Every mistake that can be known before a host is contacted.
//!
//! Names of modules and arguments, literal values of the wrong type, template
//! syntax, names of filters, files, roles and handlers. What depends on a
//! variable is left to the run.

mod action;
mod files;

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;

use super::resolve::Resolver;
use super::{Context, Handler, Node, Plan, PlannedPlay, PlannedTask};
use crate::diagnostic::{Diagnostic, Severity};
use crate::playbook::ast::{Keyword, Loop, Word};
use crate::value::{Value, is_template};

/// Keys of a task that ocplay's own words take.
const META: [&str; 11] = [
    "flush_handlers",
    "end_play",
    "end_host",
    "end_batch",
    "end_role",
    "clear_facts",
    "clear_host_errors",
    "refresh_inventory",
    "reset_connection",
    "noop",
    "role_complete",
];

/// How a plan is checked.
#[derive(Debug, Clone, Copy)]
pub struct Strictness {
    /// A handler that nobody defines is an error.
    pub handlers: bool,
    /// Nothing will run: what comes in while running, and modules that are not
    /// here, are no errors.
    pub listing: bool,
    /// Whatever a run would fail of is told, and is no reason to stop.
    pub lenient: bool,
}

/// Checks a whole plan.
#[must_use]
pub fn check(plan: &Plan, resolver: &Resolver, strictness: Strictness) -> Vec<Diagnostic> {
    let mut checker = Checker {
        resolver,
        found: Vec::new(),
        seen_files: HashSet::new(),
        seen_tasks: HashSet::new(),
        strictness,
        forgiven: false,
        conditional: false,
        uncertain: false,
        local: false,
        handler: false,
    };
    for play in &plan.plays {
        checker.play(play);
    }
    checker.found
}

struct Checker<'a> {
    resolver: &'a Resolver,
    found: Vec<Diagnostic>,
    seen_files: HashSet<PathBuf>,
    /// A file imported many times is reported once.
    seen_tasks: HashSet<(String, usize)>,
    strictness: Strictness,
    /// The task's failure is provided for: what is wrong with it may be meant.
    forgiven: bool,
    /// The task runs only under a condition.
    conditional: bool,
    /// The file that is being read is included only under a condition.
    uncertain: bool,
    /// Some task works on the controller and may make files there.
    local: bool,
    /// It is a handler that is looked at.
    handler: bool,
}

/// Whether a task works on the controller, or may.
fn works_here(context: &Context) -> bool {
    let local = |keyword| {
        context.get(keyword).is_some_and(|word| {
            word.value
                .as_str()
                .is_none_or(|name| name.contains("local") || is_template(name))
        })
    };
    local(Keyword::DelegateTo) || local(Keyword::Connection)
}

impl Checker<'_> {
    fn push(&mut self, mut diagnostic: Diagnostic) {
        let maybe = matches!(
            diagnostic.code,
            "missing-file" | "unknown-role" | "unsupported-module"
        );
        let absent = self.strictness.listing && diagnostic.code == "unsupported-module";
        let made = self.local && diagnostic.code == "missing-file";
        // What only a run would meet; listings go on without it.
        let absent = absent || (self.strictness.lenient && diagnostic.code != "unknown-module");
        if absent || made || self.forgiven || self.uncertain || (self.conditional && maybe) {
            diagnostic.severity = Severity::Warning;
        }
        let known = self.found.iter().any(|old| {
            old.message == diagnostic.message
                && old.labels.first().map(|label| &label.span)
                    == diagnostic.labels.first().map(|label| &label.span)
        });
        if !known {
            self.found.push(diagnostic);
        }
    }

    fn play(&mut self, play: &PlannedPlay) {
        self.keywords(&play.context);
        self.value(&play.play.hosts.value);
        self.strategy(play);
        let lists = [&play.pre_tasks, &play.tasks, &play.post_tasks];
        let mut dynamic_roles = false;
        let mut listed: Vec<Arc<PlannedTask>> = Vec::new();
        for node in lists.into_iter().flatten() {
            node.each_task(&mut |task| listed.push(Arc::clone(task)));
        }
        let own = listed.len();
        for handler in &play.handlers {
            handler
                .node
                .each_task(&mut |task| listed.push(Arc::clone(task)));
        }
        self.local |= listed.iter().any(|task| works_here(&task.context));
        for (index, task) in listed.iter().enumerate() {
            self.handler = index >= own;
            dynamic_roles |= matches!(task.module(), "include_role" | "include");
            self.task(task);
        }
        self.handler = false;
        if !dynamic_roles {
            for task in &listed {
                self.notified(task, &play.handlers);
            }
        }
    }

    fn strategy(&mut self, play: &PlannedPlay) {
        let Some(word) = &play.play.options.strategy else {
            return;
        };
        let Some(name) = word.value.as_str().filter(|name| !is_template(name)) else {
            return;
        };
        const KNOWN: [&str; 4] = ["linear", "free", "host_pinned", "debug"];
        let short = name.strip_prefix("ansible.builtin.").unwrap_or(name);
        if !KNOWN.contains(&short) {
            self.push(
                Diagnostic::error("strategy", format!("there is no strategy '{name}'"))
                    .at(&word.span)
                    .suggest(name, KNOWN),
            );
        }
    }

    /// Ways to become somebody that are not known.
    fn becoming(&mut self, planned: &PlannedTask) {
        const KNOWN: [&str; 3] = ["sudo", "su", "doas"];
        if let Some(word) = planned.context.get(Keyword::BecomeMethod)
            && let Some(name) = word.value.as_str().filter(|name| !is_template(name))
            && !KNOWN.contains(&name.rsplit('.').next().unwrap_or(name))
        {
            self.push(
                Diagnostic::error(
                    "become-method",
                    format!("become_method '{name}' is not supported"),
                )
                .at(&word.span)
                .suggest(name, KNOWN)
                .help(format!("there are {}", KNOWN.join(", "))),
            );
        }
    }

    fn nodes(&mut self, nodes: &[Node]) {
        let before = self.uncertain;
        for node in nodes {
            let mut tasks = Vec::new();
            node.each_task(&mut |task| tasks.push(Arc::clone(task)));
            for task in tasks {
                self.task(&task);
            }
            // Nothing comes behind a task that always ends it.
            if let Node::Task(task) = node {
                self.uncertain |= always_fails(task);
            }
        }
        self.uncertain = before;
    }

    fn task(&mut self, planned: &Arc<PlannedTask>) {
        let before = (self.forgiven, self.conditional);
        let ignores = planned.context.get(Keyword::IgnoreErrors);
        self.forgiven = planned.context.is_guarded()
            || !planned.task.failed_when.is_empty()
            || ignores.is_some_and(|word| word.value != Value::Bool(false));
        self.conditional = !planned.context.when().is_empty();
        self.words_of(planned);
        (self.forgiven, self.conditional) = before;
    }

    fn words_of(&mut self, planned: &Arc<PlannedTask>) {
        let task = &planned.task;
        let place = task.span.range().start;
        let file = task.span.path().to_string_lossy().into_owned();
        let role = planned.context.role().map_or("", |role| &role.name);
        if !self.seen_tasks.insert((format!("{file} {role}"), place)) {
            return;
        }
        for link in planned.context.chain() {
            self.keywords(link);
        }
        self.becoming(planned);
        if let Some(name) = &task.name {
            self.value(&name.value);
        }
        for word in task
            .until
            .iter()
            .chain(&task.changed_when)
            .chain(&task.failed_when)
        {
            self.condition(word);
        }
        for word in [&task.retries, &task.delay, &task.asynchronous, &task.poll]
            .into_iter()
            .flatten()
        {
            self.value(&word.value);
        }
        match &task.loop_over {
            Some(Loop::Items(word)) => self.value(&word.value),
            Some(Loop::Lookup { name, terms }) => {
                self.value(&terms.value);
                if !self.resolver.templar().has_lookup(name) {
                    self.push(
                        Diagnostic::error(
                            "unknown-lookup",
                            format!("there is no lookup '{name}' for 'with_{name}'"),
                        )
                        .at(&terms.span)
                        .suggest(
                            name,
                            [
                                "items",
                                "dict",
                                "fileglob",
                                "first_found",
                                "nested",
                                "sequence",
                                "subelements",
                                "together",
                                "indexed_items",
                                "flattened",
                                "lines",
                            ],
                        ),
                    );
                }
            }
            None => {}
        }
        for arg in &task.action.args {
            self.value(&arg.value);
        }
        if let Some(raw) = &task.action.raw {
            self.value(&raw.value);
        }
        self.action(planned);
    }

    fn keywords(&mut self, context: &Context) {
        let keywords = context.own();
        for word in &keywords.when {
            self.condition(word);
        }
        for word in keywords
            .words
            .values()
            .chain(&keywords.environment)
            .chain(&keywords.tags)
        {
            self.value(&word.value);
        }
        // A variable that nobody uses is no mistake.
        let before = std::mem::replace(&mut self.forgiven, true);
        for (_, value) in keywords.vars.iter() {
            self.value(value);
        }
        self.forgiven = before;
    }

    /// Syntax of every template inside a value.
    fn value(&mut self, value: &Value) {
        match value {
            Value::Template(template) => {
                if let Err(problem) = self.resolver.templar().check(template) {
                    self.push(problem);
                }
            }
            Value::List(items) => items.iter().for_each(|item| self.value(item)),
            Value::Map(map) => map.iter().for_each(|(_, value)| self.value(value)),
            _ => {}
        }
    }

    fn condition(&mut self, word: &Word) {
        match &word.value {
            Value::Trusted(text) => {
                let offset = word.span.text().starts_with(&**text).then_some(0);
                let offset =
                    offset.or_else(|| word.span.text().get(1..)?.starts_with(&**text).then_some(1));
                if let Err(problem) = self
                    .resolver
                    .templar()
                    .check_expression(text, &word.span, offset)
                {
                    self.push(problem);
                }
            }
            other => self.value(other),
        }
    }

    /// Names in `notify` that no handler has.
    fn notified(&mut self, planned: &PlannedTask, handlers: &[Handler]) {
        let Some(word) = planned.context.get(Keyword::Notify) else {
            return;
        };
        let mut names: Vec<String> = Vec::new();
        for handler in handlers {
            let words = handler.name.iter().chain(&handler.listen);
            for text in words.flat_map(texts) {
                if is_template(&text) {
                    return;
                }
                if let Some(role) = &handler.role {
                    for role in [
                        &*role.name,
                        role.name.rsplit('.').next().unwrap_or_default(),
                    ] {
                        names.push(format!("{role} : {text}"));
                    }
                }
                names.push(text);
            }
        }
        for wanted in texts(word) {
            if is_template(&wanted) || names.contains(&wanted) {
                continue;
            }
            // Whoever looks for a handler in a file of handlers finds out late,
            // but what stands there is not known yet.
            let dynamic = handlers.iter().any(|handler| {
                matches!(&handler.node, Node::Task(task) if task.module() == "include_tasks")
            });
            let severity = if self.strictness.handlers && !dynamic {
                Diagnostic::error
            } else {
                Diagnostic::warning
            };
            self.push(
                severity(
                    "unknown-handler",
                    format!("The requested handler '{wanted}' was not found in either the main handlers list nor in the listening handlers list"),
                )
                .at(&word.span)
                .suggest(&wanted, names.iter().map(String::as_str))
                .help("add it under 'handlers:' of the play or in the role's handlers/main.yml"),
            );
        }
    }
}

fn always_fails(planned: &PlannedTask) -> bool {
    planned.module() == "fail"
        && planned.context.when().is_empty()
        && planned.task.failed_when.is_empty()
        && planned.task.loop_over.is_none()
        && planned.context.get(Keyword::IgnoreErrors).is_none()
}

/// One text, or the texts of a list.
fn texts(word: &Word) -> Vec<String> {
    match &word.value {
        Value::List(items) => items
            .iter()
            .filter_map(|item| item.as_str().map(str::to_owned))
            .collect(),
        other => other.as_str().map(str::to_owned).into_iter().collect(),
    }
}
