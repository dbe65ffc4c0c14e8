//! Plays, roles in plays, and what a role says about itself.

use std::path::Path;
use std::sync::Arc;

use super::ast::{
    ImportPlaybook, Item, Keyword, Keywords, Play, PlayOptions, Playbook, PlaybookEntry, RoleFiles,
    RoleMeta, RoleRef, VarsPrompt, Word,
};
use super::keywords;
use super::parse_task::task_list;
use super::reader::{Problems, common, node_word, word, words};
use crate::catalogue::Catalogue;
use crate::diagnostic::Diagnostic;
use crate::value::{Map, Value, is_template};
use crate::yaml::{Entry, Kind, Node};

/// The names under which a playbook is imported.
/// `include` is the old word for it.
const IMPORT_PLAYBOOK: [&str; 4] = [
    "import_playbook",
    "ansible.builtin.import_playbook",
    "ansible.legacy.import_playbook",
    "include",
];

/// Parses a playbook: a list of plays and imports.
#[must_use]
pub fn parse_playbook(
    path: &Path,
    node: &Node,
    catalogue: &Catalogue,
) -> (Playbook, Vec<Diagnostic>) {
    let mut problems = Problems::default();
    let mut entries = Vec::new();
    match &node.kind {
        Kind::List(items) if items.is_empty() => problems.error(
            "playbook",
            &node.span,
            format!(
                "A playbook must contain at least one play: {}",
                path.display()
            ),
        ),
        Kind::List(items) => {
            for item in items {
                entries.extend(entry_of(item, catalogue, &mut problems));
            }
        }
        _ => problems.push(
            Diagnostic::error(
                "playbook",
                format!(
                    "a playbook is a list of plays, this is {}",
                    node.kind_name()
                ),
            )
            .at(&node.span)
            .help("start each play with '- hosts: …'"),
        ),
    }
    let path = path.to_owned();
    (Playbook { path, entries }, problems.found)
}

fn entry_of(node: &Node, catalogue: &Catalogue, problems: &mut Problems) -> Option<PlaybookEntry> {
    let Some(entries) = node.as_map() else {
        problems.error(
            "playbook",
            &node.span,
            format!("a play must be a mapping, this is {}", node.kind_name()),
        );
        return None;
    };
    let import = entries
        .iter()
        .find(|entry| IMPORT_PLAYBOOK.contains(&&*entry.key.text()))
        .filter(|_| node.get("hosts").is_none());
    if let Some(import) = import {
        return Some(PlaybookEntry::Import(import_playbook(
            node, entries, import, problems,
        )));
    }
    play(node, entries, catalogue, problems).map(|play| PlaybookEntry::Play(Arc::new(play)))
}

fn import_playbook(
    node: &Node,
    entries: &[Entry],
    import: &Entry,
    problems: &mut Problems,
) -> ImportPlaybook {
    let mut out = ImportPlaybook {
        span: node.span.clone(),
        file: word(import),
        keywords: Keywords::default(),
    };
    for entry in entries {
        let name = entry.key.text();
        if std::ptr::eq(entry, import) || &*name == "name" {
            continue;
        }
        if !common(entry, &mut out.keywords, problems) {
            problems.push(
                Diagnostic::error(
                    "unknown-keyword",
                    format!("'{name}' cannot be given with import_playbook"),
                )
                .at(&entry.key_span)
                .suggest(&name, ["when", "tags", "vars"]),
            );
        }
    }
    out
}

