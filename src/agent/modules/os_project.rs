//! `openstack.cloud.project` (`os_project`): projects of a cloud.

use serde_json::{Map, Value, json};

use super::acts::{Acts, acting};
use super::openstack::{Ensure, Resource, openstack_arguments};
use super::{Module, Verdict};
use crate::host::{Failure, Look};

ocplay_protocol::choices! {
    /// Wanted state.
    pub(super) enum State { Present = "present", Absent = "absent" }
}

openstack_arguments! {
    /// Creates, changes and removes projects of an OpenStack cloud.
    pub(super) struct Args {
        /// Name of the project.
        name: String,
        /// Description.
        description: Option<String>,
        /// Domain of the project.
        domain: Option<String> ["domain_id"],
        /// Further properties.
        extra_specs: Option<Map<String, Value>> ["properties"],
        /// Whether the project can be used.
        is_enabled: Option<bool> ["enabled"],
        /// Wanted state.
        state: State = State::Present,
    }
}

pub(super) struct OsProject;

pub(super) const PROJECT: Resource = Resource {
    service: "identity",
    path: "/projects",
    one: "project",
    many: "projects",
    change: "PATCH",
};

impl Module for OsProject {
    const NAME: &'static str = "os_project";
    const COLLECTION: &'static str = "openstack.cloud";
    type Args = Args;
    acting!();

    fn check(args: &Args, look: &Look) -> Result<Verdict<Acts>, Failure> {
        let cloud = args.connect(look)?;
        let domain = super::os_keystone_domain::id(&cloud, args.domain.as_deref())?;
        let query: Vec<(&str, &str)> = domain.iter().map(|id| ("domain_id", id.as_str())).collect();
        let found = PROJECT.find(&cloud, &args.name, &query)?;
        let mut update = json!({"description": args.description, "enabled": args.is_enabled});
        for (key, value) in args.extra_specs.iter().flatten() {
            update[key.as_str()] = value.clone();
        }
        let mut create = update.clone();
        create["name"] = json!(args.name);
        create["domain_id"] = json!(domain);
        let ensure = Ensure {
            cloud,
            resource: PROJECT,
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
