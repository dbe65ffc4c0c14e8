//! `openstack.cloud.endpoint` (`os_keystone_endpoint`): addresses in the
//! catalogue of a cloud.

use serde_json::{Map, json};

use super::acts::{Acts, acting};
use super::http::percent;
use super::openstack::{Ensure, Resource, openstack_arguments};
use super::{Module, Verdict};
use crate::host::{Failure, Look};

ocplay_protocol::choices! {
    /// Wanted state.
    pub(super) enum State { Present = "present", Absent = "absent" }
}
ocplay_protocol::choices! {
    /// Whom an address is for.
    pub(super) enum Interface { Admin = "admin", Public = "public", Internal = "internal" }
}

openstack_arguments! {
    /// Creates, changes and removes addresses of services in the catalogue of an OpenStack cloud.
    pub(super) struct Args {
        /// Name or number of the service.
        service: String,
        /// Whom the address is for.
        endpoint_interface: Interface,
        /// The address.
        url: String,
        /// Region of the address.
        region: Option<String>,
        /// Whether it can be used.
        enabled: bool = true,
        /// Wanted state.
        state: State = State::Present,
    }
}

pub(super) struct OsKeystoneEndpoint;

const ENDPOINT: Resource = Resource {
    service: "identity",
    path: "/endpoints",
    one: "endpoint",
    many: "endpoints",
    change: "PATCH",
};

impl Module for OsKeystoneEndpoint {
    const NAME: &'static str = "os_keystone_endpoint";
    const COLLECTION: &'static str = "openstack.cloud";
    type Args = Args;
    acting!();

    fn check(args: &Args, look: &Look) -> Result<Verdict<Acts>, Failure> {
        let cloud = args.connect(look)?;
        let service = super::os_keystone_service::find(&cloud, &args.service, None)?;
        let present = args.state == State::Present;
        let Some(service) = service else {
            if !present || look.is_check() {
                return Ok(Acts::new(crate::host::Return::new()).verdict());
            }
            return Err(Failure::new(format!(
                "Service {} does not exist",
                args.service
            )));
        };
        let id = service["id"].as_str().unwrap_or_default();
        let interface = args.endpoint_interface.word();
        let mut path = format!(
            "/endpoints?service_id={}&interface={interface}",
            percent(id)
        );
        if let Some(region) = &args.region {
            path.push_str(&format!("&region_id={}", percent(region)));
        }
        let list = cloud.get("identity", &path)?.unwrap_or_default();
        let all = list["endpoints"].as_array().cloned().unwrap_or_default();
        let found = all.into_iter().find(|endpoint| {
            endpoint["service_id"] == id
                && endpoint["interface"] == interface
                && args.region.as_ref().is_none_or(|region| {
                    endpoint["region_id"] == region.as_str()
                        || endpoint["region"] == region.as_str()
                })
        });
        let ensure = Ensure {
            cloud,
            resource: ENDPOINT,
            name: format!("{interface} of {}", args.service),
            found,
            present,
            create: json!({
                "service_id": id, "interface": interface, "url": args.url,
                "region_id": args.region, "enabled": args.enabled,
            }),
            update: json!({"url": args.url, "enabled": args.enabled}),
            secret: Map::new(),
            ready: None,
        };
        Ok(ensure.acts().verdict())
    }
}
