//! Ports, names and networks.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::args::{Args, Network};
use super::compare::{Difference, Kind, Mode, Rules};
use super::fields::{Table, dict, list, text, texts};
use crate::docker::{Line, units};

/// The network that a new container starts in.
pub(super) fn first(args: &Args) -> Option<&str> {
    match (&args.network_mode, &args.networks) {
        (Some(mode), _) => Some(mode),
        (None, Some(networks)) if args.networks_cli_compatible => {
            networks.first().map(|network| network.name.as_str())
        }
        _ => None,
    }
}

/// A published port: port of the container, address and port of the host.
type Binding = (String, String, String);

/// One published port or range, port by port.
fn bindings(port: &str, default_ip: Option<&str>) -> Result<Vec<Binding>, String> {
    let wrong = |reason: &str| format!("published_ports: '{port}': {reason}");
    let (rest, protocol) = port.rsplit_once('/').unwrap_or((port, "tcp"));
    let (rest, inside) = rest.rsplit_once(':').unwrap_or(("", rest));
    let (ip, outside) = rest.rsplit_once(':').unwrap_or(("", rest));
    let ip = ip.trim_start_matches('[').trim_end_matches(']');
    let ip = match (ip, default_ip) {
        ("", Some(ip)) => ip,
        ("" | "0.0.0.0", _) => "",
        (ip, _) => ip,
    };
    let inside = units::ports(inside).map_err(|reason| wrong(&reason))?;
    let one = |number: u16, host: String| (format!("{number}/{protocol}"), ip.to_owned(), host);
    if outside.is_empty() || outside == "0" {
        return Ok(inside.map(|number| one(number, String::new())).collect());
    }
    let hosts = units::ports(outside).map_err(|reason| wrong(&reason))?;
    if inside.len() == 1 && hosts.len() > 1 {
        return Ok(inside
            .map(|number| one(number, outside.to_owned()))
            .collect());
    }
    if inside.len() != hosts.len() {
        return Err(wrong("the two ranges are not of the same length"));
    }
    Ok(inside
        .zip(hosts)
        .map(|(number, host)| one(number, host.to_string()))
        .collect())
}

fn binding_text((inside, ip, outside): &Binding) -> String {
    let ip = if ip.contains(':') {
        format!("[{ip}]")
    } else {
        ip.clone()
    };
    match (ip.as_str(), outside.as_str()) {
        ("", "") => inside.clone(),
        ("", outside) => format!("{outside}:{inside}"),
        (ip, outside) => format!("{ip}:{outside}:{inside}"),
    }
}

/// What the engine has on record, in the same spelling.
fn recorded(found: &Value) -> Vec<String> {
    let mut out = BTreeSet::new();
    for (inside, places) in found.as_object().into_iter().flatten() {
        for place in places.as_array().into_iter().flatten() {
            let ip = match text(&place["HostIp"]) {
                "0.0.0.0" => "",
                ip => ip,
            };
            let outside = match text(&place["HostPort"]) {
                "0" => "",
                outside => outside,
            };
            out.insert(binding_text(&(
                inside.clone(),
                ip.to_owned(),
                outside.to_owned(),
            )));
        }
    }
    out.into_iter().collect()
}

fn exposed(ports: &[String]) -> Result<BTreeSet<String>, String> {
    let mut out = BTreeSet::new();
    for port in ports {
        let (range, protocol) = port.split_once('/').unwrap_or((port, "tcp"));
        let range = units::ports(range).map_err(|reason| format!("exposed_ports: {reason}"))?;
        out.extend(range.map(|number| format!("{number}/{protocol}")));
    }
    Ok(out)
}

fn keys(value: &Value) -> Vec<String> {
    value
        .as_object()
        .into_iter()
        .flatten()
        .map(|(key, _)| key.clone())
        .collect()
}

