"""Checks what render.yml made: check.py FOLDER [SNAPSHOT [--write]]

Every file of OpenContrail is held against the tables of the stand-ins, option by option; every entry against the table
of the seed and against the mistakes that the originals made. With SNAPSHOT, what was rendered for the first controller
and the first compute must be what lies there; --write takes it over.
"""

import difflib
import json
import os
import re
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "stand-ins"))
sys.dont_write_bytecode = True
import stand_in  # noqa: E402

TABLES = json.load(open(os.path.join(HERE, "..", "stand-ins", "daemons.json")))

# The seed's labels: contrail, openstack, node.
LABELS = {
    "mariadb": (None, "common", "controller"),
    **{name: ("common", "common", "controller") for name in ("rabbitmq", "redis", "memcached", "keystone")},
    **{name: (None, "glance", "controller") for name in ("glance-registry", "glance-api")},
    **{name: (None, "cinder", "controller") for name in ("cinder-api", "cinder-scheduler")},
    "neutron-server": (None, "neutron", "controller"),
    **{"nova-" + name: (None, "nova", "controller") for name in ("api", "cert", "conductor", "consoleauth", "scheduler", "novncproxy")},
    **{name: ("database", None, "controller") for name in ("cassandra", "zookeeper")},
    "ifmap": ("config", None, "controller"),
    **{"config-" + name: ("config", None, "controller") for name in ("api", "discovery", "schema", "svc-monitor", "device-manager")},
    **{"analytics-" + name: ("analytics", None, "controller") for name in ("collector", "api", "query", "alarm", "snmp", "topology")},
    **{"control-" + name: ("control", None, "controller") for name in ("control", "named", "dns")},
    **{"webui-" + name: ("webui", None, "controller") for name in ("job", "server")},
    "vrouter-agent": ("vrouter", None, "compute"),
    "libvirt": (None, "nova", "compute"),
    "nova-compute": (None, "nova", "compute"),
    # Not of the seed.
    "placement-api": (None, "placement", "controller"),
    "neutron-linuxbridge-agent": (None, "neutron", "compute"),
    "haproxy": (None, None, "controller"),
    "keepalived": (None, None, "controller"),
}

# The seed's foreground commands, where data says them.
COMMANDS = {
    "config-api": "/usr/bin/python /usr/bin/contrail-api --conf_file /etc/contrail/contrail-api.conf --conf_file /etc/contrail/contrail-keystone-auth.conf --worker_id 0",
    "config-discovery": "/usr/bin/python /usr/bin/contrail-discovery --conf_file /etc/contrail/contrail-discovery.conf --worker_id 0",
    "analytics-collector": "/usr/bin/contrail-collector",
    "analytics-query": "/usr/bin/contrail-query-engine",
    "control-control": "/usr/bin/contrail-control",
    "control-named": "/usr/bin/contrail-named -f -c /etc/contrail/dns/contrail-named.conf",
    "control-dns": "/usr/bin/contrail-dns",
    "vrouter-agent": "/usr/bin/contrail-vrouter-agent",
    "ifmap": "/bin/sh /usr/bin/ifmap-server",
    "webui-job": "/usr/bin/nodejs jobServerStart.js",
    "webui-server": "/usr/bin/nodejs webServerStart.js",
}

# Paths whose loss would lose data: component, path in the container.
PERSISTED = [("glance-api", "/var/lib/glance/images"), ("rabbitmq", "/var/lib/rabbitmq"), ("zookeeper", "/var/lib/zookeeper"),
             ("zookeeper", "/var/lib/kafka"), ("cassandra", "/var/lib/cassandra"), ("mariadb", "/var/lib/mysql"),
             ("vrouter-agent", "/var/lib/contrail"), ("nova-compute", "/var/lib/contrail/ports")]


def javascript(text):
    """The assignments of a file of the web interface, as names and values."""
    options = {}
    for name, value in re.findall(r"^(?:config|auth)\.([\w.]+) = (.*);$", text, re.M):
        if value != "{}":
            options[name] = {"true": True, "false": False}.get(value) if value in ("true", "false") else stand_in.ast.literal_eval(value)
    return {"": options}


