//! `flatpak`: applications by Flatpak.

use std::path::PathBuf;

use super::acts::{Acts, acting, command, state as state_diff};
use super::{Module, Verdict};
use crate::host::{Failure, Look, Return};

ocplay_protocol::choices! {
    /// Wanted state.
    pub(super) enum State { Absent = "absent", Present = "present", Latest = "latest" }
}
ocplay_protocol::choices! {
    /// For whom.
    pub(super) enum Method { System = "system", User = "user" }
}

ocplay_protocol::arguments! {
    /// Installs, updates and removes applications and runtimes by Flatpak.
    pub(super) struct Args {
        /// Names such as org.gnome.Calculator, with branch or without, or addresses of .flatpakref files.
        name: Vec<String>,
        /// Wanted state.
        state: State = State::Present,
        /// Where they come from.
        remote: String = "flathub".to_owned(),
        /// For all users of the host, or for the task's user only.
        method: Method = Method::System,
        /// Leave out what they need.
        no_dependencies: bool = false,
        /// The program.
        executable: PathBuf = PathBuf::from("flatpak"),
    }
}

pub(super) struct Flatpak;

/// Name, architecture, branch; the latter two may be empty.
fn parts(name: &str) -> [&str; 3] {
    // The end of an address: .../org.x.App.flatpakref
    if name.contains("://") {
        let file = name.rsplit('/').next().unwrap_or_default();
        return [file.strip_suffix(".flatpakref").unwrap_or(file), "", ""];
    }
    let mut words = name.split('/');
    let mut next = || words.next().unwrap_or_default();
    [next(), next(), next()]
}

fn is_among(name: &str, list: &str) -> bool {
    let wanted = parts(name);
    list.lines().any(|line| {
        let mut words = line.split('\t').map(str::trim);
        wanted.iter().all(|part| {
            let is = words.next().unwrap_or_default();
            part.is_empty() || *part == is
        })
    })
}

impl Args {
    fn words(&self, verb: &str) -> Vec<String> {
        let program = self.executable.to_string_lossy().into_owned();
        vec![
            program,
            verb.to_owned(),
            format!("--{}", self.method.word()),
        ]
    }

    fn ask(&self, look: &Look, verb: &str, more: &[&str]) -> Result<String, Failure> {
        let mut words = self.words(verb);
        words.extend(more.iter().map(|word| (*word).to_owned()));
        words.push("--columns=application,arch,branch".to_owned());
        let output = look.query(&words)?;
        if output.ok() {
            return Ok(output.out());
        }
        let message = format!("cannot ask flatpak: {}", output.complaint());
        Err(output.failure(message))
    }
}

impl Module for Flatpak {
    const NAME: &'static str = "flatpak";
    const COLLECTION: &'static str = "community.general";
    type Args = Args;
    acting!();

    fn check(args: &Args, look: &Look) -> Result<Verdict<Acts>, Failure> {
        let program = args.executable.to_string_lossy();
        if look.which(&program).is_none() {
            return Err(Failure::new(format!(
                "the program '{program}' is not on this host; install the package flatpak first"
            )));
        }
        if let Some(wrong) = args
            .name
            .iter()
            .find(|name| name.is_empty() || name.starts_with('-'))
        {
            return Err(Failure::new(format!(
                "name: '{wrong}' is no name of an application"
            )));
        }
        let installed = args.ask(look, "list", &[])?;
        let newer = match args.state {
            State::Latest => args.ask(look, "remote-ls", &["--updates"])?,
            _ => String::new(),
        };
        let select = |wanted: &dyn Fn(&str) -> bool| -> Vec<String> {
            args.name
                .iter()
                .filter(|name| wanted(name))
                .cloned()
                .collect()
        };
        let mut all: Vec<(Vec<String>, Vec<String>, &str, &str)> = Vec::new();
        if args.state == State::Absent {
            let names = select(&|name| is_among(name, &installed));
            let names = names.iter().map(|name| {
                if name.contains("://") {
                    parts(name)[0].to_owned()
                } else {
                    name.clone()
                }
            });
            let mut words = args.words("uninstall");
            words.push("--noninteractive".to_owned());
            all.push((words, names.collect(), "present", "absent"));
        } else {
            let missing = select(&|name| !is_among(name, &installed));
            let mut words = args.words("install");
            words.push("--noninteractive".to_owned());
            if args.no_dependencies {
                words.push("--no-deps".to_owned());
            }
            // One address at a time, and without a remote.
            let (addresses, names): (Vec<_>, Vec<_>) =
                missing.into_iter().partition(|name| name.contains("://"));
            for address in addresses {
                all.push((words.clone(), vec![address], "absent", "present"));
            }
            words.push(args.remote.clone());
            all.push((words, names, "absent", "present"));
            let old = select(&|name| is_among(name, &installed) && is_among(name, &newer));
            let mut words = args.words("update");
            words.push("--noninteractive".to_owned());
            all.push((words, old, "present", "latest"));
        }
        let mut acts = Acts::new(Return::new());
        let mut lines = Vec::new();
        for (mut words, names, before, after) in all {
            if names.is_empty() {
                continue;
            }
            for name in &names {
                acts.diff(state_diff(name, before, after));
            }
            let what = format!("make {} {after}", names.join(", "));
            words.extend(names);
            lines.push(crate::host::words::join(&words));
            acts.run(command(&words), what);
        }
        if !lines.is_empty() {
            acts.result(|result| result.with("command", lines.join("; ")));
        }
        Ok(acts.verdict())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_and_without_a_branch() {
        let list = "org.x.App\tx86_64\t1\norg.x.Other\tx86_64\tstable\n";
        for (name, is) in [
            ("org.x.App", true),
            ("org.x.App//1", true),
            ("org.x.App//2", false),
            ("org.x.App/x86_64/1", true),
            ("org.x", false),
            ("https://x.example/org.x.Other.flatpakref", true),
        ] {
            assert_eq!(is_among(name, list), is, "{name}");
        }
    }
}