fn play(
    node: &Node,
    entries: &[Entry],
    catalogue: &Catalogue,
    problems: &mut Problems,
) -> Option<Play> {
    let mut out = Play {
        span: node.span.clone(),
        name: None,
        hosts: Word {
            value: Value::Null,
            span: node.span.clone(),
        },
        keywords: Keywords::default(),
        options: PlayOptions::default(),
        vars_files: Vec::new(),
        vars_prompt: Vec::new(),
        pre_tasks: Vec::new(),
        roles: Vec::new(),
        tasks: Vec::new(),
        post_tasks: Vec::new(),
        handlers: Vec::new(),
    };
    let options = &mut out.options;
    for entry in entries {
        let name = entry.key.text();
        match &*name {
            "name" => out.name = Some(word(entry)),
            "hosts" => out.hosts = word(entry),
            "user" => {
                out.keywords.words.insert(Keyword::RemoteUser, word(entry));
            }
            "gather_facts" => options.gather_facts = Some(word(entry)),
            "gather_subset" => options.gather_subset = Some(word(entry)),
            "gather_timeout" => options.gather_timeout = Some(word(entry)),
            "fact_path" => options.fact_path = Some(word(entry)),
            "serial" => options.serial = Some(word(entry)),
            "max_fail_percentage" => options.max_fail_percentage = Some(word(entry)),
            "strategy" => options.strategy = Some(word(entry)),
            "order" => options.order = Some(word(entry)),
            "force_handlers" => options.force_handlers = Some(word(entry)),
            "vars_files" => out.vars_files = words(&entry.value),
            "vars_prompt" => out.vars_prompt = vars_prompt(&entry.value, problems),
            "pre_tasks" => out.pre_tasks = tasks_of(entry, catalogue, problems),
            "tasks" => out.tasks = tasks_of(entry, catalogue, problems),
            "post_tasks" => out.post_tasks = tasks_of(entry, catalogue, problems),
            "handlers" => out.handlers = tasks_of(entry, catalogue, problems),
            "roles" => out.roles = role_list(&entry.value, problems),
            _ if common(entry, &mut out.keywords, problems) => {}
            _ => {
                let diagnostic = Diagnostic::error(
                    "unknown-keyword",
                    format!("'{name}' is not a valid attribute for a Play"),
                )
                .at(&entry.key_span);
                problems.push(if catalogue.knows(&name) {
                    diagnostic.help(format!(
                        "'{name}' is a module: put it into a task under 'tasks:'"
                    ))
                } else {
                    diagnostic.suggest(&name, keywords::play_words())
                });
            }
        }
    }
    if let (Some(user), Some(_)) = (node.get("user"), node.get("remote_user")) {
        problems.error(
            "conflicting-keywords",
            &user.key_span,
            "both 'user' and 'remote_user' are set for this play. Leave out 'user', which is the old word",
        );
    }
    if out.hosts.value.as_list().is_some_and(<[Value]>::is_empty) {
        problems.error(
            "hosts",
            &out.hosts.span,
            "Hosts list cannot be empty. Please check your playbook",
        );
    }
    if out.hosts.value.is_null() {
        problems.push(
            Diagnostic::error("hosts", "this play does not say which hosts it is for")
                .at(&node
                    .span
                    .part(0..node.span.text().lines().next().map_or(0, str::len)))
                .help("add 'hosts: all' or a group of the inventory"),
        );
        return None;
    }
    Some(out)
}

/// A list of tasks that a play has under some word.
fn tasks_of(entry: &Entry, catalogue: &Catalogue, problems: &mut Problems) -> Vec<Item> {
    let node = &entry.value;
    if node.as_list().is_none() && !node.is_null() {
        problems.push(
            Diagnostic::error(
                "tasks",
                format!(
                    "A malformed block was encountered while loading {}: {} should be a list or None but is {}",
                    entry.key.text(),
                    crate::python::text(&node.value()),
                    node.kind_name()
                ),
            )
            .at(&node.span)
            .help("start each task with '- '"),
        );
        return Vec::new();
    }
    task_list(node, catalogue, problems)
}

