//! `zfs`: file systems, volumes, clones and snapshots of ZFS.

use std::collections::BTreeMap;

use ocplay_protocol::coerce;
use serde_json::{Map, Value};

use super::acts::{Acts, acting, command, need, state as state_diff};
use super::{Module, Verdict};
use crate::host::{Failure, Look, Return};

ocplay_protocol::choices! {
    /// Wanted state.
    pub(super) enum State { Absent = "absent", Present = "present" }
}

ocplay_protocol::arguments! {
    /// Creates, changes and removes file systems, volumes, clones and snapshots of ZFS.
    pub(super) struct Args {
        /// Name such as tank/data, or tank/data@snapshot.
        name: String,
        /// Wanted state; what is removed goes with all that is below it.
        state: State,
        /// Snapshot that it is a clone of.
        origin: Option<String>,
        /// Properties; volsize makes it a volume.
        extra_zfs_properties: Map<String, Value> = Map::new(),
    }
}

pub(super) struct Zfs;

impl Args {
    fn properties(&self) -> Result<BTreeMap<String, String>, Failure> {
        let one = |(key, value): (&String, &Value)| {
            let text = match value {
                Value::Bool(true) => "on".to_owned(),
                Value::Bool(false) => "off".to_owned(),
                other => coerce::text(other)?,
            };
            Ok((key.clone(), text))
        };
        self.extra_zfs_properties.iter().map(one).collect()
    }
}

/// Values of properties, as people and as programs read them.
fn values(look: &Look, name: &str) -> Result<BTreeMap<String, [String; 2]>, Failure> {
    let mut all: BTreeMap<String, [String; 2]> = BTreeMap::new();
    for (place, exact) in [None, Some("-p")].into_iter().enumerate() {
        let mut words = vec!["zfs", "get", "-H"];
        words.extend(exact);
        words.extend(["-o", "property,value", "all", name]);
        let output = look.query(&words)?;
        if !output.ok() {
            let message = format!(
                "cannot read the properties of {name}: {}",
                output.complaint()
            );
            return Err(output.failure(message));
        }
        for line in output.out().lines() {
            if let Some((key, value)) = line.split_once('\t') {
                all.entry(key.to_owned()).or_default()[place] = value.to_owned();
            }
        }
    }
    Ok(all)
}

/// The words that make it.
fn creation(args: &Args, mut properties: BTreeMap<String, String>) -> Vec<String> {
    let mut words: Vec<String> = vec!["zfs".to_owned()];
    let mut add = |more: &[&str]| words.extend(more.iter().map(|word| (*word).to_owned()));
    let size = properties.remove("volsize");
    let block = properties.remove("volblocksize");
    if args.name.contains('@') {
        add(&["snapshot"]);
    } else if args.origin.is_some() {
        add(&["clone", "-p"]);
    } else {
        add(&["create", "-p"]);
        if let Some(block) = &block {
            add(&["-b", block]);
        }
        if let Some(size) = &size {
            add(&["-V", size]);
        }
    }
    for (key, value) in properties {
        add(&["-o", &format!("{key}={value}")]);
    }
    if let Some(origin) = &args.origin {
        add(&[origin]);
    }
    add(&[&args.name]);
    words
}

impl Module for Zfs {
    const NAME: &'static str = "zfs";
    const COLLECTION: &'static str = "community.general";
    type Args = Args;
    acting!();

    fn check(args: &Args, look: &Look) -> Result<Verdict<Acts>, Failure> {
        if args.name.is_empty() || args.name.starts_with('-') {
            return Err(Failure::new(format!(
                "name: '{}' is no name in ZFS",
                args.name
            )));
        }
        if args.origin.is_some() && args.name.contains('@') {
            return Err("cannot specify origin when operating on a snapshot".into());
        }
        need(look, "zfs", "zfsutils-linux")?;
        let properties = args.properties()?;
        let there = look
            .query(["zfs", "list", "-H", "-t", "all", "-o", "name", &args.name])?
            .ok();
        let mut result = Return::new()
            .with("name", args.name.as_str())
            .with("state", args.state.word());
        for (key, value) in &properties {
            result = result.with(key, value.as_str());
        }
        let mut acts = Acts::new(result);
        match (args.state, there) {
            (State::Absent, false) => {}
            (State::Absent, true) => {
                acts.run(
                    command(["zfs", "destroy", "-R", &args.name]),
                    format!("remove {}", args.name),
                );
                acts.diff(state_diff(&args.name, "present", "absent"));
            }
            (State::Present, false) => {
                acts.run(
                    command(creation(args, properties)),
                    format!("create {}", args.name),
                );
                acts.diff(state_diff(&args.name, "absent", "present"));
            }
            (State::Present, true) => {
                let is = values(look, &args.name)?;
                for (key, wanted) in properties {
                    let known = is.get(&key);
                    if known.is_some_and(|known| known.contains(&wanted)) {
                        continue;
                    }
                    let before = known.map(|[shown, _]| shown.clone()).unwrap_or_default();
                    let pair = format!("{key}={wanted}");
                    acts.run(
                        command(["zfs", "set", &pair, &args.name]),
                        format!("set {pair}"),
                    );
                    acts.diff(state_diff(
                        &format!("{} {key}", args.name),
                        &before,
                        &wanted,
                    ));
                }
            }
        }
        Ok(acts.verdict())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ocplay_protocol::Arguments;
    use serde_json::json;

    fn words(value: Value) -> String {
        let args = <Args as Arguments>::read(value.as_object().unwrap().clone()).unwrap();
        let properties = args.properties().unwrap();
        creation(&args, properties).join(" ")
    }

    #[test]
    fn what_is_created() {
        assert_eq!(
            words(
                json!({"name": "t/a", "state": "present", "extra_zfs_properties": {"atime": false, "quota": "1G"}})
            ),
            "zfs create -p -o atime=off -o quota=1G t/a"
        );
        assert_eq!(
            words(
                json!({"name": "t/v", "state": "present", "extra_zfs_properties": {"volsize": "1G"}})
            ),
            "zfs create -p -V 1G t/v"
        );
        assert_eq!(
            words(json!({"name": "t/a@s", "state": "present"})),
            "zfs snapshot t/a@s"
        );
        assert_eq!(
            words(json!({"name": "t/c", "state": "present", "origin": "t/a@s"})),
            "zfs clone -p t/a@s t/c"
        );
    }
}
