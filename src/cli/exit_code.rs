//! Exit codes, each with its meaning. They are ansible-playbook's.

/// All went well.
pub(crate) const OK: u8 = 0;
/// Something was wrong before the first host was contacted.
pub(crate) const ERROR: u8 = 1;
/// A task failed on a host. (A wrong option on the command line is 2 as well.)
pub(crate) const HOST_FAILED: u8 = 2;
/// A wrong option that was found late, as in Ansible.
pub(crate) const OPTIONS: u8 = 5;
/// A host could not be reached.
pub(crate) const UNREACHABLE: u8 = 4;
/// Stopped by the user.
pub(crate) const INTERRUPTED: u8 = 99;

/// The code for mistakes that keep a run from starting. Files that are no
/// readable YAML have their own, which Ansible shares with lost hosts.
pub(crate) fn of(problems: &[ocplay_language::diagnostic::Diagnostic]) -> u8 {
    let unreadable = |code: &str| matches!(code, "yaml" | "yaml-tag" | "duplicate-key");
    if problems.iter().any(|problem| problem.code == "options") {
        OPTIONS
    } else if problems.iter().any(|problem| unreadable(problem.code)) {
        UNREACHABLE
    } else {
        ERROR
    }
}
