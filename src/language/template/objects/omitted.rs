use std::fmt;
use std::sync::Arc;

use minijinja::value::{Object, ObjectRepr};

/// The `omit` placeholder.
#[derive(Debug)]
pub(crate) struct Omitted;

impl Object for Omitted {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn is_true(self: &Arc<Self>) -> bool {
        true
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<<Omit>>")
    }
}
