//! The words of a playbook, each with its place.
//!
//! Nothing is looked up here: names of modules, roles and files are as
//! written. Keyword values stay [`Value`]s, since nearly all of them may be
//! templates.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use crate::source::Span;
use crate::value::{Map, Value};

/// A value of a keyword and its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Word {
    pub value: Value,
    pub span: Span,
}

/// Keywords of which the innermost wins: a task's own, else its block's, and
/// so on up to the play.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Keyword {
    AnyErrorsFatal,
    Become,
    BecomeExe,
    BecomeFlags,
    BecomeMethod,
    BecomeUser,
    CheckMode,
    Collections,
    Connection,
    Debugger,
    DelegateFacts,
    DelegateTo,
    Diff,
    IgnoreErrors,
    IgnoreUnreachable,
    NoLog,
    Notify,
    Port,
    RemoteUser,
    RunOnce,
    Throttle,
    Timeout,
}

/// What plays, roles, blocks and tasks can all say.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Keywords {
    /// The innermost wins.
    pub words: BTreeMap<Keyword, Word>,
    /// Conditions add up, outermost first.
    pub when: Vec<Word>,
    /// Tags add up.
    pub tags: Vec<Word>,
    /// Variables of inner levels replace those of outer ones.
    pub vars: Arc<Map>,
    /// Inner entries replace outer ones.
    pub environment: Vec<Word>,
    pub module_defaults: Vec<Word>,
}

/// A playbook file.
#[derive(Debug, Clone)]
pub struct Playbook {
    pub path: PathBuf,
    pub entries: Vec<PlaybookEntry>,
}

#[derive(Debug, Clone)]
pub enum PlaybookEntry {
    Play(Arc<Play>),
    Import(ImportPlaybook),
}

/// `import_playbook:` and what is given with it.
#[derive(Debug, Clone)]
pub struct ImportPlaybook {
    pub span: Span,
    pub file: Word,
    pub keywords: Keywords,
}

#[derive(Debug, Clone)]
pub struct Play {
    pub span: Span,
    pub name: Option<Word>,
    pub hosts: Word,
    pub keywords: Keywords,
    pub options: PlayOptions,
    pub vars_files: Vec<Word>,
    pub vars_prompt: Vec<VarsPrompt>,
    pub pre_tasks: Vec<Item>,
    pub roles: Vec<RoleRef>,
    pub tasks: Vec<Item>,
    pub post_tasks: Vec<Item>,
    pub handlers: Vec<Item>,
}

/// Keywords that only plays have.
#[derive(Debug, Clone, Default)]
pub struct PlayOptions {
    pub gather_facts: Option<Word>,
    pub gather_subset: Option<Word>,
    pub gather_timeout: Option<Word>,
    pub fact_path: Option<Word>,
    pub serial: Option<Word>,
    pub max_fail_percentage: Option<Word>,
    pub strategy: Option<Word>,
    pub order: Option<Word>,
    pub force_handlers: Option<Word>,
}

/// One question of `vars_prompt`.
#[derive(Debug, Clone)]
pub struct VarsPrompt {
    pub name: String,
    pub options: Map,
    pub span: Span,
}

/// A role as it is named in `roles:` or in dependencies.
#[derive(Debug, Clone)]
pub struct RoleRef {
    pub span: Span,
    pub name: Word,
    pub keywords: Keywords,
    /// Keys that are no keywords: the role's parameters.
    pub params: Map,
    pub from: RoleFiles,
    pub allow_duplicates: Option<Word>,
    /// Whether what is given is checked against the role's specification.
    pub validate: Option<Word>,
    pub public: Option<Word>,
}

/// Which files of a role to take instead of `main`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RoleFiles {
    pub tasks: Option<Word>,
    pub vars: Option<Word>,
    pub defaults: Option<Word>,
    pub handlers: Option<Word>,
}

/// What `meta/main.yml` of a role says.
#[derive(Debug, Clone, Default)]
pub struct RoleMeta {
    pub dependencies: Vec<RoleRef>,
    pub allow_duplicates: bool,
    pub argument_specs: Option<Value>,
}

/// A member of a list of tasks.
#[derive(Debug, Clone)]
pub enum Item {
    Task(Arc<Task>),
    Block(Arc<Block>),
}