impl Table<'_> {
    pub(super) fn network(&mut self) -> Result<(), String> {
        let args = self.args;
        if let Some(mode) = first(args) {
            self.flag("--network", mode);
            let member = args
                .networks
                .iter()
                .flatten()
                .find(|network| network.name == mode);
            for (flag, value) in member.map(membership).unwrap_or_default() {
                self.flag(flag, value);
            }
        }
        if let Some(mode) = &args.network_mode {
            let same = |mode: &str| match mode.strip_prefix("container:") {
                Some(name) => match self.facts.ids.get(name) {
                    Some(id) => format!("container:{id}"),
                    None => mode.to_owned(),
                },
                None if mode == "default" => "bridge".to_owned(),
                None => mode.to_owned(),
            };
            let (wanted, actual) = (same(mode), same(text(&self.host("NetworkMode"))));
            self.field("network_mode", Kind::Value, json!(wanted), json!(actual));
        }
        self.ports()?;
        if let Some(hosts) = &args.etc_hosts {
            let hosts = texts("etc_hosts", hosts)?;
            for (name, address) in &hosts {
                self.flag("--add-host", format!("{name}:{address}"));
            }
            let actual: Vec<(String, String)> = list(&self.host("ExtraHosts"))
                .iter()
                .filter_map(|line| line.split_once([':', '=']))
                .map(|(name, address)| (name.to_owned(), address.to_owned()))
                .collect();
            self.field("etc_hosts", Kind::Dict, dict(&hosts), dict(&actual));
        }
        for (name, given, flag, key) in [
            ("dns_servers", &args.dns_servers, "--dns", "Dns"),
            (
                "dns_search_domains",
                &args.dns_search_domains,
                "--dns-search",
                "DnsSearch",
            ),
        ] {
            if let Some(given) = given {
                for item in given {
                    self.flag(flag, item.clone());
                }
                let actual = list(&self.host(key));
                self.field(name, Kind::Value, json!(given), json!(actual));
            }
        }
        self.set(
            "dns_opts",
            args.dns_opts.as_ref(),
            "--dns-option",
            self.host("DnsOptions"),
            str::to_owned,
        );
        self.set(
            "links",
            args.links.as_ref(),
            "--link",
            self.host("Links"),
            |link| {
                let (name, alias) = link.split_once(':').unwrap_or((link, link));
                let alias = alias.rsplit('/').next().unwrap_or(alias);
                format!("{}:{alias}", name.trim_start_matches('/'))
            },
        );
        let mac = args
            .mac_address
            .as_ref()
            .map(|mac| mac.replace('-', ":").to_ascii_lowercase());
        self.word(
            "mac_address",
            mac.as_deref(),
            "--mac-address",
            self.config("MacAddress"),
        );
        Ok(())
    }

    fn ports(&mut self) -> Result<(), String> {
        let args = self.args;
        let mut inside = BTreeSet::new();
        if let Some(ports) = &args.published_ports {
            let mut wanted = BTreeSet::new();
            for port in ports {
                for binding in bindings(port, args.default_host_ip.as_deref())? {
                    let line = binding_text(&binding);
                    inside.insert(binding.0);
                    if wanted.insert(line.clone()) {
                        self.flag("--publish", line.strip_suffix("/tcp").unwrap_or(&line));
                    }
                }
            }
            let actual = recorded(&self.host("PortBindings"));
            self.field("published_ports", Kind::Set, json!(wanted), json!(actual));
        }
        if let Some(all) = args.publish_all_ports {
            if all {
                self.flags.push("--publish-all".to_owned());
            }
            let actual = self.host("PublishAllPorts").as_bool().unwrap_or(false);
            self.field("publish_all_ports", Kind::Value, json!(all), json!(actual));
        }
        if let Some(ports) = &args.exposed_ports {
            for port in ports {
                self.flag("--expose", port.clone());
            }
            let wanted = exposed(ports)?;
            let actual = keys(&self.config("ExposedPorts"));
            self.field("exposed_ports", Kind::Set, json!(wanted), json!(actual));
            let mut brought = keys(&self.image("ExposedPorts"));
            brought.extend(inside);
            if let Some(field) = self.fields.last_mut() {
                field.brought = json!(brought);
            }
        }
        Ok(())
    }
}

/// How the client says what a membership is like.
fn membership(network: &Network) -> Vec<(&'static str, String)> {
    let mut flags = Vec::new();
    let mut add =
        |flag, value: Option<&String>| flags.extend(value.map(|value| (flag, value.clone())));
    add("--ip", network.ipv4_address.as_ref());
    add("--ip6", network.ipv6_address.as_ref());
    add("--mac-address", network.mac_address.as_ref());
    for alias in network.aliases.iter().flatten() {
        add("--network-alias", Some(alias));
    }
    for link in network.links.iter().flatten() {
        add("--link", Some(link));
    }
    flags
}

