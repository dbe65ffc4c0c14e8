//! What the engine's errors cannot carry: which lookups failed during this
//! evaluation, and why. Kept per thread; an evaluation never leaves its thread.

use std::cell::RefCell;

use minijinja::Error;

use super::Jinja;
use super::error::TemplateError;
use super::python;

#[derive(Default)]
struct Notes {
    /// Variables and members whose own template used something undefined.
    failures: Vec<(String, TemplateError)>,
    /// Keys that were not there, and the type they were asked from.
    misses: Vec<(String, &'static str)>,
}

/// More than anyone needs to explain one error.
const KEPT: usize = 64;

thread_local! {
    static NOTES: RefCell<Notes> = RefCell::default();
}

pub(super) fn clear() {
    NOTES.with_borrow_mut(|notes| {
        notes.failures.clear();
        notes.misses.clear();
    });
}

/// What the engine is given for a lookup: an undefined inner variable makes
/// this one undefined too, so that `default` works; other errors are raised.
pub(super) fn served(found: Result<Jinja, Error>, key: &Jinja) -> Option<Jinja> {
    match found {
        Ok(value) => Some(value),
        Err(error) => match TemplateError::inside(&error) {
            Some(inner) if inner.undefined => {
                let key = python::text(key).unwrap_or_default();
                NOTES.with_borrow_mut(|notes| {
                    if notes.failures.len() >= KEPT {
                        notes.failures.remove(0);
                    }
                    notes.failures.push((key, inner.clone()));
                });
                None
            }
            _ => Some(Jinja::from(error)),
        },
    }
}

pub(super) fn missed(key: &Jinja, kind: &'static str) {
    NOTES.with_borrow_mut(|notes| {
        if notes.misses.len() >= KEPT {
            notes.misses.remove(0);
        }
        notes
            .misses
            .push((python::text(key).unwrap_or_default(), kind));
    });
}

/// Why the last lookup of a name gave nothing, if its own template failed.
pub(super) fn failure(key: &str) -> Option<TemplateError> {
    NOTES.with_borrow(|notes| {
        notes
            .failures
            .iter()
            .rev()
            .find(|(name, _)| name == key)
            .map(|(_, error)| error.clone())
    })
}

/// The type that had no such member.
pub(super) fn owner(key: &str) -> Option<&'static str> {
    NOTES.with_borrow(|notes| {
        notes
            .misses
            .iter()
            .rev()
            .find(|(name, _)| name == key)
            .map(|(_, kind)| *kind)
    })
}
