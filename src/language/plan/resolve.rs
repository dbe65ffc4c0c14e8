//! Words to meaning: imports put in place, roles found, handlers linked.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use ocplay_protocol::coerce;
use sha2::{Digest, Sha256};

use super::{Context, Handler, Node, Plan, PlannedBlock, PlannedPlay, PlannedTask, Role};
use crate::catalogue::Catalogue;
use crate::diagnostic::{Diagnostic, Severity};
use crate::loader::Loader;
use crate::playbook::ast::{
    self, Action, Arg, Item, Keyword, Keywords, PlaybookEntry, RoleFiles, RoleRef, Task, Word,
};
use crate::playbook::{parse_playbook, parse_task_list};
use crate::source::{Source, Span};
use crate::template::Templar;
use crate::value::{Map, Value};
use crate::vars::precedence::Level;
use crate::vars::scope::Scope;
use crate::yaml::{self, parse_one};

/// A result with every mistake found on the way.
pub(super) type Found<T> = Result<T, Vec<Diagnostic>>;

/// Imports and roles nested deeper than this are taken for a circle.
const DEPTH_LIMIT: usize = 60;

/// A role that was included while running.
#[derive(Debug)]
pub struct IncludedRole {
    pub role: Arc<Role>,
    pub tasks: Vec<Node>,
    pub handlers: Vec<Handler>,
}

/// Finds what words refer to.
pub struct Resolver {
    catalogue: Arc<Catalogue>,
    loader: Arc<dyn Loader>,
    templar: Templar,
    role_paths: Vec<PathBuf>,
    extra_vars: Arc<Map>,
    warnings: Mutex<Vec<Diagnostic>>,
    /// The warning about `include` is given once.
    said_include: AtomicBool,
    files: Mutex<HashMap<PathBuf, Arc<Vec<Item>>>>,
}

/// What grows while one play is resolved.
struct PlayState {
    roles: Vec<Arc<Role>>,
    handlers: Vec<Handler>,
    /// Keys of roles already placed in this play.
    placed: Vec<String>,
    scope: Scope,
    ids: HashMap<String, usize>,
}

impl Resolver {
    #[must_use]
    pub fn new(
        catalogue: Arc<Catalogue>,
        loader: Arc<dyn Loader>,
        templar: Templar,
        role_paths: Vec<PathBuf>,
        extra_vars: Arc<Map>,
    ) -> Self {
        Self {
            catalogue,
            loader,
            templar,
            role_paths,
            extra_vars,
            warnings: Mutex::default(),
            said_include: AtomicBool::new(false),
            files: Mutex::default(),
        }
    }

    pub(super) fn loader(&self) -> &dyn Loader {
        &*self.loader
    }

    #[must_use]
    pub fn templar(&self) -> &Templar {
        &self.templar
    }

    /// What is known without any host: extra variables.
    #[must_use]
    pub fn scope(&self) -> Scope {
        Scope::new().with(Level::ExtraVars, Arc::clone(&self.extra_vars))
    }

