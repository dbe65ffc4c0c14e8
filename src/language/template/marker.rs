//! What stands for a value that is not there or could not be made. It is
//! handed around until someone needs the value; `default` and `is defined`
//! never do.

use std::fmt;
use std::sync::Arc;

use minijinja::Error;
use minijinja::value::{Object, ObjectRepr};

use super::Jinja;
use super::error::TemplateError;

#[derive(Debug)]
pub(super) struct Marker(pub(super) TemplateError);

impl Object for Marker {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn is_true(self: &Arc<Self>) -> bool {
        false
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl Marker {
    pub(super) fn value(error: TemplateError) -> Jinja {
        Jinja::from_object(Self(error))
    }

    pub(super) fn of(value: &Jinja) -> Option<&TemplateError> {
        value.downcast_object_ref::<Self>().map(|marker| &marker.0)
    }
}

pub(super) trait Missing {
    /// Whether this is no value at all, for whatever reason.
    fn is_missing(&self) -> bool;
    /// Whether this is not there, rather than failed.
    fn is_absent(&self) -> bool;
    /// The value, or the error it stands for.
    fn present(self) -> Result<Jinja, Error>;
}

impl Missing for Jinja {
    fn is_missing(&self) -> bool {
        self.is_undefined() || Marker::of(self).is_some()
    }

    fn is_absent(&self) -> bool {
        self.is_undefined() || Marker::of(self).is_some_and(|error| error.undefined)
    }

    fn present(self) -> Result<Jinja, Error> {
        if self.is_missing() {
            Err(super::python::undefined(&self))
        } else {
            Ok(self)
        }
    }
}
