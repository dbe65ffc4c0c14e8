//! `package_facts`: the packages of the host as facts.

use std::path::Path;

use ocplay_protocol::Diff;
use serde_json::{Map, Value, json};

use super::{Module, Verdict};
use crate::facts::package_manager;
use crate::host::{Failure, Look, Return, Touch};

ocplay_protocol::choices! {
    /// What to do with several package managers.
    pub(super) enum Strategy {
        /// The first that is there.
        First = "first",
        /// All of them.
        All = "all",
    }
}

ocplay_protocol::arguments! {
    /// Lists the installed packages, as the fact `packages`.
    pub(super) struct Args {
        /// Package managers to ask: auto, apt, rpm, apk, pacman.
        manager: Vec<String> = vec!["auto".to_owned()],
        /// Ask the first that is there, or all.
        strategy: Strategy = Strategy::First,
    }
}

pub(super) struct PackageFacts;

const KNOWN: [&str; 4] = ["apt", "rpm", "apk", "pacman"];

impl Module for PackageFacts {
    const NAME: &'static str = "package_facts";
    type Args = Args;
    type Plan = std::convert::Infallible;

    fn check(args: &Args, look: &Look) -> Result<Verdict<Self::Plan>, Failure> {
        let mut managers: Vec<&str> = Vec::new();
        for name in &args.manager {
            match name.to_lowercase().as_str() {
                "auto" => {
                    let own = match package_manager() {
                        "dnf" | "dnf5" | "yum" | "zypper" | "microdnf" => "rpm",
                        other => other,
                    };
                    managers.extend(KNOWN.iter().filter(|known| **known == own));
                    managers.extend(KNOWN.iter().filter(|known| **known != own));
                }
                "dnf" | "dnf5" | "yum" | "zypper" | "rpm" => managers.push("rpm"),
                other => match KNOWN.iter().find(|known| **known == other) {
                    Some(known) => managers.push(known),
                    None => {
                        return Err(Failure::new(format!(
                            "Unsupported package managers requested: {name}"
                        )));
                    }
                },
            }
        }
        let mut packages: Map<String, Value> = Map::new();
        let mut found = false;
        for manager in managers {
            let Some(list) = list(manager, look)? else {
                continue;
            };
            found = true;
            for (name, package) in list {
                match packages.entry(name).or_insert_with(|| json!([])) {
                    Value::Array(all) => all.push(package),
                    other => *other = json!([package]),
                }
            }
            if args.strategy == Strategy::First {
                break;
            }
        }
        if !found {
            return Err(Failure::new(format!(
                "Could not detect a supported package manager from the following list: {:?}, or \
                 the required program is not on this host",
                args.manager
            )));
        }
        Ok(Verdict::Same(
            Return::new().with("ansible_facts", json!({ "packages": packages })),
        ))
    }

    fn describe(plan: &Self::Plan) -> Vec<Diff> {
        match *plan {}
    }

    fn apply(plan: Self::Plan, _: &mut Touch) -> Result<Return, Failure> {
        match plan {}
    }
}

type Packages = Vec<(String, Value)>;

fn list(manager: &str, look: &Look) -> Result<Option<Packages>, Failure> {
    match manager {
        "apt" => Ok(look
            .read_text(Path::new("/var/lib/dpkg/status"))?
            .map(|text| dpkg(&text))),
        "apk" => Ok(look
            .read_text(Path::new("/lib/apk/db/installed"))?
            .map(|text| apk(&text))),
        "rpm" if look.which("rpm").is_some() => {
            let format = "%{NAME}|%{VERSION}|%{RELEASE}|%{EPOCH}|%{ARCH}\n";
            let output = look.query(["rpm", "-qa", "--qf", format])?;
            Ok(output.ok().then(|| rpm(&output.out())))
        }
        "pacman" if look.which("pacman").is_some() => {
            let output = look.query(["pacman", "-Q"])?;
            Ok(output.ok().then(|| pacman(&output.out())))
        }
        _ => Ok(None),
    }
}

/// Paragraphs of `Field: value`.
fn dpkg(text: &str) -> Packages {
    text.split("\n\n")
        .filter_map(|paragraph| {
            let field = |name: &str| {
                paragraph
                    .lines()
                    .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
            };
            let status = field("Status")?;
            if !status.ends_with(" installed") {
                return None;
            }
            let name = field("Package")?;
            let package = json!({
                "name": name,
                "version": field("Version")?,
                "arch": field("Architecture").unwrap_or(""),
                "category": field("Section").unwrap_or(""),
                "origin": "",
                "source": "apt",
            });
            Some((name.to_owned(), package))
        })
        .collect()
}

fn rpm(text: &str) -> Packages {
    text.lines()
        .filter_map(|line| {
            let [name, version, release, epoch, arch] = line.split('|').collect::<Vec<_>>()[..]
            else {
                return None;
            };
            let epoch: Value = epoch.parse::<i64>().map_or(Value::Null, Value::from);
            let arch = (arch != "(none)").then_some(arch);
            let package = json!({
                "name": name, "version": version, "release": release, "epoch": epoch,
                "arch": arch, "source": "rpm",
            });
            Some((name.to_owned(), package))
        })
        .collect()
}

/// Paragraphs of `X:value`.
fn apk(text: &str) -> Packages {
    text.split("\n\n")
        .filter_map(|paragraph| {
            let field = |name: &str| paragraph.lines().find_map(|line| line.strip_prefix(name));
            let name = field("P:")?;
            let (version, release) = field("V:")?.rsplit_once("-r")?;
            let package = json!({
                "name": name, "version": version, "release": release, "source": "apk",
                "arch": field("A:").unwrap_or(""),
            });
            Some((name.to_owned(), package))
        })
        .collect()
}

fn pacman(text: &str) -> Packages {
    text.lines()
        .filter_map(|line| {
            let (name, version) = line.split_once(' ')?;
            let package = json!({ "name": name, "version": version, "source": "pacman" });
            Some((name.to_owned(), package))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_real_tools() {
        let found = dpkg(
            "Package: bash\nStatus: install ok installed\nSection: shells\nArchitecture: amd64\n\
             Version: 5.2.15-2+b7\n\nPackage: gone\nStatus: deinstall ok config-files\nVersion: 1\n",
        );
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].1["version"], "5.2.15-2+b7");
        let found = rpm("bash|5.2.26|3.fc40|(none)|x86_64\n");
        assert_eq!(found[0].1["epoch"], Value::Null);
        let found = apk("C:Q1\nP:musl\nV:1.2.4-r2\nA:x86_64\n\n");
        assert_eq!(found[0].1["release"], "2");
    }
}
