//! `openstack.cloud.catalog_service` (`os_keystone_service`): services in the
//! catalogue of a cloud.

use serde_json::{Map, Value, json};

use super::acts::{Acts, acting};
use super::openstack::{Cloud, Ensure, Resource, openstack_arguments};
use super::{Module, Verdict};
use crate::host::{Failure, Look};

ocplay_protocol::choices! {
    /// Wanted state.
    pub(super) enum State { Present = "present", Absent = "absent" }
}

openstack_arguments! {
    /// Creates, changes and removes services in the catalogue of an OpenStack cloud.
    pub(super) struct Args {
        /// Name of the service.
        name: String,
        /// Its type, such as compute.
        type_ as "type": String ["service_type"],
        /// Description.
        description: Option<String>,
        /// Whether it can be used.
        is_enabled: Option<bool> ["enabled"],
        /// Wanted state.
        state: State = State::Present,
    }
}

pub(super) struct OsKeystoneService;

pub(super) const SERVICE: Resource = Resource {
    service: "identity",
    path: "/services",
    one: "service",
    many: "services",
    change: "PATCH",
};

/// The service of this name, type or number.
pub(super) fn find(
    cloud: &Cloud,
    name: &str,
    kind: Option<&str>,
) -> Result<Option<Value>, Failure> {
    let list = cloud.get("identity", "/services")?.unwrap_or_default();
    let all = list["services"].as_array().cloned().unwrap_or_default();
    let matching: Vec<Value> = all
        .into_iter()
        .filter(|service| match kind {
            Some(kind) => service["name"] == name && service["type"] == kind,
            None => service["name"] == name || service["id"] == name,
        })
        .collect();
    match matching.len() {
        0 | 1 => Ok(matching.into_iter().next()),
        _ => Err(Failure::new(format!(
            "there is more than one service with the name {name}"
        ))),
    }
}

impl Module for OsKeystoneService {
    const NAME: &'static str = "os_keystone_service";
    const COLLECTION: &'static str = "openstack.cloud";
    type Args = Args;
    acting!();

    fn check(args: &Args, look: &Look) -> Result<Verdict<Acts>, Failure> {
        let cloud = args.connect(look)?;
        let found = find(&cloud, &args.name, Some(&args.type_))?;
        let update = json!({"description": args.description, "enabled": args.is_enabled});
        let mut create = update.clone();
        create["name"] = json!(args.name);
        create["type"] = json!(args.type_);
        let ensure = Ensure {
            cloud,
            resource: SERVICE,
            name: args.name.clone(),
            found,
            present: args.state == State::Present,
            create,
            update,
            secret: Map::new(),
            ready: None,
        };
        Ok(ensure.acts().verdict())
    }
}
