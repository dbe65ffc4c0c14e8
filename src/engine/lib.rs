//! Runs a plan against hosts and reports events. The only room that waits.

pub mod connection;
pub mod secret;