def check_file(path):
    name = os.path.basename(path)
    if name in TABLES["files"]:
        sections = javascript(open(path).read()) if name.endswith(".js") else \
            stand_in.read_properties(open(path).read()) if name == "zoo.cfg" else stand_in.read_file(path)
        if name == "cassandra.yaml":
            sections = stand_in.read_yaml(open(path).read())
        stand_in.check(path, sections, TABLES["files"][name])
    if name == "basicauthusers.properties":
        stand_in.check_users(path)
    if "," in name:
        raise stand_in.Wrong(f"{path}: a comma in the name of a file")
    for line in open(path):
        if re.match(r"^\w[\w.-]*\s*=\s*=", line):
            raise stand_in.Wrong(f"{path}: a value that begins with '=': {line.strip()}")
        if "{{" in line or "{%" in line:
            raise stand_in.Wrong(f"{path}: not rendered: {line.strip()}")
    if name.endswith((".conf", ".ini")) and re.match(r"^(#.*\n)*\[", open(path).read()) and "supervisord" not in name:
        stand_in.read_file(path)


def check_entry(path, entry):
    name = entry["name"]
    wanted = dict(zip(("contrail", "openstack", "node"), LABELS[name]))
    if entry["labels"] != {key: value for key, value in wanted.items() if value}:
        raise stand_in.Wrong(f"{path}: labels {entry['labels']}, wanted {wanted}")
    command = " ".join(entry["command"].split())
    if command != COMMANDS.get(name, command):
        raise stand_in.Wrong(f"{path}: its command is {command}")
    for component, inside in PERSISTED:
        if name == component and not any(volume.split(":")[1] == inside for volume in entry["volumes"]):
            raise stand_in.Wrong(f"{path}: {inside} is lost with the container")
    shown = [command, *map(str, entry.get("env", {}).values()), *[one["command"] for one in entry.get("once", [])]]
    for text in shown:
        if "made-up" in text:
            raise stand_in.Wrong(f"{path}: a secret in a command line or an environment: {text}")
    if "latest" in json.dumps(entry["image"]):
        raise stand_in.Wrong(f"{path}: an image of no certain version")
    if name in ("control-dns", "control-named"):
        if entry.get("pid_mode") != "host" or not any(volume.endswith(":/etc/contrail/dns") for volume in entry["volumes"]):
            raise stand_in.Wrong(f"{path}: contrail-dns and named share neither folder nor process numbers")
    if name == "nova-conductor" and not any("db sync" in one["command"] for one in entry["once"]):
        raise stand_in.Wrong(f"{path}: nothing makes nova's database")
    for file in entry.get("config", []):
        if os.path.basename(file["dest"]) not in os.listdir(os.path.dirname(path)):
            raise stand_in.Wrong(f"{path}: {file['dest']} was not rendered")
    if entry.get("config_dir") == "/etc/contrail":
        daemon = next((d for d in TABLES["daemons"].values() if d["program"] in command.split()), None)
        for file in (daemon["files"] + daemon.get("reads", []) if daemon else []):
            if file not in os.listdir(os.path.dirname(path)):
                raise stand_in.Wrong(f"{path}: {file} is read there, but is not rendered")


def snapshot(folder, hosts):
    seen, out = {}, []
    for host in hosts:
        for component in sorted(os.listdir(os.path.join(folder, host))):
            for file in sorted(os.listdir(os.path.join(folder, host, component))):
                where = f"{host}/{component}/{file}"
                text = open(os.path.join(folder, where)).read()
                if text in seen:
                    out.append(f"==== {where}: the same as {seen[text]}\n")
                else:
                    seen[text] = where
                    out.append(f"==== {where}\n{text if text.endswith(chr(10)) else text + chr(10)}")
    return "".join(out)


def main():
    folder = sys.argv[1]
    problems, count = [], 0
    secrets = re.findall(r": (made-up-\S+)", open(os.path.join(HERE, "secrets.yml")).read())
    if len(set(secrets)) != len(secrets):
        problems.append("two secrets are the same")
    for here, _, files in sorted(os.walk(folder)):
        for file in sorted(files):
            path = os.path.join(here, file)
            count += 1
            try:
                check_entry(path, json.load(open(path))) if file == "entry.json" else check_file(path)
            except (stand_in.Wrong, ValueError, SyntaxError) as problem:
                problems.append(f"{problem}" if str(problem).startswith(folder) else f"{path}: {problem}")
    if len(sys.argv) > 2:
        hosts = sorted(os.listdir(folder))
        firsts = [host for host in hosts if host.endswith("1")]
        now = snapshot(folder, firsts)
        if "--write" in sys.argv:
            open(sys.argv[2], "w").write(now)
        elif now != open(sys.argv[2]).read():
            before = open(sys.argv[2]).read().splitlines()
            lines = list(difflib.unified_diff(before, now.splitlines(), sys.argv[2], "now", lineterm="", n=1))
            problems.append("\n".join(lines[:80]))
    if count == 0:
        problems.append("nothing was rendered")
    for problem in problems:
        print(problem)
    print(f"{count} files, {len(problems)} problems")
    sys.exit(1 if problems else 0)


main()
