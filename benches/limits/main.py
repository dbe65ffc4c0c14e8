"""Prints the table of limits; see ../limits.sh."""

import argparse
import os
import signal
import statistics
import struct
import subprocess
import sys
import threading
import time

import peers
import rows
from stage import Stage

ROWS = ["noop", "templates", "files", "lines", "facts", "hosts", "many", "agent"]


def milliseconds(seconds):
    return f"{seconds * 1000:,.1f} ms"


def verdict(found, limit):
    return "holds" if found <= limit else f"MISSED by {found / limit - 1:.0%}"


class Table:
    def __init__(self, stage, quick):
        self.stage = stage
        self.peers = [kind(stage) for kind in peers.ALL if not (quick and kind.slow)]
        self.ssh, self.ocplay = self.peers[:2]

    def measure(self, peer, work, rounds):
        costs = []
        for _ in range(rounds):
            work.get("before", lambda: None)()
            costs.append(peer.run(work))
            work.get("check", lambda: None)()
        return sorted(costs, key=lambda cost: cost.total)[len(costs) // 2]

    def compare(self, title, work, limit, beside=None):
        """One row: every program does the same work."""
        print(f"\n{title}", flush=True)
        found = {}
        for peer in self.peers:
            if not peer.there():
                print(f"  {peer.name:8} not there")
                continue
            try:
                # The first run of a program that keeps something on the host is not counted.
                cost = self.measure(peer, work, 1 if peer.slow else 5)
            except (RuntimeError, OSError) as error:
                print(f"  {peer.name:8} failed: {str(error)[-1500:]}", flush=True)
                continue
            found[peer.name] = cost
            print(
                f"  {peer.name:8} {milliseconds(cost.total):>14} of processor time (controller {milliseconds(cost.controller)},"
                f" host {milliseconds(cost.host)}), {cost.wall:.2f} s, {cost.memory:.0f} MiB", flush=True,
            )
        if "ssh" not in found or "ocplay" not in found:
            return
        ours = found["ocplay"].total
        ratio = ours / found["ssh"].total
        print(f"  => {ratio:.2f} x ssh (at most {limit}): {verdict(ratio, limit)}")
        if beside and "ansible" in found:
            less = found["ansible"].total / ours
            print(f"  => {less:,.0f} x less than ansible (at least {beside}): {verdict(beside, less)}")

    def noop(self):
        self.compare("50 x command: /bin/true", rows.noop(self.stage), 1.3, 100)

    def templates(self):
        new, again = rows.templates(self.stage)
        self.compare("100 x template of 2 KiB, all new", new, 2, 300)
        self.compare("100 x template of 2 KiB, nothing to do", again, 2, 300)

    def files(self):
        self.compare("200 small files and one of 50 MiB", rows.files(self.stage), 1.2)

    def lines(self):
        self.compare("lineinfile looping over 500 lines", rows.lines(self.stage), 2)

    def facts(self):
        """What a host spends on all facts: beside a task that does nothing."""
        print("\nall facts")
        spent = {}
        for module in ("ping", "setup"):
            work = {"name": module, "count": 21, "tasks": "    - ping:\n" + f"    - {module}:\n" * 20}
            spent[module] = self.measure(self.ocplay, work, 5)
        cost = (spent["setup"].host - spent["ping"].host) / 20 * 1000
        print(f"  ocplay   {cost:.1f} ms on the host (at most 10): {verdict(cost, 10)}", flush=True)
        for peer in self.peers[2:]:
            if peer.name == "pyinfra" or not peer.there():
                continue
            try:
                cost = peer.run({"name": "setup", "count": 1, "tasks": "    - setup:\n"})
                print(f"  {peer.name:8} {milliseconds(cost.host)} on the host, connecting included", flush=True)
            except RuntimeError as error:
                print(f"  {peer.name:8} failed: {str(error)[-800:]}")

    def hosts(self):
        print("\none command on 200 hosts")
        work = {
            "name": "hosts", "hosts": rows.hosts(200), "count": 1, "forks": 200, "tasks": "    - command: /bin/true\n",
            "pyinfra": "from pyinfra.operations import server\nserver.shell(commands=['/bin/true'])\n",
        }
        calls = self.stage.write("calls", "".join(f"{address}\n" for address in work["hosts"]))
        words = self.ssh.words("ADDRESS") + ["/bin/true"]
        spread = ["xargs", "-P", "50", "-a", calls, "-I", "ADDRESS", *words]
        ssh = min((self.stage.run(spread) for _ in range(3)), key=lambda cost: cost.total)
        self.many_line("ssh", ssh, 200)
        ours = self.measure(self.ocplay, work, 3)
        self.many_line("ocplay", ours, 200)
        for peer in self.peers[2:]:
            if not peer.there():
                continue
            try:
                self.many_line(peer.name, peer.run(work), 200)
            except RuntimeError as error:
                print(f"  {peer.name:8} failed: {str(error)[-800:]}")
        each = ours.controller * 1000 / 200
        print(f"  => {each:.2f} ms a host on the controller (at most 3): {verdict(each, 3)}")
        print(f"  => {ours.memory:.1f} MiB (at most 25): {verdict(ours.memory, 25)}")
        ratio = ours.total / ssh.total
        print(f"  => {ratio:.2f} x one ssh call a host (at most 1): {verdict(ratio, 1)}")

    def many_line(self, name, cost, number):
        print(
            f"  {name:8} {milliseconds(cost.total / number):>10} a host (controller {milliseconds(cost.controller / number)}),"
            f" {cost.wall:.1f} s, {cost.memory:.1f} MiB", flush=True,
        )

    def many(self):
        print("\n20 tasks on 10 and on 1,000 hosts, forks 200")
        each = {}
        for number in (10, 1000):
            work = {
                "name": f"many{number}", "hosts": rows.hosts(number), "count": 20, "forks": 200,
                "tasks": "    - command: /bin/true\n" * 20,
            }
            cost = self.measure(self.ocplay, work, 5 if number == 10 else 1)
            each[number] = cost
            share = cost.controller / number / 20
            print(
                f"  {number:5} hosts: {share * 1e6:,.0f} us of the controller a host and task"
                f" ({cost.total / number / 20 * 1e6:,.0f} us in all), {cost.wall:.1f} s, {cost.memory:.1f} MiB, every host ok", flush=True,
            )
        ratio = each[1000].controller / each[10].controller / 100
        print(f"  => {each[1000].memory:.1f} MiB (at most 100): {verdict(each[1000].memory, 100)}")
        print(f"  => a host and task costs {ratio:.2f} times as much on 1,000 hosts as on 10 (at most 1.2): {verdict(ratio, 1.2)}")

    def agent(self):
        """What the helper weighs, and how soon it answers."""
        print("\nthe agent")
        stage = self.stage
        work = {"name": "agent", "count": 1, "tasks": "    - ping:\n"}
        cache = f"{stage.host_home}/.cache/ocplay"
        for entry in os.listdir(cache) if os.path.isdir(cache) else []:
            os.unlink(f"{cache}/{entry}")
        first, second = self.ocplay.run(work).sent, self.ocplay.run(work).sent
        (name,) = os.listdir(cache)
        program = f"{cache}/{name}"
        size, sent = os.stat(program).st_size / 1e6, (first - second) / 1e6
        print(f"  {size:.2f} MB (at most 4): {verdict(size, 4)}")
        print(f"  {sent:.2f} MB as sent (at most 1.6): {verdict(sent, 1.6)}; once: the next run sent {second / 1e3:.0f} kB in all")
        took, resident = [], 0
        for _ in range(20):
            start = time.monotonic()
            process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            first_answer(process.stdout)
            took.append((time.monotonic() - start) * 1000)
            resident = max(resident, memory(process.pid))
            process.kill()
            process.wait()
        took = statistics.median(took)
        print(f"  {took:.1f} ms from its start to the first answer (at most 10): {verdict(took, 10)}")
        working = Sampler(stage)
        self.ocplay.run({"name": "resident", "count": 50, "tasks": "    - command: sleep 0.02\n" * 50})
        resident = max(resident, working.stop())
        print(f"  {resident:.1f} MiB resident at most, 50 commands (at most 5): {verdict(resident, 5)}")


class Sampler(threading.Thread):
    """Looks at the agent's memory while it works."""

    def __init__(self, stage):
        super().__init__()
        self.stage, self.most, self.over = stage, 0, False
        self.start()

    def run(self):
        while not self.over:
            for pid in self.stage.host.members():
                try:
                    if "agent-" in os.readlink(f"/proc/{pid}/exe"):
                        self.most = max(self.most, memory(pid))
                except OSError:
                    pass
            time.sleep(0.01)

    def stop(self):
        self.over = True
        self.join()
        return self.most


def memory(pid):
    with open(f"/proc/{pid}/status") as file:
        return next((int(line.split()[1]) / 1024 for line in file if line.startswith("VmHWM")), 0)


def first_answer(stream):
    """Reads up to the end of the first frame, which follows a line that marks it."""
    seen = b""
    while True:
        seen += os.read(stream.fileno(), 4096)
        _, mark, rest = seen.partition(b"<ocplay-agent-ready>\n")
        if mark and len(rest) >= 4 and len(rest) >= 4 + struct.unpack(">I", rest[:4])[0]:
            return


def main():
    words = argparse.ArgumentParser()
    words.add_argument("--rows", default=",".join(ROWS))
    words.add_argument("--quick", action="store_true")
    words = words.parse_args()
    # Told to end, it takes its server and its groups along.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    stage = Stage()
    try:
        table = Table(stage, words.quick)
        # The agent is sent once; no row counts it.
        table.ocplay.run({"name": "warm", "count": 1, "tasks": "    - ping:\n"})
        for row in words.rows.split(","):
            if row not in ROWS:
                sys.exit(f"no row '{row}'; there are {', '.join(ROWS)}")
            getattr(table, row)()
    finally:
        stage.close()


main()
