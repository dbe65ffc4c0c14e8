//! Virtual machines among the hosts of a lab: for what needs a kernel of its own.
//!
//! They hang on the same bridge as the containers and look the same from
//! outside. The machine is emulated (no /dev/kvm is needed): a boot costs
//! about half a minute of one processor.

use std::io::Write;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};

use super::engine::Engine;
use super::shell::{self, command, ip, problem, try_run};
use super::state::{Lab, Node, USER};
use super::{Outcome, image, say};

const DOCKERFILE: &str = include_str!("image/vm.Dockerfile");
const INIT: &str = include_str!("image/init.sh");
const IMAGE: &str = "ocplay-lab/vm";
/// Programs that only virtual machines need.
const PROGRAMS: [(&str, &str); 3] = [
    ("qemu-system-x86_64", "qemu-system-x86"),
    ("qemu-img", "qemu-utils"),
    ("mkfs.ext4", "e2fsprogs"),
];

/// The files that every virtual machine starts from.
struct Base {
    disk: PathBuf,
    kernel: PathBuf,
    ram_disk: PathBuf,
}

fn machines(lab: &Lab) -> impl Iterator<Item = &Node> {
    lab.nodes.iter().filter(|node| node.vm)
}

/// Says what is missing, where the lab has virtual machines at all.
pub(super) fn require_programs(lab: &Lab) -> Outcome {
    if machines(lab).next().is_none() {
        return Ok(());
    }
    if std::env::consts::ARCH != "x86_64" {
        return Err(problem("virtual machines of a lab are made on x86_64 only").into());
    }
    shell::require(&PROGRAMS)
}

/// Starts every virtual machine that does not run; gives the names of those it started.
pub(super) fn start_all(lab: &Lab, engine: &Engine, out: &mut dyn Write) -> Outcome<Vec<String>> {
    let wanted: Vec<&Node> = machines(lab)
        .filter(|node| pid(lab, node).is_none())
        .collect();
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let base = base(lab, engine, out)?;
    for node in &wanted {
        shell::make_folder(&folder(lab, node))?;
        let disk = disk(lab, node);
        // Hosts are made, not repaired: what remains of an earlier one goes.
        std::fs::remove_file(&disk).ok();
        shell::run(
            command("qemu-img")
                .args(["create", "-q", "-f", "qcow2", "-F", "raw", "-b"])
                .args([&base.disk, &disk]),
        )?;
        make_own(lab, node, engine)?;
        start(lab, engine, node, &base)?;
    }
    Ok(wanted.iter().map(|node| node.name.clone()).collect())
}

/// Starts machines that were stopped, from the disks that they have.
pub(super) fn start_again(lab: &Lab, engine: &Engine) -> Outcome {
    let base = base(lab, engine, &mut std::io::sink())?;
    machines(lab)
        .filter(|node| pid(lab, node).is_none())
        .try_for_each(|node| start(lab, engine, node, &base))
}

fn start(lab: &Lab, engine: &Engine, node: &Node, base: &Base) -> Outcome {
    let tap = format!("vm{}", u32::from(node.address) & 0xff);
    let namespace = engine.namespace();
    try_run(command("ip").args(["-n", namespace, "link", "delete", &tap]));
    ip(&["-n", namespace, "tuntap", "add", "dev", &tap, "mode", "tap"])?;
    ip(&["-n", namespace, "link", "set", &tap, "master", "lab", "up"])?;
    let folder = folder(lab, node);
    let text = |path: PathBuf| path.to_string_lossy().into_owned();
    let drive = |path: PathBuf, more: &str| format!("file={},if=virtio,{more}", text(path));
    shell::run(
        command("ip")
            .args(["netns", "exec", namespace])
            .arg(shell::find("qemu-system-x86_64").unwrap_or_else(|| "qemu-system-x86_64".into()))
            .args([
                "-machine", "q35", "-accel", "tcg", "-cpu", "max", "-smp", "1",
            ])
            .args(["-m", &node.memory.unwrap_or(1024).to_string()])
            .args([
                "-display",
                "none",
                "-daemonize",
                "-pidfile",
                &text(pid_file(lab, node)),
            ])
            .args(["-serial", &format!("file:{}", text(folder.join("console")))])
            .args([
                "-kernel",
                &text(base.kernel.clone()),
                "-initrd",
                &text(base.ram_disk.clone()),
            ])
            .args([
                "-append",
                "console=ttyS0 quiet mitigations=off net.ifnames=0 panic=10",
            ])
            .args([
                "-drive",
                &drive(disk(lab, node), "format=qcow2,cache=unsafe"),
            ])
            .args([
                "-drive",
                &drive(folder.join("own.img"), "format=raw,readonly=on"),
            ])
            .args([
                "-netdev",
                &format!("tap,id=net,ifname={tap},script=no,downscript=no"),
            ])
            .args([
                "-device",
                &format!("virtio-net-pci,netdev=net,mac={}", mac(node.address)),
            ])
            .args(["-device", "virtio-rng-pci"]),
    )?;
    Ok(())
}

