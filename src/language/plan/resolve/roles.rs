//! Roles: their files, what they depend on, and their argument specs.

use std::collections::HashMap;
use std::sync::Arc;

use ocplay_protocol::coerce;

use super::files::{circle, folder_of};
use super::tasks::{handlers, not_handlers, scope_in};
use super::{DEPTH_LIMIT, Found, IncludedRole, PlayState, Resolver};
use crate::diagnostic::Diagnostic;
use crate::plan::{Context, Node, PlannedTask, Role};
use crate::playbook::ast::{Action, Arg, Keyword, Keywords, RoleFiles, RoleRef, Task, Word};
use crate::source::Span;
use crate::value::{Map, Value};
use crate::vars::precedence::Level;

impl Resolver {
    /// A role with its dependencies before it. `public` roles show their
    /// variables to the whole play.
    pub(super) fn role(
        &self,
        reference: &RoleRef,
        context: &Arc<Context>,
        state: &mut PlayState,
        public: bool,
        depth: usize,
    ) -> Found<(Arc<Role>, Vec<Node>)> {
        if depth > DEPTH_LIMIT {
            return Err(vec![circle(&reference.span)]);
        }
        let scope = scope_in(&state.scope, context, &reference.keywords.vars)
            .with(Level::RoleParams, Arc::new(reference.params.clone()));
        let name = self.role_name(reference, &scope)?;
        let (name, path) = self.find_role(&name, context, &reference.name.span)?;
        self.templar.look_in(&path);
        self.catalogue
            .add_library(&path.join("library"), &*self.loader);
        let meta = self.role_meta(&path, &scope)?;
        let allow = match &reference.allow_duplicates {
            Some(word) => word.value.truthy(),
            None => meta.allow_duplicates,
        };
        let from = &reference.from;
        let values = |words: &[Word]| -> Vec<Value> {
            words.iter().map(|word| word.value.clone()).collect()
        };
        let file = |word: &Option<Word>| word.as_ref().map(|word| word.value.clone());
        let key = format!(
            "{} {:?} {:?} {:?} {:?} {:?} {}",
            path.display(),
            reference.params,
            reference.keywords.vars,
            values(&reference.keywords.when),
            values(&reference.keywords.tags),
            [&from.tasks, &from.vars, &from.defaults, &from.handlers].map(file),
            reference.allow_duplicates.is_some(),
        );
        let repeated = state.placed.contains(&key);
        let mut defaults = Map::new();
        let mut vars = Map::new();
        let mut nodes = Vec::new();
        let own_defaults = self.role_vars(&path, "defaults", from.defaults.as_ref(), &scope)?;
        let own_vars = self.role_vars(&path, "vars", from.vars.as_ref(), &scope)?;
        let role_context = context.child(reference.keywords.clone());
        let parent_for_deps = Arc::new(Role {
            name: name.clone(),
            path: path.clone(),
            defaults: Arc::clone(&own_defaults),
            vars: Arc::clone(&own_vars),
            params: Arc::new(reference.params.clone()),
            parent: context.role().cloned(),
            allow_duplicates: allow,
            key: key.clone(),
        });
        for dependency in &meta.dependencies {
            let inner = role_context.inside_role(Keywords::default(), &parent_for_deps);
            let (role, found) = self.role(dependency, &inner, state, public, depth + 1)?;
            defaults.extend(&role.defaults);
            vars.extend(&role.vars);
            nodes.extend(found);
        }
        defaults.extend(&own_defaults);
        let mut exported = vars.clone();
        exported.extend(&own_vars);
        vars.extend(&reference.keywords.vars);
        vars.extend(&own_vars);
        let role = Arc::new(Role {
            name: name.clone(),
            path,
            defaults: Arc::new(defaults),
            vars: Arc::new(vars),
            params: Arc::new(reference.params.clone()),
            parent: context.role().cloned(),
            allow_duplicates: allow,
            key: key.clone(),
        });
        // Whether it runs again is seen when a host gets there.
        let repeated = repeated && !allow;
        if public && !repeated {
            // What was said where the role was called is for the role alone.
            state.roles.push(Arc::new(Role {
                vars: Arc::new(exported),
                ..Role::clone(&role)
            }));
        }
        let inside = context.inside_role(reference.keywords.clone(), &role);
        let checked = reference
            .validate
            .as_ref()
            .is_none_or(|word| coerce::boolean(&word.value.to_json()) != Ok(false));
        nodes.extend(spec_task(
            meta.argument_specs.as_ref().filter(|_| checked),
            from,
            &inside,
            &reference.span,
        ));
        if !repeated {
            state.placed.push(key);
            let handler_nodes = self.role_part(
                &role,
                "handlers",
                from.handlers.as_ref(),
                &inside,
                state,
                depth,
            )?;
            let own = handlers(handler_nodes, Some(&role), &state.handlers);
            state.handlers.extend(own);
        }
        nodes.extend(self.role_part(&role, "tasks", from.tasks.as_ref(), &inside, state, depth)?);
        Ok((role, nodes))
    }

