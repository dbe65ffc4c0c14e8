//! Tasks and blocks.

use std::sync::Arc;

use super::ast::{
    Action, Arg, Block, Item, Keyword, Keywords, Loop, LoopControl, Task, Word, short_module_name,
};
use super::freeform::split_pairs;
use super::keywords;
use super::reader::{self, Problems, common, word, words};
use crate::catalogue::Catalogue;
use crate::diagnostic::Diagnostic;
use crate::source::Span;
use crate::value::{Value, is_template};
use crate::yaml::{Entry, Kind, Node};

/// Parses a file that is a list of tasks.
#[must_use]
pub fn parse_task_list(node: &Node, catalogue: &Catalogue) -> (Vec<Item>, Vec<Diagnostic>) {
    let mut problems = Problems::default();
    let items = task_list(node, catalogue, &mut problems);
    (items, problems.found)
}

pub(super) fn task_list(node: &Node, catalogue: &Catalogue, problems: &mut Problems) -> Vec<Item> {
    match &node.kind {
        Kind::List(items) => items
            .iter()
            .filter(|item| !item.is_null())
            .filter_map(|item| item_of(item, catalogue, problems))
            .collect(),
        _ if node.is_null() => Vec::new(),
        _ => {
            problems.push(
                Diagnostic::error(
                    "tasks",
                    format!(
                        "a list of tasks is expected here, this is {}",
                        node.kind_name()
                    ),
                )
                .at(&node.span)
                .help("start each task with '- '"),
            );
            Vec::new()
        }
    }
}

fn item_of(node: &Node, catalogue: &Catalogue, problems: &mut Problems) -> Option<Item> {
    let Some(entries) = node.as_map() else {
        problems.push(
            Diagnostic::error(
                "task",
                format!("a task must be a mapping, this is {}", node.kind_name()),
            )
            .at(&node.span)
            .help("write it as '- name: …' with the module below"),
        );
        return None;
    };
    if node.get("block").is_some() {
        block(node, entries, catalogue, problems).map(|block| Item::Block(Arc::new(block)))
    } else if let Some(entry) = node.get("rescue").or_else(|| node.get("always")) {
        problems.push(
            Diagnostic::error("block", format!("'{}' without a 'block'", entry.key.text()))
                .at(&entry.key_span)
                .help("put the tasks to guard under 'block:' in the same list item"),
        );
        None
    } else {
        task(node, entries, catalogue, problems).map(|task| Item::Task(Arc::new(task)))
    }
}

fn block(
    node: &Node,
    entries: &[Entry],
    catalogue: &Catalogue,
    problems: &mut Problems,
) -> Option<Block> {
    let mut out = Block {
        span: node.span.clone(),
        name: None,
        keywords: Keywords::default(),
        block: Vec::new(),
        rescue: Vec::new(),
        always: Vec::new(),
        listen: Vec::new(),
    };
    for entry in entries {
        let name = entry.key.text();
        match &*name {
            "name" => out.name = Some(word(entry)),
            "block" => out.block = task_list(&entry.value, catalogue, problems),
            "rescue" => out.rescue = task_list(&entry.value, catalogue, problems),
            "always" => out.always = task_list(&entry.value, catalogue, problems),
            "listen" => out.listen = words(&entry.value),
            _ if common(entry, &mut out.keywords, problems) => {}
            _ => {
                let diagnostic = Diagnostic::error(
                    "unknown-keyword",
                    format!("'{name}' is not a valid attribute for a Block"),
                )
                .at(&entry.key_span);
                let known = keywords::task_words().filter(|word| !keywords::TASK.contains(word));
                problems.push(if keywords::TASK.contains(&&*name) || name.starts_with("with_") {
                    diagnostic.help(format!("'{name}' works on tasks only: move it to the tasks, or put them into a file and use include_tasks"))
                } else {
                    diagnostic.suggest(&name, known)
                });
            }
        }
    }
    Some(out)
}

