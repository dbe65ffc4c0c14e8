//! `docker_container`, in stages: arguments, fields (wanted and actual side by
//! side), decision (which command lines); the module itself runs them.

pub(crate) mod args;
mod compare;
mod decide;
mod fields;
mod isolation;
mod network;
mod storage;

pub(crate) use args::Args;
pub(crate) use compare::Difference;
pub(crate) use decide::{Decision, Situation, Step, decide, named_containers, named_profiles};
pub(crate) use fields::{is_secret, texts};

#[cfg(test)]
mod tests;
