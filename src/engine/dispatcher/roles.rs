//! A role that a host has been through is not run again by it, unless the
//! role allows that.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use ocplay_language::plan::Role;
use ocplay_language::value::Value;

use crate::cursor::Cursor;
use crate::event::Status;
use crate::outcome::HostOutcome;

/// What hosts have been through in a play.
#[derive(Default)]
pub(crate) struct Passed {
    hosts: HashMap<Arc<str>, Roles>,
}

#[derive(Default)]
struct Roles {
    /// Roles of which a task has run, and whose end is not reached.
    begun: Vec<Arc<Role>>,
    /// Keys of roles whose end was reached.
    done: HashSet<String>,
}

impl Passed {
    /// A task of a role came to an end on a host. What was skipped, or could
    /// not be tried, does not count.
    pub(super) fn ran(&mut self, host: &Arc<str>, role: &Arc<Role>, outcome: &HostOutcome) {
        let lost = outcome.result.get("unreachable").is_some_and(Value::truthy);
        if matches!(outcome.status, Status::Skipped | Status::Unreachable) || lost {
            return;
        }
        let roles = self.hosts.entry(Arc::clone(host)).or_default();
        if !roles.begun.iter().any(|begun| Arc::ptr_eq(begun, role)) {
            roles.begun.push(Arc::clone(role));
        }
    }

    /// Takes note of roles that a host has left, and moves it past those that
    /// it need not go through again.
    pub(super) fn pass(&mut self, host: &Arc<str>, cursor: &mut Cursor) {
        let Some(roles) = self.hosts.get_mut(host) else {
            return;
        };
        while !cursor.in_handler()
            && let Some(task) = cursor.task()
        {
            let role = task.context.role();
            roles.begun.retain(|begun| {
                let inside = chain(role).any(|role| Arc::ptr_eq(role, begun));
                if !inside {
                    roles.done.insert(begun.key.clone());
                }
                inside
            });
            if role.is_none_or(|role| role.allow_duplicates || !roles.done.contains(&role.key)) {
                return;
            }
            cursor.advance();
        }
    }
}

/// A role and those that led to it.
fn chain(role: Option<&Arc<Role>>) -> impl Iterator<Item = &Arc<Role>> {
    std::iter::successors(role, |role| role.parent.as_ref())
}
