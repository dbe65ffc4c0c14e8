//! `docker_network`: makes and removes networks, and says who is in them.

use std::collections::BTreeSet;

use ocplay_protocol::{Diff, arguments, choices};
use serde_json::{Map, Value, json};

use super::{Module, Verdict};
use crate::docker::container::texts;
use crate::docker::{Engine, Line, docker_arguments, segment};
use crate::host::{Failure, Look, Return, Touch};

choices! {
    /// Wanted state.
    pub(super) enum State { Present = "present", Absent = "absent" }
}

choices! {
    /// How far a network reaches.
    pub(super) enum Scope { Local = "local", Global = "global", Swarm = "swarm" }
}

arguments! {
    /// A range of addresses.
    pub(super) struct Range {
        /// Addresses of the network, such as 10.0.0.0/24.
        subnet: Option<String>,
        /// Address of the gateway.
        gateway: Option<String>,
        /// Part of it that containers get addresses from.
        iprange: Option<String>,
        /// Addresses that something else has, by name.
        aux_addresses: Option<Map<String, Value>>,
    }
}

docker_arguments! {
    /// Makes and removes Docker networks, and says which containers are in them.
    pub(super) struct Args {
        /// Name of the network.
        name: String ["network_name"],
        /// Wanted state.
        state: State = State::Present,
        /// Driver.
        driver: String = "bridge".to_owned(),
        /// Options of the driver.
        driver_options: Map<String, Value> = Map::new(),
        /// Driver that gives addresses.
        ipam_driver: Option<String>,
        /// Options of that driver.
        ipam_driver_options: Option<Map<String, Value>>,
        /// Ranges of addresses.
        ipam_config: Option<Vec<Range>>,
        /// No way out of it.
        internal: Option<bool>,
        /// Containers outside of services may join (overlay).
        attachable: Option<bool>,
        /// The network of a swarm's published ports.
        ingress: Option<bool>,
        /// It has IPv6 addresses.
        enable_ipv6: Option<bool>,
        /// How far it reaches.
        scope: Option<Scope>,
        /// Only settings for other networks.
        config_only: Option<bool>,
        /// Network that the settings come from.
        config_from: Option<String>,
        /// Labels.
        labels: Map<String, Value> = Map::new(),
        /// Containers that shall be in it, and no others; if empty, those that are.
        connected: Vec<String> ["containers"] = Vec::new(),
        /// Others than those in connected may be in it.
        appends: bool ["incremental"] = false,
        /// Make it anew in any case.
        force: bool = false,
    }
}

pub(super) struct DockerNetwork;

pub(super) struct Plan {
    engine: Option<Engine>,
    name: String,
    lines: Vec<Line>,
    differences: Vec<Difference>,
}

/// Name, actual, wanted.
type Difference = (String, Value, Value);

/// The network of exactly this name; the engine also takes beginnings of numbers.
fn network(engine: &Engine, name: &str) -> Result<Option<Value>, Failure> {
    let found = engine.get(&format!("/networks/{}", segment(name)))?;
    Ok(found.filter(|found| found["Name"] == name || found["Id"] == name))
}

fn some(map: Option<&Map<String, Value>>) -> Map<String, Value> {
    map.cloned().unwrap_or_default()
}