/// The small disk with what is this machine's own: keys, name, address.
fn make_own(lab: &Lab, node: &Node, engine: &Engine) -> Outcome {
    let keys = lab.host_folder(node);
    let network = lab.network;
    let files = [
        ("hostname", format!("{}\n", node.name)),
        (
            "hosts",
            format!("127.0.0.1\tlocalhost\n{}\t{}\n", node.address, node.name),
        ),
        ("resolv.conf", shell::read(Path::new("/etc/resolv.conf"))?),
        (
            "network",
            format!(
                "[Match]\nName=eth0\n[Link]\nMTUBytes={}\n[Network]\nAddress={}/{}\nGateway={}\nLinkLocalAddressing=no\n",
                engine.mtu(),
                node.address,
                network.bits(),
                network.gateway(),
            ),
        ),
    ];
    for (name, content) in files {
        shell::write(&keys.join(name), &content)?;
    }
    let own = folder(lab, node).join("own.img");
    make_disk(&own, &keys, "8M")
}

fn make_disk(disk: &Path, from: &Path, size: &str) -> Outcome {
    std::fs::remove_file(disk).ok();
    shell::run(
        command("mkfs.ext4")
            .args(["-q", "-F", "-m", "0", "-d"])
            .args([from, disk])
            .arg(size),
    )?;
    Ok(())
}

/// Disk, kernel and RAM disk, from the cache or made.
fn base(lab: &Lab, engine: &Engine, out: &mut dyn Write) -> Outcome<Base> {
    let id = engine.docker(&["image", "inspect", "--format", "{{.Id}}", image::HOST])?;
    let mut digest = Sha256::new();
    for part in [DOCKERFILE, INIT, id.trim()] {
        digest.update(part);
        digest.update([0]);
    }
    let key: String = digest
        .finalize()
        .iter()
        .take(6)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let folder = lab.cache.join(format!("vm-{key}"));
    let base = Base {
        disk: folder.join("disk.img"),
        kernel: folder.join("vmlinuz"),
        ram_disk: folder.join("initrd"),
    };
    if folder.exists() {
        return Ok(base);
    }
    say(out, "virtual machine: making its disk, a few minutes")?;
    let start = Instant::now();
    make_base(lab, engine, &folder)?;
    say(
        out,
        &format!(
            "virtual machine: disk made in {:.0} s",
            start.elapsed().as_secs_f32()
        ),
    )?;
    Ok(base)
}

fn make_base(lab: &Lab, engine: &Engine, folder: &Path) -> Outcome {
    forget_old(&lab.cache)?;
    let scratch = tempfile::tempdir_in(&lab.cache).map_err(|error| {
        problem(format!(
            "no folder can be made in {}: {error}",
            lab.cache.display()
        ))
    })?;
    let context = scratch.path().join("context");
    shell::make_folder(&context)?;
    shell::write(&context.join("Dockerfile"), DOCKERFILE)?;
    shell::write(&context.join("init.sh"), INIT)?;
    let build_arg = format!("BASE={}", image::HOST);
    engine.docker(&[
        "build",
        "--quiet",
        "--network",
        Engine::NETWORK,
        "--build-arg",
        &build_arg,
        "--tag",
        IMAGE,
        &context.to_string_lossy(),
    ])?;
    let archive = scratch.path().join("root.tar");
    let root = scratch.path().join("root");
    shell::make_folder(&root)?;
    let container = engine.docker(&["create", IMAGE])?;
    let container = container.trim();
    let exported = engine.docker(&["export", "--output", &archive.to_string_lossy(), container]);
    engine.docker(&["rm", container])?;
    engine.docker(&["rmi", IMAGE])?;
    exported?;
    shell::run(
        command("tar")
            .arg("-xpf")
            .arg(&archive)
            .arg("-C")
            .arg(&root),
    )?;
    std::fs::remove_file(&archive).ok();
    std::fs::remove_file(root.join(".dockerenv")).ok();
    let made = scratch.path().join("made");
    shell::make_folder(&made)?;
    for (from, to) in [("boot/vmlinuz", "vmlinuz"), ("boot/initrd", "initrd")] {
        std::fs::copy(root.join(from), made.join(to))
            .map_err(|error| problem(format!("{from} cannot be taken out: {error}")))?;
    }
    make_disk(&made.join("disk.img"), &root, "8G")?;
    std::fs::rename(&made, folder)
        .map_err(|error| problem(format!("{} cannot be kept: {error}", folder.display())).into())
}

