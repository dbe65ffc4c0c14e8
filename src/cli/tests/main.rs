//! End-to-end tests: the real binary against real OpenSSH servers.
//!
//! One binary for all of them, so that it is linked once. They need root,
//! `openssh-server` and `sudo` (`make test` installs what is missing).

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod bad_input;
mod callbacks;
mod check_mode;
mod common;
mod config;
mod connection;
mod content;
mod faults;
mod flow;
mod generated;
mod hostile;
mod inventory;
mod listing;
mod many_hosts;
mod network;
mod play;
mod roads;
mod scenario;
mod secrets;
mod step;
mod vault;
