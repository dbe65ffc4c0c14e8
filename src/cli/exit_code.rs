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
