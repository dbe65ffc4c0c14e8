"""How each program is called for the same work."""

import os
import shlex

from stage import PORT


class Peer:
    slow = False

    def __init__(self, stage):
        self.stage = stage

    def there(self):
        return True


class Ssh(Peer):
    name = "ssh"
    options = [
        "-F", "none", "-o", "KexAlgorithms=curve25519-sha256", "-o", "IdentityAgent=none", "-o", "LogLevel=ERROR",
    ]

    def words(self, address="127.0.0.1"):
        stage = self.stage
        return ["ssh", *self.options, "-o", f"UserKnownHostsFile={stage.known_hosts}", "-i", stage.key, "-p", str(PORT), f"root@{address}"]

    def run(self, work):
        """One call that does all of the work."""
        words = [*self.words(), work["ssh"]]
        if "ssh_pipe" in work:
            words = ["sh", "-c", f"{work['ssh_pipe']} | exec {shlex.join(words)}"]
        return self.stage.run(words, input=work.get("ssh_input"))


class Playbooks(Peer):
    """Whoever runs playbooks."""

    def playbook(self, work):
        text = "- hosts: all\n  gather_facts: false\n  tasks:\n" + work["tasks"]
        return self.stage.write(f"{work['name']}.yml", text)

    def inventory(self, work):
        hosts = work.get("hosts", ["127.0.0.1"])
        stage = self.stage
        lines = [f"h{number} ansible_host={address}" for number, address in enumerate(hosts)]
        lines += [
            "[all:vars]", f"ansible_port={PORT}", "ansible_user=root", f"ansible_ssh_private_key_file={stage.key}",
            f"ansible_ssh_common_args=-o UserKnownHostsFile={stage.known_hosts} -o IdentityAgent=none",
            "ansible_python_interpreter=/usr/bin/python3",
        ]
        return self.stage.write("hosts.ini", "\n".join(lines) + "\n")


class Ocplay(Playbooks):
    name = "ocplay"

    def run(self, work):
        words = [os.environ["OCPLAY"], "run", self.playbook(work), "-i", self.inventory(work)]
        cost = self.stage.run([*words, "--forks", str(work.get("forks", 50))])
        recap(work, cost)
        return cost


class Ansible(Playbooks):
    name = "ansible"
    slow = True
    more = {}

    def there(self):
        return bool(os.environ["ANSIBLE"])

    def run(self, work):
        words = [os.environ["ANSIBLE"], self.playbook(work), "-i", self.inventory(work), "-f", str(work.get("forks", 50))]
        environment = {"ANSIBLE_PIPELINING": "True", "ANSIBLE_LOCAL_TEMP": f"{self.stage.work}/local", **self.more}
        cost = self.stage.run(words, environment=environment)
        recap(work, cost)
        return cost


class Mitogen(Ansible):
    name = "mitogen"

    def there(self):
        return bool(os.environ["ANSIBLE"] and os.environ["MITOGEN"])

    def __init__(self, stage):
        super().__init__(stage)
        self.more = {"ANSIBLE_STRATEGY_PLUGINS": os.environ["MITOGEN"], "ANSIBLE_STRATEGY": "mitogen_linear"}


class Pyinfra(Peer):
    name = "pyinfra"
    slow = True

    def there(self):
        return bool(os.environ["PYINFRA"])

    def run(self, work):
        stage = self.stage
        hosts = work.get("hosts", ["127.0.0.1"])
        data = {
            "ssh_port": PORT, "ssh_user": "root", "ssh_key": stage.key, "ssh_known_hosts_file": stage.known_hosts,
            "ssh_strict_host_key_checking": "off", "ssh_look_for_keys": False, "ssh_allow_agent": False,
        }
        inventory = stage.write("inventory.py", f"hosts = [(address, {data!r}) for address in {hosts!r}]\n")
        deploy = stage.write("deploy.py", work["pyinfra"])
        words = [os.environ["PYINFRA"], "-y", "--limit", "hosts", "--parallel", str(work.get("forks", 50)), inventory, deploy]
        return stage.run(words)


def recap(work, cost):
    """Every task on every host is one that went well."""
    hosts = len(work.get("hosts", [1]))
    wanted = f"ok={work['count']} "
    good = sum(wanted in line and "unreachable=0" in line and "failed=0" in line for line in cost.out.splitlines())
    if good != hosts:
        raise RuntimeError(f"{good} of {hosts} hosts have {wanted}:\n{cost.out[-3000:]}")


ALL = [Ssh, Ocplay, Ansible, Mitogen, Pyinfra]