fn creation(args: &Args) -> Result<Line, String> {
    let mut words: Vec<String> = ["network", "create", "--driver", &args.driver]
        .map(str::to_owned)
        .to_vec();
    let mut add = |flag: &str, value: String| words.extend([flag.to_owned(), value]);
    for (name, flag, map) in [
        ("driver_options", "--opt", args.driver_options.clone()),
        (
            "ipam_driver_options",
            "--ipam-opt",
            some(args.ipam_driver_options.as_ref()),
        ),
        ("labels", "--label", args.labels.clone()),
    ] {
        for (key, value) in texts(name, &map)? {
            add(flag, format!("{key}={value}"));
        }
    }
    for (flag, value) in [
        ("--ipam-driver", &args.ipam_driver),
        ("--config-from", &args.config_from),
    ] {
        if let Some(value) = value {
            add(flag, value.clone());
        }
    }
    if let Some(scope) = args.scope {
        add("--scope", scope.word().to_owned());
    }
    for range in args.ipam_config.iter().flatten() {
        for (flag, value) in [
            ("--subnet", &range.subnet),
            ("--gateway", &range.gateway),
            ("--ip-range", &range.iprange),
        ] {
            if let Some(value) = value {
                add(flag, value.clone());
            }
        }
        for (host, address) in texts("aux_addresses", &some(range.aux_addresses.as_ref()))? {
            add("--aux-address", format!("{host}={address}"));
        }
    }
    for (flag, given) in [
        ("--internal", args.internal),
        ("--attachable", args.attachable),
        ("--ingress", args.ingress),
        ("--ipv6", args.enable_ipv6),
        ("--config-only", args.config_only),
    ] {
        if given == Some(true) {
            words.push(flag.to_owned());
        }
    }
    Ok(Line::new(words).with([&args.name]))
}

fn differences(args: &Args, found: &Value) -> Result<Vec<Difference>, String> {
    let mut out = Vec::new();
    let mut compare = |name: String, is: Value, wanted: Value| {
        if is != wanted {
            out.push((name, is, wanted));
        }
    };
    let text = |value: &Value| json!(value.as_str().unwrap_or_default());
    compare(
        "driver".to_owned(),
        text(&found["Driver"]),
        json!(args.driver),
    );
    for (name, wanted, is) in [
        ("ipam_driver", &args.ipam_driver, &found["IPAM"]["Driver"]),
        (
            "config_from",
            &args.config_from,
            &found["ConfigFrom"]["Network"],
        ),
        (
            "scope",
            &args.scope.map(|scope| scope.word().to_owned()),
            &found["Scope"],
        ),
    ] {
        if let Some(wanted) = wanted {
            compare(name.to_owned(), text(is), json!(wanted));
        }
    }
    for (name, wanted, key) in [
        ("internal", args.internal, "Internal"),
        ("attachable", args.attachable, "Attachable"),
        ("ingress", args.ingress, "Ingress"),
        ("enable_ipv6", args.enable_ipv6, "EnableIPv6"),
        ("config_only", args.config_only, "ConfigOnly"),
    ] {
        if let Some(wanted) = wanted {
            let is = found[key].as_bool().unwrap_or(false);
            compare(name.to_owned(), json!(is), json!(wanted));
        }
    }
    for (name, wanted, is) in [
        (
            "driver_options",
            args.driver_options.clone(),
            &found["Options"],
        ),
        (
            "ipam_driver_options",
            some(args.ipam_driver_options.as_ref()),
            &found["IPAM"]["Options"],
        ),
        ("labels", args.labels.clone(), &found["Labels"]),
    ] {
        for (key, wanted) in texts(name, &wanted)? {
            compare(format!("{name}.{key}"), is[&key].clone(), json!(wanted));
        }
    }
    for (index, range) in args.ipam_config.iter().flatten().enumerate() {
        let (is, wanted) = range_difference(range, index, found)?;
        compare(format!("ipam_config.{index}"), is, wanted);
    }
    Ok(out)
}

