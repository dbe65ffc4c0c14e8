//! `fetch`: a file of the host for the controller.
//!
//! The path on the controller is made here, of the task's own words. What the
//! host answers is only ever content: it cannot name another place.

use std::io::{Read, Write};
use std::path::{Component, Path, PathBuf};

use ocplay_language::value::Value;
use ocplay_protocol::coerce;
use serde_json::json;
use sha1::{Digest, Sha1};

use super::{Call, host};
use crate::blobs::hex;
use crate::outcome::ActionOutcome;

pub(super) async fn run(call: &Call<'_>) -> ActionOutcome {
    let text = |name: &str| {
        call.args
            .get(name)
            .and_then(|value| coerce::text(&value.to_json()).ok())
    };
    let flag = |name: &str, default: bool| {
        call.args.get(name).map_or(default, |value| {
            coerce::boolean(&value.to_json()).unwrap_or(default)
        })
    };
    let (Some(src), Some(dest)) = (text("src"), text("dest")) else {
        return ActionOutcome::failure("src and dest are required");
    };
    let path = destination(call, &src, &dest, flag("flat", false));
    if path.is_dir() {
        return ActionOutcome::failure(if dest.ends_with('/') {
            format!(
                "calculated dest '{}' is an existing directory, use another path that does not \
                 point to an existing directory",
                path.display()
            )
        } else {
            "dest is an existing directory, use a trailing slash if you want to fetch src into \
             that directory"
                .to_owned()
        });
    }
    let known = sha1_of(&path).unwrap_or_default();
    if call.settings.check {
        let text = "check mode not (yet) supported for this module";
        return ActionOutcome::skipped(text).with("msg", text);
    }
    let mut part: Option<tempfile::NamedTempFile> = None;
    let mut hash = Sha1::new();
    let mut take = |data: Vec<u8>, _last: bool| {
        if part.is_none() {
            let folder = path.parent().unwrap_or(Path::new("."));
            std::fs::create_dir_all(folder)
                .map_err(|error| format!("{}: {error}", folder.display()))?;
            let new = tempfile::NamedTempFile::new_in(folder);
            part = Some(new.map_err(|error| format!("{}: {error}", folder.display()))?);
        }
        hash.update(&data);
        match &mut part {
            Some(part) => part
                .write_all(&data)
                .map_err(|error| format!("{}: {error}", path.display())),
            None => Ok(()),
        }
    };
    let mut args = json!({ "src": src, "known": known });
    for name in ["fail_on_missing", "validate_checksum"] {
        if let (Some(value), Some(args)) = (call.args.get(name), args.as_object_mut()) {
            args.insert(name.to_owned(), value.to_json());
        }
    }
    let mut outcome =
        host::execute_with(call, "fetch", args, Vec::new(), Vec::new(), &mut take).await;
    if outcome.failed || outcome.unreachable {
        return outcome;
    }
    outcome.result.insert("dest", &*path.to_string_lossy());
    outcome.changed = false;
    if let Some(part) = part {
        let checksum = hex(&hash.finalize());
        let promised = outcome
            .result
            .get("checksum")
            .and_then(|value| value.as_str().map(str::to_owned));
        if flag("validate_checksum", true) && promised.is_some_and(|promised| promised != checksum)
        {
            return ActionOutcome::failure(
                "the file changed while it was fetched; its checksum does not match",
            );
        }
        if let Err(error) = part.persist(&path) {
            return ActionOutcome::failure(format!("{}: {}", path.display(), error.error));
        }
        outcome.result.insert("checksum", checksum);
        outcome.changed = true;
    }
    outcome.result.insert(
        "remote_checksum",
        outcome
            .result
            .get("checksum")
            .cloned()
            .unwrap_or(Value::Null),
    );
    outcome
}

/// `dest` itself when `flat`, else `dest/host/path`.
fn destination(call: &Call<'_>, src: &str, dest: &str, flat: bool) -> PathBuf {
    let base = call.step.planned.context.playbook_folder();
    let dest_path = if Path::new(dest).is_absolute() {
        PathBuf::from(dest)
    } else {
        base.join(dest)
    };
    let below: PathBuf = Path::new(src)
        .components()
        .filter_map(|part| match part {
            Component::Normal(part) => Some(part),
            _ => None,
        })
        .collect();
    if !flat {
        return dest_path.join(&**call.host).join(below);
    }
    if dest.ends_with('/') {
        return dest_path.join(below.file_name().unwrap_or_default());
    }
    dest_path
}

fn sha1_of(path: &Path) -> Option<String> {
    let mut file = std::fs::File::open(path).ok()?;
    let mut hash = Sha1::new();
    let mut chunk = vec![0; 64 * 1024];
    loop {
        match file.read(&mut chunk).ok()? {
            0 => return Some(hex(&hash.finalize())),
            count => hash.update(&chunk[..count]),
        }
    }
}
