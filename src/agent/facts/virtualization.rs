//! Whether the host is a guest or a container, and of what.

use std::path::Path;

use serde_json::json;

use super::{Gather, text};

pub(super) fn gather(gather: &mut Gather<'_>) {
    let (kind, role) = detect();
    gather.put("virtualization_type", kind);
    gather.put("virtualization_role", role);
    let guest = if role == "guest" { vec![kind] } else { vec![] };
    gather.put("virtualization_tech_guest", json!(guest));
    let modules = text("/proc/modules");
    let host =
        modules.lines().any(|line| line.starts_with("kvm")) || Path::new("/dev/kvm").exists();
    gather.put(
        "virtualization_tech_host",
        if host { json!(["kvm"]) } else { json!([]) },
    );
    gather.put("is_chroot", is_chroot());
}

fn detect() -> (&'static str, &'static str) {
    let container = text("/proc/1/environ")
        .split('\0')
        .find_map(|entry| entry.strip_prefix("container=").map(str::to_owned))
        .or_else(|| {
            let word = text("/run/systemd/container");
            (!word.is_empty()).then_some(word)
        });
    if Path::new("/.dockerenv").exists() || Path::new("/.dockerinit").exists() {
        return ("docker", "guest");
    }
    if Path::new("/run/.containerenv").exists() {
        return ("podman", "guest");
    }
    match container.as_deref() {
        Some("docker") => return ("docker", "guest"),
        Some("podman") => return ("podman", "guest"),
        Some("lxc" | "lxc-libvirt") => return ("lxc", "guest"),
        Some("systemd-nspawn") => return ("systemd-nspawn", "guest"),
        Some(_) => return ("container", "guest"),
        None => {}
    }
    if Path::new("/proc/vz").is_dir() && !Path::new("/proc/bc").is_dir() {
        return ("openvz", "guest");
    }
    if Path::new("/proc/xen").is_dir() && !text("/proc/xen/capabilities").contains("control_d") {
        return ("xen", "guest");
    }
    let product = text("/sys/class/dmi/id/product_name");
    let vendor = text("/sys/class/dmi/id/sys_vendor");
    let bios = text("/sys/class/dmi/id/bios_vendor");
    let kind = match (product.as_str(), vendor.as_str(), bios.as_str()) {
        ("OpenStack Nova" | "OpenStack Compute", _, _) => "openstack",
        ("KVM" | "KVM Server" | "Bochs" | "AHV", _, _) | (_, "QEMU" | "KubeVirt", _) => "kvm",
        ("Google Compute Engine", _, _) | (_, "Amazon EC2" | "DigitalOcean" | "Hetzner", _) => {
            "kvm"
        }
        ("VirtualBox", _, _) | (_, _, "innotek GmbH") => "virtualbox",
        (name, _, _) if name.starts_with("VMware") => "VMware",
        ("Virtual Machine", "Microsoft Corporation", _) => "VirtualPC",
        ("HVM domU", _, _) => "xen",
        ("Parallels Virtual Platform", _, _) => "parallels",
        _ => "",
    };
    if !kind.is_empty() {
        return (kind, "guest");
    }
    let guest = text("/proc/cpuinfo")
        .lines()
        .find(|line| line.starts_with("flags"))
        .is_some_and(|line| line.split_whitespace().any(|flag| flag == "hypervisor"));
    if guest {
        return ("kvm", "guest");
    }
    if Path::new("/dev/kvm").exists() {
        return ("kvm", "host");
    }
    ("NA", "NA")
}

/// The root of this process is not that of process 1.
fn is_chroot() -> bool {
    use std::os::unix::fs::MetadataExt;
    let (Ok(own), Ok(first)) = (std::fs::metadata("/"), std::fs::metadata("/proc/1/root/.")) else {
        return false;
    };
    (own.dev(), own.ino()) != (first.dev(), first.ino())
}
