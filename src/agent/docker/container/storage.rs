//! Volumes, mounts, memory file systems and devices.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::args::{Mount, MountKind};
use super::compare::Kind;
use super::fields::{Table, list, text, texts};
use crate::docker::units;

fn trimmed(path: &str) -> &str {
    match path.trim_end_matches('/') {
        "" => path,
        path => path,
    }
}

/// One spelling for `source:target:mode`.
fn bind(volume: &str) -> String {
    let mut parts = volume.splitn(3, ':');
    let source = trimmed(parts.next().unwrap_or_default());
    let target = trimmed(parts.next().unwrap_or_default());
    let mode: BTreeSet<&str> = parts
        .next()
        .unwrap_or_default()
        .split(',')
        .filter(|word| !matches!(*word, "" | "rw"))
        .collect();
    if mode.is_empty() {
        return format!("{source}:{target}");
    }
    let mode: Vec<&str> = mode.into_iter().collect();
    format!("{source}:{target}:{}", mode.join(","))
}

fn device(device: &str) -> String {
    let mut parts = device.splitn(3, ':');
    let host = parts.next().unwrap_or_default();
    match (parts.next(), parts.next()) {
        (Some(inside), Some(rights)) => format!("{host}:{inside}:{rights}"),
        // The middle may be left out.
        (Some(rights), None) if !rights.starts_with('/') => format!("{host}:{host}:{rights}"),
        (inside, _) => format!("{host}:{}:rwm", inside.unwrap_or(host)),
    }
}

/// A word of a comma list, in quotes where it must be.
fn csv(word: &str) -> String {
    if word.contains([',', '"', '\n']) {
        format!("\"{}\"", word.replace('"', "\"\""))
    } else {
        word.to_owned()
    }
}

/// What the client is told, and the spelling for comparing.
fn mount(mount: &Mount) -> Result<(String, Value), String> {
    let mut words = vec![format!("type={}", mount.kind.word())];
    let mut same = json!({
        "type": mount.kind.word(),
        "target": trimmed(&mount.target),
        "read_only": mount.read_only.unwrap_or(false),
    });
    if let Some(source) = mount.source.as_ref().filter(|source| !source.is_empty()) {
        words.push(format!("source={source}"));
        same["source"] = json!(trimmed(source));
    } else if mount.kind == MountKind::Bind {
        return Err(format!("mounts: {} has no source", mount.target));
    }
    words.push(format!("target={}", mount.target));
    if mount.read_only == Some(true) {
        words.push("readonly".to_owned());
    }
    if let Some(propagation) = &mount.propagation {
        words.push(format!("bind-propagation={propagation}"));
        same["propagation"] = json!(propagation);
    }
    if let Some(no_copy) = mount.no_copy {
        if no_copy {
            words.push("volume-nocopy".to_owned());
        }
        same["no_copy"] = json!(no_copy);
    }
    for (key, value) in texts(
        "mounts.labels",
        mount.labels.as_ref().unwrap_or(&serde_json::Map::new()),
    )? {
        words.push(format!("volume-label={key}={value}"));
    }
    if let Some(driver) = &mount.volume_driver {
        words.push(format!("volume-driver={driver}"));
        same["volume_driver"] = json!(driver);
    }
    if let Some(options) = &mount.volume_options {
        for (key, value) in texts("mounts.volume_options", options)? {
            words.push(format!("volume-opt={key}={value}"));
            same["volume_options"][key] = json!(value);
        }
    }
    if let Some(size) = &mount.tmpfs_size {
        let bytes = units::bytes(size).map_err(|reason| format!("mounts: {reason}"))?;
        words.push(format!("tmpfs-size={bytes}"));
        same["tmpfs_size"] = json!(bytes);
    }
    if let Some(mode) = &mount.tmpfs_mode {
        let bits = i64::from_str_radix(mode.trim_start_matches("0o"), 8)
            .map_err(|_| format!("mounts: '{mode}' is no octal mode"))?;
        words.push(format!("tmpfs-mode={bits:o}"));
        same["tmpfs_mode"] = json!(bits);
    }
    let words: Vec<String> = words.iter().map(|word| csv(word)).collect();
    Ok((words.join(","), same))
}

/// A mount on record, with the keys that `wanted` has.
fn recorded(found: &Value, wanted: Option<&Value>) -> Value {
    let mut same = json!({
        "type": text(&found["Type"]),
        "target": trimmed(text(&found["Target"])),
        "read_only": found["ReadOnly"].as_bool().unwrap_or(false),
    });
    let source = trimmed(text(&found["Source"]));
    if !source.is_empty() {
        same["source"] = json!(source);
    }
    let volume = &found["VolumeOptions"];
    let further = [
        (
            "propagation",
            json!(text(&found["BindOptions"]["Propagation"])),
        ),
        (
            "no_copy",
            json!(volume["NoCopy"].as_bool().unwrap_or(false)),
        ),
        (
            "volume_driver",
            json!(text(&volume["DriverConfig"]["Name"])),
        ),
        ("volume_options", volume["DriverConfig"]["Options"].clone()),
        (
            "tmpfs_size",
            json!(found["TmpfsOptions"]["SizeBytes"].as_i64().unwrap_or(0)),
        ),
        (
            "tmpfs_mode",
            json!(found["TmpfsOptions"]["Mode"].as_i64().unwrap_or(0)),
        ),
    ];
    for (key, value) in further {
        if wanted.is_some_and(|wanted| wanted.get(key).is_some()) {
            same[key] = value;
        }
    }
    same
}

