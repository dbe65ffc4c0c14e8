//! A host made of this machine: its own mounts, processes and accounts, and a
//! real sshd on a port of its own.
//!
//! The root is an overlay whose upper half is in memory, so nothing that a
//! test does on the host stays.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// Password of the account `tester`, and of its sudo.
pub(crate) const PASSWORD: &str = "correct horse";

pub(crate) struct Host {
    pub(crate) port: u16,
    folder: TempDir,
    process: Child,
}

/// Runs inside the new namespaces; `$1` is the folder, `$2` the port, `$3` a
/// password, `$4` whether the network is new as well.
const SETUP: &str = r#"
set -e
cd "$1"
[ -z "$4" ] || ip link set lo up
mount --make-rprivate /
mount -t tmpfs -o size=512m tmpfs mem
mkdir mem/upper mem/work mem/root
mount -t overlay overlay -o lowerdir=/,upperdir=mem/upper,workdir=mem/work mem/root
mount --rbind /dev mem/root/dev
mount -t proc proc mem/root/proc
mount -t tmpfs tmpfs mem/root/run
mount -t tmpfs tmpfs mem/root/tmp
chmod 1777 mem/root/tmp
mkdir -p mem/root/run/sshd mem/root/small
mount -t tmpfs -o size=256k tmpfs mem/root/small
cp -r keys mem/root/run/keys
chroot mem/root useradd -m -s /bin/bash tester
chroot mem/root useradd -m -s /bin/sh other
printf '%s\n' "tester:$3" "other:$3" | chroot mem/root chpasswd
printf 'tester ALL=(ALL) ALL\nroot ALL=(ALL) NOPASSWD: ALL\n' > mem/root/etc/sudoers.d/ocplay-test
for user in tester other; do
  mkdir -p mem/root/home/$user/.ssh
  cp keys/client.pub mem/root/home/$user/.ssh/authorized_keys
  chroot mem/root chown -R $user: /home/$user/.ssh
done
mkdir -p mem/root/root/.ssh
# What this machine's root starts at each login does not count.
: > mem/root/root/.bashrc
cp keys/client.pub mem/root/root/.ssh/authorized_keys
printf 'echo noise from the login shell\n' > mem/root/home/tester/.bashrc
cat > mem/root/run/sshd_config <<CONFIG
Port $2
ListenAddress 127.0.0.1
HostKey /run/keys/host
PermitRootLogin yes
PasswordAuthentication yes
KbdInteractiveAuthentication no
StrictModes no
UsePAM no
PidFile /run/sshd.pid
MaxStartups 100
CONFIG
exec chroot mem/root /usr/sbin/sshd -D -e -f /run/sshd_config
"#;

impl Host {
    pub(crate) fn start() -> Self {
        Self::started(false)
    }

    /// A host in a network of its own that has loopback only.
    pub(crate) fn start_apart() -> Self {
        Self::started(true)
    }

