//! Mounts and block devices.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Map, Value, json};

use super::{Gather, names, text};

pub(super) fn gather(gather: &mut Gather<'_>) {
    let uuids = disk_links("/dev/disk/by-uuid");
    mounts(gather, &uuids);
    devices(gather, &uuids);
    let initiator = text("/etc/iscsi/initiatorname.iscsi");
    let name = initiator
        .lines()
        .find_map(|line| line.trim().strip_prefix("InitiatorName="));
    gather.put("iscsi_iqn", name.unwrap_or_default());
    gather.put("hostnqn", text("/etc/nvme/hostnqn"));
}

/// Names of device nodes by what the links in a directory point to.
pub(crate) fn disk_links(directory: &str) -> BTreeMap<String, Vec<String>> {
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for name in names(directory) {
        let target = std::fs::read_link(Path::new(directory).join(&name));
        if let Ok(target) = target
            && let Some(device) = target.file_name()
        {
            found
                .entry(device.to_string_lossy().into_owned())
                .or_default()
                .push(name);
        }
    }
    found
}

/// `\040` and its like in mount tables.
pub(crate) fn unescape(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        let octal = bytes.get(at + 1..at + 4).and_then(|digits| {
            let digits = std::str::from_utf8(digits).ok()?;
            u8::from_str_radix(digits, 8).ok()
        });
        match (bytes[at], octal) {
            (b'\\', Some(byte)) => {
                out.push(byte);
                at += 4;
            }
            (byte, _) => {
                out.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// Sizes of a file system in bytes, blocks and inodes; nothing where it has none.
pub(crate) fn space(point: &Path) -> Map<String, Value> {
    let mut all = Map::new();
    if let Ok(stat) = rustix::fs::statvfs(point) {
        for (name, value) in [
            ("size_total", stat.f_frsize * stat.f_blocks),
            ("size_available", stat.f_frsize * stat.f_bavail),
            ("block_size", stat.f_bsize),
            ("block_total", stat.f_blocks),
            ("block_available", stat.f_bavail),
            ("block_used", stat.f_blocks.saturating_sub(stat.f_bavail)),
            ("inode_total", stat.f_files),
            ("inode_available", stat.f_favail),
            ("inode_used", stat.f_files.saturating_sub(stat.f_favail)),
        ] {
            all.insert(name.to_owned(), json!(value));
        }
    }
    all
}

fn mounts(gather: &mut Gather<'_>, uuids: &BTreeMap<String, Vec<String>>) {
    let mut table = text("/proc/self/mounts");
    if table.is_empty() {
        table = text("/etc/mtab");
    }
    let mut list = Vec::new();
    for line in table.lines() {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [device, point, kind, options, ..] = fields[..] else {
            continue;
        };
        let real =
            device.starts_with('/') || device.contains(":/") || kind == "zfs" || kind == "btrfs";
        if !real {
            continue;
        }
        let point = unescape(point);
        let mut mount = Map::new();
        let mut put = |name: &str, value: Value| {
            mount.insert(name.to_owned(), value);
        };
        put("mount", json!(point));
        put("device", json!(unescape(device)));
        put("fstype", json!(kind));
        put("options", json!(options));
        put("dump", json!(0));
        put("passno", json!(0));
        // A dead network file system would hang here; those are left unasked.
        if !kind.starts_with("nfs") && kind != "cifs" {
            mount.extend(space(Path::new(&point)));
        }
        let name = device.rsplit('/').next().unwrap_or_default();
        let uuid = uuids.get(name).and_then(|all| all.first());
        let uuid = json!(uuid.map_or("N/A", String::as_str));
        mount.insert("uuid".to_owned(), uuid);
        list.push(Value::Object(mount));
    }
    gather.put("mounts", list);
}

fn devices(gather: &mut Gather<'_>, uuids: &BTreeMap<String, Vec<String>>) {
    let ids = disk_links("/dev/disk/by-id");
    let labels = disk_links("/dev/disk/by-label");
    let none = Vec::new();
    let of =
        |all: &BTreeMap<String, Vec<String>>, name: &str| json!(all.get(name).unwrap_or(&none));
    let node_links = |name: &str| {
        json!({
            "ids": of(&ids, name),
            "uuids": of(uuids, name),
            "labels": of(&labels, name),
            "masters": names(format!("/sys/class/block/{name}/holders")),
        })
    };
    let mut all = Map::new();
    for name in names("/sys/block") {
        let base = format!("/sys/block/{name}");
        let sectors: u64 = text(format!("{base}/size")).parse().unwrap_or(0);
        // Unused loop devices and RAM disks say nothing.
        if sectors == 0 && (name.starts_with("loop") || name.starts_with("ram")) {
            continue;
        }
        let block: u64 = text(format!("{base}/queue/logical_block_size"))
            .parse()
            .unwrap_or(512);
        let mut partitions = Map::new();
        for part in names(&base).into_iter().filter(|part| {
            part.starts_with(&name) && Path::new(&format!("{base}/{part}/partition")).exists()
        }) {
            let sectors: u64 = text(format!("{base}/{part}/size")).parse().unwrap_or(0);
            partitions.insert(
                part.clone(),
                json!({
                    "start": text(format!("{base}/{part}/start")),
                    "sectors": sectors,
                    "sectorsize": block,
                    "size": human(sectors * 512),
                    "uuid": uuids.get(&part).and_then(|all| all.first()),
                    "holders": names(format!("{base}/{part}/holders")),
                    "links": node_links(&part),
                }),
            );
        }
        let field = |file: &str| {
            let value = text(format!("{base}/device/{file}"));
            if value.is_empty() {
                Value::Null
            } else {
                Value::from(value)
            }
        };
        let scheduler = text(format!("{base}/queue/scheduler"));
        let scheduler = scheduler
            .split_once('[')
            .and_then(|(_, rest)| rest.split_once(']'))
            .map_or("", |(name, _)| name)
            .to_owned();
        all.insert(
            name.clone(),
            json!({
                "virtual": i32::from(!Path::new(&format!("{base}/device")).exists()),
                "links": node_links(&name),
                "vendor": field("vendor"),
                "model": field("model"),
                "serial": field("serial"),
                "removable": text(format!("{base}/removable")),
                "support_discard": text(format!("{base}/queue/discard_granularity")),
                "rotational": text(format!("{base}/queue/rotational")),
                "scheduler_mode": scheduler,
                "sectors": sectors,
                "sectorsize": block.to_string(),
                "size": human(sectors * 512),
                "host": "",
                "holders": names(format!("{base}/holders")),
                "partitions": partitions,
            }),
        );
    }
    gather.put("devices", all);
    gather.put(
        "device_links",
        json!({ "ids": ids, "uuids": uuids, "labels": labels, "masters": {} }),
    );
}

/// `10.00 GB`, counted in powers of 1024.
fn human(bytes: u64) -> String {
    for (unit, shift) in [("TB", 40), ("GB", 30), ("MB", 20), ("KB", 10)] {
        if bytes >= 1 << shift {
            return format!("{:.2} {unit}", bytes as f64 / (1_u64 << shift) as f64);
        }
    }
    format!("{bytes}.00 Bytes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_and_sizes() {
        assert_eq!(unescape("/mnt/a\\040b"), "/mnt/a b");
        assert_eq!(unescape("plain\\"), "plain\\");
        assert_eq!(human(3 << 30), "3.00 GB");
        assert_eq!(human(12), "12.00 Bytes");
    }
}
