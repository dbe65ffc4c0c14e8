//! Docker: state is read over the engine's socket, changes are made by the
//! very `docker` command lines that people are shown.

pub(crate) mod archive;
pub(crate) mod build;
mod client;
pub(crate) mod container;
mod engine;
mod http;
pub(crate) mod reference;
pub(crate) mod units;

pub(crate) use client::{Line, complaint};
pub(crate) use engine::{Connection, Engine, docker_arguments, segment};

#[cfg(test)]
mod live;
