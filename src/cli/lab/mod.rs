//! `ocplay lab`: the hosts of an inventory, made real on this machine.
//!
//! Hosts are privileged containers with systemd as pid 1 and a real OpenSSH
//! server, run by a Docker engine of the lab's own in a network namespace of
//! its own (docs/lab.md). Neighbours: [`state`] knows the places and what the
//! inventory wants, [`engine`] starts and stops the private Docker engine,
//! [`image`] makes the cached base and host image, [`host`] runs the hosts,
//! [`network`] knows their addresses, [`shell`] runs the programs all of them need.

mod engine;
mod host;
mod image;
mod network;
mod shell;
mod state;

use std::ffi::OsString;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use clap::{Args, Subcommand};
use ocplay_language::diagnostic::Diagnostic;

use engine::Engine;
use state::{Lab, Node};

/// What a lab command gives back.
type Outcome<T = ()> = Result<T, Box<Diagnostic>>;

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
    shell::require_root("lab up")?;
    shell::require_programs()?;
    let _lock = lab.lock()?;
    lab.refuse_other_inventory()?;
    let engine = Engine::of(lab);
    if engine.is_running() {
        say(out, "engine: already running")?;
    } else {
        // What a crash or a reboot left behind would only be in the way.
        engine.remove()?;
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
    }
    lab.make_keys()?;
    let started = host::start_all(lab, &engine)?;
    lab.write_facts()?;
    host::wait_all(lab, &engine, Duration::from_secs(180))?;
    for node in &lab.nodes {
        let how = if started.contains(&node.name) {
            "ready"
        } else {
            "already up"
        };
        say(out, &format!("{}: {how} at {}", node.name, node.address))?;
    }
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
        let state = engine
            .docker(&["inspect", "--format", "{{.State.Status}}", &node.name])
            .unwrap_or_else(|_| "absent".to_owned());
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
fn ssh(lab: &Lab, node: &Node, command: &[OsString]) -> Box<Diagnostic> {
    if !Engine::of(lab).is_running() {
        return shell::problem(format!("lab '{}' is down", lab.name))
            .help(format!("start it with: ocplay lab up -i {}", lab.given))
            .into();
    }
    let error = Command::new("ssh")
        .args(lab.ssh_options())
        .arg(format!("{}@{}", state::USER, node.address))
        .args(command)
        .exec();
    shell::problem(format!("ssh cannot be started: {error}"))
        .help("apt-get install openssh-client")
        .into()
}

fn down(lab: &Lab, out: &mut dyn Write) -> Outcome {
    shell::require_root("lab down")?;
    lab.refuse_other_inventory()?;
    Engine::of(lab).remove()?;
    lab.remove()?;
    say(out, &format!("lab '{}' is down", lab.name))
}

fn say(out: &mut dyn Write, text: &str) -> Outcome {
    writeln!(out, "{text}")
        .and_then(|()| out.flush())
        .map_err(|error| shell::problem(format!("the report cannot be written: {error}")).into())
}
