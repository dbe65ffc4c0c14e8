//! Interfaces, addresses, default routes, name servers.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;

use serde_json::{Map, Value, json};

use super::{Gather, names, text};

/// One IPv4 address of an interface.
struct Address {
    interface: String,
    address: Ipv4Addr,
    netmask: Ipv4Addr,
    broadcast: Option<Ipv4Addr>,
    label: String,
}

#[expect(
    unsafe_code,
    reason = "getifaddrs is the only way to IPv4 addresses without a program"
)]
fn ipv4_addresses() -> Vec<Address> {
    let mut found = Vec::new();
    // SAFETY: the list is only read between getifaddrs and freeifaddrs; every
    // pointer is checked before it is followed, and the family says which
    // struct an address is.
    unsafe {
        let mut list: *mut libc::ifaddrs = std::ptr::null_mut();
        if libc::getifaddrs(&raw mut list) != 0 {
            return found;
        }
        let read = |at: *const libc::sockaddr| {
            if at.is_null() || i32::from((*at).sa_family) != libc::AF_INET {
                return None;
            }
            let inet = at.cast::<libc::sockaddr_in>().read_unaligned();
            Some(Ipv4Addr::from(u32::from_be(inet.sin_addr.s_addr)))
        };
        let mut at = list;
        while !at.is_null() {
            let entry = &*at;
            if let Some(address) = read(entry.ifa_addr) {
                let label = std::ffi::CStr::from_ptr(entry.ifa_name)
                    .to_string_lossy()
                    .into_owned();
                let broadcast = entry.ifa_flags & libc::IFF_BROADCAST as libc::c_uint != 0;
                found.push(Address {
                    interface: label.split(':').next().unwrap_or(&label).to_owned(),
                    address,
                    netmask: read(entry.ifa_netmask).unwrap_or(Ipv4Addr::BROADCAST),
                    broadcast: if broadcast { read(entry.ifa_ifu) } else { None },
                    label,
                });
            }
            at = entry.ifa_next;
        }
        libc::freeifaddrs(list);
    }
    found
}

/// Interface, address, prefix and scope of each IPv6 address.
fn ipv6_addresses(table: &str) -> Vec<(String, Ipv6Addr, u8, &'static str)> {
    table
        .lines()
        .filter_map(|line| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let [address, _, prefix, scope, _, interface] = fields[..] else {
                return None;
            };
            let address = Ipv6Addr::from(u128::from_str_radix(address, 16).ok()?);
            let prefix = u8::from_str_radix(prefix, 16).ok()?;
            let scope = match u8::from_str_radix(scope, 16).ok()? & 0xf0 {
                0x10 => "host",
                0x20 => "link",
                0x40 => "site",
                _ => "global",
            };
            Some((interface.to_owned(), address, prefix, scope))
        })
        .collect()
}

/// Interface and gateway of the default route with the lowest metric.
fn default_route4(table: &str) -> Option<(String, Ipv4Addr)> {
    table
        .lines()
        .skip(1)
        .filter_map(|line| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let [interface, destination, gateway, _, _, _, metric, mask, ..] = fields[..] else {
                return None;
            };
            if destination != "00000000" || mask != "00000000" {
                return None;
            }
            let gateway = u32::from_str_radix(gateway, 16).ok()?;
            let gateway = Ipv4Addr::from(gateway.to_ne_bytes());
            Some((metric.parse::<u32>().ok()?, interface.to_owned(), gateway))
        })
        .min_by_key(|(metric, _, _)| *metric)
        .map(|(_, interface, gateway)| (interface, gateway))
}

fn default_route6(table: &str) -> Option<(String, Ipv6Addr)> {
    table
        .lines()
        .filter_map(|line| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let [
                destination,
                prefix,
                _,
                _,
                gateway,
                metric,
                _,
                _,
                _,
                interface,
            ] = fields[..]
            else {
                return None;
            };
            let any = destination.bytes().all(|byte| byte == b'0') && prefix == "00";
            if !any || interface == "lo" {
                return None;
            }
            let gateway = Ipv6Addr::from(u128::from_str_radix(gateway, 16).ok()?);
            let metric = u32::from_str_radix(metric, 16).ok()?;
            Some((metric, interface.to_owned(), gateway))
        })
        .min_by_key(|(metric, _, _)| *metric)
        .map(|(_, interface, gateway)| (interface, gateway))
}