fn task(
    node: &Node,
    entries: &[Entry],
    catalogue: &Catalogue,
    problems: &mut Problems,
) -> Option<Task> {
    let unknown = Action {
        name: String::new(),
        name_span: node.span.clone(),
        args: Vec::new(),
        raw: None,
    };
    let mut task = Task::new(node.span.clone(), unknown);
    let mut modules: Vec<&Entry> = Vec::new();
    let mut extra_args: Option<&Entry> = None;
    for entry in entries {
        let name = entry.key.text();
        if let Some(lookup) = name.strip_prefix("with_") {
            set_loop(
                &mut task,
                Loop::Lookup {
                    name: lookup.to_owned(),
                    terms: word(entry),
                },
                entry,
                problems,
            );
            continue;
        }
        match &*name {
            "name" => task.name = Some(word(entry)),
            "loop" => set_loop(&mut task, Loop::Items(word(entry)), entry, problems),
            "loop_control" => task.loop_control = loop_control(&entry.value, problems),
            "register" => task.register = register(entry, problems),
            "until" => task.until = words(&entry.value),
            "retries" => task.retries = Some(word(entry)),
            "delay" => task.delay = Some(word(entry)),
            "changed_when" => task.changed_when = words(&entry.value),
            "failed_when" => task.failed_when = words(&entry.value),
            "listen" => task.listen = words(&entry.value),
            "async" => task.asynchronous = Some(word(entry)),
            "poll" => task.poll = Some(word(entry)),
            "args" => extra_args = Some(entry),
            _ if common(entry, &mut task.keywords, problems) => {}
            _ => modules.push(entry),
        }
    }
    let entry = choose_module(node, &modules, catalogue, problems)?;
    task.action = action(entry, catalogue, problems)?;
    if entry.is("local_action") {
        let word = Word {
            value: "localhost".into(),
            span: entry.key_span.clone(),
        };
        task.keywords
            .words
            .entry(Keyword::DelegateTo)
            .or_insert(word);
    }
    if let Some(entry) = extra_args {
        add_args(&mut task.action, entry, problems);
    }
    for arg in &task.action.args {
        if arg.name.starts_with("_ansible_") {
            problems.error(
                "reserved-argument",
                &arg.name_span,
                format!(
                    "Invalid parameter specified beginning with keyword '_ansible_' for action '{}': '{}'. The prefix '_ansible_' is reserved for internal use only.",
                    task.action.name, arg.name
                ),
            );
        }
    }
    Some(task)
}

fn set_loop(task: &mut Task, new: Loop, entry: &Entry, problems: &mut Problems) {
    if task.loop_over.is_some() {
        problems.push(
            Diagnostic::error("loop", "a task has one loop, this is a second")
                .at(&entry.key_span)
                .help("move the task into a file and loop over include_tasks, or use the product filter"),
        );
    }
    task.loop_over = Some(new);
}

fn register(entry: &Entry, problems: &mut Problems) -> Option<Word> {
    let out = word(entry);
    match out.value.as_str() {
        Some(name) if is_template(name) || reader::is_variable_name(name) => Some(out),
        _ => {
            problems.push(
                Diagnostic::error("register", "Invalid variable name")
                    .at(&out.span)
                    .help("use letters, digits and underscores, not starting with a digit"),
            );
            None
        }
    }
}

/// The one key that is no keyword.
fn choose_module<'a>(
    node: &Node,
    candidates: &[&'a Entry],
    catalogue: &Catalogue,
    problems: &mut Problems,
) -> Option<&'a Entry> {
    let known: Vec<&&Entry> = candidates
        .iter()
        .filter(|entry| {
            let name = entry.key.text();
            matches!(&*name, "action" | "local_action") || catalogue.knows(&name)
        })
        .collect();
    match (candidates, &known[..]) {
        ([], _) => {
            problems.push(
                Diagnostic::error("no-module", "this task names no module")
                    .at(&first_line(&node.span))
                    .help("add a module, such as 'ansible.builtin.command: …'"),
            );
            None
        }
        ([one], _) => Some(one),
        (_, [one]) => {
            for stray in candidates
                .iter()
                .filter(|entry| !std::ptr::eq(**entry, **one))
            {
                let name = stray.key.text();
                problems.push(
                    Diagnostic::error(
                        "unknown-keyword",
                        format!("'{name}' is not a valid attribute for a Task"),
                    )
                    .at(&stray.key_span)
                    .label(&one.key_span, "the module of this task")
                    .suggest(&name, keywords::task_words()),
                );
            }
            Some(one)
        }
        (_, []) => {
            for entry in candidates {
                problems.push(catalogue.unknown(&entry.key.text(), &entry.key_span));
            }
            None
        }
        (_, many) => {
            let names: Vec<String> = many
                .iter()
                .map(|entry| entry.key.text().to_string())
                .collect();
            let mut diagnostic = Diagnostic::error(
                "conflicting-modules",
                format!(
                    "a task has one module, this one names {}",
                    names.join(" and ")
                ),
            );
            for entry in many {
                diagnostic = diagnostic.at(&entry.key_span);
            }
            problems
                .push(diagnostic.help("make each module a task of its own, starting with '- '"));
            None
        }
    }
}

