//! The tables of keywords.

use super::ast::Keyword;

/// Keywords of [`Keyword`], under every name they have or had.
pub(super) const INHERITED: &[(&str, Keyword)] = &[
    ("any_errors_fatal", Keyword::AnyErrorsFatal),
    ("become", Keyword::Become),
    ("become_exe", Keyword::BecomeExe),
    ("become_flags", Keyword::BecomeFlags),
    ("become_method", Keyword::BecomeMethod),
    ("become_user", Keyword::BecomeUser),
    ("check_mode", Keyword::CheckMode),
    ("collections", Keyword::Collections),
    ("connection", Keyword::Connection),
    ("debugger", Keyword::Debugger),
    ("delegate_facts", Keyword::DelegateFacts),
    ("delegate_to", Keyword::DelegateTo),
    ("diff", Keyword::Diff),
    ("ignore_errors", Keyword::IgnoreErrors),
    ("ignore_unreachable", Keyword::IgnoreUnreachable),
    ("no_log", Keyword::NoLog),
    ("notify", Keyword::Notify),
    ("port", Keyword::Port),
    ("remote_user", Keyword::RemoteUser),
    ("run_once", Keyword::RunOnce),
    ("throttle", Keyword::Throttle),
    ("timeout", Keyword::Timeout),
];

/// Keywords that add up along the way from the play to the task.
pub(super) const COMMON: &[&str] = &[
    "name",
    "when",
    "tags",
    "vars",
    "environment",
    "module_defaults",
];

pub(super) const BLOCK: &[&str] = &["block", "rescue", "always", "listen"];

pub(super) const TASK: &[&str] = &[
    "action",
    "args",
    "async",
    "changed_when",
    "delay",
    "failed_when",
    "listen",
    "local_action",
    "loop",
    "loop_control",
    "poll",
    "register",
    "retries",
    "until",
];

pub(super) const PLAY: &[&str] = &[
    "fact_path",
    "force_handlers",
    "gather_facts",
    "gather_subset",
    "gather_timeout",
    "handlers",
    "hosts",
    "max_fail_percentage",
    "order",
    "post_tasks",
    "pre_tasks",
    "roles",
    "serial",
    "strategy",
    "tasks",
    "user",
    "vars_files",
    "vars_prompt",
];

pub(super) const ROLE: &[&str] = &[
    "role",
    "name",
    "allow_duplicates",
    "public",
    "tasks_from",
    "vars_from",
    "defaults_from",
    "handlers_from",
    "version",
    "src",
    "scm",
];

/// The name of a keyword as it is written.
#[must_use]
pub fn keyword_name(keyword: Keyword) -> &'static str {
    INHERITED
        .iter()
        .find(|(_, known)| *known == keyword)
        .map_or("", |(name, _)| name)
}

/// Functions that templates can call: variables of these names hide them.
const FUNCTIONS: [&str; 12] = [
    "cycler",
    "dict",
    "joiner",
    "lipsum",
    "lookup",
    "namespace",
    "now",
    "q",
    "query",
    "range",
    "undef",
    "with_",
];

/// Whether a variable of this name would be called like a keyword or a
/// function of templates.
#[must_use]
pub fn is_reserved_name(name: &str) -> bool {
    if matches!(name, "vars" | "gather_subset") {
        return false;
    }
    FUNCTIONS.contains(&name) || task_words().chain(play_words()).any(|word| word == name)
}

pub(super) fn inherited(name: &str) -> Option<Keyword> {
    INHERITED
        .iter()
        .find(|(word, _)| *word == name)
        .map(|(_, keyword)| *keyword)
}

/// Every word that may stand in a task or block, for suggestions.
pub(super) fn task_words() -> impl Iterator<Item = &'static str> {
    words_of_tasks().chain(BLOCK.iter().copied())
}

/// Every word that may stand in a play, for suggestions.
pub(crate) fn play_words() -> impl Iterator<Item = &'static str> {
    shared_words().chain(PLAY.iter().copied())
}

/// The words of a task itself.
pub(crate) fn words_of_tasks() -> impl Iterator<Item = &'static str> {
    shared_words().chain(TASK.iter().copied())
}

/// The words of a block itself.
pub(crate) fn words_of_blocks() -> impl Iterator<Item = &'static str> {
    shared_words().chain(BLOCK.iter().copied())
}

/// The words of an entry of `roles:`.
pub(crate) fn words_of_roles() -> impl Iterator<Item = &'static str> {
    shared_words().chain(ROLE.iter().copied())
}

fn shared_words() -> impl Iterator<Item = &'static str> {
    INHERITED
        .iter()
        .map(|(word, _)| *word)
        .chain(COMMON.iter().copied())
}