pub(super) fn gather(gather: &mut Gather<'_>) {
    let v4 = ipv4_addresses();
    let v6 = ipv6_addresses(&text("/proc/net/if_inet6"));
    let interfaces: Vec<String> = names("/sys/class/net")
        .into_iter()
        .filter(|name| Path::new("/sys/class/net").join(name).join("mtu").exists())
        .collect();
    let route4 = default_route4(&text("/proc/net/route"));
    let route6 = default_route6(&text("/proc/net/ipv6_route"));
    let (mut all4, mut all6) = (Vec::new(), Vec::new());
    let (mut default4, mut default6) = (Map::new(), Map::new());
    for name in &interfaces {
        let mut facts = interface(name);
        let mut addresses = v4.iter().filter(|address| address.interface == *name);
        if let Some(first) = addresses.next() {
            facts.insert("ipv4".to_owned(), Value::Object(ipv4(first)));
            let others: Vec<Value> = addresses.map(|a| Value::Object(ipv4(a))).collect();
            if !others.is_empty() {
                facts.insert("ipv4_secondaries".to_owned(), Value::Array(others));
            }
        }
        let six: Vec<Value> = v6
            .iter()
            .filter(|(interface, ..)| interface == name)
            .map(|(_, address, prefix, scope)| {
                json!({ "address": address, "prefix": prefix.to_string(), "scope": scope })
            })
            .collect();
        if !six.is_empty() {
            facts.insert("ipv6".to_owned(), Value::Array(six));
        }
        if name != "lo" {
            all4.extend(
                v4.iter()
                    .filter(|address| address.interface == *name && !address.address.is_loopback())
                    .map(|address| address.address.to_string()),
            );
            all6.extend(
                v6.iter()
                    .filter(|(interface, address, ..)| interface == name && !address.is_loopback())
                    .map(|(_, address, ..)| address.to_string()),
            );
        }
        let common = |into: &mut Map<String, Value>, gateway: IpAddr| {
            into.insert("gateway".to_owned(), json!(gateway));
            into.insert("interface".to_owned(), json!(name));
            for key in ["macaddress", "mtu", "type"] {
                if let Some(value) = facts.get(key) {
                    into.insert(key.to_owned(), value.clone());
                }
            }
        };
        if let Some((interface, gateway)) = &route4
            && interface == name
        {
            if let Some(address) = v4.iter().find(|address| address.interface == *name) {
                default4 = ipv4(address);
                default4.insert("alias".to_owned(), json!(address.label));
            }
            common(&mut default4, IpAddr::V4(*gateway));
        }
        if let Some((interface, gateway)) = &route6
            && interface == name
        {
            let usable = v6
                .iter()
                .find(|(interface, _, _, scope)| interface == name && *scope == "global");
            if let Some((_, address, prefix, scope)) = usable {
                default6.insert("address".to_owned(), json!(address));
                default6.insert("prefix".to_owned(), json!(prefix.to_string()));
                default6.insert("scope".to_owned(), json!(scope));
                common(&mut default6, IpAddr::V6(*gateway));
            }
        }
        gather.put(&name.replace(['-', ':', '.'], "_"), facts);
    }
    gather.put("interfaces", interfaces);
    gather.put("all_ipv4_addresses", all4);
    gather.put("all_ipv6_addresses", all6);
    gather.put("default_ipv4", default4);
    gather.put("default_ipv6", default6);
}

fn ipv4(address: &Address) -> Map<String, Value> {
    let mask = u32::from(address.netmask);
    let network = Ipv4Addr::from(u32::from(address.address) & mask);
    let mut facts = Map::new();
    facts.insert("address".to_owned(), json!(address.address));
    let broadcast = address
        .broadcast
        .filter(|broadcast| *broadcast != address.address)
        .map(|broadcast| broadcast.to_string())
        .unwrap_or_default();
    facts.insert("broadcast".to_owned(), json!(broadcast));
    facts.insert("netmask".to_owned(), json!(address.netmask));
    facts.insert("network".to_owned(), json!(network));
    facts.insert("prefix".to_owned(), json!(mask.count_ones().to_string()));
    facts
}

