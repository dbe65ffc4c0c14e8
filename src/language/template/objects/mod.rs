//! Containers of our own inside templates: lazy views of variables, and lists
//! and mappings that can be changed in place as in Python.

mod dict;
mod host_vars;
mod list;
mod namespace;
mod omitted;

pub(super) use dict::{Dict, entries_of};
pub(super) use host_vars::AllHosts;
pub(super) use list::List;
pub(super) use namespace::Namespace;
pub(super) use omitted::Omitted;
