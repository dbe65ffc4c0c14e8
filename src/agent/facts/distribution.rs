//! Distribution, package manager, service manager.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::json;

use super::{Gather, text};
use crate::host::words;

pub(super) fn gather(gather: &mut Gather<'_>) {
    let path = ["/etc/os-release", "/usr/lib/os-release"]
        .into_iter()
        .find(|path| Path::new(path).exists());
    let release = parse(&path.map(text).unwrap_or_default());
    let get = |name: &str| release.get(name).map(String::as_str).unwrap_or_default();
    let found = identify(
        &release,
        &text("/etc/debian_version"),
        &text("/etc/redhat-release"),
    );
    let family = family(&found.name, get("ID_LIKE"));
    gather.put("distribution", found.name.as_str());
    gather.put("distribution_version", found.version.as_str());
    gather.put(
        "distribution_major_version",
        found.version.split('.').next().unwrap_or_default(),
    );
    if let Some((_, minor)) = found.version.split_once('.') {
        gather.put("distribution_minor_version", minor);
    }
    gather.put("distribution_release", found.release.as_str());
    gather.put("distribution_file_parsed", path.is_some());
    gather.put("distribution_file_path", path.unwrap_or_default());
    gather.put("distribution_file_variety", family.as_str());
    gather.put("os_family", family.as_str());
    gather.put(
        "lsb",
        json!({
            "id": found.name,
            "codename": found.release,
            "description": get("PRETTY_NAME"),
            "release": get("VERSION_ID"),
            "major_release": found.version.split('.').next().unwrap_or_default(),
        }),
    );
    gather.put("pkg_mgr", package_manager());
    gather.put("service_mgr", service_manager());
}

struct Found {
    name: String,
    version: String,
    release: String,
}

/// `NAME="value"` lines.
pub(super) fn parse(text: &str) -> BTreeMap<String, String> {
    text.lines()
        .filter_map(|line| line.trim().split_once('='))
        .filter(|(name, _)| !name.starts_with('#'))
        .map(|(name, value)| {
            let value = words::split(value)
                .ok()
                .and_then(|words| words.into_iter().next())
                .unwrap_or_default();
            (name.to_owned(), value)
        })
        .collect()
}

fn identify(release: &BTreeMap<String, String>, debian: &str, redhat: &str) -> Found {
    let get = |name: &str| release.get(name).cloned().unwrap_or_default();
    let id = get("ID");
    let name = match id.as_str() {
        "debian" => "Debian",
        "ubuntu" => "Ubuntu",
        "raspbian" => "Raspbian",
        "linuxmint" => "Linux Mint",
        "kali" => "Kali",
        "devuan" => "Devuan",
        "rhel" => "RedHat",
        "centos" => "CentOS",
        "rocky" => "Rocky",
        "almalinux" => "AlmaLinux",
        "ol" => "OracleLinux",
        "fedora" => "Fedora",
        "amzn" => "Amazon",
        "alpine" => "Alpine",
        "arch" => "Archlinux",
        "manjaro" => "Manjaro",
        "opensuse-leap" => "openSUSE Leap",
        "opensuse-tumbleweed" => "openSUSE Tumbleweed",
        "sles" => "SLES",
        "gentoo" => "Gentoo",
        "void" => "Void",
        "nixos" => "NixOS",
        "flatcar" => "Flatcar",
        "openEuler" => "openEuler",
        "" => "Linux",
        other => other,
    };
    let mut version = get("VERSION_ID");
    // The point release is only in the distributions' own files.
    if id == "debian" && debian.split('.').next() == Some(version.as_str()) {
        debian.clone_into(&mut version);
    }
    if id == "centos"
        && let Some(full) = redhat
            .split_whitespace()
            .find(|word| word.starts_with(&format!("{version}.")))
    {
        full.clone_into(&mut version);
    }
    let mut release_name = get("VERSION_CODENAME");
    if release_name.is_empty() {
        // `9.4 (Blue Onyx)`
        let long = get("VERSION");
        release_name = long
            .split_once('(')
            .and_then(|(_, rest)| rest.split_once(')'))
            .map(|(name, _)| name.to_owned())
            .unwrap_or_default();
    }
    Found {
        name: name.to_owned(),
        version: if version.is_empty() {
            "NA".to_owned()
        } else {
            version
        },
        release: if release_name.is_empty() {
            "NA".to_owned()
        } else {
            release_name
        },
    }
}