fn interface(name: &str) -> Map<String, Value> {
    let base = Path::new("/sys/class/net").join(name);
    let read = |file: &str| text(base.join(file));
    let mut facts = Map::new();
    let mut put = |key: &str, value: Value| {
        facts.insert(key.to_owned(), value);
    };
    let flags = u32::from_str_radix(read("flags").trim_start_matches("0x"), 16).unwrap_or(0);
    put("device", json!(name));
    put("active", json!(read("operstate") != "down"));
    put("promisc", json!(flags & 0x100 != 0));
    if let Ok(mtu) = read("mtu").parse::<u64>() {
        put("mtu", json!(mtu));
    }
    let mac = read("address");
    if !mac.is_empty() && mac != "00:00:00:00:00:00" {
        put("macaddress", json!(mac));
    }
    let kind = if base.join("bridge").is_dir() {
        "bridge"
    } else if base.join("bonding").is_dir() {
        "bonding"
    } else {
        match read("type").as_str() {
            "1" => "ether",
            "32" => "infiniband",
            "512" => "ppp",
            "772" => "loopback",
            "65534" => "tunnel",
            _ => "unknown",
        }
    };
    put("type", json!(kind));
    if kind == "bridge" {
        put("interfaces", json!(names(base.join("brif"))));
        put("id", json!(read("bridge/bridge_id")));
        put("stp", json!(read("bridge/stp_state") == "1"));
    }
    if kind == "bonding" {
        let mode = read("bonding/mode");
        put(
            "mode",
            json!(mode.split_whitespace().next().unwrap_or_default()),
        );
        let members = read("bonding/slaves");
        put(
            "slaves",
            json!(members.split_whitespace().collect::<Vec<_>>()),
        );
        put("miimon", json!(read("bonding/miimon")));
    }
    if let Ok(speed) = read("speed").parse::<i64>()
        && speed > 0
    {
        put("speed", json!(speed));
    }
    if let Ok(driver) = std::fs::read_link(base.join("device/driver/module"))
        && let Some(module) = driver.file_name()
    {
        put("module", json!(module.to_string_lossy()));
    }
    facts
}

pub(super) fn name_service(gather: &mut Gather<'_>) {
    gather.put("dns", resolver(&text("/etc/resolv.conf")));
}

fn resolver(config: &str) -> Map<String, Value> {
    let mut facts = Map::new();
    let mut servers = Vec::new();
    for line in config.lines() {
        let line = line.split(['#', ';']).next().unwrap_or_default();
        let mut words = line.split_whitespace();
        match words.next() {
            Some("nameserver") => servers.extend(words.map(str::to_owned)),
            Some(word @ ("search" | "sortlist")) => {
                facts.insert(word.to_owned(), words.collect());
            }
            Some("domain") => {
                if let Some(domain) = words.next() {
                    facts.insert("domain".to_owned(), json!(domain));
                }
            }
            Some("options") => {
                let options: Map<String, Value> = words
                    .map(|word| match word.split_once(':') {
                        Some((name, value)) => (name.to_owned(), json!(value)),
                        None => (word.to_owned(), json!(true)),
                    })
                    .collect();
                facts.insert("options".to_owned(), Value::Object(options));
            }
            _ => {}
        }
    }
    if !servers.is_empty() {
        facts.insert("nameservers".to_owned(), json!(servers));
    }
    facts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes() {
        let table = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\n\
            eth1\t00000000\t010200C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\n\
            eth0\t00000000\t0100000A\t0003\t0\t0\t0\t00000000\t0\t0\t0\n";
        assert_eq!(
            default_route4(table),
            Some(("eth0".to_owned(), Ipv4Addr::new(10, 0, 0, 1)))
        );
        assert_eq!(default_route4(""), None);
    }

    #[test]
    fn addresses6() {
        let table = "fd000000000000000000000000000002 02 40 00 80     eth0\n\
            00000000000000000000000000000001 01 80 10 80       lo\n";
        let found = ipv6_addresses(table);
        assert_eq!(found[0].1.to_string(), "fd00::2");
        assert_eq!((found[0].2, found[0].3), (64, "global"));
        assert_eq!(found[1].3, "host");
    }

    #[test]
    fn name_servers() {
        let facts = resolver("nameserver 10.0.0.1 # x\nsearch a b\noptions ndots:2 rotate\n");
        assert_eq!(
            Value::Object(facts),
            json!({
                "search": ["a", "b"],
                "options": {"ndots": "2", "rotate": true},
                "nameservers": ["10.0.0.1"],
            })
        );
    }
}
