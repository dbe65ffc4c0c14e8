//! `npm`: packages of Node.js.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::acts::{Acts, acting, need, state};
use super::{Module, Verdict};
use crate::host::{Command, Failure, Look, Return};

ocplay_protocol::choices! {
    /// Wanted state.
    pub(super) enum State { Present = "present", Absent = "absent", Latest = "latest" }
}

ocplay_protocol::arguments! {
    /// Installs and removes packages of Node.js: those that package.json names, or one.
    pub(super) struct Args {
        /// One package; without it, what package.json names.
        name: Option<String>,
        /// Directory to install into.
        path: Option<PathBuf>,
        /// Version of the package.
        version: Option<String>,
        /// Install for the whole host.
        global: bool = false,
        /// The npm program.
        executable: Option<PathBuf>,
        /// Run no scripts of packages.
        ignore_scripts: bool = false,
        /// Run scripts as root.
        unsafe_perm: bool = false,
        /// Exactly what the lock file says (npm ci).
        ci: bool = false,
        /// Without packages that only developers need.
        production: bool = false,
        /// Registry.
        registry: Option<String>,
        /// Whether the packages shall be there.
        state: State = State::Present,
        /// Without optional packages.
        no_optional: bool = false,
        /// Make no links to programs.
        no_bin_links: bool = false,
        /// Force what npm can be forced to.
        force: bool = false,
    }
}

pub(super) struct Npm;

fn npm(args: &Args, words: &[&str]) -> Command {
    let mut argv = vec![match &args.executable {
        Some(path) => path.to_string_lossy().into_owned(),
        None => "npm".to_owned(),
    }];
    argv.extend(words.iter().map(|word| (*word).to_owned()));
    let flags = [
        (args.global, "--global"),
        (args.ignore_scripts, "--ignore-scripts"),
        (args.unsafe_perm, "--unsafe-perm"),
        (args.production, "--production"),
        (args.no_optional, "--no-optional"),
        (args.no_bin_links, "--no-bin-links"),
        (args.force, "--force"),
    ];
    argv.extend(
        flags
            .iter()
            .filter(|(on, _)| *on)
            .map(|(_, flag)| (*flag).to_owned()),
    );
    if let Some(registry) = &args.registry {
        argv.extend(["--registry".to_owned(), registry.clone()]);
    }
    let mut command = Command::new(argv)
        .env("npm_config_yes", "true")
        .env("npm_config_update_notifier", "false")
        .env("npm_config_logs_max", "0");
    command.directory = args.path.clone();
    command
}

/// What npm says in JSON. It also complains by its exit code about packages
/// that are missing, which is no failure here.
fn ask(args: &Args, look: &Look, words: &[&str]) -> Result<Value, Failure> {
    let output = look.ask(&npm(args, words))?;
    let text = output.out();
    if text.trim().is_empty() {
        return Ok(Value::Null);
    }
    serde_json::from_str(&text).map_err(|error| {
        output.failure(format!(
            "npm {} answered with no JSON ({error}): {}",
            words.join(" "),
            output.complaint()
        ))
    })
}

/// Installed packages with their versions, and the names of missing ones.
fn listed(tree: &Value) -> (Vec<(String, String)>, Vec<String>) {
    let (mut there, mut missing) = (Vec::new(), Vec::new());
    for (name, about) in tree["dependencies"].as_object().into_iter().flatten() {
        let broken = about["missing"] == true || !about["invalid"].is_null();
        if broken {
            missing.push(name.clone());
        } else {
            let version = about["version"].as_str().unwrap_or_default();
            there.push((name.clone(), version.to_owned()));
        }
    }
    (there, missing)
}

impl Module for Npm {
    const NAME: &'static str = "npm";
    const COLLECTION: &'static str = "community.general";
    type Args = Args;
    acting!();

    fn check(args: &Args, look: &Look) -> Result<Verdict<Acts>, Failure> {
        if args.path.is_none() && !args.global {
            return Err("path must be specified when not using global".into());
        }
        if args.executable.is_none() {
            need(look, "npm", "npm")?;
        }
        let mut acts = Acts::new(Return::new());
        if let Some(path) = &args.path
            && look.stat(path)?.is_none()
        {
            if args.state == State::Absent {
                return Ok(acts.verdict());
            }
            acts.step(super::steps::Step::Directories(
                path.clone(),
                Default::default(),
            ));
        }
        if args.ci {
            acts.run(npm(args, &["ci"]), "install what the lock file says");
            return Ok(acts.verdict());
        }
        let absent_folder = args
            .path
            .as_deref()
            .is_some_and(|path| !Path::new(path).is_dir());
        let (there, mut missing) = if absent_folder {
            (Vec::new(), Vec::new())
        } else {
            listed(&ask(args, look, &["ls", "--json", "--depth=0"])?)
        };
        let wanted = args.name.as_ref().map(|name| match &args.version {
            Some(version) => format!("{name}@{version}"),
            None => name.clone(),
        });
        if let Some(name) = &args.name {
            let is = there.iter().find(|(known, _)| known == name);
            let right = is.is_some_and(|(_, version)| {
                args.version.as_ref().is_none_or(|wanted| wanted == version)
            });
            missing = if right {
                Vec::new()
            } else {
                vec![name.clone()]
            };
            if args.state == State::Absent {
                if is.is_some() {
                    acts.diff(state("packages", name, ""));
                    acts.run(npm(args, &["uninstall", name]), format!("remove {name}"));
                }
                return Ok(acts.verdict());
            }
        } else if args.state == State::Absent {
            return Err("name is required with state: absent".into());
        }
        if args.state == State::Latest && missing.is_empty() && !absent_folder {
            let old = ask(args, look, &["outdated", "--json"])?;
            let old = old.as_object().cloned().unwrap_or_default();
            missing = old
                .keys()
                .filter(|known| args.name.as_ref().is_none_or(|name| name == *known))
                .cloned()
                .collect();
            if missing.is_empty() {
                return Ok(acts.verdict());
            }
            acts.diff(state("packages", "", &missing.join("\n")));
            let newest = args.name.as_ref().map(|name| format!("{name}@latest"));
            let command = match &newest {
                Some(newest) => npm(args, &["install", newest]),
                None => npm(args, &["update"]),
            };
            acts.run(command, "update the packages");
            return Ok(acts.verdict());
        }
        if missing.is_empty() && !(absent_folder && args.name.is_none()) {
            return Ok(Acts::new(Return::new()).verdict());
        }
        acts.diff(state("packages", "", &missing.join("\n")));
        let command = match &wanted {
            Some(wanted) => npm(args, &["install", wanted]),
            None => npm(args, &["install"]),
        };
        acts.run(command, "install the packages");
        Ok(acts.verdict())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_npm_lists() {
        let tree = json!({"dependencies": {
            "a": {"version": "1.0.0"}, "b": {"missing": true, "required": "^2"},
        }});
        let (there, missing) = listed(&tree);
        assert_eq!(there, [("a".to_owned(), "1.0.0".to_owned())]);
        assert_eq!(missing, ["b"]);
    }
}
