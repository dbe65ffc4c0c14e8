//! What the modules for OpenStack share: getting in, asking, and bringing an
//! object into the wanted state.

mod cloud;
mod config;
mod object;

pub(super) use cloud::{Cloud, openstack_arguments};
pub(super) use object::{Ensure, Resource, same};
