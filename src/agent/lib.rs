//! The on-host half of ocplay: reads requests from standard input, runs
//! modules, writes outcomes to standard output.
//!
//! Synchronous and self-contained: it must run as a static binary on a host
//! with nothing but a kernel. It therefore never calls the name service
//! (getpw*, getaddrinfo); see [`host`] for what it does instead.

mod archive;
#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "cases prepare their own files")]
mod cases;
mod crew;
mod crypto;
mod docker;
mod facts;
mod host;
mod modules;
mod serve;
mod sql;
mod xml;

pub use modules::catalogue;
pub use serve::{installed, job, serve};
