//! `openstack.cloud.network` (`os_network`): networks of a cloud.

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
    /// Creates, changes and removes networks of an OpenStack cloud.
    pub(super) struct Args {
        /// Name of the network.
        name: String,
        /// All projects may use it.
        shared: Option<bool>,
        /// Whether it is switched on.
        admin_state_up: Option<bool>,
        /// It leads out of the cloud.
        external: Option<bool>,
        /// It is the one that leads out by default.
        is_default: Option<bool>,
        /// Tags of VLANs pass through it.
        is_vlan_transparent: Option<bool>,
        /// Wanted state.
        state: State = State::Present,
        /// Physical network that it is made of.
        provider_physical_network: Option<String>,
        /// Kind of network that it is made of.
        provider_network_type: Option<String>,
        /// Number within that.
        provider_segmentation_id: Option<i64>,
        /// Project that it belongs to.
        project: Option<String>,
        /// Check addresses of its ports.
        port_security_enabled: Option<bool>,
        /// Largest packet.
        mtu: Option<i64> ["mtu_size"],
        /// Domain of names in it.
        dns_domain: Option<String>,
    }
}

pub(super) struct OsNetwork;

pub(super) const NETWORK: Resource = Resource {
    service: "network",
    path: "/networks",
    one: "network",
    many: "networks",
    change: "PUT",
};

impl Module for OsNetwork {
    const NAME: &'static str = "os_network";
    const COLLECTION: &'static str = "openstack.cloud";
    type Args = Args;
    acting!();

    fn check(args: &Args, look: &Look) -> Result<Verdict<Acts>, Failure> {
        let cloud = args.connect(look)?;
        let project = match &args.project {
            Some(name) => Some(super::os_project::PROJECT.id(&cloud, name, &[])?),
            None => None,
        };
        let query: Vec<(&str, &str)> = project
            .iter()
            .map(|id| ("project_id", id.as_str()))
            .collect();
        let found = NETWORK.find(&cloud, &args.name, &query)?;
        let update = json!({
            "shared": args.shared, "admin_state_up": args.admin_state_up,
            "router:external": args.external, "is_default": args.is_default,
            "port_security_enabled": args.port_security_enabled, "mtu": args.mtu,
            "dns_domain": args.dns_domain,
        });
        let mut create = update.clone();
        for (key, value) in [
            ("name", json!(args.name)),
            ("project_id", json!(project)),
            ("vlan_transparent", json!(args.is_vlan_transparent)),
            (
                "provider:physical_network",
                json!(args.provider_physical_network),
            ),
            ("provider:network_type", json!(args.provider_network_type)),
            (
                "provider:segmentation_id",
                json!(args.provider_segmentation_id),
            ),
        ] {
            create[key] = value;
        }
        let ensure = Ensure {
            cloud,
            resource: NETWORK,
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