impl Table<'_> {
    pub(super) fn storage(&mut self) -> Result<(), String> {
        let args = self.args;
        self.volumes()?;
        if let Some(mounts) = &args.mounts {
            let mut wanted = Vec::new();
            for given in mounts {
                let (line, same) = mount(given)?;
                self.flag("--mount", line);
                wanted.push(same);
            }
            let found = self.host("Mounts");
            let actual: Vec<Value> = found
                .as_array()
                .into_iter()
                .flatten()
                .map(|found| {
                    let target = trimmed(text(&found["Target"]));
                    let wanted = wanted.iter().find(|wanted| wanted["target"] == target);
                    recorded(found, wanted)
                })
                .collect();
            self.field("mounts", Kind::Set, json!(wanted), json!(actual));
        }
        self.set(
            "volumes_from",
            args.volumes_from.as_ref(),
            "--volumes-from",
            self.host("VolumesFrom"),
            |from| from.strip_suffix(":rw").unwrap_or(from).to_owned(),
        );
        self.word(
            "volume_driver",
            args.volume_driver.as_deref(),
            "--volume-driver",
            self.host("VolumeDriver"),
        );
        if let Some(tmpfs) = &args.tmpfs {
            let mut wanted = json!({});
            for item in tmpfs {
                self.flag("--tmpfs", item.clone());
                let (path, options) = item.split_once(':').unwrap_or((item, ""));
                wanted[path] = json!(options);
            }
            let actual = self.host("Tmpfs");
            self.field("tmpfs", Kind::Dict, wanted, actual);
        }
        self.devices()
    }

    fn volumes(&mut self) -> Result<(), String> {
        let Some(volumes) = &self.args.volumes else {
            return Ok(());
        };
        let mut wanted = BTreeSet::new();
        for volume in volumes {
            let source = volume.split(':').next().unwrap_or_default();
            if volume.is_empty() || (volume.contains(':') && source.is_empty()) {
                return Err(format!(
                    "volumes: '{volume}' is not of the form source:target:mode"
                ));
            }
            self.flag("--volume", volume.clone());
            wanted.insert(if volume.contains(':') {
                bind(volume)
            } else {
                trimmed(volume).to_owned()
            });
        }
        // Volumes without a name are in another place.
        let anonymous = |value: Value| -> Vec<String> {
            let map = value.as_object().cloned().unwrap_or_default();
            map.keys().map(|path| trimmed(path).to_owned()).collect()
        };
        let mut actual: BTreeSet<String> = list(&self.host("Binds"))
            .iter()
            .map(|volume| bind(volume))
            .collect();
        actual.extend(anonymous(self.config("Volumes")));
        let brought = anonymous(self.image("Volumes"));
        self.field("volumes", Kind::Set, json!(wanted), json!(actual));
        if let Some(field) = self.fields.last_mut() {
            field.brought = json!(brought);
        }
        Ok(())
    }

    fn devices(&mut self) -> Result<(), String> {
        let args = self.args;
        if let Some(devices) = &args.devices {
            for item in devices {
                self.flag("--device", item.clone());
            }
            let wanted: Vec<String> = devices.iter().map(|item| device(item)).collect();
            let actual: Vec<String> = self
                .host("Devices")
                .as_array()
                .into_iter()
                .flatten()
                .map(|found| {
                    format!(
                        "{}:{}:{}",
                        text(&found["PathOnHost"]),
                        text(&found["PathInContainer"]),
                        text(&found["CgroupPermissions"])
                    )
                })
                .collect();
            self.field("devices", Kind::Set, json!(wanted), json!(actual));
        }
        self.set(
            "device_cgroup_rules",
            args.device_cgroup_rules.as_ref(),
            "--device-cgroup-rule",
            self.host("DeviceCgroupRules"),
            str::to_owned,
        );
        for (name, given, flag, key) in [
            (
                "device_read_bps",
                &args.device_read_bps,
                "--device-read-bps",
                "BlkioDeviceReadBps",
            ),
            (
                "device_read_iops",
                &args.device_read_iops,
                "--device-read-iops",
                "BlkioDeviceReadIOps",
            ),
            (
                "device_write_bps",
                &args.device_write_bps,
                "--device-write-bps",
                "BlkioDeviceWriteBps",
            ),
            (
                "device_write_iops",
                &args.device_write_iops,
                "--device-write-iops",
                "BlkioDeviceWriteIOps",
            ),
        ] {
            let Some(given) = given else { continue };
            let mut wanted = Vec::new();
            for rate in given {
                let number =
                    units::bytes(&rate.rate).map_err(|reason| format!("{name}: {reason}"))?;
                let line = format!("{}:{number}", rate.path);
                self.flag(flag, line.clone());
                wanted.push(line);
            }
            let found = self.host(key);
            let actual: Vec<String> = found
                .as_array()
                .into_iter()
                .flatten()
                .map(|found| format!("{}:{}", text(&found["Path"]), found["Rate"]))
                .collect();
            self.field(name, Kind::Set, json!(wanted), json!(actual));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_spelling_for_volumes_and_devices() {
        assert_eq!(bind("/a/:/b:rw"), "/a:/b");
        assert_eq!(bind("/a:/b:z,ro"), "/a:/b:ro,z");
        assert_eq!(bind("/:/host:ro"), "/:/host:ro");
        assert_eq!(device("/dev/kvm"), "/dev/kvm:/dev/kvm:rwm");
        assert_eq!(device("/dev/a:/dev/b"), "/dev/a:/dev/b:rwm");
        assert_eq!(device("/dev/a:/dev/b:r"), "/dev/a:/dev/b:r");
    }
}
