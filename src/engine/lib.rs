//! Runs a plan against hosts and reports events. The only room that waits.

pub mod actions;
mod blobs;
mod chain;
pub mod connection;
mod cursor;
mod custom_stats;
mod dispatcher;
pub mod event;
pub mod fact_cache;
mod forks;
mod given;
mod host;
mod looping;
pub mod options;
mod outcome;
pub mod plugins;
pub mod run;
pub mod secret;
mod settings;
mod task;
mod vars_prompt;
mod world;
