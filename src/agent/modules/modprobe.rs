//! `modprobe`: kernel modules, loaded now and after a boot.

use std::path::{Path, PathBuf};

use ocplay_protocol::Diff;

use super::steps::{Body, Placement, Step, Work, content_diff, state_diff};
use super::{Module, Verdict};
use crate::host::{Command, Failure, Look, Return, Settled, Touch, words};

ocplay_protocol::choices! {
    /// Wanted state of the module in the kernel.
    pub(super) enum State { Present = "present", Absent = "absent" }
}

ocplay_protocol::choices! {
    /// What becomes of the module at boot.
    pub(super) enum Persistent {
        /// Nothing is done about it.
        Disabled = "disabled",
        /// It is not loaded at boot.
        Absent = "absent",
        /// It is loaded at boot, with its parameters.
        Present = "present",
    }
}

ocplay_protocol::arguments! {
    /// Loads or unloads a kernel module.
    pub(super) struct Args {
        /// The module.
        name: String,
        /// Whether it shall be in the kernel.
        state: State = State::Present,
        /// Parameters such as `numdummies=2`.
        params: String = String::new(),
        /// Whether it shall be loaded at boot.
        persistent: Persistent = Persistent::Disabled,
    }
}

pub(super) struct Modprobe;

pub(super) struct Plan {
    name: String,
    params: String,
    load: Option<bool>,
    work: Work,
    result: Return,
}

/// Names differ in `-` and `_` only by accident.
fn same(one: &str, other: &str) -> bool {
    one.replace('-', "_") == other.replace('-', "_")
}

fn release() -> String {
    rustix::system::uname()
        .release()
        .to_string_lossy()
        .into_owned()
}

/// Where a module is, if it is in the kernel.
enum Found {
    No,
    Loaded,
    BuiltIn,
}

fn find(look: &Look, name: &str) -> Result<Found, Failure> {
    // A kernel without loadable modules has no such file.
    let loaded = look
        .read_text(Path::new("/proc/modules"))?
        .unwrap_or_default();
    if loaded
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .any(|word| same(word, name))
    {
        return Ok(Found::Loaded);
    }
    let built_in = look
        .read_text(
            &Path::new("/lib/modules")
                .join(release())
                .join("modules.builtin"),
        )?
        .unwrap_or_default();
    let is_it = |line: &str| {
        Path::new(line.trim())
            .file_name()
            .and_then(|file| file.to_str())
            .and_then(|file| file.split(".ko").next())
            .is_some_and(|stem| same(stem, name))
    };
    if built_in.lines().any(is_it) {
        return Ok(Found::BuiltIn);
    }
    let known = Path::new("/sys/module").join(name.replace('-', "_"));
    Ok(if known.is_dir() {
        Found::BuiltIn
    } else {
        Found::No
    })
}

/// Lines of the files in a directory that speak of the module.
fn files_with(directory: &str, speaks: &dyn Fn(&str) -> bool) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    for file in crate::host::glob::expand(&format!("{directory}/*.conf")) {
        let Ok(text) = std::fs::read_to_string(&file) else {
            continue;
        };
        if text.lines().any(speaks) {
            found.push((file, text));
        }
    }
    found
}

fn loads<'a>(name: &'a str) -> impl Fn(&str) -> bool + 'a {
    move |line| same(line.trim(), name)
}

fn options<'a>(name: &'a str) -> impl Fn(&str) -> bool + 'a {
    move |line| {
        let mut words = line.split_whitespace();
        words.next() == Some("options") && words.next().is_some_and(|word| same(word, name))
    }
}

fn write(work: &mut Work, look: &Look, path: PathBuf, text: String) -> Result<(), Failure> {
    let before = look.read(&path)?.unwrap_or_default();
    if before == text.as_bytes() {
        return Ok(());
    }
    let directory = crate::host::parent(&path).to_owned();
    if look.stat(&directory)?.is_none() {
        work.steps
            .push(Step::Directories(directory, Settled::default()));
    }
    let diff = content_diff(&path, &before, text.as_bytes());
    let placement = Placement {
        body: Body::Bytes(text.into_bytes()),
        path,
        wanted: Settled::default(),
        backup: false,
        validate: None,
    };
    work.add(Step::Place(placement), diff);
    Ok(())
}

/// Removes the lines that `speaks` names; a file left empty goes.
fn drop_lines(
    work: &mut Work,
    look: &Look,
    directory: &str,
    speaks: &dyn Fn(&str) -> bool,
) -> Result<(), Failure> {
    for (path, text) in files_with(directory, speaks) {
        let rest: String = text
            .split_inclusive('\n')
            .filter(|line| !speaks(line))
            .collect();
        if rest.trim().is_empty() {
            let diff = state_diff(&path, "file", "absent");
            work.add(Step::Remove(path), diff);
        } else {
            write(work, look, path, rest)?;
        }
    }
    Ok(())
}

