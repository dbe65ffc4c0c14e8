//! `ocplay lab`: the hosts of an inventory, made real on this machine.
//!
//! Hosts are privileged containers with systemd as pid 1 and a real OpenSSH
//! server, run by a Docker engine of the lab's own in a network namespace of
//! its own (docs/lab.md). Neighbours: [`state`] knows the places and what the
//! inventory wants, [`engine`] starts and stops the private Docker engine,
//! [`image`] makes the cached base and host image, [`host`] runs the hosts,
//! [`network`] knows their addresses, [`parts`] gives labs of tests a part of the range,
//! [`snapshot`] keeps and brings back what hosts hold, [`shell`] runs the programs all of
//! them need; [`vm`] runs hosts that need a kernel of their own.

mod engine;
mod host;
mod image;
mod network;
mod parts;
mod shell;
mod snapshot;
mod state;
mod vm;

use std::ffi::OsString;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use clap::{Args, Subcommand};
use ocplay_language::diagnostic::Diagnostic;

use engine::Engine;
pub(crate) use parts::{address, take_part};
pub(crate) use state::{Lab, Node, Scenery, USER};

/// What a lab command gives back.
pub(crate) type Outcome<T = ()> = Result<T, Box<Diagnostic>>;

/// How long an emulated machine may take to boot, on a busy machine.
const BOOT: Duration = Duration::from_secs(900);

/// Which lab: the one of this inventory.
#[derive(Debug, Clone, Args)]
pub(crate) struct LabInventory {
    /// Inventory file; a bare name is also looked for in `inventories/`.
    #[arg(short, long, value_name = "INVENTORY")]
    inventory: String,
}

/// Make the hosts of an inventory real on this machine.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum LabCommand {
    /// Start the hosts that the inventory names and wait until they answer.
    Up {
        #[command(flatten)]
        lab: LabInventory,
        /// Make the base and the host image again instead of taking the cached ones.
        #[arg(long)]
        fresh: bool,
    },
    /// Show each host: address, state, whether its SSH server answers.
    Status {
        #[command(flatten)]
        lab: LabInventory,
    },
    /// Open a shell on a host, or run a command there.
    Ssh {
        #[command(flatten)]
        lab: LabInventory,
        /// Name of the host.
        host: String,
        /// Command to run instead of a shell.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        command: Vec<OsString>,
    },
    /// Stop the hosts and remove everything they left; only the cache stays.
    Down {
        #[command(flatten)]
        lab: LabInventory,
    },
    /// Keep what the hosts hold now, to come back to it in seconds.
    Snapshot {
        #[command(flatten)]
        lab: LabInventory,
        /// What to call it.
        #[arg(default_value = snapshot::USUAL)]
        name: String,
    },
    /// Bring back what the hosts held.
    Restore {
        #[command(flatten)]
        lab: LabInventory,
        /// Name of the snapshot.
        #[arg(default_value = snapshot::USUAL)]
        name: String,
    },
    /// `down`, then `up`: fresh hosts.
    Rebuild {
        #[command(flatten)]
        lab: LabInventory,
        /// Make the base and the host image again instead of taking the cached ones.
        #[arg(long)]
        fresh: bool,
    },
}

/// Runs one lab command; what it reports goes to `out`.
///
/// # Errors
/// What is missing or went wrong, with what to type next.
pub(crate) fn lab(command: &LabCommand, out: &mut dyn Write) -> Outcome<ExitCode> {
    match command {
        LabCommand::Up { lab, fresh } => up(&Lab::open(&lab.inventory)?, *fresh, out),
        LabCommand::Status { lab } => status(&Lab::open(&lab.inventory)?, out),
        LabCommand::Ssh { lab, host, command } => {
            let lab = Lab::open(&lab.inventory)?;
            Err(ssh(&lab, lab.node(host)?, command))
        }
        LabCommand::Down { lab } => {
            let lab = Lab::open(&lab.inventory)?;
            let _lock = lab.lock()?;
            down(&lab, out)?;
            Ok(ExitCode::SUCCESS)
        }
        LabCommand::Snapshot { lab, name } => {
            keep(&Lab::open(&lab.inventory)?, name, out)?;
            Ok(ExitCode::SUCCESS)
        }
        LabCommand::Restore { lab, name } => {
            restore(&Lab::open(&lab.inventory)?, Some(name), out)?;
            Ok(ExitCode::SUCCESS)
        }
        LabCommand::Rebuild { lab, fresh } => {
            let lab = Lab::open(&lab.inventory)?;
            {
                let _lock = lab.lock()?;
                down(&lab, out)?;
            }
            up(&lab, *fresh, out)
        }
    }
}

fn up(lab: &Lab, fresh: bool, out: &mut dyn Write) -> Outcome<ExitCode> {
    let start = Instant::now();
    raise(lab, fresh, out)?;
    let count = lab.nodes.len();
    let seconds = start.elapsed().as_secs_f32();
    say(
        out,
        &format!(
            "lab '{}': {count} hosts in {seconds:.1} s; try: ocplay lab ssh -i {} {}",
            lab.name, lab.given, lab.nodes[0].name
        ),
    )?;
    Ok(ExitCode::SUCCESS)
}

