//! Files and roles that come in while running.

use std::sync::Arc;

use indexmap::IndexMap;
use ocplay_language::diagnostic::Diagnostic;
use ocplay_language::plan::{Context, Node, PlannedTask};
use ocplay_language::value::{Map, Value};

use super::{Dispatcher, PlayRun};
use crate::cursor::{Cursor, Fall};
use crate::event::Event;
use crate::host::Standing;
use crate::outcome::Effect;
use crate::task;

/// What one include brought, and for whom.
struct Loaded {
    /// Tells equal includes of several hosts.
    key: String,
    nodes: Result<Arc<[Node]>, String>,
    hosts: Vec<Arc<str>>,
    /// The file or the role, as it is announced.
    file: String,
    item: Option<String>,
}

impl Dispatcher {
    /// Loads what includes brought and puts it into the hosts' way; says
    /// whether something could not be loaded.
    pub(super) fn enter(
        &mut self,
        run: &mut PlayRun,
        planned: &Arc<PlannedTask>,
        includes: IndexMap<Arc<str>, Vec<Effect>>,
    ) -> bool {
        let mut any_failed = false;
        // Hosts with the same file and variables go on together.
        let mut loaded: Vec<Loaded> = Vec::new();
        let mut ways: IndexMap<Arc<str>, Vec<usize>> = IndexMap::new();
        for (name, effects) in includes {
            for effect in effects {
                let key = format!("{effect:?}");
                let number = match loaded.iter().position(|known| known.key == key) {
                    Some(number) => number,
                    None => {
                        let cursor = run.cursors.get(&name);
                        let handler = cursor.is_some_and(Cursor::in_handler);
                        loaded.push(self.load(run, planned, &effect, key, handler));
                        loaded.len() - 1
                    }
                };
                loaded[number].hosts.push(Arc::clone(&name));
                ways.entry(Arc::clone(&name)).or_default().push(number);
            }
        }
        for one in &loaded {
            if one.nodes.is_ok() && !one.file.is_empty() {
                self.shared.events.event(Event::Included {
                    file: one.file.clone(),
                    hosts: one.hosts.clone(),
                    item: one.item.clone(),
                });
            }
        }
        for (name, numbers) in ways {
            let Some(cursor) = run.cursors.get_mut(&name) else {
                continue;
            };
            let mut inner = Vec::new();
            let mut failed = false;
            for number in numbers {
                match &loaded[number].nodes {
                    Ok(nodes) => {
                        if let Some(host) = self.hosts.get_mut(&name) {
                            host.stats.ok += 1;
                        }
                        let group = u32::try_from(number).unwrap_or(u32::MAX);
                        inner.push((group, Arc::clone(nodes)));
                    }
                    Err(reason) => {
                        // Counted as failed even where a rescue follows, as
                        // ansible-core does.
                        if let Some(host) = self.hosts.get_mut(&name) {
                            host.stats.failed += 1;
                        }
                        self.shared.events.event(task::include_failed(
                            planned,
                            &self.shared.templar,
                            &name,
                            reason,
                        ));
                        failed = true;
                    }
                }
            }
            if !failed {
                cursor.enter(inner);
                continue;
            }
            any_failed = true;
            let rescued = cursor.fail() == Fall::Rescued;
            let rescuable = cursor.rescuable();
            if let Some(host) = self.hosts.get_mut(&name)
                && !rescued
                && !rescuable
            {
                host.standing = Standing::Failed;
            }
        }
        any_failed
    }

    fn load(
        &self,
        run: &mut PlayRun,
        planned: &Arc<PlannedTask>,
        effect: &Effect,
        key: String,
        handler: bool,
    ) -> Loaded {
        let within =
            |vars: &Map| self.apply(planned, planned.context.included(Arc::new(vars.clone())));
        let (nodes, file, item) = match effect {
            Effect::IncludeTasks(include) => {
                let context = within(&include.vars);
                let nodes = match &include.missing {
                    Some(problem) => Err(vec![problem.clone()]),
                    None => self.shared.resolver.include_tasks(&include.path, &context),
                };
                let file = include.path.display().to_string();
                (nodes, file, include.item.clone())
            }
            Effect::IncludeRole(include) => {
                let context = within(&include.vars);
                let included = self.shared.resolver.include_role(&include.role, &context);
                let nodes = included.map(|included| {
                    let public = include.role.public.as_ref();
                    if public.is_some_and(|word| word.value.truthy()) {
                        Arc::make_mut(&mut run.dynamic_roles).push(included.role);
                    }
                    let first = run.handlers.last().map_or(0, |handler| handler.group + 1);
                    for mut handler in included.handlers {
                        handler.group += first;
                        if !run
                            .handlers
                            .iter()
                            .any(|known| same_place(&known.node, &handler.node))
                        {
                            run.handlers.push(handler);
                        }
                    }
                    included.tasks
                });
                let name = include.role.name.value.as_str().unwrap_or_default();
                (nodes, name.to_owned(), include.item.clone())
            }
            _ => (Ok(Vec::new()), String::new(), None),
        };
        let nodes = nodes.and_then(|nodes| match nodes.first() {
            Some(Node::Block(_)) if handler => Err(vec![
                Diagnostic::error("handler", "Using a block as a handler is not supported.")
                    .at(&planned.task.span),
            ]),
            _ => Ok(nodes),
        });
        let nodes = nodes.map(Arc::from).map_err(|problems| {
            let text = task::first_text(&problems);
            self.shared.events.event(Event::Mistakes(problems));
            text
        });
        Loaded {
            key,
            nodes,
            hosts: Vec::new(),
            file,
            item,
        }
    }

    /// `apply:` of an include: keywords for everything inside.
    fn apply(&self, planned: &PlannedTask, context: Arc<Context>) -> Arc<Context> {
        let Some(arg) = planned.task.action.arg("apply") else {
            return context;
        };
        let Value::Map(map) = &arg.value else {
            return context;
        };
        match ocplay_language::playbook::keywords_of(map, &arg.value_span) {
            Ok(keywords) => context.child(keywords),
            Err(problems) => {
                self.shared.events.event(Event::Mistakes(problems));
                context
            }
        }
    }
}

/// Whether two nodes are the same words of the same file: a role that is
/// included again brings the same handlers.
fn same_place(one: &Node, other: &Node) -> bool {
    let place = |node: &Node| {
        let mut first = None;
        node.each_task(&mut |task| {
            let span = &task.task.span;
            first.get_or_insert_with(|| (span.path().to_owned(), span.range()));
        });
        first
    };
    place(one) == place(other)
}