fn persist(args: &Args, look: &Look) -> Result<Work, Failure> {
    let mut work = Work::default();
    let name = args.name.as_str();
    match args.persistent {
        Persistent::Disabled => {}
        Persistent::Absent => {
            drop_lines(&mut work, look, "/etc/modules-load.d", &loads(name))?;
            drop_lines(&mut work, look, "/etc/modprobe.d", &options(name))?;
        }
        Persistent::Present => {
            if files_with("/etc/modules-load.d", &loads(name)).is_empty() {
                let path = Path::new("/etc/modules-load.d").join(format!("{name}.conf"));
                write(&mut work, look, path, format!("{name}\n"))?;
            }
            let wanted = format!("options {name} {}", args.params.trim());
            let existing = files_with("/etc/modprobe.d", &options(name));
            let is_there = existing
                .iter()
                .flat_map(|(_, text)| text.lines())
                .filter(|line| options(name)(line))
                .all(|line| line.trim() == wanted);
            if args.params.trim().is_empty() {
                drop_lines(&mut work, look, "/etc/modprobe.d", &options(name))?;
            } else if existing.is_empty() || !is_there {
                let path = Path::new("/etc/modprobe.d").join(format!("{name}.conf"));
                for (other, text) in existing.iter().filter(|(other, _)| *other != path) {
                    let rest: String = text
                        .split_inclusive('\n')
                        .filter(|line| !options(name)(line))
                        .collect();
                    write(&mut work, look, other.clone(), rest)?;
                }
                let mut text: String = existing
                    .iter()
                    .filter(|(other, _)| *other == path)
                    .flat_map(|(_, text)| text.split_inclusive('\n'))
                    .filter(|line| !options(name)(line))
                    .collect();
                text.push_str(&wanted);
                text.push('\n');
                write(&mut work, look, path, text)?;
            }
        }
    }
    Ok(work)
}

impl Module for Modprobe {
    const NAME: &'static str = "modprobe";
    const COLLECTION: &'static str = "community.general";
    type Args = Args;
    type Plan = Plan;

    fn check(args: &Args, look: &Look) -> Result<Verdict<Plan>, Failure> {
        let found = find(look, &args.name)?;
        let work = persist(args, look)?;
        let mut result = Return::new()
            .with("name", args.name.as_str())
            .with("params", args.params.as_str())
            .with("state", args.state.word());
        let load = match (args.state, found) {
            (State::Present, Found::No) => Some(true),
            (State::Absent, Found::Loaded) => Some(false),
            (State::Absent, Found::BuiltIn) => {
                result = result.warn(format!(
                    "{} is built into this kernel and cannot be unloaded",
                    args.name
                ));
                None
            }
            (State::Present | State::Absent, _) => None,
        };
        if load.is_none() && work.is_empty() {
            return Ok(Verdict::Same(result));
        }
        let plan = Plan {
            name: args.name.clone(),
            params: args.params.clone(),
            load,
            work,
            result: result.clone(),
        };
        Ok(Verdict::Change(plan, result))
    }

    fn describe(plan: &Plan) -> Vec<Diff> {
        let mut diffs = Vec::new();
        if let Some(load) = plan.load {
            let (before, after) = if load {
                ("absent", "present")
            } else {
                ("present", "absent")
            };
            diffs.push(Diff::text(
                &plan.name,
                format!("kernel module: {before}\n"),
                format!("kernel module: {after}\n"),
            ));
        }
        diffs.extend(plan.work.diffs.iter().cloned());
        diffs
    }

    fn apply(plan: Plan, touch: &mut Touch) -> Result<Return, Failure> {
        match plan.load {
            Some(true) => {
                let mut argv = vec!["modprobe".to_owned(), plan.name.clone()];
                argv.extend(words::split(&plan.params)?);
                let output = touch.run(&Command::new(argv))?;
                if !output.ok() {
                    let message = explain(&plan.name, &output.complaint());
                    return Err(output.failure(message).with_values(plan.result));
                }
            }
            Some(false) => {
                let command = Command::new(["modprobe", "-r", &plan.name]);
                let what = format!("unload the kernel module {}", plan.name);
                touch.must(&command, &what)?;
            }
            None => {}
        }
        plan.work.run(touch)?;
        Ok(plan.result)
    }
}

fn explain(name: &str, complaint: &str) -> String {
    let release = release();
    let hint = if complaint.contains("not found") {
        format!(
            "; no such module is installed for the running kernel {release}: install the package \
             that brings it (on Debian linux-image-{release} or a {name}-dkms, on Ubuntu \
             linux-modules-extra-{release}), or build it against this kernel"
        )
    } else if complaint.contains("Operation not permitted") {
        "; modules can be loaded only by root outside of containers: load it on the machine itself"
            .to_owned()
    } else {
        String::new()
    };
    format!("cannot load the kernel module {name}: {complaint}{hint}")
}