/// Starts what is not there and waits until all hosts answer.
pub(crate) fn raise(lab: &Lab, fresh: bool, out: &mut dyn Write) -> Outcome {
    shell::require_root("lab up")?;
    shell::require_programs()?;
    vm::require_programs(lab)?;
    let _lock = lab.lock()?;
    lab.refuse_other_inventory()?;
    let engine = Engine::of(lab);
    if engine.is_running() {
        say(out, "engine: already running")?;
    } else {
        // What a crash or a reboot left behind would only be in the way.
        engine.remove()?;
        let cache = image::hold(lab, out)?;
        let base = image::base(lab, fresh, out)?;
        lab.make_folders()?;
        if let Err(problem) = engine.start() {
            // Nothing half-made stays; only a log, where there is one to be read.
            engine.remove()?;
            if !engine.log().exists() {
                lab.remove()?;
            }
            return Err(problem);
        }
        say(out, "engine: running")?;
        image::host(lab, &engine, &base, fresh, out)?;
        drop(cache);
    }
    lab.make_keys()?;
    let mut started = host::start_all(lab, &engine)?;
    started.extend(vm::start_all(lab, &engine, out)?);
    lab.write_facts()?;
    host::wait_all(lab, &engine, Duration::from_secs(180))?;
    vm::wait_all(lab, BOOT)?;
    for node in &lab.nodes {
        let how = if started.contains(&node.name) {
            "ready"
        } else {
            "already up"
        };
        say(out, &format!("{}: {how} at {}", node.name, node.address))?;
    }
    Ok(())
}

/// Keeps what the hosts hold.
pub(crate) fn keep(lab: &Lab, name: &str, out: &mut dyn Write) -> Outcome {
    let start = Instant::now();
    let engine = standing(lab)?;
    let _lock = lab.lock()?;
    snapshot::keep(lab, &engine, name)?;
    let seconds = start.elapsed().as_secs_f32();
    say(out, &format!("snapshot '{name}' kept in {seconds:.1} s"))
}

/// Brings back what the hosts held; without a name they are as they were made.
pub(crate) fn restore(lab: &Lab, name: Option<&str>, out: &mut dyn Write) -> Outcome {
    let start = Instant::now();
    let engine = standing(lab)?;
    let _lock = lab.lock()?;
    match name {
        Some(name) => snapshot::restore(lab, &engine, name)?,
        None => {
            host::remove_all(lab, &engine)?;
            vm::stop_all(lab, false)?;
            host::start_all(lab, &engine)?;
            vm::start_all(lab, &engine, out)?;
            host::wait_all(lab, &engine, Duration::from_secs(180))?;
            vm::wait_all(lab, BOOT)?;
        }
    }
    let seconds = start.elapsed().as_secs_f32();
    let what = name.map_or_else(
        || "fresh hosts".to_owned(),
        |name| format!("snapshot '{name}' back"),
    );
    say(out, &format!("{what} in {seconds:.1} s"))
}

/// The engine of a lab that is up.
fn standing(lab: &Lab) -> Outcome<Engine> {
    shell::require_root("lab")?;
    let engine = Engine::of(lab);
    if engine.is_running() {
        Ok(engine)
    } else {
        Err(is_down(lab))
    }
}

fn is_down(lab: &Lab) -> Box<Diagnostic> {
    shell::problem(format!("lab '{}' is down", lab.name))
        .help(format!("start it with: {}", lab.start_hint()))
        .into()
}

/// Whether the lab's engine runs.
pub(crate) fn is_up(lab: &Lab) -> bool {
    Engine::of(lab).is_running()
}

fn status(lab: &Lab, out: &mut dyn Write) -> Outcome<ExitCode> {
    let engine = Engine::of(lab);
    if !engine.is_running() {
        say(
            out,
            &format!(
                "lab '{}' is down; start it with: ocplay lab up -i {}",
                lab.name, lab.given
            ),
        )?;
        return Ok(ExitCode::from(1));
    }
    let mut whole = true;
    for node in &lab.nodes {
        let state = if node.vm {
            let running = vm::is_running(lab, node);
            if running { "running" } else { "absent" }.to_owned()
        } else {
            engine
                .docker(&["inspect", "--format", "{{.State.Status}}", &node.name])
                .unwrap_or_else(|_| "absent".to_owned())
        };
        let answers = host::answers(node);
        whole &= answers;
        let ssh = if answers {
            "ssh answers"
        } else {
            "ssh does not answer"
        };
        say(
            out,
            &format!(
                "{:<12} {:<16} {:<10} {ssh}",
                node.name,
                node.address,
                state.trim()
            ),
        )?;
    }
    Ok(ExitCode::from(u8::from(!whole)))
}

/// Becomes `ssh`; comes back only when that could not be started.
pub(crate) fn ssh(lab: &Lab, node: &Node, command: &[OsString]) -> Box<Diagnostic> {
    if !Engine::of(lab).is_running() {
        return is_down(lab);
    }
    let error = Command::new("ssh")
        .args(lab.ssh_options())
        .arg(format!("{}@{}", USER, node.address))
        .args(command)
        .exec();
    shell::problem(format!("ssh cannot be started: {error}"))
        .help("apt-get install openssh-client")
        .into()
}

fn down(lab: &Lab, out: &mut dyn Write) -> Outcome {
    take_down(lab)?;
    say(out, &format!("lab '{}' is down", lab.name))
}

/// Takes everything away but the cache; the caller holds the lock.
fn take_down(lab: &Lab) -> Outcome {
    shell::require_root("lab down")?;
    lab.refuse_other_inventory()?;
    vm::stop_all(lab, false)?;
    Engine::of(lab).remove()?;
    lab.remove()
}

/// Takes the lab of a test away.
pub(crate) fn end(lab: &Lab) -> Outcome {
    let _lock = lab.lock()?;
    take_down(lab)?;
    lab.forget_lent_layers()?;
    parts::give_back(&lab.name);
    Ok(())
}

fn say(out: &mut dyn Write, text: &str) -> Outcome {
    writeln!(out, "{text}")
        .and_then(|()| out.flush())
        .map_err(|error| shell::problem(format!("the report cannot be written: {error}")).into())
}