/// A range as it is and as it is wanted, in what is said of it.
fn range_difference(range: &Range, index: usize, found: &Value) -> Result<(Value, Value), String> {
    let ranges = found["IPAM"]["Config"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    let found = match &range.subnet {
        Some(subnet) => ranges
            .iter()
            .find(|found| found["Subnet"] == subnet.as_str()),
        None => ranges.get(index),
    };
    let (mut is, mut wanted) = (json!({}), json!({}));
    for (name, value, key) in [
        ("subnet", &range.subnet, "Subnet"),
        ("gateway", &range.gateway, "Gateway"),
        ("iprange", &range.iprange, "IPRange"),
    ] {
        if let Some(value) = value {
            wanted[name] = json!(value);
            is[name] = json!(
                found
                    .and_then(|found| found[key].as_str())
                    .unwrap_or_default()
            );
        }
    }
    for (host, address) in texts("aux_addresses", &some(range.aux_addresses.as_ref()))? {
        let addresses = found.map(|found| &found["AuxiliaryAddresses"]);
        wanted["aux_addresses"][&host] = json!(address);
        is["aux_addresses"][&host] = addresses.map_or(Value::Null, |found| found[&host].clone());
    }
    Ok((is, wanted))
}

/// Names of the containers that run in the network.
fn members(found: &Value) -> BTreeSet<String> {
    found["Containers"]
        .as_object()
        .into_iter()
        .flatten()
        .filter_map(|(_, member)| member["Name"].as_str().map(str::to_owned))
        .collect()
}

struct Draft {
    lines: Vec<Line>,
    differences: Vec<Difference>,
}

impl Draft {
    fn connect(&mut self, network: &str, container: &str) {
        self.lines
            .push(Line::new(["network", "connect", network, container]));
    }

    fn disconnect(&mut self, network: &str, container: &str) {
        self.lines.push(Line::new([
            "network",
            "disconnect",
            "--force",
            network,
            container,
        ]));
    }

    fn removal(&mut self, network: &str, found: &Value) {
        for member in members(found) {
            self.disconnect(network, &member);
        }
        self.lines.push(Line::new(["network", "rm", network]));
    }

    fn present(
        &mut self,
        args: &Args,
        engine: Option<&Engine>,
        found: Option<&Value>,
    ) -> Result<(), Failure> {
        let name = &args.name;
        let Some(found) = found else {
            self.lines.push(creation(args)?);
            self.differences
                .push(("state".to_owned(), json!("absent"), json!("present")));
            for member in &args.connected {
                self.connect(name, member);
            }
            return Ok(());
        };
        self.differences = differences(args, found)?;
        let inside = members(found);
        let mut wanted: BTreeSet<String> = args.connected.iter().cloned().collect();
        if args.force || !self.differences.is_empty() {
            if args.force && self.differences.is_empty() {
                self.differences.push((
                    "network".to_owned(),
                    json!(found["Id"]),
                    json!("made anew"),
                ));
            }
            if args.connected.is_empty() || args.appends {
                wanted.extend(inside);
            }
            self.removal(name, found);
            self.lines.push(creation(args)?);
            for member in &wanted {
                self.connect(name, member);
            }
            return Ok(());
        }
        for member in &args.connected {
            let container = match engine {
                Some(engine) => engine.container(member)?,
                None => None,
            };
            let there = container.is_some_and(|container| {
                container["NetworkSettings"]["Networks"].get(name).is_some()
            });
            if !there {
                self.differences
                    .push((format!("connected.{member}"), json!(false), json!(true)));
                self.connect(name, member);
            }
        }
        if !args.connected.is_empty() && !args.appends {
            for member in inside.difference(&wanted) {
                self.differences
                    .push((format!("connected.{member}"), json!(true), json!(false)));
                self.disconnect(name, member);
            }
        }
        Ok(())
    }
}

impl Module for DockerNetwork {
    const NAME: &'static str = "docker_network";
    const COLLECTION: &'static str = "community.docker";
    type Args = Args;
    type Plan = Plan;

    fn check(args: &Args, look: &Look) -> Result<Verdict<Plan>, Failure> {
        let name = &args.name;
        if name.is_empty() || name.starts_with('-') {
            return Err(Failure::new(format!("'{name}' is no name of a network")));
        }
        let engine = Engine::reach(look, &args.connection())?;
        let found = match &engine {
            Some(engine) => network(engine, name)?,
            None => None,
        };
        let mut draft = Draft {
            lines: Vec::new(),
            differences: Vec::new(),
        };
        match (args.state, &found) {
            (State::Present, found) => draft.present(args, engine.as_ref(), found.as_ref())?,
            (State::Absent, None) => {}
            (State::Absent, Some(found)) => {
                draft.removal(name, found);
                draft
                    .differences
                    .push(("state".to_owned(), json!("present"), json!("absent")));
            }
        }
        let Draft { lines, differences } = draft;
        let shown: Vec<_> = lines
            .iter()
            .map(|line| line.show(engine.as_ref()))
            .collect();
        let mut result = Return::new()
            .with("network", found.unwrap_or_else(|| json!({})))
            .with("commands", shown);
        if engine.is_none() {
            result = result.warn("there is no Docker engine yet; an earlier task may install it");
        }
        if lines.is_empty() {
            return Ok(Verdict::Same(result));
        }
        let plan = Plan {
            engine,
            name: name.clone(),
            lines,
            differences,
        };
        Ok(Verdict::Change(plan, result))
    }

    fn describe(plan: &Plan) -> Vec<Diff> {
        let side = |pick: fn(&Difference) -> &Value| {
            let lines = plan.differences.iter();
            lines
                .map(|difference| match pick(difference) {
                    Value::String(text) => format!("{}: {text}\n", difference.0),
                    other => format!("{}: {other}\n", difference.0),
                })
                .collect::<String>()
        };
        let lines = plan.lines.iter();
        let lines: String = lines
            .map(|line| format!("run: {}\n", line.show(plan.engine.as_ref())))
            .collect();
        let header = format!("network {}", plan.name);
        vec![
            Diff::text(&header, side(|found| &found.1), side(|found| &found.2)),
            Diff::prepared(lines),
        ]
    }

    fn apply(plan: Plan, touch: &mut Touch) -> Result<Return, Failure> {
        let Some(engine) = &plan.engine else {
            return Err("the Docker engine is gone; this is a bug of ocplay".into());
        };
        let mut changed = false;
        for line in &plan.lines {
            let what = format!("change the network {}", plan.name);
            line.must(engine, touch, &what)
                .map_err(|failure| Failure { changed, ..failure })?;
            changed = true;
        }
        let shown: Vec<_> = plan
            .lines
            .iter()
            .map(|line| line.show(Some(engine)))
            .collect();
        let found = network(engine, &plan.name)?;
        Ok(Return::new()
            .with("network", found.unwrap_or_else(|| json!({})))
            .with("commands", shown))
    }
}

#[cfg(test)]
mod tests {
    use ocplay_protocol::Arguments;

    use super::*;

    fn args(value: Value) -> Args {
        Args::read(value.as_object().unwrap().clone()).unwrap()
    }

    #[test]
    fn a_network_on_record() {
        let found = json!({
            "Driver": "bridge", "Internal": false, "Options": {"o": "1"}, "Labels": null,
            "IPAM": {"Driver": "default", "Options": {}, "Config": [{
                "Subnet": "10.99.0.0/24", "Gateway": "10.99.0.1",
                "AuxiliaryAddresses": {"a": "10.99.0.9"},
            }]},
        });
        let mut given = json!({
            "name": "n", "driver_options": {"o": 1}, "internal": false, "ipam_config": [
                {"subnet": "10.99.0.0/24", "aux_addresses": {"a": "10.99.0.9"}},
            ],
        });
        assert_eq!(differences(&args(given.clone()), &found).unwrap(), []);
        given["labels"] = json!({"x": "y"});
        given["internal"] = json!(true);
        given["ipam_config"][0]["gateway"] = json!("10.99.0.2");
        let found: Vec<_> = differences(&args(given.clone()), &found).unwrap();
        let names: Vec<_> = found.iter().map(|(name, ..)| name.as_str()).collect();
        assert_eq!(names, ["internal", "labels.x", "ipam_config.0"]);
        assert_eq!(
            creation(&args(given)).unwrap().show(None),
            "docker network create --driver bridge --opt o=1 --label x=y --subnet 10.99.0.0/24 \
             --gateway 10.99.0.2 --aux-address a=10.99.0.9 --internal n"
        );
    }
}
