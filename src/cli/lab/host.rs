//! The hosts themselves.

use std::collections::BTreeSet;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

use super::engine::Engine;
use super::shell::{self, problem};
use super::state::{Lab, Node};
use super::{Outcome, image};

/// The hosts that are containers: most, or all.
pub(super) fn containers(lab: &Lab) -> impl Iterator<Item = &Node> {
    lab.nodes.iter().filter(|node| !node.vm)
}

/// Starts every host that is not there; gives the names of those it started.
pub(super) fn start_all(lab: &Lab, engine: &Engine) -> Outcome<BTreeSet<String>> {
    let running = engine.docker(&["ps", "--format", "{{.Names}}"])?;
    let running: BTreeSet<_> = running.lines().collect();
    let mut started = BTreeSet::new();
    for node in containers(lab) {
        if running.contains(&*node.name) {
            continue;
        }
        // What remains of a host that ended is not worth keeping: hosts are made, not repaired.
        remove(engine, node);
        start(lab, engine, node)?;
        started.insert(node.name.clone());
    }
    Ok(started)
}

/// Takes every host away.
pub(super) fn remove_all(lab: &Lab, engine: &Engine) -> Outcome {
    for node in containers(lab) {
        remove(engine, node);
    }
    Ok(())
}

fn remove(engine: &Engine, node: &Node) {
    shell::try_run(
        engine
            .client()
            .args(["rm", "--force", "--volumes", &node.name]),
    );
    shell::try_run(engine.client().args(["volume", "rm", &volume(node)]));
}

fn start(lab: &Lab, engine: &Engine, node: &Node) -> Outcome {
    let mut docker = engine.client();
    docker
        .args([
            "run",
            "--detach",
            "--name",
            &node.name,
            "--hostname",
            &node.name,
        ])
        .args(["--privileged", "--cgroupns", "private"])
        .args([
            "--network",
            Engine::NETWORK,
            "--ip",
            &node.address.to_string(),
        ])
        .args([
            "--tmpfs",
            "/run",
            "--tmpfs",
            "/run/lock",
            "--tmpfs",
            "/tmp:exec",
        ])
        // The engine's own resolver address would make an engine inside the host ask public ones.
        .args(["--volume", "/etc/resolv.conf:/etc/resolv.conf:ro"])
        // On the host's own overlay an engine inside it would fall back to full copies.
        .args(["--volume", &format!("{}:/var/lib/docker", volume(node))])
        .args([
            "--volume",
            &format!("{}:/etc/ocplay-lab:ro", lab.host_folder(node).display()),
        ])
        .args([
            "--volume",
            &format!("{}:/var/cache/ocplay:ro", image::shared(lab).display()),
        ]);
    if node.registry {
        // Image layers outlive the lab: a rebuilt one pulls what an earlier one built.
        let layers = lab.layers()?;
        docker.args([
            "--volume",
            &format!("{}:/var/lib/docker-registry", layers.display()),
        ]);
    }
    if has_modules() {
        docker.args(["--volume", "/lib/modules:/lib/modules:ro"]);
    }
    shell::run(docker.arg(image::HOST))?;
    Ok(())
}

pub(super) fn volume(node: &Node) -> String {
    format!("{}-docker", node.name)
}

/// Whether this machine's kernel has loadable modules; hosts then see the real tree.
fn has_modules() -> bool {
    let release = rustix::system::uname()
        .release()
        .to_string_lossy()
        .into_owned();
    Path::new("/lib/modules")
        .join(release)
        .join("modules.dep")
        .exists()
}

/// Waits until every host has finished starting and its SSH server answers.
pub(super) fn wait_all(lab: &Lab, engine: &Engine, patience: Duration) -> Outcome {
    let deadline = Instant::now() + patience;
    for node in containers(lab) {
        // "degraded" is good enough to answer; which unit failed is the user's to see.
        let mut state = String::new();
        while !(matches!(&*state, "running" | "degraded") && answers(node)) {
            if Instant::now() > deadline {
                return Err(not_ready(engine, node, &state));
            }
            if !state.is_empty() {
                std::thread::sleep(Duration::from_millis(200));
            }
            let said = engine
                .client()
                .args(["exec", &node.name, "systemctl", "is-system-running"])
                .output();
            state = said.map_or_else(
                |_| "unknown".to_owned(),
                |output| String::from_utf8_lossy(&output.stdout).trim().to_owned(),
            );
            if state.is_empty() {
                "unknown".clone_into(&mut state);
            }
        }
        own_files(engine, node)?;
    }
    Ok(())
}

/// The engine mounts its own copies of two files over the host's; a file that is a mount cannot be
/// replaced in one step, as careful programs do. They become ordinary files. Mounts spread, as systemd arranges
/// it on hardware: containers that make network namespaces rely on it.
fn own_files(engine: &Engine, node: &Node) -> Outcome {
    // A host that starts again has its own files from before below the mounts.
    let script = "mount --make-rshared / && for file in /etc/hosts /etc/hostname; do \
                  if mountpoint -q $file || grep -q \" $file \" /proc/self/mounts; then \
                  cp $file /run/ocplay-own && umount $file \
                  && { [ -e /etc/.ocplay-lab ] || cp /run/ocplay-own $file; } && rm /run/ocplay-own \
                  || exit 1; fi; done && touch /etc/.ocplay-lab";
    engine.docker(&["exec", &node.name, "sh", "-c", script])?;
    Ok(())
}

fn not_ready(
    engine: &Engine,
    node: &Node,
    state: &str,
) -> Box<ocplay_language::diagnostic::Diagnostic> {
    let units = engine
        .docker(&[
            "exec",
            &node.name,
            "systemctl",
            "--failed",
            "--no-legend",
            "--plain",
        ])
        .unwrap_or_else(|error| error.message.clone());
    problem(format!(
        "host '{}' is not ready: systemd says '{state}', SSH {}\n{}",
        node.name,
        if answers(node) {
            "answers"
        } else {
            "does not answer"
        },
        shell::last_lines(&units, 8)
    ))
    .into()
}

/// Whether something accepts connections on the host's SSH port.
pub(super) fn answers(node: &Node) -> bool {
    let address = SocketAddr::from((node.address, 22));
    TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_ok()
}
