"""Where a measurement takes place: a folder, keys, an sshd of its own, and two
control groups whose clocks count processor time in nanoseconds."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time

PORT = 2022
V2 = os.path.exists("/sys/fs/cgroup/cgroup.controllers")
ROOT = "/sys/fs/cgroup" if V2 else "/sys/fs/cgroup/cpuacct"


class Group:
    """A control group; everything that its members start is in it, too."""

    def __init__(self, name):
        self.path = f"{ROOT}/ocplay-limits-{name}-{os.getpid()}"
        os.makedirs(self.path, exist_ok=True)

    def enter(self):
        with open(f"{self.path}/cgroup.procs", "w") as file:
            file.write(str(os.getpid()))

    def used(self):
        """Seconds of processor time so far."""
        if V2:
            with open(f"{self.path}/cpu.stat") as file:
                return int(file.readline().split()[1]) / 1e6
        with open(f"{self.path}/cpuacct.usage") as file:
            return int(file.read()) / 1e9

    def members(self):
        with open(f"{self.path}/cgroup.procs") as file:
            return [int(line) for line in file]

    def end(self, spare=()):
        for pid in self.members():
            if pid not in spare:
                try:
                    os.kill(pid, signal.SIGTERM)
                except ProcessLookupError:
                    pass

    def remove(self):
        for _ in range(50):
            try:
                os.rmdir(self.path)
                return
            except OSError:
                self.end()
                time.sleep(0.1)


class Cost:
    """What one run took."""

    def __init__(self, controller, host, wall, memory, sent, out):
        self.controller, self.host, self.wall = controller, host, wall
        self.memory, self.sent, self.out = memory, sent, out
        self.total = controller + host


class Stage:
    def __init__(self):
        self.work = tempfile.mkdtemp(prefix="ocplay-limits-")
        self.controller, self.host = Group("controller"), Group("host")
        self.home = f"{self.work}/home"
        self.host_home = f"{self.work}/host-home"
        for folder in (self.home, self.host_home, f"{self.work}/state"):
            os.mkdir(folder)
        self.key, self.known_hosts = f"{self.work}/client", f"{self.work}/known_hosts"
        for name in ("host", "client"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", f"{self.work}/{name}"], check=True)
        shutil.copy(f"{self.key}.pub", f"{self.work}/authorized_keys")
        with open(f"{self.work}/host.pub") as file:
            key = " ".join(file.read().split()[:2])
        with open(self.known_hosts, "w") as file:
            file.write(f"[127.*]:{PORT} {key}\n")
        self.start_server()

    def start_server(self):
        config = f"{self.work}/sshd_config"
        with open(config, "w") as file:
            file.write(
                f"Port {PORT}\nListenAddress 0.0.0.0\nHostKey {self.work}/host\n"
                f"AuthorizedKeysFile {self.work}/authorized_keys\nPidFile none\nPermitRootLogin yes\n"
                "StrictModes no\nUsePAM no\nMaxStartups 1000\nPrintMotd no\nPrintLastLog no\n"
                f"Subsystem sftp internal-sftp\nSetEnv HOME={self.host_home}\n"
            )
        os.makedirs("/run/sshd", exist_ok=True)
        self.server = subprocess.Popen(
            ["/usr/sbin/sshd", "-D", "-e", "-f", config],
            stderr=open(f"{self.work}/sshd.log", "w"),
            preexec_fn=self.host.enter,
        )
        deadline = time.monotonic() + 10
        while True:
            try:
                socket.create_connection(("127.0.0.1", PORT)).close()
                break
            except OSError:
                if time.monotonic() > deadline:
                    raise SystemExit("sshd did not start; see " + f"{self.work}/sshd.log")
                time.sleep(0.05)
        self.settle()

    def settle(self):
        """Waits until all sessions have ended, and all that was left running."""
        deadline = time.monotonic() + 20
        while set(self.host.members()) - {self.server.pid} or self.controller.members():
            if time.monotonic() > deadline:
                self.host.end(spare={self.server.pid})
            # OpenSSH's connection that stays for the next call.
            self.controller.end()
            time.sleep(0.02)

    def environment(self, more):
        return {
            "PATH": os.environ["PATH"], "HOME": self.home, "LANG": "C.UTF-8",
            "XDG_STATE_HOME": f"{self.work}/state", "XDG_CACHE_HOME": f"{self.home}/.cache", **more,
        }

    def run(self, words, input=None, environment=None):
        """Runs a command; what it and the host took."""
        self.settle()
        used, sent, start = (self.controller.used(), self.host.used()), loopback(), time.monotonic()
        out = open(f"{self.work}/out", "w+b")
        process = subprocess.Popen(
            words, stdin=open(input) if input else subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT,
            cwd=self.work, env=self.environment(environment or {}), preexec_fn=self.controller.enter,
        )
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        wall = time.monotonic() - start
        self.settle()
        out.seek(0)
        text = out.read().decode(errors="replace")
        if process.returncode:
            raise RuntimeError(f"{' '.join(words)[:200]} ended with {process.returncode}:\n{text[-3000:]}")
        return Cost(
            self.controller.used() - used[0], self.host.used() - used[1], wall, usage.ru_maxrss / 1024,
            loopback() - sent, text,
        )

    def write(self, name, text):
        path = f"{self.work}/{name}"
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as file:
            file.write(text)
        return path

    def close(self):
        self.server.terminate()
        self.server.wait()
        for group in (self.controller, self.host):
            group.remove()
        shutil.rmtree(self.work, ignore_errors=True)


def loopback():
    with open("/proc/net/dev") as file:
        for line in file:
            if line.strip().startswith("lo:"):
                return int(line.split(":")[1].split()[0])
    return 0