fn family(name: &str, like: &str) -> String {
    let known = match name {
        "Debian" | "Ubuntu" | "Raspbian" | "Linux Mint" | "Kali" | "Devuan" => "Debian",
        "RedHat" | "CentOS" | "Rocky" | "AlmaLinux" | "OracleLinux" | "Fedora" | "Amazon"
        | "openEuler" => "RedHat",
        "openSUSE Leap" | "openSUSE Tumbleweed" | "SLES" => "Suse",
        "Alpine" => "Alpine",
        "Archlinux" | "Manjaro" => "Archlinux",
        "Gentoo" => "Gentoo",
        "Void" => "Void",
        _ => "",
    };
    if !known.is_empty() {
        return known.to_owned();
    }
    let like_any = |names: &[&str]| like.split_whitespace().any(|word| names.contains(&word));
    if like_any(&["debian", "ubuntu"]) {
        "Debian".to_owned()
    } else if like_any(&["rhel", "fedora", "centos"]) {
        "RedHat".to_owned()
    } else if like_any(&["suse", "opensuse"]) {
        "Suse".to_owned()
    } else if like_any(&["arch"]) {
        "Archlinux".to_owned()
    } else {
        name.to_owned()
    }
}

/// Package managers and the program that shows each.
pub(crate) const PACKAGE_MANAGERS: &[(&str, &str)] = &[
    ("/usr/bin/apt-get", "apt"),
    ("/usr/bin/dnf5", "dnf5"),
    ("/usr/bin/dnf", "dnf"),
    ("/usr/bin/yum", "yum"),
    ("/usr/bin/zypper", "zypper"),
    ("/sbin/apk", "apk"),
    ("/usr/bin/apk", "apk"),
    ("/usr/bin/pacman", "pacman"),
    ("/usr/bin/xbps-install", "xbps"),
    ("/usr/bin/emerge", "portage"),
    ("/bin/opkg", "opkg"),
    ("/usr/bin/microdnf", "microdnf"),
];

pub(crate) fn package_manager() -> &'static str {
    PACKAGE_MANAGERS
        .iter()
        .find(|(program, _)| Path::new(program).exists())
        .map_or("unknown", |(_, name)| name)
}

pub(crate) fn service_manager() -> String {
    if Path::new("/run/systemd/system").is_dir() {
        return "systemd".to_owned();
    }
    let first = text("/proc/1/comm");
    if first == "systemd" {
        return first;
    }
    if Path::new("/run/openrc").is_dir() || Path::new("/sbin/openrc").exists() {
        return "openrc".to_owned();
    }
    match first.as_str() {
        "runit-init" | "runsvdir" | "runit" => "runit".to_owned(),
        "init" if Path::new("/etc/init.d").is_dir() => "sysvinit".to_owned(),
        "" => "service".to_owned(),
        shell if shell.ends_with("sh") => "service".to_owned(),
        other => other.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str, debian: &str, redhat: &str) -> (String, String, String, String) {
        let release = parse(text);
        let found = identify(&release, debian, redhat);
        let like = release.get("ID_LIKE").cloned().unwrap_or_default();
        let family = family(&found.name, &like);
        (found.name, found.version, found.release, family)
    }

    #[test]
    fn distributions() {
        let is = |name: &str, version: &str, release: &str, family: &str| {
            (
                name.to_owned(),
                version.to_owned(),
                release.to_owned(),
                family.to_owned(),
            )
        };
        assert_eq!(
            found(
                "ID=debian\nVERSION_ID=\"12\"\nVERSION_CODENAME=bookworm\n",
                "12.11",
                ""
            ),
            is("Debian", "12.11", "bookworm", "Debian")
        );
        assert_eq!(
            found(
                "ID=ubuntu\nVERSION_ID=\"22.04\"\nVERSION_CODENAME=jammy\nID_LIKE=debian",
                "bookworm/sid",
                ""
            ),
            is("Ubuntu", "22.04", "jammy", "Debian")
        );
        assert_eq!(
            found(
                "ID=\"rocky\"\nVERSION_ID=\"9.4\"\nVERSION=\"9.4 (Blue Onyx)\"\n",
                "",
                ""
            ),
            is("Rocky", "9.4", "Blue Onyx", "RedHat")
        );
        assert_eq!(
            found(
                "ID=\"centos\"\nVERSION_ID=\"7\"\nVERSION=\"7 (Core)\"\n",
                "",
                "CentOS Linux release 7.9.2009 (Core)"
            ),
            is("CentOS", "7.9.2009", "Core", "RedHat")
        );
        assert_eq!(
            found("ID=neon\nID_LIKE=\"ubuntu debian\"\n", "", ""),
            is("neon", "NA", "NA", "Debian")
        );
        assert_eq!(found("", "", ""), is("Linux", "NA", "NA", "Linux"));
    }
}
