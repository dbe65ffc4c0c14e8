//! A hermetic place to run in, and hosts to run against.

mod host;
mod run;

pub(crate) use host::{Host, PASSWORD, keygen};
pub(crate) use run::{Project, Ran};