#[derive(Debug, Clone)]
pub struct Block {
    pub span: Span,
    pub name: Option<Word>,
    pub keywords: Keywords,
    pub block: Vec<Item>,
    pub rescue: Vec<Item>,
    pub always: Vec<Item>,
    /// A handler block can be notified as a whole.
    pub listen: Vec<Word>,
}

#[derive(Debug, Clone)]
pub struct Task {
    pub span: Span,
    pub name: Option<Word>,
    pub keywords: Keywords,
    pub action: Action,
    pub register: Option<Word>,
    pub loop_over: Option<Loop>,
    pub loop_control: LoopControl,
    pub until: Vec<Word>,
    pub retries: Option<Word>,
    pub delay: Option<Word>,
    pub changed_when: Vec<Word>,
    pub failed_when: Vec<Word>,
    pub listen: Vec<Word>,
    pub asynchronous: Option<Word>,
    pub poll: Option<Word>,
}

/// The module and its arguments as written.
#[derive(Debug, Clone)]
pub struct Action {
    /// As written, with any collection prefix.
    pub name: String,
    pub name_span: Span,
    pub args: Vec<Arg>,
    /// Free text of `command` and its like, or a whole-template argument.
    pub raw: Option<Word>,
}

/// One argument.
#[derive(Debug, Clone)]
pub struct Arg {
    pub name: Arc<str>,
    pub name_span: Span,
    pub value: Value,
    pub value_span: Span,
}

/// What a task is repeated over.
#[derive(Debug, Clone)]
pub enum Loop {
    /// `loop:`
    Items(Word),
    /// `with_<lookup>:`
    Lookup { name: String, terms: Word },
}

#[derive(Debug, Clone, Default)]
pub struct LoopControl {
    pub loop_var: Option<Word>,
    pub index_var: Option<Word>,
    pub label: Option<Word>,
    pub pause: Option<Word>,
    pub extended: Option<Word>,
    pub break_when: Vec<Word>,
}

impl Keywords {
    #[must_use]
    pub fn get(&self, keyword: Keyword) -> Option<&Word> {
        self.words.get(&keyword)
    }
}

impl Task {
    /// A task that says nothing but its module.
    #[must_use]
    pub fn new(span: Span, action: Action) -> Self {
        Self {
            span,
            name: None,
            keywords: Keywords::default(),
            action,
            register: None,
            loop_over: None,
            loop_control: LoopControl::default(),
            until: Vec::new(),
            retries: None,
            delay: None,
            changed_when: Vec::new(),
            failed_when: Vec::new(),
            listen: Vec::new(),
            asynchronous: None,
            poll: None,
        }
    }
}

impl Action {
    #[must_use]
    pub fn arg(&self, name: &str) -> Option<&Arg> {
        self.args.iter().find(|arg| *arg.name == *name)
    }

    /// The name without the collection that ocplay's modules stand for.
    #[must_use]
    pub fn short_name(&self) -> &str {
        short_module_name(&self.name)
    }
}

/// Drops the collection prefixes that name the modules built in here.
#[must_use]
pub fn short_module_name(name: &str) -> &str {
    const COLLECTIONS: [&str; 9] = [
        "ansible.builtin.",
        "ansible.legacy.",
        "ansible.posix.",
        "community.docker.",
        "community.general.",
        "community.crypto.",
        "community.mysql.",
        "community.postgresql.",
        "community.rabbitmq.",
    ];
    // The collection's words are too common to be modules by themselves
    // (network, image); they go by the names of old.
    const OPENSTACK: [(&str, &str); 12] = [
        ("auth", "os_auth"),
        ("catalog_service", "os_keystone_service"),
        ("compute_flavor", "os_nova_flavor"),
        ("endpoint", "os_keystone_endpoint"),
        ("identity_domain", "os_keystone_domain"),
        ("identity_role", "os_keystone_role"),
        ("identity_user", "os_user"),
        ("image", "os_image"),
        ("network", "os_network"),
        ("project", "os_project"),
        ("role_assignment", "os_user_role"),
        ("subnet", "os_subnet"),
    ];
    if let Some(short) = name.strip_prefix("openstack.cloud.") {
        let old = OPENSTACK.iter().find(|(new, _)| *new == short);
        return old.map_or(short, |(_, old)| old);
    }
    COLLECTIONS
        .iter()
        .find_map(|prefix| name.strip_prefix(prefix))
        .unwrap_or(name)
}
