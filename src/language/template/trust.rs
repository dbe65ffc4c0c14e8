//! Whether a text inside of a template is what content wrote, or what a
//! template or a host made. The engine's mark for safe text carries it.

use std::sync::Arc;

use super::Jinja;

/// Text that content wrote.
pub(super) fn trusted(text: &Arc<str>) -> Jinja {
    Jinja::from_safe_string(text.to_string())
}

/// Whether a value is text that content wrote, unchanged.
pub(super) fn is_trusted(value: &Jinja) -> bool {
    value.is_safe()
}
