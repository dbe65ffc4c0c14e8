//! The cached root filesystem and the host image made from it.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;

use sha2::{Digest, Sha256};

use super::engine::{Engine, RUNC_WRAPPER};
use super::shell::{self, command, problem};
use super::state::Lab;
use super::{Outcome, say};

/// The same script makes the base of component images (role "images").
const MAKE_BASE: &str = include_str!("../../../roles/images/files/make-base.sh");
const HOST_DOCKERFILE: &str = include_str!("image/host.Dockerfile");
const SSHD: &str = include_str!("image/sshd.conf");
const SUITE: &str = "bookworm";

/// Modules that plays ask for, with the kernel option that builds each in.
const BUILT_IN: [(&str, &str); 8] = [
    ("kernel/fs/overlayfs/overlay", "OVERLAY_FS"),
    ("kernel/net/bridge/bridge", "BRIDGE"),
    ("kernel/net/bridge/br_netfilter", "BRIDGE_NETFILTER"),
    ("kernel/drivers/net/tun", "TUN"),
    ("kernel/drivers/net/veth", "VETH"),
    ("kernel/drivers/net/vxlan/vxlan", "VXLAN"),
    ("kernel/net/openvswitch/openvswitch", "OPENVSWITCH"),
    ("kernel/net/netfilter/ipvs/ip_vs", "IP_VS"),
];

/// Name of the host image inside the lab's engine.
pub(super) const HOST: &str = "ocplay-lab/host";

/// The folder that every host sees at `/var/cache/ocplay`.
pub(super) fn shared(lab: &Lab) -> PathBuf {
    lab.cache.join("shared")
}

/// Waits until no other lab makes what all of them have in common, and keeps
/// others from it until the file is dropped.
pub(super) fn hold(lab: &Lab, out: &mut dyn Write) -> Outcome<File> {
    shell::make_folder(&lab.cache)?;
    let path = lab.cache.join("lock");
    let cannot = |error| problem(format!("{} cannot be locked: {error}", path.display()));
    let file = File::create(&path).map_err(cannot)?;
    if file.try_lock().is_err() {
        say(
            out,
            "cache: another lab is coming up and makes base or host image; waiting for it",
        )?;
        file.lock().map_err(cannot)?;
    }
    Ok(file)
}

/// The root filesystem, made by debootstrap once and kept.
pub(super) fn base(lab: &Lab, fresh: bool, out: &mut dyn Write) -> Outcome<PathBuf> {
    let archive = shared(lab).join("base.tar");
    if archive.exists() && !fresh {
        say(out, "base: cached")?;
        return Ok(archive);
    }
    say(out, "base: making it with debootstrap, about a minute")?;
    let start = Instant::now();
    shell::make_folder(&shared(lab))?;
    let script = lab.cache.join("make-base.sh");
    shell::write(&script, MAKE_BASE)?;
    shell::run(
        command("sh")
            .arg(&script)
            .arg(SUITE)
            .arg(&archive)
            .env("TMPDIR", &lab.cache),
    )?;
    say(
        out,
        &format!("base: made in {:.0} s", start.elapsed().as_secs_f32()),
    )?;
    Ok(archive)
}

/// Brings the host image into the engine: from the cache, or built and put there.
pub(super) fn host(
    lab: &Lab,
    engine: &Engine,
    base: &Path,
    fresh: bool,
    out: &mut dyn Write,
) -> Outcome {
    let start = Instant::now();
    let modules = modules();
    let archive = lab.cache.join(format!("host-{}.tar", key(base, &modules)?));
    let file = archive.to_string_lossy().into_owned();
    if archive.exists() && !fresh {
        engine.docker(&["load", "--quiet", "--input", &file])?;
        return say(
            out,
            &format!(
                "host image: cached, loaded in {:.1} s",
                start.elapsed().as_secs_f32()
            ),
        );
    }
    say(out, "host image: building it, about half a minute")?;
    let context = tempfile::tempdir_in(&lab.state).map_err(|error| {
        problem(format!(
            "no folder can be made in {}: {error}",
            lab.state.display()
        ))
    })?;
    for (name, text) in [
        ("Dockerfile", HOST_DOCKERFILE),
        ("runc-lab.sh", RUNC_WRAPPER),
        ("sshd.conf", SSHD),
        ("modules.builtin", &modules),
    ] {
        shell::write(&context.path().join(name), text)?;
    }
    engine.docker(&["import", &base.to_string_lossy(), "ocplay-lab/base"])?;
    let kernel = format!("KERNEL={}", release());
    let folder = context.path().to_string_lossy();
    engine.docker(&[
        "build",
        "--quiet",
        "--network",
        Engine::NETWORK,
        "--build-arg",
        "BASE=ocplay-lab/base",
        "--build-arg",
        &kernel,
        "--tag",
        HOST,
        &folder,
    ])?;
    forget_old(&lab.cache)?;
    let part = format!("{file}.part");
    engine.docker(&["save", "--output", &part, HOST])?;
    std::fs::rename(&part, &archive)
        .map_err(|error| problem(format!("{file} cannot be kept: {error}")))?;
    say(
        out,
        &format!(
            "host image: built in {:.0} s",
            start.elapsed().as_secs_f32()
        ),
    )
}

/// What the image is made of, as a short name.
fn key(base: &Path, modules: &str) -> Outcome<String> {
    let about = base
        .metadata()
        .map_err(|error| problem(format!("{} cannot be read: {error}", base.display())))?;
    let mut digest = Sha256::new();
    for part in [HOST_DOCKERFILE, RUNC_WRAPPER, SSHD, modules, &release()] {
        digest.update(part);
        digest.update([0]);
    }
    digest.update(format!("{} {:?}", about.len(), about.modified().ok()));
    Ok(digest
        .finalize()
        .iter()
        .take(6)
        .map(|byte| format!("{byte:02x}"))
        .collect())
}

fn forget_old(cache: &Path) -> Outcome {
    let entries = std::fs::read_dir(cache)
        .map_err(|error| problem(format!("{} cannot be read: {error}", cache.display())))?;
    for entry in entries.flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with("host-") && name.contains(".tar") {
            std::fs::remove_file(entry.path()).map_err(|error| {
                problem(format!(
                    "{} cannot be removed: {error}",
                    entry.path().display()
                ))
            })?;
        }
    }
    Ok(())
}

fn release() -> String {
    rustix::system::uname()
        .release()
        .to_string_lossy()
        .into_owned()
}

/// The list of modules that count as present because the kernel has them built in.
///
/// A machine without loadable modules has no module tree at all, and `modprobe`
/// would fail even for what is there.
fn modules() -> String {
    let config = shell::run(command("zcat").arg("/proc/config.gz")).unwrap_or_default();
    BUILT_IN
        .iter()
        .filter(|(path, option)| {
            let name = path.rsplit('/').next().unwrap_or(path);
            Path::new("/sys/module").join(name).exists()
                || config
                    .lines()
                    .any(|line| line == format!("CONFIG_{option}=y"))
        })
        .map(|(path, _)| format!("{path}.ko\n"))
        .collect()
}
