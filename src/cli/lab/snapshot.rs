//! What hosts hold, kept and brought back.
//!
//! A host is a layer over the host image and a volume for the engine inside
//! it; a virtual machine is a disk. They are copied while the host is stopped; it then starts as after a
//! reboot. What lives in memory (`/run`, `/tmp`) is not kept.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::engine::Engine;
use super::shell::{self, problem};
use super::state::{Lab, Node};
use super::{BOOT, Outcome, host, vm};

/// Name of a snapshot where none is given.
pub(super) const USUAL: &str = "default";

/// The two folders that make a host, with the names of their copies.
const PARTS: [&str; 2] = ["layer", "volume"];

/// Stops the hosts, copies what they hold, and starts them again.
pub(super) fn keep(lab: &Lab, engine: &Engine, name: &str) -> Outcome {
    let folder = folder(lab, name)?;
    stop(lab, engine, "60")?;
    shell::remove_folder(&folder)?;
    for node in &lab.nodes {
        let kept = folder.join(&node.name);
        if node.vm {
            shell::make_folder(&kept)?;
            copy_disk(&vm::disk(lab, node), &kept.join("disk"))?;
            continue;
        }
        for (part, place) in PARTS.iter().zip(places(engine, node)?) {
            shell::copy_tree(&place, &kept.join(part))?;
        }
    }
    start(lab, engine)
}

/// Puts what was kept in the place of what the hosts hold.
pub(super) fn restore(lab: &Lab, engine: &Engine, name: &str) -> Outcome {
    let folder = folder(lab, name)?;
    if !folder.is_dir() {
        return Err(unknown(lab, name));
    }
    if let Some(node) = lab
        .nodes
        .iter()
        .find(|node| !folder.join(&node.name).is_dir())
    {
        return Err(
            problem(format!("snapshot '{name}' knows no host '{}'", node.name))
                .help("take a new one")
                .into(),
        );
    }
    // Nothing of the present is needed any more.
    stop(lab, engine, "0")?;
    for node in &lab.nodes {
        if node.vm {
            copy_disk(&folder.join(&node.name).join("disk"), &vm::disk(lab, node))?;
            continue;
        }
        for (part, place) in PARTS.iter().zip(places(engine, node)?) {
            empty(&place)?;
            shell::copy_tree(&folder.join(&node.name).join(part), &place)?;
        }
    }
    start(lab, engine)
}

fn unknown(lab: &Lab, name: &str) -> Box<ocplay_language::diagnostic::Diagnostic> {
    let entries = std::fs::read_dir(lab.state.join("snapshots"));
    let known: Vec<String> = entries
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    let problem = problem(format!("lab '{}' has no snapshot '{name}'", lab.name));
    if known.is_empty() {
        problem.help("take one: ocplay lab snapshot")
    } else {
        problem
            .suggest(name, known.iter().map(String::as_str))
            .help(format!("there are: {}", known.join(", ")))
    }
    .into()
}

fn folder(lab: &Lab, name: &str) -> Outcome<PathBuf> {
    let letters = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
    if name.is_empty() || name.starts_with('.') || !name.chars().all(letters) {
        return Err(
            problem(format!("'{name}' cannot be the name of a snapshot"))
                .help("letters, digits, '-', '_' and '.'")
                .into(),
        );
    }
    Ok(lab.state.join("snapshots").join(name))
}

/// Where the engine has a host's layer and its volume.
fn places(engine: &Engine, node: &Node) -> Outcome<[PathBuf; 2]> {
    let layer = engine.docker(&[
        "inspect",
        "--format",
        "{{.GraphDriver.Data.UpperDir}}",
        &node.name,
    ])?;
    let volume = engine.docker(&[
        "volume",
        "inspect",
        "--format",
        "{{.Mountpoint}}",
        &host::volume(node),
    ])?;
    Ok([layer, volume].map(|path| PathBuf::from(path.trim())))
}

fn stop(lab: &Lab, engine: &Engine, patience: &str) -> Outcome {
    vm::stop_all(lab, patience != "0")?;
    each(lab, engine, &["stop", "--time", patience])
}

/// A command of the engine with the names of all its hosts.
fn each(lab: &Lab, engine: &Engine, words: &[&str]) -> Outcome {
    let names: Vec<&str> = host::containers(lab).map(|node| &*node.name).collect();
    if !names.is_empty() {
        engine.docker(&[words, &names].concat())?;
    }
    Ok(())
}

fn start(lab: &Lab, engine: &Engine) -> Outcome {
    each(lab, engine, &["start"])?;
    vm::start_again(lab, engine)?;
    host::wait_all(lab, engine, Duration::from_secs(180))?;
    vm::wait_all(lab, BOOT)
}

fn copy_disk(from: &Path, to: &Path) -> Outcome {
    shell::run(
        shell::command("cp")
            .args(["--reflink=auto", "--sparse=always", "--"])
            .args([from, to]),
    )?;
    Ok(())
}

/// Removes all that is in a folder, not the folder.
fn empty(folder: &Path) -> Outcome {
    shell::run(
        shell::command("find")
            .arg(folder)
            .args(["-mindepth", "1", "-delete"]),
    )?;
    Ok(())
}