fn first_line(span: &Span) -> Span {
    let length = span.text().lines().next().map_or(0, str::len);
    span.part(0..length)
}

/// Module and arguments, in any of the forms that Ansible accepts.
fn action(entry: &Entry, catalogue: &Catalogue, problems: &mut Problems) -> Option<Action> {
    let key = entry.key.text();
    if !matches!(&*key, "action" | "local_action") {
        let mut out = Action {
            name: key.to_string(),
            name_span: entry.key_span.clone(),
            args: Vec::new(),
            raw: None,
        };
        fill_args(&mut out, &entry.value, catalogue, problems);
        return Some(out);
    }
    // `action: module k=v` and `action: {module: name, k: v}`.
    let mut out = Action {
        name: String::new(),
        name_span: entry.value.span.clone(),
        args: Vec::new(),
        raw: None,
    };
    match &entry.value.kind {
        Kind::Map(entries) => {
            for entry in entries {
                if entry.is("module") {
                    out.name = entry.value.as_str().unwrap_or_default().to_owned();
                    out.name_span = entry.value.span.clone();
                } else if entry.is("args")
                    && let Kind::Map(inner) = &entry.value.kind
                {
                    out.args.extend(inner.iter().map(arg));
                } else {
                    out.args.push(arg(entry));
                }
            }
        }
        _ => {
            let text = entry.value.as_str().unwrap_or_default().trim_start();
            let (name, rest) = first_word(text);
            out.name = name.to_owned();
            line_args(&mut out, rest, &entry.value.span, catalogue);
        }
    }
    if out.name.is_empty() {
        problems.error(
            "no-module",
            &entry.value.span,
            format!("'{key}' names no module"),
        );
        return None;
    }
    Some(out)
}

/// The module of a line, which may be a template, and what stands behind it.
fn first_word(text: &str) -> (&str, &str) {
    let from = match text.strip_prefix("{{").and_then(|rest| rest.find("}}")) {
        Some(end) => end + 4,
        None => 0,
    };
    match text[from..].find(char::is_whitespace) {
        Some(at) => text.split_at(from + at),
        None => (text, ""),
    }
}

fn arg(entry: &Entry) -> Arg {
    Arg {
        name: entry.key.text(),
        name_span: entry.key_span.clone(),
        value: entry.value.value(),
        value_span: entry.value.span.clone(),
    }
}

fn fill_args(out: &mut Action, node: &Node, catalogue: &Catalogue, problems: &mut Problems) {
    match &node.kind {
        Kind::Map(entries) => out.args.extend(entries.iter().map(arg)),
        Kind::Scalar(Value::Null) => {}
        Kind::Scalar(Value::Str(text) | Value::Trusted(text)) => {
            line_args(out, text, &node.span, catalogue);
        }
        Kind::Scalar(Value::Template(template)) => {
            line_args(out, &template.text, &node.span, catalogue);
            // `debug: "{{ options }}"`: the whole argument is one expression.
            let left = out.raw.as_ref().and_then(|raw| raw.value.as_str());
            if left.is_none_or(|left| left.trim() == template.text.trim()) && out.args.is_empty() {
                out.raw = Some(reader::node_word(node));
            }
        }
        Kind::Scalar(_) if catalogue.is_free_form(&out.name) => {
            out.raw = Some(reader::node_word(node));
        }
        Kind::List(_) | Kind::Scalar(_) => problems.push(
            Diagnostic::error(
                "arguments",
                format!(
                    "the arguments of '{}' must be a mapping, this is {}",
                    out.name,
                    node.kind_name()
                ),
            )
            .at(&node.span)
            .help("write one 'option: value' per line below the module"),
        ),
    }
}