    fn started(apart: bool) -> Self {
        let folder = TempDir::new().unwrap();
        let path = folder.path();
        std::fs::create_dir(path.join("keys")).unwrap();
        std::fs::create_dir(path.join("mem")).unwrap();
        for name in ["host", "client"] {
            keygen(&path.join("keys").join(name));
        }
        let port = free_port();
        let log = std::fs::File::create(path.join("log")).unwrap();
        let process = Command::new("unshare")
            .args(apart.then_some("--net"))
            .args([
                "--mount",
                "--pid",
                "--fork",
                "--kill-child",
                "/bin/sh",
                "-c",
                SETUP,
                "setup",
            ])
            .arg(path)
            .arg(port.to_string())
            .arg(PASSWORD)
            .arg(if apart { "apart" } else { "" })
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .expect("unshare runs (tests need root and util-linux)");
        let mut host = Self {
            port,
            folder,
            process,
        };
        if apart {
            host.wait_until_ready(|host| {
                let log = std::fs::read_to_string(host.folder.path().join("log"));
                log.is_ok_and(|log| log.contains("Server listening"))
            });
        } else {
            let port = host.port;
            host.wait_until_ready(|_| std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
        }
        host
    }

    fn wait_until_ready(&mut self, ready: impl Fn(&Self) -> bool) {
        let deadline = Instant::now() + Duration::from_secs(30);
        while !ready(self) {
            let ended = self.process.try_wait().unwrap();
            let log =
                || std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
            assert!(
                ended.is_none(),
                "the test host ended (tests need root, openssh-server, sudo):\n{}",
                log()
            );
            assert!(
                Instant::now() < deadline,
                "the test host did not start:\n{}",
                log()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    pub(crate) fn client_key(&self) -> PathBuf {
        self.folder.path().join("keys/client")
    }

    /// A line for known_hosts.
    pub(crate) fn known_hosts_line(&self) -> String {
        let key = std::fs::read_to_string(self.folder.path().join("keys/host.pub")).unwrap();
        format!("[127.0.0.1]:{} {key}", self.port)
    }

    /// An inventory line for this host.
    pub(crate) fn line(&self, name: &str, user: &str) -> String {
        format!(
            "{name} ansible_host=127.0.0.1 ansible_port={} ansible_user={user} ansible_ssh_private_key_file={}",
            self.port,
            self.client_key().display()
        )
    }

    /// A file of the host, seen from outside.
    pub(crate) fn file(&self, path: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root{path}", self.sshd()))
    }

    /// The files that are not as they were when the host started.
    pub(crate) fn changed(&self) -> PathBuf {
        let folder = self.folder.path().display();
        PathBuf::from(format!(
            "/proc/{}/root{folder}/mem/upper",
            self.process.id()
        ))
    }

    /// Puts a file onto the host.
    pub(crate) fn write(&self, path: &str, content: &[u8], mode: u32) {
        let file = self.file(path);
        std::fs::write(&file, content).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
    }

    pub(crate) fn read(&self, path: &str) -> String {
        std::fs::read_to_string(self.file(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    /// The host's network, by which others can enter it.
    pub(crate) fn network(&self) -> PathBuf {
        PathBuf::from(format!("/proc/{}/ns/net", self.sshd()))
    }

    /// Whether a host that was started apart can be reached.
    pub(crate) fn network_is(&self, up: bool) {
        let done = Command::new("nsenter")
            .arg(format!("--net={}", self.network().display()))
            .args(["ip", "link", "set", "lo", if up { "up" } else { "down" }])
            .status();
        assert!(done.unwrap().success());
    }

    /// Ends everything that runs on the host, at once.
    pub(crate) fn kill(&self) {
        // The first process of its namespace takes all others along.
        let done = Command::new("kill")
            .args(["-KILL", &self.sshd().to_string()])
            .status();
        assert!(done.unwrap().success());
    }

    /// The process id of the listening sshd.
    fn sshd(&self) -> u32 {
        children(self.process.id())
            .first()
            .copied()
            .expect("sshd runs")
    }

    /// Adds lines to sshd's configuration, in front of the others, and has it
    /// read anew.
    pub(crate) fn configure(&self, lines: &str) {
        let file = self.file("/run/sshd_config");
        let old = std::fs::read_to_string(&file).unwrap();
        std::fs::write(&file, format!("{lines}\n{old}")).unwrap();
        let pid = self.sshd();
        let done = Command::new("kill")
            .args(["-HUP", &pid.to_string()])
            .status();
        assert!(done.unwrap().success());
        // It closes its socket before it opens it again.
        std::thread::sleep(Duration::from_millis(200));
        let deadline = Instant::now() + Duration::from_secs(10);
        while std::net::TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            assert!(Instant::now() < deadline, "sshd did not come back");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// A key of the host's folder, by name.
    pub(crate) fn key(&self, name: &str) -> PathBuf {
        self.folder.path().join("keys").join(name)
    }

    /// Processes of the host whose command line holds a text.
    pub(crate) fn processes(&self, text: &str) -> Vec<u32> {
        let mut open = vec![self.process.id()];
        let mut found = Vec::new();
        while let Some(pid) = open.pop() {
            for child in children(pid) {
                open.push(child);
                let line = std::fs::read(format!("/proc/{child}/cmdline")).unwrap_or_default();
                let line = String::from_utf8_lossy(&line).replace('\0', " ");
                if line.contains(text) && !line.contains("[listener]") {
                    found.push(child);
                }
            }
        }
        found
    }

    /// Cuts every SSH connection, without a word to either side.
    pub(crate) fn cut_connections(&self) {
        for pid in self.processes("sshd: ") {
            let status = Command::new("kill")
                .args(["-KILL", &pid.to_string()])
                .status();
            assert!(status.is_ok());
        }
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // The namespaces, mounts and processes end with their first process.
        let sshd = children(self.process.id());
        for pid in sshd {
            drop(
                Command::new("kill")
                    .args(["-KILL", &pid.to_string()])
                    .status(),
            );
        }
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// Children of every thread of a process.
fn children(pid: u32) -> Vec<u32> {
    let Ok(threads) = std::fs::read_dir(format!("/proc/{pid}/task")) else {
        return Vec::new();
    };
    threads
        .filter_map(|thread| std::fs::read_to_string(thread.ok()?.path().join("children")).ok())
        .flat_map(|text| {
            text.split_whitespace()
                .filter_map(|pid| pid.parse().ok())
                .collect::<Vec<u32>>()
        })
        .collect()
}

pub(crate) fn keygen(path: &Path) {
    let made = Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-C", "test", "-f"])
        .arg(path)
        .status()
        .expect("ssh-keygen runs");
    assert!(made.success());
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

/// A port that nobody listens on.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}
