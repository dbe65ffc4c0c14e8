//! `openstack.cloud.identity_role` (`os_keystone_role`): roles of a cloud.

use serde_json::{Map, json};

use super::acts::{Acts, acting};
use super::openstack::{Ensure, Resource, openstack_arguments};
use super::{Module, Verdict};
use crate::host::{Failure, Look};

ocplay_protocol::choices! {
    /// Wanted state.
    pub(super) enum State { Present = "present", Absent = "absent" }
}

openstack_arguments! {
    /// Creates, changes and removes roles of an OpenStack cloud.
    pub(super) struct Args {
        /// Name of the role.
        name: String,
        /// Description.
        description: Option<String>,
        /// Number of the role's domain.
        domain_id: Option<String>,
        /// Wanted state.
        state: State = State::Present,
    }
}

pub(super) struct OsKeystoneRole;

pub(super) const ROLE: Resource = Resource {
    service: "identity",
    path: "/roles",
    one: "role",
    many: "roles",
    change: "PATCH",
};

impl Module for OsKeystoneRole {
    const NAME: &'static str = "os_keystone_role";
    const COLLECTION: &'static str = "openstack.cloud";
    type Args = Args;
    acting!();

    fn check(args: &Args, look: &Look) -> Result<Verdict<Acts>, Failure> {
        let cloud = args.connect(look)?;
        let query: Vec<(&str, &str)> = args
            .domain_id
            .iter()
            .map(|id| ("domain_id", id.as_str()))
            .collect();
        let found = ROLE.find(&cloud, &args.name, &query)?;
        let ensure = Ensure {
            cloud,
            resource: ROLE,
            name: args.name.clone(),
            found,
            present: args.state == State::Present,
            create: json!({
                "name": args.name, "description": args.description, "domain_id": args.domain_id,
            }),
            update: json!({"description": args.description}),
            secret: Map::new(),
            ready: None,
        };
        Ok(ensure.acts().verdict())
    }
}
