//! Words to meaning: imports put in place, roles found, handlers linked.

mod files;
mod roles;
mod tasks;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};

use super::{Context, Handler, Node, Plan, PlannedPlay, Role};
use crate::catalogue::Catalogue;
use crate::diagnostic::Diagnostic;
use crate::loader::Loader;
use crate::playbook::ast::{self, Item, Keywords, PlaybookEntry, Word};
use crate::playbook::parse_playbook;
use crate::source::Source;
use crate::template::Templar;
use crate::value::{Map, Value};
use crate::vars::precedence::Level;
use crate::vars::scope::Scope;
use crate::yaml::{self, parse_one};

pub(super) use files::file_word;
use files::{circle, folder_of};
pub(super) use roles::role_of_task;
use tasks::{handlers, not_handlers};

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
