//! `openstack.cloud.subnet` (`os_subnet`): ranges of addresses of networks.

use ocplay_protocol::{arguments, choices};
use serde_json::{Map, Value, json};

use super::acts::{Acts, acting};
use super::openstack::{Ensure, Resource, openstack_arguments};
use super::os_network::NETWORK;
use super::{Module, Verdict};
use crate::host::{Failure, Look};

choices! {
    /// Wanted state.
    pub(super) enum State { Present = "present", Absent = "absent" }
}
choices! {
    /// Kind of addresses.
    pub(super) enum IpVersion { Four = "4", Six = "6" }
}
choices! {
    /// How hosts get IPv6 addresses.
    pub(super) enum Mode {
        Stateful = "dhcpv6-stateful",
        Stateless = "dhcpv6-stateless",
        Slaac = "slaac",
    }
}

arguments! {
    /// A way to other addresses.
    pub(super) struct Route {
        /// Where it leads, such as 10.0.0.0/8.
        destination: String,
        /// Address of the next host on it.
        nexthop: String,
    }
}
arguments! {
    /// Addresses that are given out.
    pub(super) struct Pool {
        /// The first.
        start: String,
        /// The last.
        end: String,
    }
}

openstack_arguments! {
    /// Creates, changes and removes ranges of addresses of networks in an OpenStack cloud.
    pub(super) struct Args {
        /// Name of the range.
        name: String,
        /// Network that it belongs to.
        network: Option<String> ["network_name"],
        /// The addresses, such as 10.0.0.0/24.
        cidr: Option<String>,
        /// Kind of addresses.
        ip_version: IpVersion = IpVersion::Four,
        /// Whether hosts get addresses by DHCP.
        is_dhcp_enabled: bool ["enable_dhcp"] = true,
        /// Address of the gateway.
        gateway_ip: Option<String>,
        /// There is no gateway.
        disable_gateway_ip: bool ["no_gateway_ip"] = false,
        /// Name servers.
        dns_nameservers: Option<Vec<String>>,
        /// First address that is given out.
        allocation_pool_start: Option<String>,
        /// Last address that is given out.
        allocation_pool_end: Option<String>,
        /// Several ranges that are given out.
        allocation_pools: Option<Vec<Pool>>,
        /// Ways to other addresses.
        host_routes: Option<Vec<Route>>,
        /// How routers announce it.
        ipv6_ra_mode: Option<Mode>,
        /// How hosts get IPv6 addresses.
        ipv6_address_mode: Option<Mode>,
        /// Description.
        description: Option<String>,
        /// Project that it belongs to.
        project: Option<String>,
        /// Length of the prefix, for a range out of a pool.
        prefix_length: Option<String>,
        /// Take the range out of the default pool.
        use_default_subnet_pool: Option<bool> ["use_default_subnetpool"],
        /// Pool to take the range out of.
        subnet_pool: Option<String>,
        /// Further fields.
        extra_attrs: Map<String, Value> ["extra_specs"] = Map::new(),
        /// Wanted state.
        state: State = State::Present,
    }
}

pub(super) struct OsSubnet;

const SUBNET: Resource = Resource {
    service: "network",
    path: "/subnets",
    one: "subnet",
    many: "subnets",
    change: "PUT",
};
const POOL: Resource = Resource {
    service: "network",
    path: "/subnetpools",
    one: "subnetpool",
    many: "subnetpools",
    change: "PUT",
};

impl Module for OsSubnet {
    const NAME: &'static str = "os_subnet";
    const COLLECTION: &'static str = "openstack.cloud";
    type Args = Args;
    acting!();

    fn check(args: &Args, look: &Look) -> Result<Verdict<Acts>, Failure> {
        let present = args.state == State::Present;
        if present && args.network.is_none() {
            return Err("state is present but all of the following are missing: network".into());
        }
        let pooled = args.use_default_subnet_pool.is_some() || args.subnet_pool.is_some();
        if present && args.cidr.is_none() && !pooled {
            return Err(
                "one of the following is required: cidr, use_default_subnet_pool, subnet_pool"
                    .into(),
            );
        }
        let cloud = args.connect(look)?;
        let project = match &args.project {
            Some(name) => Some(super::os_project::PROJECT.id(&cloud, name, &[])?),
            None => None,
        };
        let network = match &args.network {
            Some(name) => NETWORK.find(&cloud, name, &[])?,
            None => None,
        };
        let network = network.and_then(|network| network["id"].as_str().map(str::to_owned));
        if let (true, None, Some(name)) = (present, &network, &args.network) {
            if look.is_check() {
                let text = format!("there is no network {name} yet; an earlier task may make it");
                return Ok(Verdict::Skip(crate::host::Return::new().with("msg", text)));
            }
            return Err(Failure::new(format!("No network found for {name}")));
        }
        let mut query: Vec<(&str, &str)> = Vec::new();
        query.extend(network.iter().map(|id| ("network_id", id.as_str())));
        query.extend(project.iter().map(|id| ("project_id", id.as_str())));
        let found = SUBNET.find(&cloud, &args.name, &query)?;
        let pools = match (&args.allocation_pools, &args.allocation_pool_start) {
            (Some(pools), _) => Some(
                pools
                    .iter()
                    .map(|pool| json!({"start": pool.start, "end": pool.end}))
                    .collect::<Vec<_>>(),
            ),
            (None, Some(start)) => Some(vec![
                json!({"start": start, "end": args.allocation_pool_end}),
            ]),
            (None, None) => None,
        };
        let routes = args.host_routes.as_ref().map(|routes| {
            routes
                .iter()
                .map(|route| json!({"destination": route.destination, "nexthop": route.nexthop}))
                .collect::<Vec<_>>()
        });
        let mut update = json!({
            "enable_dhcp": args.is_dhcp_enabled, "gateway_ip": args.gateway_ip,
            "dns_nameservers": args.dns_nameservers, "allocation_pools": pools,
            "host_routes": routes, "description": args.description,
        });
        for (key, value) in &args.extra_attrs {
            update[key.as_str()] = value.clone();
        }
        let mut create = update.clone();
        let version = if args.ip_version == IpVersion::Six {
            6
        } else {
            4
        };
        for (key, value) in [
            ("name", json!(args.name)),
            ("network_id", json!(network)),
            ("project_id", json!(project)),
            ("cidr", json!(args.cidr)),
            ("ip_version", json!(version)),
            ("ipv6_ra_mode", json!(args.ipv6_ra_mode.map(Mode::word))),
            (
                "ipv6_address_mode",
                json!(args.ipv6_address_mode.map(Mode::word)),
            ),
            ("prefixlen", json!(args.prefix_length)),
            (
                "use_default_subnetpool",
                json!(args.use_default_subnet_pool),
            ),
        ] {
            create[key] = value;
        }
        if let Some(pool) = &args.subnet_pool {
            create["subnetpool_id"] = json!(POOL.id(&cloud, pool, &[])?);
        }
        let mut secret = Map::new();
        if args.disable_gateway_ip {
            // A null is a value here, not a field that is left out.
            let has = found
                .as_ref()
                .is_none_or(|found| !found["gateway_ip"].is_null());
            if has {
                secret.insert("gateway_ip".to_owned(), Value::Null);
            }
        }
        let ensure = Ensure {
            cloud,
            resource: SUBNET,
            name: args.name.clone(),
            found,
            present,
            create,
            update,
            secret,
            ready: None,
        };
        Ok(ensure.acts().verdict())
    }
}