fn forget_old(cache: &Path) -> Outcome {
    let entries = std::fs::read_dir(cache).into_iter().flatten().flatten();
    for entry in entries {
        if entry.file_name().to_string_lossy().starts_with("vm-") {
            shell::remove_folder(&entry.path())?;
        }
    }
    Ok(())
}

/// Waits until the SSH servers of all answer.
pub(super) fn wait_all(lab: &Lab, patience: Duration) -> Outcome {
    let deadline = Instant::now() + patience;
    for node in machines(lab) {
        while !greets(node) {
            let console = folder(lab, node).join("console");
            if Instant::now() > deadline || pid(lab, node).is_none() {
                let said = std::fs::read(&console).unwrap_or_default();
                let said = String::from_utf8_lossy(&said).into_owned();
                return Err(problem(format!(
                    "the virtual machine '{}' does not answer\n{}",
                    node.name,
                    shell::last_lines(&said, 12)
                ))
                .help(format!("its console is {}", console.display()))
                .into());
            }
            std::thread::sleep(Duration::from_millis(500));
        }
    }
    Ok(())
}

/// Whether an SSH server says who it is: the port alone may be open before it is there.
fn greets(node: &Node) -> bool {
    use std::io::Read;
    let address = std::net::SocketAddr::from((node.address, 22));
    let Ok(mut stream) = std::net::TcpStream::connect_timeout(&address, Duration::from_secs(2))
    else {
        return false;
    };
    let mut word = [0; 4];
    stream
        .set_read_timeout(Some(Duration::from_secs(5)))
        .is_ok()
        && stream.read_exact(&mut word).is_ok()
        && word == *b"SSH-"
}

/// Shuts machines down as a user would, or at once.
pub(super) fn stop_all(lab: &Lab, gently: bool) -> Outcome {
    if gently {
        for node in machines(lab).filter(|node| pid(lab, node).is_some()) {
            try_run(
                command("ssh")
                    .args(lab.ssh_options())
                    .args(["-o", "ConnectTimeout=5"])
                    .arg(format!("{USER}@{}", node.address))
                    .args(["sudo", "systemctl", "poweroff"]),
            );
        }
        let deadline = Instant::now() + Duration::from_secs(180);
        while machines(lab).any(|node| pid(lab, node).is_some()) && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(200));
        }
    }
    for node in machines(lab) {
        let Some(pid) = pid(lab, node) else {
            continue;
        };
        try_run(command("kill").args(["-KILL", &pid]));
        let deadline = Instant::now() + Duration::from_secs(20);
        while self::pid(lab, node).is_some() {
            if Instant::now() > deadline {
                return Err(problem(format!(
                    "the virtual machine '{}', process {pid}, does not end",
                    node.name
                ))
                .into());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
    Ok(())
}

pub(super) fn is_running(lab: &Lab, node: &Node) -> bool {
    pid(lab, node).is_some()
}

/// The machine's process, if the pid on file is still that of this machine.
fn pid(lab: &Lab, node: &Node) -> Option<String> {
    let file = pid_file(lab, node);
    let pid = std::fs::read_to_string(&file).ok()?;
    let pid = pid.trim();
    let line = std::fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    line.windows(file.as_os_str().len())
        .any(|part| part == file.as_os_str().as_encoded_bytes())
        .then(|| pid.to_owned())
}

fn pid_file(lab: &Lab, node: &Node) -> PathBuf {
    lab.run.join(format!("vm-{}.pid", node.name))
}

fn folder(lab: &Lab, node: &Node) -> PathBuf {
    lab.state.join("vms").join(&node.name)
}

pub(super) fn disk(lab: &Lab, node: &Node) -> PathBuf {
    folder(lab, node).join("disk.qcow2")
}

/// A hardware address that follows from the other one.
fn mac(address: Ipv4Addr) -> String {
    let [a, b, c, d] = address.octets();
    format!("52:54:{a:02x}:{b:02x}:{c:02x}:{d:02x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hardware_addresses_are_of_the_kind_that_is_free_for_all() {
        let text = mac(Ipv4Addr::new(198, 51, 100, 7));
        assert_eq!(text, "52:54:c6:33:64:07");
    }
}