    pub(super) fn role_part(
        &self,
        role: &Arc<Role>,
        kind: &str,
        from: Option<&Word>,
        context: &Arc<Context>,
        state: &mut PlayState,
        depth: usize,
    ) -> Found<Vec<Node>> {
        let Some(path) = self.role_file(&role.path, kind, from, &state.scope)? else {
            return Ok(Vec::new());
        };
        let items = self.task_file(&path)?;
        if kind == "handlers" {
            let misplaced = not_handlers(&items, 0);
            if !misplaced.is_empty() {
                return Err(misplaced);
            }
        }
        let context = context.file(&folder_of(&path));
        self.items(&items, &context, state, depth + 1)
    }

    /// Loads a role for a dynamic include. `apply` are the keywords handed to
    /// everything inside.
    ///
    /// # Errors
    /// Every mistake in it.
    pub fn include_role(&self, role: &RoleRef, context: &Arc<Context>) -> Found<IncludedRole> {
        let mut state = self.dynamic_state(context);
        let (role, tasks) = self.role(role, context, &mut state, true, 0)?;
        Ok(IncludedRole {
            role,
            tasks,
            handlers: state.handlers,
        })
    }

    pub(super) fn dynamic_state(&self, context: &Context) -> PlayState {
        PlayState {
            roles: Vec::new(),
            handlers: Vec::new(),
            placed: Vec::new(),
            scope: self.static_scope(context.playbook_folder(), &Arc::default()),
            ids: HashMap::new(),
        }
    }
}

/// A task that checks what was given to a role against its specification.
pub(super) fn spec_task(
    specs: Option<&Value>,
    from: &RoleFiles,
    context: &Arc<Context>,
    span: &Span,
) -> Option<Node> {
    let entry = from
        .tasks
        .as_ref()
        .and_then(|word| word.value.as_str())
        .unwrap_or("main");
    let entry = entry.trim_end_matches(".yml").trim_end_matches(".yaml");
    let spec = specs?.get(entry)?;
    let options = spec
        .get("options")
        .cloned()
        .unwrap_or_else(|| Map::new().into());
    let title = match spec.get("short_description").and_then(Value::as_str) {
        Some(text) => format!("Validating arguments against arg spec '{entry}' - {text}"),
        None => format!("Validating arguments against arg spec '{entry}'"),
    };
    let arg = |name: &str, value: Value| Arg {
        name: name.into(),
        name_span: span.clone(),
        value,
        value_span: span.clone(),
    };
    let word = |text: &str| Word {
        value: text.into(),
        span: span.clone(),
    };
    let keywords = Keywords {
        tags: vec![word("always")],
        ..Keywords::default()
    };
    let mut about = Map::new();
    about.insert("type", "role");
    about.insert("argument_spec_name", entry);
    if let Some(role) = context.role() {
        about.insert("name", role.name.rsplit('.').next().unwrap_or(&role.name));
        let path = std::path::absolute(&role.path);
        let path = path.as_deref().unwrap_or(&role.path);
        about.insert("path", &*path.to_string_lossy());
    }
    let action = Action {
        name: "ansible.builtin.validate_argument_spec".to_owned(),
        name_span: span.clone(),
        args: vec![
            arg("argument_spec", options),
            arg("validate_args_context", about.into()),
        ],
        raw: None,
    };
    let task = Task {
        name: Some(word(&title)),
        keywords: keywords.clone(),
        ..Task::new(span.clone(), action)
    };
    Some(Node::Task(Arc::new(PlannedTask {
        id: format!("{}/{title}", context.role().map_or("", |role| &role.name)),
        task: Arc::new(task),
        context: context.child(keywords),
        implicit: false,
    })))
}

/// The role that an import_role or include_role task names.
pub(in crate::plan) fn role_of_task(task: &Task) -> Found<RoleRef> {
    let word = |name: &str| {
        task.action.arg(name).map(|arg| Word {
            value: arg.value.clone(),
            span: arg.value_span.clone(),
        })
    };
    let Some(name) = word("name").or_else(|| word("role")) else {
        return Err(vec![
            Diagnostic::error("missing-argument", "this does not name its role")
                .at(&task.action.name_span)
                .help("add 'name: ROLE' below it"),
        ]);
    };
    let mut keywords = task.keywords.clone();
    keywords.words.remove(&Keyword::Notify);
    Ok(RoleRef {
        span: task.span.clone(),
        name,
        keywords,
        params: Map::new(),
        from: RoleFiles {
            tasks: word("tasks_from"),
            vars: word("vars_from"),
            defaults: word("defaults_from"),
            handlers: word("handlers_from"),
        },
        // Unlike roles in a play's list, these run as often as they are named.
        allow_duplicates: word("allow_duplicates").or(Some(Word {
            value: Value::Bool(true),
            span: task.span.clone(),
        })),
        public: word("public"),
        validate: word("rolespec_validate"),
    })
}
