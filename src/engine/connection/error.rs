//! Why a host cannot be worked on, in words that help.

use std::path::PathBuf;

/// Every way in which connecting or starting the agent fails.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ConnectError {
    #[error(
        "the name '{0}' does not resolve: {1}. Set ansible_host to an address, or add the name to DNS or /etc/hosts"
    )]
    Resolve(String, String),
    #[error("{address} port {port}: {reason}. {hint}")]
    Network {
        address: String,
        port: u16,
        reason: String,
        hint: &'static str,
    },
    #[error(
        "{address} port {port} did not answer within {seconds} s. Is the host up, and the port open in its firewall? (-T sets the time)"
    )]
    Timeout {
        address: String,
        port: u16,
        seconds: u64,
    },
    #[error("the SSH handshake with {address} port {port} failed: {reason}")]
    Handshake {
        address: String,
        port: u16,
        reason: String,
    },
    #[error(
        "{address} port {port} hung up during the SSH handshake: {reason}. Is it sshd that listens there, and does its MaxStartups let enough connections in?"
    )]
    HungUp {
        address: String,
        port: u16,
        reason: String,
    },
    #[error(
        "the host key of {name} is not known ({algorithm} {fingerprint}). If it is the right one, add it: ssh-keyscan -p {port} {address} >> {file}; or run once with --ssh-common-args '-o StrictHostKeyChecking=accept-new'"
    )]
    UnknownHostKey {
        name: String,
        address: String,
        port: u16,
        algorithm: String,
        fingerprint: String,
        file: String,
    },
    #[error(
        "THE HOST KEY OF {name} HAS CHANGED: it is now {algorithm} {fingerprint}, but {file} line {line} says otherwise. Somebody may be in between, or the host was reinstalled; in that case remove the old key: ssh-keygen -R '{name}' -f {file}"
    )]
    ChangedHostKey {
        name: String,
        algorithm: String,
        fingerprint: String,
        file: String,
        line: usize,
    },
    #[error("the host key of {name} is marked @revoked in {file} line {line}")]
    RevokedHostKey {
        name: String,
        file: String,
        line: usize,
    },
    #[error("the key file {path} cannot be used: {reason}")]
    Key { path: PathBuf, reason: String },
    #[error(
        "{user}@{address} was refused. Tried: {tried}. The server accepts: {accepted}. Give a key with --private-key or a password with -k"
    )]
    Refused {
        user: String,
        address: String,
        tried: String,
        accepted: String,
    },
    #[error("the jump host {0} cannot be used: {1}")]
    Jump(String, Box<Self>),
    #[error("{0}")]
    Become(String),
    #[error("the helper could not be started: {0}")]
    Bootstrap(String),
    #[error("the SSH option '{0}' is not understood")]
    Option(String),
    #[error("the connection kind '{0}' is not supported; use ssh, local, docker, podman or chroot")]
    Kind(String),
    #[error("the variable '{name}': {reason}")]
    Variable { name: String, reason: String },
    #[error("the connection was lost: {0}")]
    Lost(String),
}

impl ConnectError {
    /// Whether another attempt may go better with nothing changed.
    pub(super) fn may_pass(&self) -> bool {
        match self {
            Self::Network { .. }
            | Self::Timeout { .. }
            | Self::Handshake { .. }
            | Self::HungUp { .. }
            | Self::Lost(_)
            | Self::Bootstrap(_) => true,
            Self::Jump(_, inner) => inner.may_pass(),
            _ => false,
        }
    }
}