    #[must_use]
    pub fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }

    pub(super) fn role_paths(&self) -> &[PathBuf] {
        &self.role_paths
    }

    /// Warnings found so far; each is given out once.
    #[must_use]
    pub fn take_warnings(&self) -> Vec<Diagnostic> {
        std::mem::take(&mut *self.warnings.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn warn(&self, found: Vec<Diagnostic>) {
        self.warnings
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .extend(found);
    }

    /// Loads playbooks with everything that is imported statically.
    ///
    /// # Errors
    /// Every mistake found.
    pub fn load(&self, playbooks: &[PathBuf]) -> Found<Plan> {
        let mut plan = Plan::default();
        let mut problems = Vec::new();
        for path in playbooks {
            self.playbook(path, &Keywords::default(), &mut plan, &mut problems, 0);
        }
        if problems.is_empty() {
            Ok(plan)
        } else {
            Err(problems)
        }
    }

    /// Loads a playbook that stands in no file.
    ///
    /// # Errors
    /// All mistakes.
    pub fn load_text(&self, source: &Arc<Source>, folder: &Path) -> Found<Plan> {
        let (node, warnings) = parse_one(source).map_err(|problem| vec![*problem])?;
        self.warn(warnings);
        let mut plan = Plan::default();
        let mut problems = Vec::new();
        let path = folder.join(source.path());
        self.plays(
            &path,
            &node,
            &Keywords::default(),
            &mut plan,
            &mut problems,
            0,
        );
        if problems.is_empty() {
            Ok(plan)
        } else {
            Err(problems)
        }
    }

    fn playbook(
        &self,
        path: &Path,
        given: &Keywords,
        plan: &mut Plan,
        problems: &mut Vec<Diagnostic>,
        depth: usize,
    ) {
        let node = match self.read_yaml(path) {
            Ok(node) => node,
            Err(found) => {
                problems.extend(found);
                return;
            }
        };
        self.plays(path, &node, given, plan, problems, depth);
    }

    fn plays(
        &self,
        path: &Path,
        node: &Arc<yaml::Node>,
        given: &Keywords,
        plan: &mut Plan,
        problems: &mut Vec<Diagnostic>,
        depth: usize,
    ) {
        let folder = folder_of(path);
        self.libraries(&folder);
        self.templar.look_in(&folder);
        let (playbook, found) = parse_playbook(path, node, &self.catalogue);
        problems.extend(self.keep_warnings(found));
        for entry in playbook.entries {
            match entry {
                PlaybookEntry::Play(play) => match self.play(&play, &folder, given) {
                    Ok(play) => plan.plays.push(Arc::new(play)),
                    Err(found) => problems.extend(found),
                },
                PlaybookEntry::Import(import) => {
                    let scope = self.static_scope(&folder, &import.keywords.vars);
                    let name = match self.text(&import.file, &scope) {
                        Ok(name) => name,
                        Err(found) => {
                            problems.extend(found);
                            continue;
                        }
                    };
                    let path = folder.join(&name);
                    if depth > DEPTH_LIMIT {
                        problems.push(circle(&import.span));
                    } else if self.loader.is_file(&path) {
                        let keywords = join(given, &import.keywords);
                        self.playbook(&path, &keywords, plan, problems, depth + 1);
                    } else {
                        problems.push(
                            Diagnostic::error(
                                "missing-file",
                                format!("there is no playbook '{name}'"),
                            )
                            .at(&import.file.span)
                            .help(format!("looked in {}", folder.display())),
                        );
                    }
                }
            }
        }
    }

    fn static_scope(&self, folder: &Path, vars: &Arc<Map>) -> Scope {
        let folder = folder.to_string_lossy();
        Scope::new()
            .with(Level::PlayVars, Arc::clone(vars))
            .with(Level::ExtraVars, Arc::clone(&self.extra_vars))
            .with_var(Level::Magic, "playbook_dir", Value::from(&*folder))
    }

    fn play(&self, play: &Arc<ast::Play>, folder: &Path, given: &Keywords) -> Found<PlannedPlay> {
        let keywords = join(given, &play.keywords);
        let mut state = PlayState {
            roles: Vec::new(),
            handlers: Vec::new(),
            placed: Vec::new(),
            scope: self.static_scope(folder, &keywords.vars),
            ids: HashMap::new(),
        };
        let context = Context::play(keywords, folder);
        let mut problems = Vec::new();
        let mut list = |items: &[Item], state: &mut PlayState| {
            self.items(items, &context, state, 0)
                .unwrap_or_else(|found| {
                    problems.extend(found);
                    Vec::new()
                })
        };
        let mut misplaced = not_handlers(&play.handlers, 0);
        misplaced.extend(self.imported_blocks(&play.handlers, &context, &state));
        let handler_nodes = if misplaced.is_empty() {
            list(&play.handlers, &mut state)
        } else {
            Vec::new()
        };
        let pre_tasks = list(&play.pre_tasks, &mut state);
        let mut tasks = Vec::new();
        let mut role_problems = Vec::new();
        for role in &play.roles {
            match self.role(role, &context, &mut state, true, 0) {
                Ok((_, nodes)) => tasks.extend(nodes),
                Err(found) => role_problems.extend(found),
            }
        }
        tasks.extend(list(&play.tasks, &mut state));
        let post_tasks = list(&play.post_tasks, &mut state);
        // Behind those of the roles: they run last, and win where names are
        // the same.
        let own = handlers(handler_nodes, None, &state.handlers);
        state.handlers.extend(own);
        problems.extend(role_problems);
        problems.extend(misplaced);
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok(PlannedPlay {
            play: Arc::clone(play),
            folder: folder.to_owned(),
            context,
            roles: state.roles,
            pre_tasks,
            tasks,
            post_tasks,
            handlers: state.handlers,
        })
    }

    /// Blocks that imports would bring among handlers.
    fn imported_blocks(
        &self,
        items: &[Item],
        context: &Arc<Context>,
        state: &PlayState,
    ) -> Vec<Diagnostic> {
        let mut out = Vec::new();
        for item in items {
            let Item::Task(task) = item else { continue };
            if task.action.short_name() != "import_tasks" {
                continue;
            }
            // A file that cannot be had is reported where it is imported.
            let found = file_word(&task.action, &["file", "_raw_params"])
                .and_then(|word| Ok((self.text(&word, &state.scope)?, word.span)))
                .and_then(|(name, span)| self.find_tasks(&name, context, &span))
                .and_then(|path| self.task_file(&path));
            if let Ok(items) = found {
                out.extend(not_handlers(&items, 1));
            }
        }
        out
    }

    fn items(
        &self,
        items: &[Item],
        context: &Arc<Context>,
        state: &mut PlayState,
        depth: usize,
    ) -> Found<Vec<Node>> {
        let mut out = Vec::new();
        let mut problems = Vec::new();
        for item in items {
            let found = match item {
                Item::Block(block) => self
                    .block(block, context, state, depth)
                    .map(|block| vec![block]),
                Item::Task(task) => self.task(task, context, state, depth),
            };
            match found {
                Ok(nodes) => out.extend(nodes),
                Err(found) => problems.extend(found),
            }
        }
        if problems.is_empty() {
            Ok(out)
        } else {
            Err(problems)
        }
    }

    fn block(
        &self,
        block: &Arc<ast::Block>,
        context: &Arc<Context>,
        state: &mut PlayState,
        depth: usize,
    ) -> Found<Node> {
        let context = context.child(block.keywords.clone());
        let mut problems = Vec::new();
        let mut part = |items: &[Item], context: &Arc<Context>| {
            self.items(items, context, state, depth)
                .unwrap_or_else(|found| {
                    problems.extend(found);
                    Vec::new()
                })
        };
        let guarded = if block.rescue.is_empty() {
            Arc::clone(&context)
        } else {
            context.guarded()
        };
        let planned = PlannedBlock {
            name: block.name.clone(),
            block: part(&block.block, &guarded),
            rescue: part(&block.rescue, &context),
            always: part(&block.always, &context),
            context: Arc::clone(&context),
        };
        if problems.is_empty() {
            Ok(Node::Block(Arc::new(planned)))
        } else {
            Err(problems)
        }
    }

    fn task(
        &self,
        task: &Arc<Task>,
        context: &Arc<Context>,
        state: &mut PlayState,
        depth: usize,
    ) -> Found<Vec<Node>> {
        if depth > DEPTH_LIMIT {
            return Err(vec![circle(&task.span)]);
        }
        let name = match task.action.short_name() {
            // The old word: static wherever it can be.
            "include" => {
                self.warn_of_include(&task.action.name_span);
                if self.is_static_include(task, context, state) {
                    "import_tasks"
                } else {
                    "include_tasks"
                }
            }
            name => name,
        };
        match name {
            "import_tasks" => {
                no_loop(task)?;
                let word = file_word(&task.action, &["file", "_raw_params"])?;
                let name =
                    self.text(&word, &scope_in(&state.scope, context, &task.keywords.vars))?;
                let path = self.find_tasks(&name, context, &word.span)?;
                let inner = context.child(task.keywords.clone()).file(&folder_of(&path));
                let items = self.task_file(&path)?;
                let nodes = self.items(&items, &inner, state, depth + 1)?;
                // Kept together, so that the import's place stays one place.
                Ok(nodes)
            }
            "import_role" => {
                no_loop(task)?;
                let role = role_of_task(task)?;
                let (_, nodes) = self.role(&role, context, state, true, depth + 1)?;
                Ok(nodes)
            }
            _ => Ok(vec![Node::Task(Arc::new(PlannedTask {
                id: task_id(task, &mut state.ids),
                task: Arc::clone(task),
                context: context.child(task.keywords.clone()),
                implicit: false,
            }))]),
        }
    }

    /// Whether an `include` names one file, whoever the host is.
    fn is_static_include(&self, task: &Task, context: &Context, state: &PlayState) -> bool {
        if task.loop_over.is_some() {
            return false;
        }
        let Ok(word) = file_word(&task.action, &["file", "_raw_params"]) else {
            return false;
        };
        let scope = scope_in(&state.scope, context, &task.keywords.vars);
        let name = self.text(&word, &scope);
        name.is_ok_and(|name| self.find_tasks(&name, context, &word.span).is_ok())
    }

    fn warn_of_include(&self, span: &Span) {
        let warning = Diagnostic::warning(
            "old-include",
            "'include' is an old word: use import_tasks for a file that is always the same, include_tasks for one that depends on hosts",
        );
        if !self.said_include.swap(true, Ordering::Relaxed) {
            self.warn(vec![warning.at(span)]);
        }
    }

    /// A role with its dependencies before it. `public` roles show their
    /// variables to the whole play.
    fn role(
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

    fn role_part(
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

    /// Loads a file of tasks for a dynamic include.
    ///
    /// # Errors
    /// Every mistake in it.
    pub fn include_tasks(&self, path: &Path, context: &Arc<Context>) -> Found<Vec<Node>> {
        let items = self.task_file(path)?;
        let context = context.file(&folder_of(path));
        let mut state = self.dynamic_state(&context);
        self.items(&items, &context, &mut state, 0)
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

    fn dynamic_state(&self, context: &Context) -> PlayState {
        PlayState {
            roles: Vec::new(),
            handlers: Vec::new(),
            placed: Vec::new(),
            scope: self.static_scope(context.playbook_folder(), &Arc::default()),
            ids: HashMap::new(),
        }
    }

    /// Looks a file of tasks up, from the including file outwards.
    ///
    /// # Errors
    /// It is nowhere; the message says where it was looked for.
    pub fn find_tasks(&self, name: &str, context: &Context, span: &Span) -> Found<PathBuf> {
        let mut folders = vec![context.folder().to_owned()];
        folders.extend(context.search("tasks"));
        self.find(name, &folders, span)
    }

    /// Looks a file up in folders, in order.
    ///
    /// # Errors
    /// It is nowhere; the message says where it was looked for.
    pub fn find(&self, name: &str, folders: &[PathBuf], span: &Span) -> Found<PathBuf> {
        let candidates: Vec<PathBuf> = folders.iter().map(|folder| folder.join(name)).collect();
        let found = candidates
            .iter()
            .find(|path| self.loader.is_file(path) || self.loader.is_dir(path));
        if let Some(found) = found {
            return Ok(found.clone());
        }
        let near: Vec<String> = folders
            .iter()
            .filter_map(|folder| self.loader.list(folder).ok())
            .flatten()
            .filter_map(|path| Some(path.file_name()?.to_str()?.to_owned()))
            .collect();
        let mut places: Vec<String> = folders
            .iter()
            .map(|folder| folder.display().to_string())
            .collect();
        places.dedup();
        Err(vec![
            Diagnostic::error("missing-file", format!("there is no file '{name}'"))
                .at(span)
                .suggest(name, near.iter().map(String::as_str))
                .help(format!("looked in {}", places.join(", "))),
        ])
    }

    fn task_file(&self, path: &Path) -> Found<Arc<Vec<Item>>> {
        let lock = || self.files.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = lock().get(path) {
            return Ok(Arc::clone(known));
        }
        let node = self.read_yaml(path)?;
        let (items, problems) = parse_task_list(&node, &self.catalogue);
        let problems = self.keep_warnings(problems);
        if !problems.is_empty() {
            return Err(problems);
        }
        let items = Arc::new(items);
        lock().insert(path.to_owned(), Arc::clone(&items));
        Ok(items)
    }

    /// Where a file of variables names a variable.
    #[must_use]
    pub fn place_of(&self, path: &Path, name: &str) -> Option<Span> {
        let node = self.read_yaml(path).ok()?;
        Some(node.get(name)?.key_span.clone())
    }

    fn keep_warnings(&self, found: Vec<Diagnostic>) -> Vec<Diagnostic> {
        let (errors, warnings) = found
            .into_iter()
            .partition(|problem| problem.severity == Severity::Error);
        self.warn(warnings);
        errors
    }

    pub(super) fn read_yaml(&self, path: &Path) -> Found<Arc<yaml::Node>> {
        let source = self.read_source(path)?;
        match parse_one(&source) {
            Ok((node, warnings)) => {
                self.warn(warnings);
                Ok(node)
            }
            Err(error) => Err(vec![*error]),
        }
    }

    /// Reads a text file.
    ///
    /// # Errors
    /// It cannot be read or is not UTF-8.
    pub fn read_source(&self, path: &Path) -> Found<Arc<Source>> {
        let problem = |reason: String| {
            vec![Diagnostic::error(
                "unreadable-file",
                format!("{} {reason}", path.display()),
            )]
        };
        let bytes = self
            .loader
            .read(path)
            .map_err(|error| problem(format!("cannot be read: {error}")))?;
        let text = String::from_utf8(bytes).map_err(|_| problem("is not UTF-8 text".to_owned()))?;
        Ok(Source::of_file(path, text, &*self.loader))
    }

    /// A word that must be text, rendered.
    pub(super) fn text(&self, word: &Word, scope: &Scope) -> Found<String> {
        let value = self
            .templar
            .resolve(&word.value, scope)
            .map_err(|error| {
                vec![error.diagnostic().help(
                    "a static import knows only extra vars and the play's own vars; use the include_ form for names that depend on hosts",
                )]
            })?;
        match value.as_str() {
            Some(text) => Ok(text.to_owned()),
            None => Err(vec![
                Diagnostic::error(
                    "type",
                    format!("a name is expected here, not a {}", value.type_name()),
                )
                .at(&word.span),
            ]),
        }
    }
}

fn scope_in(scope: &Scope, context: &Context, vars: &Arc<Map>) -> Scope {
    let mut scope = scope.clone();
    for role in context.role().into_iter() {
        scope = scope
            .with(Level::RoleDefaults, Arc::clone(&role.defaults))
            .with(Level::RoleVars, Arc::clone(&role.vars))
            .with(Level::RoleParams, Arc::clone(&role.params))
            .with_var(
                Level::Magic,
                "role_path",
                Value::from(&*role.path.to_string_lossy()),
            );
    }
    for vars in context.vars() {
        scope = scope.with(Level::TaskVars, vars);
    }
    scope.with(Level::TaskVars, Arc::clone(vars))
}

fn handlers(nodes: Vec<Node>, role: Option<&Arc<Role>>, known: &[Handler]) -> Vec<Handler> {
    let group = known.last().map_or(0, |handler| handler.group + 1);
    let mut out = Vec::new();
    for node in nodes {
        // A block around handlers only groups them.
        node.each_task(&mut |task| {
            out.push(Handler {
                node: Node::Task(Arc::clone(task)),
                name: task.task.name.clone(),
                listen: task.task.listen.clone(),
                role: role.cloned(),
                group,
            });
        });
    }
    out
}

/// What cannot be a handler: roles, flushes, and blocks inside blocks.
fn not_handlers(items: &[Item], depth: usize) -> Vec<Diagnostic> {
    let mut out = Vec::new();
    for item in items {
        match item {
            Item::Block(block) if depth > 0 => out.push(
                Diagnostic::error("handler", "Using a block as a handler is not supported.")
                    .at(&block.span)
                    .help(
                        "notify each of its tasks, or put them into a file and use include_tasks",
                    ),
            ),
            Item::Block(block) => out.extend(not_handlers(&block.block, depth + 1)),
            Item::Task(task) => {
                let name = task.action.short_name();
                let raw = task.action.raw.as_ref().and_then(|raw| raw.value.as_str());
                if matches!(name, "include_role" | "import_role") {
                    out.push(
                        Diagnostic::error(
                            "handler",
                            format!("Using '{name}' as a handler is not supported."),
                        )
                        .at(&task.action.name_span)
                        .help("notify a handler of the role instead, as 'ROLE : NAME'"),
                    );
                } else if name == "meta" && raw == Some("flush_handlers") {
                    out.push(
                        Diagnostic::error("handler", "flush_handlers cannot be used as a handler")
                            .at(&task.action.name_span),
                    );
                }
            }
        }
    }
    out
}

/// A task that checks what was given to a role against its specification.
fn spec_task(
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
pub(super) fn role_of_task(task: &Task) -> Found<RoleRef> {
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

/// The file that an import or include names.
pub(super) fn file_word(action: &Action, names: &[&str]) -> Found<Word> {
    if let Some(raw) = &action.raw {
        return Ok(raw.clone());
    }
    names
        .iter()
        .find_map(|name| action.arg(name))
        .map(|arg| Word {
            value: arg.value.clone(),
            span: arg.value_span.clone(),
        })
        .ok_or_else(|| {
            vec![
                Diagnostic::error("missing-argument", format!("{} names no file", action.name))
                    .at(&action.name_span)
                    .help(format!("write '{}: FILE.yml'", action.name)),
            ]
        })
}

fn no_loop(task: &Task) -> Found<()> {
    if task.loop_over.is_none() {
        return Ok(());
    }
    let name = task.action.short_name();
    Err(vec![
        Diagnostic::error("loop", format!("{name} cannot be repeated by a loop"))
            .at(&task.action.name_span)
            .help(format!(
                "use {} instead",
                name.replace("import_", "include_")
            )),
    ])
}

fn circle(span: &Span) -> Diagnostic {
    Diagnostic::error(
        "circle",
        "imports or roles are nested too deep: they probably name each other",
    )
    .at(span)
}

/// Keywords of an outer place followed by those of an inner one.
fn join(outer: &Keywords, inner: &Keywords) -> Keywords {
    let mut out = outer.clone();
    out.words.extend(
        inner
            .words
            .iter()
            .map(|(keyword, word)| (*keyword, word.clone())),
    );
    out.when.extend(inner.when.iter().cloned());
    out.tags.extend(inner.tags.iter().cloned());
    Arc::make_mut(&mut out.vars).extend(&inner.vars);
    out.environment.extend(inner.environment.iter().cloned());
    out.module_defaults
        .extend(inner.module_defaults.iter().cloned());
    out
}

fn folder_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    }
}

fn task_id(task: &Task, ids: &mut HashMap<String, usize>) -> String {
    let file = task
        .span
        .path()
        .file_name()
        .unwrap_or_default()
        .to_string_lossy();
    let mut hash = Sha256::new();
    hash.update(task.span.path().to_string_lossy().as_bytes());
    hash.update([0]);
    hash.update(task.span.text().as_bytes());
    let digest = hash.finalize();
    let short: String = digest
        .iter()
        .take(6)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let base = format!("{file}:{short}");
    let count = ids.entry(base.clone()).or_default();
    *count += 1;
    if *count == 1 {
        base
    } else {
        format!("{base}.{count}")
    }
}
