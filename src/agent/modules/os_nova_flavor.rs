//! `openstack.cloud.compute_flavor` (`os_nova_flavor`): sizes of servers.

use ocplay_protocol::coerce;
use serde_json::{Map, Value, json};

use super::acts::{Acts, acting};
use super::openstack::{Cloud, openstack_arguments};
use super::{Module, Verdict};
use crate::host::{Failure, Look, Return};

ocplay_protocol::choices! {
    /// Wanted state.
    pub(super) enum State { Present = "present", Absent = "absent" }
}

openstack_arguments! {
    /// Creates, changes and removes sizes of servers (flavors) of an OpenStack cloud.
    pub(super) struct Args {
        /// Name of the size.
        name: String,
        /// Its number.
        id: Option<String> ["flavorid"],
        /// Memory in MiB.
        ram: Option<i64>,
        /// Processors.
        vcpus: Option<i64>,
        /// Disk in GiB.
        disk: Option<i64>,
        /// Second disk in GiB.
        ephemeral: Option<i64>,
        /// Swap in MiB.
        swap: Option<i64>,
        /// Factor for the network.
        rxtx_factor: Option<f64>,
        /// All projects may use it.
        is_public: Option<bool>,
        /// Description; needs a compute service of Queens or later.
        description: Option<String>,
        /// Further properties.
        extra_specs: Option<Map<String, Value>>,
        /// Wanted state.
        state: State = State::Present,
    }
}

pub(super) struct OsNovaFlavor;

/// The version of the compute service from which on sizes have descriptions.
const DESCRIBED: &str = "2.55";

fn find(cloud: &Cloud, args: &Args) -> Result<Option<Value>, Failure> {
    let list = cloud
        .get("compute", "/flavors/detail?is_public=None")?
        .unwrap_or_default();
    let all = list["flavors"].as_array().cloned().unwrap_or_default();
    Ok(all.into_iter().find(|flavor| match &args.id {
        Some(id) if id != "auto" => flavor["id"] == id.as_str(),
        _ => flavor["name"] == args.name.as_str() || flavor["id"] == args.name.as_str(),
    }))
}

/// Fields of a size that cannot be changed: a new one takes its place.
fn wanted(args: &Args) -> Map<String, Value> {
    [
        ("name", json!(args.name)),
        ("ram", json!(args.ram)),
        ("vcpus", json!(args.vcpus)),
        ("disk", json!(args.disk)),
        ("OS-FLV-EXT-DATA:ephemeral", json!(args.ephemeral)),
        ("swap", json!(args.swap)),
        ("rxtx_factor", json!(args.rxtx_factor)),
        ("os-flavor-access:is_public", json!(args.is_public)),
    ]
    .into_iter()
    .filter(|(_, value)| !value.is_null())
    .map(|(key, value)| (key.to_owned(), value))
    .collect()
}

fn differs(is: &Value, key: &str, wanted: &Value) -> bool {
    // No swap is an empty text.
    if key == "swap" {
        return is.as_i64().unwrap_or(0) != wanted.as_i64().unwrap_or(0);
    }
    is.as_f64()
        .zip(wanted.as_f64())
        .map_or(is != wanted, |(is, wanted)| is != wanted)
}

impl Module for OsNovaFlavor {
    const NAME: &'static str = "os_nova_flavor";
    const COLLECTION: &'static str = "openstack.cloud";
    type Args = Args;
    acting!();

