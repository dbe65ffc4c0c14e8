//! `include_tasks` and `include_role`: what to go on with.

use ocplay_language::playbook::ast::{RoleRef, Word};
use ocplay_language::value::{Map, Value};
use ocplay_protocol::coerce;

use super::Call;
use crate::outcome::{ActionOutcome, Effect, IncludeRole, IncludeTasks};

/// Variables that go along: the task's own, and the loop's.
fn vars(call: &Call<'_>) -> Map {
    let mut vars = Map::clone(&call.step.planned.context.own().vars);
    for name in ["ansible_loop_var", "ansible_index_var"] {
        if let Some(value) = call.scope.get(name)
            && call.item.is_some()
        {
            vars.insert(name, value.clone());
            if let Some(name) = value.as_str()
                && let Some(value) = call.scope.get(name)
            {
                vars.insert(name, value.clone());
            }
        }
    }
    if call.item.is_some()
        && let Some(info) = call.scope.get("ansible_loop")
    {
        vars.insert("ansible_loop", info.clone());
    }
    vars
}

pub(super) fn tasks(call: &Call<'_>) -> ActionOutcome {
    let planned = &call.step.planned;
    let name = call
        .args
        .get("file")
        .or_else(|| call.args.get("_raw_params"));
    let Some(name) = name.and_then(|name| coerce::text(&name.to_json()).ok()) else {
        return ActionOutcome::failure("include_tasks names no file");
    };
    let span = &planned.task.action.name_span;
    let found = call
        .shared
        .resolver
        .find_tasks(&name, &planned.context, span);
    let (path, missing) = match found {
        Ok(path) => (path, None),
        Err(problems) => (
            planned.context.folder().join(&name),
            problems.into_iter().next(),
        ),
    };
    ActionOutcome::ok()
        .with("include", &*path.to_string_lossy())
        .effect(Effect::IncludeTasks(IncludeTasks {
            path,
            missing,
            vars: vars(call),
            item: None,
        }))
}

pub(super) fn role(call: &Call<'_>) -> ActionOutcome {
    let planned = &call.step.planned;
    let span = &planned.task.span;
    let word = |name: &str| {
        call.args.get(name).map(|value| Word {
            value: value.clone(),
            span: span.clone(),
        })
    };
    let Some(name) = word("name").or_else(|| word("role")) else {
        return ActionOutcome::failure("include_role does not name its role");
    };
    let mut role = RoleRef {
        span: span.clone(),
        name,
        keywords: ocplay_language::playbook::ast::Keywords::default(),
        params: Map::new(),
        from: ocplay_language::playbook::ast::RoleFiles {
            tasks: word("tasks_from"),
            vars: word("vars_from"),
            defaults: word("defaults_from"),
            handlers: word("handlers_from"),
        },
        allow_duplicates: word("allow_duplicates").or(Some(Word {
            value: Value::Bool(true),
            span: span.clone(),
        })),
        public: word("public"),
        validate: word("rolespec_validate"),
    };
    role.keywords.tags = Vec::new();
    let shown = role.name.value.as_str().unwrap_or_default().to_owned();
    ActionOutcome::ok()
        .with("include", shown)
        .effect(Effect::IncludeRole(Box::new(IncludeRole {
            role,
            vars: vars(call),
            item: None,
        })))
}
