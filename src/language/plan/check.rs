//! Every mistake that can be known before a host is contacted.
//!
//! Names of modules and arguments, literal values of the wrong type, template
//! syntax, names of filters, files, roles and handlers. What depends on a
//! variable is left to the run.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;

use ocplay_protocol::ModuleInfo;

use super::resolve::{Resolver, file_word, role_of_task};
use super::{Context, Handler, Node, Plan, PlannedPlay, PlannedTask};
use crate::catalogue::{External, STRUCTURAL, Style};
use crate::diagnostic::{Diagnostic, Severity};
use crate::playbook::ast::{Keyword, Loop, Word};
use crate::playbook::first_word;
use crate::source::Span;
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

    fn action(&mut self, planned: &Arc<PlannedTask>) {
        let action = &planned.task.action;
        let name = action.short_name();
        // Which module it is, the run will tell.
        if is_template(&action.name) {
            return;
        }
        let Some(info) = self.resolver.catalogue().get(&action.name) else {
            if STRUCTURAL.contains(&name) {
                self.structural(planned);
            } else {
                let unknown = self
                    .resolver
                    .catalogue()
                    .unknown(&action.name, &action.name_span);
                self.push(unknown);
            }
            return;
        };
        let info = info.clone();
        if let Some(external) = self.resolver.catalogue().external(&action.name) {
            self.external(planned, external);
        }
        self.arguments(planned, &info);
        self.files(planned);
    }

    /// Programs of the author that cannot be run are refused.
    fn external(&mut self, planned: &PlannedTask, external: &External) {
        let action = &planned.task.action;
        let refuse = |why: &str, help: &str| {
            Diagnostic::error(
                "unsupported-module",
                format!("the module '{}' cannot be run: {why}", action.name),
            )
            .at(&action.name_span)
            .help(format!("it is {}", external.path.display()))
            .help(help)
        };
        let problem = match self.resolver.loader().read(&external.path) {
            Err(error) => refuse(&error.to_string(), "make it readable"),
            Ok(content) => match Style::of(&content) {
                Style::Json | Style::Pairs => return,
                Style::NeedsAnsible => refuse(
                    "it is Python that imports ansible.module_utils, which hosts do not have here",
                    "use a module that 'ocplay doc -l' lists, or write a program with the word \
                     WANT_JSON in it: the file named by its first argument holds the arguments as \
                     JSON, and it prints one JSON object",
                ),
                Style::PowerShell => refuse(
                    "it is PowerShell for Windows hosts",
                    "only hosts with a POSIX shell can be managed",
                ),
            },
        };
        self.push(problem);
    }

    fn arguments(&mut self, planned: &PlannedTask, info: &ModuleInfo) {
        let action = &planned.task.action;
        for arg in &action.args {
            let Some(known) = info.arg(&arg.name) else {
                if !info.open {
                    let names = ocplay_protocol::catalogue::names(&info.args);
                    let shown = names
                        .iter()
                        .map(String::as_str)
                        .filter(|name| !name.starts_with('_'));
                    let problem = Diagnostic::error(
                        "unknown-argument",
                        format!("'{}' is not an argument of {}", arg.name, info.name),
                    );
                    // It may be left out in the end, and then harms nobody.
                    let before = self.uncertain;
                    self.uncertain |= arg.value.as_str().is_some_and(may_be_omitted);
                    self.push(
                        problem
                            .at(&arg.name_span)
                            .suggest(&arg.name, shown)
                            .help(format!("'ocplay doc {}' shows its arguments", info.name)),
                    );
                    self.uncertain = before;
                }
                continue;
            };
            if arg.value.is_lazy() || arg.value.is_null() {
                continue;
            }
            if let Err(reason) = known.kind.accepts(&arg.value.to_json()) {
                self.push(
                    Diagnostic::error(
                        "wrong-type",
                        format!("argument '{}' of {}: {reason}", arg.name, info.name),
                    )
                    .at(&arg.value_span),
                );
            }
        }
        if let Some(raw) = &action.raw
            && !info.free_form
            && !raw.value.is_lazy()
        {
            self.push(
                Diagnostic::error(
                    "free-form",
                    format!("{} takes no free text, only arguments", info.name),
                )
                .at(&raw.span)
                .help("write one 'option: value' per line below the module"),
            );
        }
        let defaults = !planned.context.module_defaults().is_empty();
        if defaults || (action.raw.is_some() && !info.free_form) {
            return;
        }
        for arg in info.args.iter().filter(|arg| arg.required) {
            let given = std::iter::once(arg.name)
                .chain(arg.aliases.iter().copied())
                .any(|name| action.arg(name).is_some());
            let raw = arg.name == "_raw_params" && action.raw.is_some();
            if !given && !raw {
                self.push(
                    Diagnostic::error(
                        "missing-argument",
                        format!("{} needs the argument '{}'", info.name, arg.name),
                    )
                    .at(&action.name_span)
                    .help(arg.doc.lines().next().unwrap_or_default().to_owned()),
                );
            }
        }
    }

    /// A literal argument as text.
    fn literal<'a>(planned: &'a PlannedTask, names: &[&str]) -> Option<(&'a str, &'a Span)> {
        names.iter().find_map(|name| {
            let arg = planned.task.action.arg(name)?;
            let text = arg.value.as_str()?;
            (!is_template(text) && !text.is_empty()).then_some((text, &arg.value_span))
        })
    }

    fn all(&mut self, found: Vec<Diagnostic>) {
        for problem in found {
            self.push(problem);
        }
    }

    /// What is wrong with a file that an include names.
    fn maybe(&mut self, found: Vec<Diagnostic>) {
        let before = self.uncertain;
        self.uncertain |= self.conditional || self.strictness.listing;
        self.all(found);
        self.uncertain = before;
    }

    /// Goes through what an include brings; under a condition it may never be
    /// brought.
    fn inside(&mut self, planned: &PlannedTask, nodes: &[Node]) {
        let before = self.uncertain;
        self.uncertain |= self.conditional
            || self.forgiven
            || self.strictness.listing
            || planned.task.loop_over.is_some();
        self.nodes(nodes);
        self.uncertain = before;
    }

    /// Local files that the task will send.
    fn files(&mut self, planned: &Arc<PlannedTask>) {
        let truthy = |name: &str| {
            planned.task.action.arg(name).is_some_and(|arg| {
                ocplay_protocol::coerce::boolean(&arg.value.to_json()) != Ok(false)
            })
        };
        let falsy = |name: &str| {
            planned.task.action.arg(name).is_some_and(|arg| {
                ocplay_protocol::coerce::boolean(&arg.value.to_json()) != Ok(true)
            })
        };
        let (kind, literal) = match planned.module() {
            "template" => ("templates", Self::literal(planned, &["src"])),
            "copy" if !truthy("remote_src") => ("files", Self::literal(planned, &["src"])),
            "patch" if !truthy("remote_src") => {
                ("files", Self::literal(planned, &["src", "patchfile"]))
            }
            "unarchive" if !truthy("remote_src") && !falsy("copy") => {
                ("files", Self::literal(planned, &["src"]))
            }
            "script" => {
                let raw = planned.task.action.raw.as_ref();
                let line = raw.and_then(|raw| Some((raw.value.as_str()?, &raw.span)));
                let line = line.or_else(|| Self::literal(planned, &["cmd"]));
                let first = line.and_then(|(text, span)| {
                    let word = first_word(text)?;
                    (!is_template(&word)).then_some((word, span))
                });
                if let Some((word, span)) = first {
                    let folders = planned.context.search("files");
                    if let Err(found) = self.resolver.find(&word, &folders, span) {
                        self.all(found);
                    }
                }
                return;
            }
            _ => return,
        };
        let Some((name, span)) = literal else { return };
        match self
            .resolver
            .find(name, &planned.context.search(kind), span)
        {
            Err(found) => self.all(found),
            Ok(path) if kind == "templates" && self.resolver.loader().is_file(&path) => {
                if self.seen_files.insert(path.clone()) {
                    match self.resolver.read_source(&path) {
                        Ok(source) => {
                            if let Err(problem) = self.resolver.templar().check_file(&source) {
                                self.push(problem);
                            }
                        }
                        Err(found) => self.all(found),
                    }
                }
            }
            Ok(_) => {}
        }
    }

    fn structural(&mut self, planned: &Arc<PlannedTask>) {
        let action = &planned.task.action;
        match planned.module() {
            "include_tasks" | "include" => {
                let word = match file_word(action, &["file", "_raw_params"]) {
                    Ok(word) => word,
                    Err(found) => return self.maybe(found),
                };
                let Some(name) = word.value.as_str().filter(|name| !is_template(name)) else {
                    return;
                };
                match self.resolver.find_tasks(name, &planned.context, &word.span) {
                    Err(found) => self.maybe(found),
                    Ok(path) => {
                        let role = planned.context.role().map_or("", |role| &role.name);
                        if self.seen_files.insert(path.join(role)) {
                            let context = planned.context.included(Arc::default());
                            match self.resolver.include_tasks(&path, &context) {
                                Ok(nodes) => self.inside(planned, &nodes),
                                Err(found) => self.maybe(found),
                            }
                        }
                    }
                }
            }
            "include_role" => {
                let role = match role_of_task(&planned.task) {
                    Ok(role) => role,
                    Err(found) => return self.maybe(found),
                };
                let from = &role.from;
                let names = [
                    Some(&role.name),
                    from.tasks.as_ref(),
                    from.vars.as_ref(),
                    from.defaults.as_ref(),
                    from.handlers.as_ref(),
                ];
                if names.into_iter().flatten().any(|word| word.value.is_lazy()) {
                    return;
                }
                let key = names
                    .into_iter()
                    .flatten()
                    .filter_map(|word| word.value.as_str());
                let key: PathBuf = std::iter::once("role").chain(key).collect();
                if !self.seen_files.insert(key) {
                    return;
                }
                let context = planned.context.included(Arc::default());
                match self.resolver.include_role(&role, &context) {
                    Ok(included) => {
                        self.inside(planned, &included.tasks);
                        for handler in &included.handlers {
                            self.inside(planned, std::slice::from_ref(&handler.node));
                        }
                    }
                    Err(found) => self.maybe(found),
                }
            }
            "meta" => {
                let word = action
                    .raw
                    .as_ref()
                    .and_then(|raw| Some((raw.value.as_str()?, &raw.span)));
                match word {
                    Some(("end_role", span)) if self.handler => self.push(
                        Diagnostic::error("meta", "Cannot execute 'end_role' from a handler")
                            .at(span),
                    ),
                    Some(("end_role", span)) if planned.context.role().is_none() => self.push(
                        Diagnostic::error(
                            "meta",
                            "Cannot execute 'end_role' from outside of a role",
                        )
                        .at(span),
                    ),
                    Some((name, _)) if META.contains(&name) || is_template(name) => {}
                    Some((name, span)) => self.push(
                        Diagnostic::error("meta", format!("'{name}' is not an action of meta"))
                            .at(span)
                            .suggest(name, META),
                    ),
                    None => self.push(
                        Diagnostic::error("meta", "meta names no action").at(&action.name_span),
                    ),
                }
            }
            _ => {}
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

/// Whether a template's value may be the word that leaves an argument out.
fn may_be_omitted(text: &str) -> bool {
    is_template(text)
        && text
            .split(|sign: char| !sign.is_alphanumeric() && sign != '_')
            .any(|word| word == "omit")
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
