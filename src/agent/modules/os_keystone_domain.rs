//! `openstack.cloud.identity_domain` (`os_keystone_domain`): domains of a cloud.

use serde_json::{Map, json};

use super::acts::{Acts, acting};
use super::openstack::{Cloud, Ensure, Resource, openstack_arguments};
use super::{Module, Verdict};
use crate::host::{Failure, Look, Return};

ocplay_protocol::choices! {
    /// Wanted state.
    pub(super) enum State { Present = "present", Absent = "absent" }
}

openstack_arguments! {
    /// Creates, changes and removes domains of an OpenStack cloud.
    pub(super) struct Args {
        /// Name of the domain.
        name: String,
        /// Description.
        description: Option<String>,
        /// Whether the domain can be used.
        is_enabled: Option<bool> ["enabled"],
        /// Wanted state.
        state: State = State::Present,
    }
}

pub(super) struct OsKeystoneDomain;

const DOMAIN: Resource = Resource {
    service: "identity",
    path: "/domains",
    one: "domain",
    many: "domains",
    change: "PATCH",
};

/// The number of a domain that is named.
pub(super) fn id(cloud: &Cloud, name: Option<&str>) -> Result<Option<String>, Failure> {
    name.map(|name| DOMAIN.id(cloud, name, &[])).transpose()
}

impl Module for OsKeystoneDomain {
    const NAME: &'static str = "os_keystone_domain";
    const COLLECTION: &'static str = "openstack.cloud";
    type Args = Args;
    acting!();

    fn check(args: &Args, look: &Look) -> Result<Verdict<Acts>, Failure> {
        let cloud = args.connect(look)?;
        let found = DOMAIN.find(&cloud, &args.name, &[])?;
        let update = json!({"description": args.description, "enabled": args.is_enabled});
        let mut create = update.clone();
        create["name"] = json!(args.name);
        let present = args.state == State::Present;
        // A domain that can be used cannot be removed at once.
        if let (false, Some(domain)) = (present, &found)
            && domain["enabled"] == true
        {
            let path = format!("/domains/{}", domain["id"].as_str().unwrap_or_default());
            let off = json!({"domain": {"enabled": false}});
            let name = args.name.clone();
            let mut acts = Acts::new(Return::new());
            acts.diff(super::acts::state(&format!("domain {name}"), "present", ""));
            acts.body(move |_| {
                let what = format!("remove the domain {name}");
                cloud.tell("PATCH", "identity", &path, Some(&off), &what)?;
                cloud.tell("DELETE", "identity", &path, None, &what)?;
                Ok(Return::new())
            });
            return Ok(acts.verdict());
        }
        let ensure = Ensure {
            cloud,
            resource: DOMAIN,
            name: args.name.clone(),
            found,
            present,
            create,
            update,
            secret: Map::new(),
            ready: None,
        };
        Ok(ensure.acts().verdict())
    }
}