/// Lines that put a container into a network.
pub(super) fn connect(network: &Network, container: &str) -> Line {
    let mut line = Line::new(["network", "connect"]);
    for (flag, value) in membership(network) {
        match flag {
            // The hardware address can only be said when the container is made.
            "--mac-address" => {}
            "--network-alias" => line = line.with(["--alias", &value]),
            flag => line = line.with([flag, &value]),
        }
    }
    line.with([network.name.as_str(), container])
}

fn disconnect(network: &str, container: &str) -> Line {
    Line::new(["network", "disconnect", network, container])
}

fn difference(network: &Network, is: &Value) -> Option<(Value, Value)> {
    let (mut before, mut after) = (json!({}), json!({}));
    let fixed = &is["IPAMConfig"];
    for (name, wanted, found) in [
        ("ipv4_address", &network.ipv4_address, &fixed["IPv4Address"]),
        ("ipv6_address", &network.ipv6_address, &fixed["IPv6Address"]),
    ] {
        if let Some(wanted) = wanted
            && wanted != text(found)
        {
            before[name] = json!(text(found));
            after[name] = json!(wanted);
        }
    }
    for (name, wanted, found) in [
        ("aliases", &network.aliases, &is["Aliases"]),
        ("links", &network.links, &is["Links"]),
    ] {
        let found = list(found);
        if let Some(wanted) = wanted
            && !wanted.iter().all(|item| found.contains(item))
        {
            before[name] = json!(found);
            after[name] = json!(wanted);
        }
    }
    (after != json!({})).then_some((before, after))
}

/// What to do about the networks of a container that stays.
pub(super) fn changes(
    args: &Args,
    container: &Value,
    rules: &Rules,
) -> (Vec<Difference>, Vec<Line>) {
    let (mut differences, mut lines) = (Vec::new(), Vec::new());
    let Some(networks) = &args.networks else {
        return (differences, lines);
    };
    let mode = rules.of("networks", Kind::Set);
    if mode == Mode::Ignore {
        return (differences, lines);
    }
    let is = &container["NetworkSettings"]["Networks"];
    for network in networks {
        let field = format!("networks.{}", network.name);
        match is.get(&network.name) {
            None => {
                lines.push(connect(network, &args.name));
                differences.push(Difference::new(field, Value::Null, json!("connected")));
            }
            Some(is) => {
                if let Some((before, after)) = difference(network, is) {
                    lines.push(disconnect(&network.name, &args.name));
                    lines.push(connect(network, &args.name));
                    differences.push(Difference::new(field, before, after));
                }
            }
        }
    }
    if mode == Mode::Strict {
        for name in keys(is) {
            let wanted = networks.iter().any(|network| network.name == name)
                || args.network_mode.as_deref() == Some(&name);
            if !wanted {
                lines.push(disconnect(&name, &args.name));
                let field = format!("networks.{name}");
                differences.push(Difference::new(field, json!("connected"), Value::Null));
            }
        }
    }
    (differences, lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(port: &str, ip: Option<&str>) -> Vec<String> {
        bindings(port, ip)
            .unwrap()
            .iter()
            .map(binding_text)
            .collect()
    }

    #[test]
    fn published_ports_in_all_spellings() {
        assert_eq!(lines("80", None), ["80/tcp"]);
        assert_eq!(lines("8080:80", None), ["8080:80/tcp"]);
        assert_eq!(lines("0.0.0.0:8080:80/tcp", None), ["8080:80/tcp"]);
        assert_eq!(lines("127.0.0.1::53/udp", None), ["127.0.0.1::53/udp"]);
        assert_eq!(lines("8080:80", Some("10.0.0.1")), ["10.0.0.1:8080:80/tcp"]);
        assert_eq!(lines("[::1]:80:80", None), ["[::1]:80:80/tcp"]);
        assert_eq!(
            lines("9000-9001:80-81", None),
            ["9000:80/tcp", "9001:81/tcp"]
        );
        assert_eq!(lines("9000-9001:80", None), ["9000-9001:80/tcp"]);
        assert!(bindings("9000-9002:80-81", None).is_err());
        assert!(bindings("http", None).is_err());
    }

    #[test]
    fn ports_on_record() {
        let found = json!({
            "80/tcp": [{"HostIp": "", "HostPort": "8080"}, {"HostIp": "::1", "HostPort": "1"}],
            "81/tcp": [{"HostIp": "0.0.0.0", "HostPort": "0"}],
            "82/udp": null,
        });
        assert_eq!(
            recorded(&found),
            ["8080:80/tcp", "81/tcp", "[::1]:1:80/tcp"]
        );
    }
}