fn vars_prompt(node: &Node, problems: &mut Problems) -> Vec<VarsPrompt> {
    const KNOWN: [&str; 9] = [
        "name",
        "prompt",
        "default",
        "private",
        "confirm",
        "encrypt",
        "salt_size",
        "salt",
        "unsafe",
    ];
    let mut out = Vec::new();
    for item in node.as_list().unwrap_or_default() {
        for entry in item.as_map().unwrap_or_default() {
            let name = entry.key.text();
            if !KNOWN.contains(&&*name) {
                let problem = Diagnostic::error(
                    "unknown-keyword",
                    format!("Invalid vars_prompt data structure, found unsupported key '{name}'"),
                );
                problems.push(problem.at(&entry.key_span).suggest(&name, KNOWN));
            }
        }
        let name = item.get("name").and_then(|entry| entry.value.as_str());
        match (name, item.value()) {
            (Some(name), Value::Map(options)) => out.push(VarsPrompt {
                name: name.to_owned(),
                options: (*options).clone(),
                span: item.span.clone(),
            }),
            _ => problems.error(
                "vars_prompt",
                &item.span,
                "Invalid vars_prompt data structure, missing 'name' key",
            ),
        }
    }
    out
}

fn role_list(node: &Node, problems: &mut Problems) -> Vec<RoleRef> {
    match &node.kind {
        Kind::List(items) => items
            .iter()
            .filter_map(|item| role_ref(item, problems))
            .collect(),
        _ if node.is_null() => Vec::new(),
        _ => {
            problems.push(
                Diagnostic::error(
                    "roles",
                    format!(
                        "A malformed role declaration was encountered. Roles must be a list, this is {}",
                        node.kind_name()
                    ),
                )
                .at(&node.span)
                .help("write one role per line, each after '- '"),
            );
            Vec::new()
        }
    }
}

fn role_ref(node: &Node, problems: &mut Problems) -> Option<RoleRef> {
    let mut out = RoleRef {
        span: node.span.clone(),
        name: node_word(node),
        keywords: Keywords::default(),
        params: Map::new(),
        from: RoleFiles::default(),
        allow_duplicates: None,
        public: None,
        validate: None,
    };
    let Some(entries) = node.as_map() else {
        if node.as_str().is_none() {
            problems.error(
                "roles",
                &node.span,
                "a role is given by its name or a mapping",
            );
            return None;
        }
        if let Some(text) = node
            .as_str()
            .filter(|text| text.contains(',') && !is_template(text))
        {
            problems.push(
                Diagnostic::error(
                    "roles",
                    format!("Invalid old style role requirement: {text}"),
                )
                .at(&node.span)
                .help("name the role only; its version belongs into a requirements file"),
            );
            return None;
        }
        return Some(out);
    };
    let named = node
        .get("role")
        .or_else(|| node.get("name"))
        .or_else(|| node.get("src"));
    let Some(named) = named else {
        problems.push(
            Diagnostic::error("roles", "this entry does not name its role")
                .at(&node.span)
                .help("add 'role: NAME'"),
        );
        return None;
    };
    out.name = word(named);
    for entry in entries {
        let name = entry.key.text();
        match &*name {
            "allow_duplicates" => out.allow_duplicates = Some(word(entry)),
            "public" => out.public = Some(word(entry)),
            "rolespec_validate" => out.validate = Some(word(entry)),
            "tasks_from" => out.from.tasks = Some(word(entry)),
            "vars_from" => out.from.vars = Some(word(entry)),
            "defaults_from" => out.from.defaults = Some(word(entry)),
            "handlers_from" => out.from.handlers = Some(word(entry)),
            _ if keywords::ROLE.contains(&&*name) => {}
            _ if common(entry, &mut out.keywords, problems) => {}
            _ => out.params.insert(name.to_string(), entry.value.value()),
        }
    }
    Some(out)
}

/// Parses a role's `meta/main.yml`.
#[must_use]
pub fn parse_role_meta(node: &Node) -> (RoleMeta, Vec<Diagnostic>) {
    let mut problems = Problems::default();
    let mut out = RoleMeta::default();
    if let Some(entry) = node.get("dependencies") {
        out.dependencies = role_list(&entry.value, &mut problems);
    }
    if let Some(entry) = node.get("allow_duplicates") {
        out.allow_duplicates = entry.value.value().truthy();
    }
    if let Some(entry) = node.get("argument_specs") {
        out.argument_specs = Some(entry.value.value());
    }
    (out, problems.found)
}
