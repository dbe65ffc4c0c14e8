//! Everything that a module does not write itself: reading arguments, check
//! mode, `changed`, the diff.

use std::sync::Arc;

use ocplay_protocol::argument::{Field, Paths, field};
use ocplay_protocol::{Arguments, ModuleInfo, Outcome, Place, catalogue, coerce};
use serde_json::{Map, Value};

use super::{Module, Verdict};
use crate::host::channel::Context;
use crate::host::{Failure, Look, Return, Touch};

/// A module in the registry.
pub(super) struct Entry {
    names: &'static [&'static [&'static str]],
    pub(super) run: fn(&str, Context) -> Outcome,
}

impl Entry {
    fn names(&self) -> impl Iterator<Item = &'static str> {
        self.names.iter().copied().flatten().copied()
    }

    pub(super) fn answers_to(&self, name: &str) -> bool {
        self.names().any(|known| known == name)
    }
}

struct Names<M>(std::marker::PhantomData<M>);

impl<M: Module> Names<M> {
    const ALL: &'static [&'static [&'static str]] = &[&[M::NAME], M::ALIASES];
}

pub(super) const fn entry<M: Module>() -> Entry {
    Entry {
        names: Names::<M>::ALL,
        run: run::<M>,
    }
}

/// One description per name of a module.
pub(super) fn infos<M: Module>() -> Vec<ModuleInfo> {
    let names = Names::<M>::ALL.iter().copied().flatten();
    names
        .map(|name| ModuleInfo {
            name,
            ..info::<M>()
        })
        .collect()
}

fn info<M: Module>() -> ModuleInfo {
    ModuleInfo {
        name: M::NAME,
        collection: M::COLLECTION,
        doc: M::Args::doc(),
        place: Place::Host,
        args: M::Args::infos(),
        free_form: M::FREE_FORM,
        open: false,
    }
}

fn run<M: Module>(args: &str, context: Context) -> Outcome {
    let mut outcome = Outcome::default();
    let result = steps::<M>(args, context, &mut outcome);
    finish(outcome, result)
}

fn finish(mut outcome: Outcome, result: Result<Return, Failure>) -> Outcome {
    match result {
        Ok(values) => {
            outcome.changed = values.changed.unwrap_or(outcome.changed);
            if !values.diffs.is_empty() {
                outcome.diff = values.diffs;
            }
            if !outcome.changed {
                outcome.diff.clear();
            }
            outcome.result = text(values.values);
        }
        Err(failure) => {
            outcome.failed = true;
            outcome.changed = failure.changed;
            let mut values = Map::new();
            values.insert("msg".to_owned(), Value::String(failure.message));
            for (name, value) in failure.data {
                values.entry(name).or_insert(value);
            }
            outcome.result = text(values);
        }
    }
    outcome
}

fn text(values: Map<String, Value>) -> String {
    Value::Object(values).to_string()
}

fn steps<M: Module>(
    args: &str,
    context: Context,
    outcome: &mut Outcome,
) -> Result<Return, Failure> {
    let look = Look::new(Arc::new(context));
    let given = prepare(args, M::Args::FIELDS, &look)?;
    let args = M::Args::read(given).map_err(|problems| Failure::new(catalogue::join(&problems)))?;
    match M::check(&args, &look)? {
        Verdict::Same(values) => Ok(values),
        Verdict::Skip(values) => {
            outcome.skipped = true;
            Ok(values)
        }
        Verdict::Change(plan, foreseen) => {
            outcome.changed = true;
            if look.wants_diff() {
                outcome.diff = M::describe(&plan);
            }
            if look.is_check() {
                return Ok(foreseen);
            }
            M::apply(plan, &mut Touch::new(look))
        }
        Verdict::Always(plan) => M::apply(plan, &mut Touch::new(look)),
        Verdict::MustRun(plan) => {
            if look.is_check() {
                outcome.skipped = true;
                return Ok(not_tried(M::NAME));
            }
            outcome.changed = true;
            if look.wants_diff() {
                outcome.diff = M::describe(&plan);
            }
            M::apply(plan, &mut Touch::new(look))
        }
    }
}

/// What a module that cannot be rehearsed says instead.
fn not_tried(name: &str) -> Return {
    Return::new()
        .with("rc", 0)
        .with("stdout", "")
        .with("stderr", "")
        .with(
            "msg",
            format!("remote module ({name}) does not support check mode"),
        )
}

fn prepare(args: &str, fields: &[Field], look: &Look) -> Result<Map<String, Value>, Failure> {
    let mut given: Map<String, Value> = serde_json::from_str(args).map_err(|error| {
        Failure::new(format!(
            "the arguments are no JSON object ({error}); this is a bug of ocplay"
        ))
    })?;
    for (name, value) in &mut given {
        if let Some(field) = field(fields, name) {
            expand_paths(field.paths, value, look);
        }
    }
    Ok(given)
}

/// Replaces `~` and `$NAME` in arguments that are paths.
fn expand_paths(paths: Paths, value: &mut Value, look: &Look) {
    match (paths, value) {
        (Paths::One, Value::String(path)) if path.contains(['~', '$']) => {
            *path = look.expand(path);
        }
        // A text stands for a list, too.
        (Paths::Many, value @ Value::String(_)) => {
            if let Ok(items) = coerce::list(value) {
                let mut items = Value::Array(items);
                expand_paths(Paths::Many, &mut items, look);
                *value = items;
            }
        }
        (Paths::Many, Value::Array(items)) => {
            for item in items {
                expand_paths(Paths::One, item, look);
            }
        }
        _ => {}
    }
}