/// Arguments in one line: `k=v` pairs, and free text where the module takes it.
fn line_args(out: &mut Action, line: &str, span: &Span, catalogue: &Catalogue) {
    let free_form = catalogue.is_free_form(&out.name);
    let names = free_form.then(|| catalogue.line_options(&out.name));
    let pairs = split_pairs(line, names.as_deref());
    for (name, value) in pairs.pairs {
        out.args.push(Arg {
            name: name.into(),
            name_span: span.clone(),
            value: Value::trusted(&value, span, None),
            value_span: span.clone(),
        });
    }
    if !pairs.rest.is_empty() {
        let runs = matches!(
            short_module_name(&out.name),
            "command" | "shell" | "raw" | "script"
        );
        let text = if runs { &pairs.script } else { &pairs.rest };
        let offset = span.text().starts_with(&**text).then_some(0);
        out.raw = Some(Word {
            value: Value::trusted(text, span, offset),
            span: span.clone(),
        });
    }
}

fn add_args(action: &mut Action, entry: &Entry, problems: &mut Problems) {
    match &entry.value.kind {
        Kind::Map(entries) => {
            for entry in entries {
                if action.arg(&entry.key.text()).is_none() {
                    action.args.push(arg(entry));
                }
            }
        }
        _ if entry.value.is_null() => {}
        Kind::Scalar(Value::Template(_)) if action.raw.is_none() => {
            action.raw = Some(word(entry));
        }
        _ => problems.error(
            "arguments",
            &entry.value.span,
            format!(
                "args must be a mapping, this is {}",
                entry.value.kind_name()
            ),
        ),
    }
}

fn loop_control(node: &Node, problems: &mut Problems) -> LoopControl {
    const KNOWN: [&str; 6] = [
        "loop_var",
        "index_var",
        "label",
        "pause",
        "extended",
        "break_when",
    ];
    let mut out = LoopControl::default();
    let Some(entries) = node.as_map() else {
        if !node.is_null() {
            problems.error("loop_control", &node.span, "loop_control must be a mapping");
        }
        return out;
    };
    for entry in entries {
        let name = entry.key.text();
        match &*name {
            "loop_var" => out.loop_var = Some(word(entry)),
            "index_var" => out.index_var = Some(word(entry)),
            "label" => out.label = Some(word(entry)),
            "pause" => out.pause = Some(word(entry)),
            "extended" | "extended_allitems" => out.extended = Some(word(entry)),
            "break_when" => out.break_when = words(&entry.value),
            _ => problems.push(
                Diagnostic::error(
                    "unknown-keyword",
                    format!("'{name}' is not known to loop_control"),
                )
                .at(&entry.key_span)
                .suggest(&name, KNOWN),
            ),
        }
    }
    out
}

/// Keywords given as a value: the `apply` of an include.
///
/// # Errors
/// Every key that is no keyword.
pub fn keywords_of(map: &crate::value::Map, span: &Span) -> Result<Keywords, Vec<Diagnostic>> {
    let mut out = Keywords::default();
    let mut problems = Vec::new();
    for (name, value) in map.entries() {
        let word = |value: &Value| Word {
            value: value.clone(),
            span: span.clone(),
        };
        let list = |value: &Value| match value {
            Value::List(items) => items.iter().map(&word).collect(),
            one => vec![word(one)],
        };
        if let Some(keyword) = keywords::inherited(name) {
            out.words.insert(keyword, word(value));
            continue;
        }
        match &**name {
            "when" => out.when = list(value),
            "tags" => out.tags = list(value),
            "environment" => out.environment = list(value),
            "module_defaults" => out.module_defaults = list(value),
            "vars" => {
                if let Value::Map(vars) = value {
                    out.vars = Arc::clone(vars);
                }
            }
            _ => problems.push(
                Diagnostic::error("unknown-keyword", format!("'{name}' cannot be applied"))
                    .at(span)
                    .suggest(name, keywords::task_words()),
            ),
        }
    }
    if problems.is_empty() {
        Ok(out)
    } else {
        Err(problems)
    }
}
