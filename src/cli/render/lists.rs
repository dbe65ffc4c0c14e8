//! `--list-tasks`, `--list-hosts`, `--list-tags`.

use std::collections::BTreeSet;
use std::sync::Arc;

use ocplay_language::plan::tags::{self, TagSelection};
use ocplay_language::plan::{Node, PlannedPlay, PlannedTask};
use ocplay_language::playbook::ast::Word;
use ocplay_language::python;
use ocplay_language::template::Templar;
use ocplay_language::vars::precedence::Level;
use ocplay_language::vars::scope::Scope;

/// What a listing shows.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Wanted {
    pub(crate) tasks: bool,
    pub(crate) hosts: bool,
    pub(crate) tags: bool,
}

/// What a listing is made with.
pub(crate) struct View<'a> {
    pub(crate) wanted: Wanted,
    pub(crate) selection: &'a TagSelection,
    pub(crate) templar: &'a Templar,
    /// What is known without any host.
    pub(crate) scope: Scope,
}

/// One play of a listing.
pub(crate) fn play(
    view: &View<'_>,
    number: usize,
    play: &PlannedPlay,
    pattern: &str,
    hosts: &[Arc<str>],
) -> String {
    let View {
        wanted,
        selection,
        templar,
        scope,
    } = view;
    let name = match &play.play.name {
        Some(word) => {
            let value = templar.resolve(&word.value, scope);
            python::text(&value.unwrap_or_else(|_| word.value.clone()))
        }
        None => pattern.to_owned(),
    };
    let own: Vec<&Word> = play.context.own().tags.iter().collect();
    let own = tags::names(&own, templar, scope);
    let mut out = format!(
        "\n  play #{number} ({pattern}): {name}\tTAGS: [{}]\n",
        own.join(",")
    );
    if wanted.hosts {
        out.push_str(&format!(
            "    pattern: [{}]\n    hosts ({}):\n",
            pattern
                .split(',')
                .map(|part| format!("'{part}'"))
                .collect::<Vec<_>>()
                .join(", "),
            hosts.len()
        ));
        for host in hosts {
            out.push_str(&format!("      {host}\n"));
        }
    }
    let mut all_tags: BTreeSet<String> = own.iter().cloned().collect();
    if wanted.tasks {
        out.push_str("    tasks:\n");
    }
    for node in play
        .pre_tasks
        .iter()
        .chain(&play.tasks)
        .chain(&play.post_tasks)
    {
        main_tasks(node, &mut |task| {
            let mut scope = scope.with(Level::PlayVars, Arc::clone(&play.context.own().vars));
            for vars in task.context.vars() {
                scope = scope.with(Level::TaskVars, vars);
            }
            let tags = tags::names(&task.context.tags(), templar, &scope);
            // A list of tags also has those of tasks that only run on request.
            let everything = wanted.tags && selection.only.is_empty();
            let asked = everything
                && tags.iter().any(|tag| tag == "never")
                && !tags.iter().any(|tag| selection.skip.contains(tag));
            if task.implicit || !asked && !selection.selects(tags.iter().map(String::as_str)) {
                return;
            }
            let tags: BTreeSet<String> = tags.into_iter().collect();
            if wanted.tasks {
                // Without a name it is the bare module, also in a role.
                let title = match task.written_name() {
                    Some(name) => task.title(Some(name)),
                    None => task.task.action.name.clone(),
                };
                out.push_str(&format!(
                    "      {title}\tTAGS: [{}]\n",
                    tags.iter()
                        .map(String::as_str)
                        .collect::<Vec<_>>()
                        .join(", ")
                ));
            }
            all_tags.extend(tags);
        });
    }
    if wanted.tags {
        let tags: Vec<String> = all_tags.into_iter().collect();
        out.push_str(&format!("      TASK TAGS: [{}]\n", tags.join(", ")));
    }
    out
}

/// The tasks that run where nothing fails: `rescue` and `always` are not
/// listed.
fn main_tasks<'a>(node: &'a Node, act: &mut dyn FnMut(&'a PlannedTask)) {
    match node {
        Node::Task(task) => act(task),
        Node::Block(block) => block.block.iter().for_each(|node| main_tasks(node, act)),
    }
}
