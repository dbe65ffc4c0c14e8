//! `openstack.cloud.image` (`os_image`): images of disks.

use std::path::PathBuf;

use ocplay_protocol::{choices, coerce};
use serde_json::{Map, Value, json};

use super::acts::{Acts, acting};
use super::openstack::{Resource, openstack_arguments, same};
use super::{Module, Verdict};
use crate::host::{Failure, Look, Return};

choices! {
    /// Wanted state.
    pub(super) enum State { Present = "present", Absent = "absent", Inactive = "inactive" }
}
choices! {
    /// Who may see an image.
    pub(super) enum Visibility {
        Public = "public",
        Private = "private",
        Shared = "shared",
        Community = "community",
    }
}
choices! {
    /// How an image is brought by the cloud itself.
    pub(super) enum Import { Web = "web-download", Glance = "glance-download" }
}

openstack_arguments! {
    /// Uploads, changes and removes images of disks in an OpenStack cloud.
    pub(super) struct Args {
        /// Name of the image.
        name: String,
        /// Its number.
        id: Option<String>,
        /// File on the host to upload.
        filename: Option<PathBuf>,
        /// Checksum (MD5) of an image that is there, to be the one that is meant.
        checksum: Option<String>,
        /// Format of the disk.
        disk_format: String = "qcow2".to_owned(),
        /// Format of what the disk is in.
        container_format: String = "bare".to_owned(),
        /// Smallest disk in GiB.
        min_disk: Option<i64>,
        /// Least memory in MiB.
        min_ram: Option<i64>,
        /// Everybody may see it.
        is_public: bool = false,
        /// Who may see it.
        visibility: Option<Visibility>,
        /// It cannot be removed.
        is_protected: Option<bool> ["protected"],
        /// Image of the kernel.
        kernel: Option<String>,
        /// Image of the first file system.
        ramdisk: Option<String>,
        /// Project that owns it.
        owner: Option<String> ["project"],
        /// Domain of that project.
        owner_domain: Option<String> ["project_domain"],
        /// Further properties.
        properties: Map<String, Value> = Map::new(),
        /// Tags.
        tags: Vec<String> = Vec::new(),
        /// Volume to make it of. Not supported.
        volume: Option<String>,
        /// Upload in the newer way. Refused where it is true; the plain way always works.
        use_import: Option<bool>,
        /// How the cloud brings it itself.
        import_method: Option<Import>,
        /// Where it brings it from.
        uri: Option<String>,
        /// Wanted state; inactive images cannot be used.
        state: State = State::Present,
    }
}

pub(super) struct OsImage;

const IMAGE: Resource = Resource {
    service: "image",
    path: "/images",
    one: "image",
    many: "images",
    change: "PATCH",
};

impl Module for OsImage {
    const NAME: &'static str = "os_image";
    const COLLECTION: &'static str = "openstack.cloud";
    type Args = Args;
    acting!();

    fn check(args: &Args, look: &Look) -> Result<Verdict<Acts>, Failure> {
        if args.volume.is_some() {
            return Err("volume is not supported; make the image with the command module".into());
        }
        if args.use_import == Some(true) {
            return Err(
                "use_import is not supported; leave it out: the plain upload works everywhere"
                    .into(),
            );
        }
        let cloud = args.connect(look)?;
        let name = args.name.as_str();
        let plain = |answer: Value| answer.as_object().map(|_| answer.clone());
        let found = match &args.id {
            Some(id) => cloud
                .get("image", &format!("/images/{id}"))?
                .and_then(plain),
            None => IMAGE.find(&cloud, name, &[])?,
        };
        let found = found.filter(|image| {
            args.checksum
                .as_ref()
                .is_none_or(|sum| image["checksum"] == sum.as_str())
        });
        let mut acts = Acts::new(Return::new().maybe("image", found.clone()));
        let id = |image: &Value| image["id"].as_str().unwrap_or_default().to_owned();
        if args.state == State::Absent {
            if let Some(found) = found {
                acts.diff(super::acts::state(&format!("image {name}"), "present", ""));
                let path = format!("/images/{}", id(&found));
                let what = format!("remove the image {name}");
                acts.body(move |_| {
                    cloud.tell("DELETE", "image", &path, None, &what)?;
                    Ok(Return::new())
                });
            }
            return Ok(acts.verdict());
        }
        let owner = match &args.owner {
            Some(name) => {
                let domain = super::os_keystone_domain::id(&cloud, args.owner_domain.as_deref())?;
                let query: Vec<(&str, &str)> =
                    domain.iter().map(|id| ("domain_id", id.as_str())).collect();
                Some(super::os_project::PROJECT.id(&cloud, name, &query)?)
            }
            None => None,
        };
        let other = |name: &Option<String>| -> Result<Option<String>, Failure> {
            name.as_ref()
                .map(|name| IMAGE.id(&cloud, name, &[]))
                .transpose()
        };
        let visibility = args
            .visibility
            .map(Visibility::word)
            .or(args.is_public.then_some("public"));
        let mut fields = Map::new();
        for (key, value) in [
            ("min_disk", json!(args.min_disk)),
            ("min_ram", json!(args.min_ram)),
            ("visibility", json!(visibility)),
            ("protected", json!(args.is_protected)),
            ("owner", json!(owner)),
            ("kernel_id", json!(other(&args.kernel)?)),
            ("ramdisk_id", json!(other(&args.ramdisk)?)),
        ] {
            if !value.is_null() {
                fields.insert(key.to_owned(), value);
            }
        }
        if !args.tags.is_empty() {
            fields.insert("tags".to_owned(), json!(args.tags));
        }
        for (key, value) in &args.properties {
            fields.insert(key.clone(), coerce::text(value)?.into());
        }
        let Some(found) = found else {
            return create(args, look, cloud, fields, acts);
        };
        let differing: Vec<(String, Value)> = fields
            .into_iter()
            .filter(|(key, value)| !same(&found[key.as_str()], value))
            .collect();
        let active = found["status"] == "active";
        let switch = match (args.state, active) {
            (State::Inactive, true) => Some("deactivate"),
            (State::Present, false) if found["status"] == "deactivated" => Some("reactivate"),
            _ => None,
        };
        if differing.is_empty() && switch.is_none() {
            return Ok(acts.verdict());
        }
        let old: Value = differing
            .iter()
            .map(|(key, _)| (key.clone(), found[key.as_str()].clone()))
            .collect();
        let new: Value = differing.iter().cloned().collect();
        acts.diff(ocplay_protocol::Diff::data(&old, &new));
        let patch: Vec<Value> = differing
            .into_iter()
            .map(|(key, value)| {
                let op = if found.get(&key).is_some() {
                    "replace"
                } else {
                    "add"
                };
                json!({"op": op, "path": format!("/{key}"), "value": value})
            })
            .collect();
        let path = format!("/images/{}", id(&found));
        let what = format!("change the image {name}");
        acts.body(move |_| {
            let mut image = found;
            if !patch.is_empty() {
                image = cloud.tell("PATCH", "image", &path, Some(&Value::Array(patch)), &what)?;
            }
            if let Some(verb) = switch {
                let path = format!("{path}/actions/{verb}");
                cloud.tell("POST", "image", &path, None, &what)?;
            }
            Ok(Return::new().with("image", image))
        });
        Ok(acts.verdict())
    }
}

