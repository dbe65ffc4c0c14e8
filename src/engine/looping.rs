//! Loops: the list, the names its items go by, and their labels.

use std::time::Duration;

use ocplay_language::diagnostic::Diagnostic;
use ocplay_language::plan::PlannedTask;
use ocplay_language::playbook::ast::{Loop, LoopControl};
use ocplay_language::template::{Templar, TemplateError};
use ocplay_language::value::{Map, Value};
use ocplay_language::vars::precedence::Level;
use ocplay_language::vars::scope::Scope;

use crate::outcome::ActionOutcome;
use crate::settings::Evaluator;

/// What a task is repeated over.
pub(crate) enum Items {
    None,
    Of(Vec<Value>),
}

pub(crate) fn items(
    templar: &Templar,
    planned: &PlannedTask,
    scope: &Scope,
) -> Result<Items, Box<ActionOutcome>> {
    let template = |error| Box::new(ActionOutcome::template(&error));
    match &planned.task.loop_over {
        None => Ok(Items::None),
        Some(Loop::Items(word)) => match templar.resolve(&word.value, scope).map_err(template)? {
            Value::List(items) => Ok(Items::Of(items.to_vec())),
            other => Err(Box::new(ActionOutcome::mistake(
                Diagnostic::error(
                    "loop",
                    format!(
                        "The `loop` value must resolve to a 'list', not '{}'.",
                        other.type_name()
                    ),
                )
                .at(&word.span)
                .help("a dict becomes a list with '| dict2items', a number with 'range(n) | list'"),
            ))),
        },
        Some(Loop::Lookup { name, terms }) => templar
            .lookup(name, &terms.value, planned.module(), scope)
            .map(Items::Of)
            .map_err(template),
    }
}

/// How the items of a loop are called.
pub(crate) struct Names {
    pub(crate) item: String,
    pub(crate) index: Option<String>,
    pub(crate) pause: Option<Duration>,
    extended: bool,
}

pub(crate) fn names(
    control: &LoopControl,
    evaluator: &Evaluator<'_>,
) -> Result<Names, Box<ActionOutcome>> {
    Ok(Names {
        item: match &control.loop_var {
            Some(word) => evaluator.text(word)?,
            None => "item".to_owned(),
        },
        index: match &control.index_var {
            Some(word) => Some(evaluator.text(word)?),
            None => None,
        },
        pause: match &control.pause {
            Some(word) => Some(Duration::from_secs_f64(
                evaluator.number(word)?.clamp(0.0, 86_400.0),
            )),
            None => None,
        },
        extended: match &control.extended {
            Some(word) => evaluator.boolean(word)?,
            None => false,
        },
    })
}

impl Names {
    /// The scope for one item.
    pub(crate) fn scope(&self, scope: &Scope, items: &[Value], index: usize) -> Scope {
        let number = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
        let mut vars = Map::new();
        vars.insert(self.item.as_str(), items[index].clone());
        vars.insert("ansible_loop_var", self.item.as_str());
        if let Some(name) = &self.index {
            vars.insert(name.as_str(), number(index));
            vars.insert("ansible_index_var", name.as_str());
        }
        if self.extended {
            let length = items.len();
            let mut info = Map::new();
            info.insert("allitems", items.to_vec());
            info.insert("index", number(index + 1));
            info.insert("index0", number(index));
            info.insert("first", index == 0);
            info.insert("last", index + 1 == length);
            info.insert("length", number(length));
            info.insert("revindex", number(length - index));
            info.insert("revindex0", number(length - index - 1));
            if let Some(next) = items.get(index + 1) {
                info.insert("nextitem", next.clone());
            }
            if let Some(previous) = index.checked_sub(1).and_then(|at| items.get(at)) {
                info.insert("previtem", previous.clone());
            }
            vars.insert("ansible_loop", info);
        }
        scope.with(Level::Magic, std::sync::Arc::new(vars))
    }

    /// What is shown for an item.
    pub(crate) fn label(
        &self,
        control: &LoopControl,
        scope: &Scope,
        templar: &Templar,
        item: &Value,
    ) -> Result<String, TemplateError> {
        let value = match &control.label {
            Some(word) => &templar.resolve(&word.value, scope)?,
            None => item,
        };
        Ok(ocplay_language::python::text(value))
    }
}
