//! From a host's variables to a running agent.
//!
//! `target` says where and how, `ssh` and `local` open channels, `bootstrap`
//! puts the agent there and starts it, `link` speaks with it, and `pool` keeps
//! one connection per host and one agent per user on it.

mod becoming;
mod bootstrap;
mod error;
mod known_hosts;
mod link;
mod local;
mod login;
mod openssh;
mod pool;
mod road;
mod ssh;
mod ssh_args;
mod ssh_config;
mod target;

pub use bootstrap::AgentBinary;
pub use error::ConnectError;
pub use known_hosts::KeyVerdict;
pub use link::{Attached, BlobSource, Link, LinkError, Progress};
pub use pool::Pool;
pub use ssh_config::ConfigFiles;
pub use target::{Become, HostKeyPolicy, Kind, Road, SshOptions, Target, Variables};

use tokio::io::{AsyncRead, AsyncWrite};

/// The three streams of a program on the other side.
pub(crate) struct Pipe {
    pub(crate) input: Box<dyn AsyncWrite + Send + Unpin>,
    pub(crate) output: Box<dyn AsyncRead + Send + Unpin>,
    pub(crate) errors: Box<dyn AsyncRead + Send + Unpin>,
}