fn create(
    args: &Args,
    look: &Look,
    cloud: super::openstack::Cloud,
    mut fields: Map<String, Value>,
    mut acts: Acts,
) -> Result<Verdict<Acts>, Failure> {
    if let Some(file) = &args.filename
        && look.stat(file)?.is_none()
        && !look.is_check()
    {
        return Err(Failure::new(format!(
            "there is no file {} on the host",
            file.display()
        )));
    }
    let empty = args.filename.is_none() && args.import_method.is_none();
    if args.state == State::Inactive && empty {
        return Err(
            "an image with nothing in it cannot be inactive; give filename, or import_method and \
             uri"
            .into(),
        );
    }
    fields.insert("name".to_owned(), args.name.as_str().into());
    fields.insert("disk_format".to_owned(), args.disk_format.as_str().into());
    fields.insert(
        "container_format".to_owned(),
        args.container_format.as_str().into(),
    );
    if let Some(id) = &args.id {
        fields.insert("id".to_owned(), id.as_str().into());
    }
    let body = Value::Object(fields);
    acts.diff(ocplay_protocol::Diff::data(&Value::Null, &body));
    let (file, uri, method) = (args.filename.clone(), args.uri.clone(), args.import_method);
    let what = format!("create the image {}", args.name);
    let inactive = args.state == State::Inactive;
    // What is not there yet cannot be switched off.
    let (wait, limit) = (args.wait || inactive, args.timeout);
    acts.body(move |touch| {
        let mut image = cloud.tell("POST", "image", "/images", Some(&body), &what)?;
        let path = format!("/images/{}", image["id"].as_str().unwrap_or_default());
        if let Some(file) = file {
            let answer = cloud.upload("image", &format!("{path}/file"), &file)?;
            if answer.status >= 300 {
                // Half an image is none.
                cloud.tell("DELETE", "image", &path, None, &what)?;
                return Err(Failure::new(format!(
                    "cannot upload {}: HTTP {}",
                    file.display(),
                    answer.status
                )));
            }
        } else if let Some(method) = method {
            let body = json!({"method": {"name": method.word(), "uri": uri}});
            cloud.tell(
                "POST",
                "image",
                &format!("{path}/import"),
                Some(&body),
                &what,
            )?;
        } else {
            return Ok(Return::new().with("image", image));
        }
        let end =
            std::time::Instant::now() + std::time::Duration::from_secs(limit.max(1).unsigned_abs());
        loop {
            image = cloud.get("image", &path)?.unwrap_or_default();
            let status = image["status"].as_str().unwrap_or_default();
            if status == "killed" {
                return Err(Failure::new(format!(
                    "cannot {what}: the service could not take its content in (status killed)"
                )));
            }
            let late = std::time::Instant::now() > end;
            if status == "active" && inactive {
                let path = format!("{path}/actions/deactivate");
                cloud.tell("POST", "image", &path, None, &what)?;
                image["status"] = "deactivated".into();
                return Ok(Return::new().with("image", image));
            }
            if late && inactive {
                return Err(Failure::new(format!(
                    "the image is still {status} after {limit} s: it was not made inactive"
                )));
            }
            if status == "active" || !wait || late {
                return Ok(Return::new().with("image", image));
            }
            touch.sleep(std::time::Duration::from_secs(1))?;
        }
    });
    Ok(acts.verdict())
}