    fn check(args: &Args, look: &Look) -> Result<Verdict<Acts>, Failure> {
        let present = args.state == State::Present;
        if present && (args.ram.is_none() || args.vcpus.is_none() || args.disk.is_none()) {
            return Err(
                "state is present but all of the following are missing: ram, vcpus, disk".into(),
            );
        }
        let mut cloud = args.connect(look)?;
        if args.description.is_some() {
            cloud = cloud.compute_at(DESCRIBED);
        }
        let found = find(&cloud, args)?;
        let mut acts = Acts::new(Return::new().maybe("flavor", found.clone()));
        let id = |flavor: &Value| flavor["id"].as_str().unwrap_or_default().to_owned();
        let name = args.name.clone();
        if !present {
            if let Some(found) = found {
                acts.diff(super::acts::state(&format!("flavor {name}"), "present", ""));
                let path = format!("/flavors/{}", id(&found));
                acts.body(move |_| {
                    cloud.tell(
                        "DELETE",
                        "compute",
                        &path,
                        None,
                        &format!("remove the flavor {name}"),
                    )?;
                    Ok(Return::new())
                });
            }
            return Ok(acts.verdict());
        }
        let wanted = wanted(args);
        let specs: Map<String, Value> = args
            .extra_specs
            .iter()
            .flatten()
            .map(|(key, value)| (key.clone(), coerce::text(value).unwrap_or_default().into()))
            .collect();
        let anew = found.as_ref().is_none_or(|found| {
            wanted
                .iter()
                .any(|(key, value)| differs(&found[key.as_str()], key, value))
        });
        let mut is = Map::new();
        if let (false, Some(found)) = (anew, &found) {
            let path = format!("/flavors/{}/os-extra_specs", id(found));
            let answer = cloud.get("compute", &path)?.unwrap_or_default();
            is = answer["extra_specs"]
                .as_object()
                .cloned()
                .unwrap_or_default();
        }
        let surplus: Vec<String> = match &args.extra_specs {
            Some(_) => is
                .keys()
                .filter(|key| !specs.contains_key(*key))
                .cloned()
                .collect(),
            None => Vec::new(),
        };
        let missing: Map<String, Value> = specs
            .iter()
            .filter(|(key, value)| is.get(*key) != Some(value))
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        // The one field that can be changed.
        let described = args.description.clone().filter(|text| {
            found
                .as_ref()
                .is_none_or(|found| found["description"] != text.as_str())
        });
        if !anew && surplus.is_empty() && missing.is_empty() && described.is_none() {
            return Ok(acts.verdict());
        }
        let mut shown = wanted.clone();
        if let Some(text) = &args.description {
            shown.insert("description".to_owned(), text.as_str().into());
        }
        shown.insert("extra_specs".to_owned(), Value::Object(specs));
        acts.diff(ocplay_protocol::Diff::data(
            &found.clone().unwrap_or_default(),
            &Value::Object(shown),
        ));
        let (number, text) = (args.id.clone(), args.description.clone());
        acts.body(move |_| {
            let what = format!("create the flavor {name}");
            let mut flavor = found.clone().unwrap_or_default();
            if anew {
                if let Some(found) = &found {
                    let path = format!("/flavors/{}", id(found));
                    cloud.tell("DELETE", "compute", &path, None, &what)?;
                }
                let mut body = wanted;
                if let Some(text) = &text {
                    body.insert("description".to_owned(), text.as_str().into());
                }
                body.insert(
                    "id".to_owned(),
                    json!(number.unwrap_or_else(|| "auto".to_owned())),
                );
                let body = json!({ "flavor": body });
                let answer = cloud.tell("POST", "compute", "/flavors", Some(&body), &what)?;
                flavor = answer["flavor"].clone();
            } else if let Some(text) = &described {
                let path = format!("/flavors/{}", id(&flavor));
                let body = json!({"flavor": {"description": text}});
                let answer = cloud.tell("PUT", "compute", &path, Some(&body), &what)?;
                flavor = answer["flavor"].clone();
            }
            let path = format!("/flavors/{}/os-extra_specs", id(&flavor));
            for key in surplus {
                let path = format!("{path}/{}", super::http::percent(&key));
                cloud.tell("DELETE", "compute", &path, None, &what)?;
            }
            if !missing.is_empty() {
                let body = json!({ "extra_specs": missing });
                cloud.tell("POST", "compute", &path, Some(&body), &what)?;
            }
            Ok(Return::new().with("flavor", flavor))
        });
        Ok(acts.verdict())
    }
}
