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
# What no stand-in reads: the files of OpenStack's first release, which nothing here can run, and those of real programs
# that work together by them.
OPTIONS = json.load(open(os.path.join(HERE, "options.json")))

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

# Behind a virtual address: the port there, and the service's own where it is shifted.
BALANCER = {
    "keystone-public": (5000, 6000), "keystone-admin": (35357, 35358), "glance-api": (9292, 9393), "cinder-api": (8776, 9776),
    "nova-api": (8774, 9774), "nova-metadata": (8775, 9775), "novncproxy": (6080, 6999), "neutron-server": (9696, 9697),
    "config-api": (8082, 9100), "discovery": (5998, 9110), "analytics-api": (8081, 9081),
    "mariadb": (33306, 3306), "rabbitmq": (5673, 5672), "memcached": (11222, 11211),
    # Not of the seed.
    "placement-api": (8778, 9778),
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


def named(text):
    """bind's grammar: blocks of statements, as "block.statement" and what it says."""
    options = {}
    for block, body in re.findall(r'^(\w+(?: "[\w-]+")?) \{\n(.*?)^\};', re.sub(r"//.*", "", text), re.M | re.S):
        block = block.split()[-1].strip('"')
        for statement in re.findall(r"\S.*?;(?=\s*(?:\n|$))", body if block != "controls" else body.replace("\n", " ").strip() + "\n"):
            found = re.fullmatch(r"(listen-on port \d+|[\w-]+)\s+(.*);", statement.strip())
            options[f"{block}.{found[1]}"] = " ".join(re.sub(r'[{};"]', " ", found[2]).split())
    return {"": options}


def plain(text):
    """libvirt's grammar: names, and words, numbers or lists of words in quotes."""
    options = {}
    for name, value in re.findall(r"^(\w+) = (\[[^\]]*\]|.*)$", text, re.M):
        options[name] = stand_in.ast.literal_eval(value)
    return {"": options}


def check_options(path):
    """Holds a file against options.json; which release it is of, its component's command says."""
    name = os.path.basename(path)
    entry = json.load(open(os.path.join(os.path.dirname(path), "entry.json")))
    kilo = entry["command"].startswith("/usr/bin/python ")
    table = OPTIONS["both"].get(name) or (OPTIONS["kilo"].get(name) if kilo else None)
    if table is None:
        return
    text = open(path).read()
    read = named if "named" in name or "rndc" in name else plain if "" in table else None
    stand_in.check(path, read(text) if read else stand_in.read_ini(text), table)


def check_balancer(path):
    """The balancer's ports, and those of the services behind it, are the pairs of the specification."""
    text = open(path).read()
    listens = re.findall(r"^listen (\S+)\n    bind \S+?:(\d+)[^\n]*\n(.*?)(?=^listen|\Z)", text, re.M | re.S)
    shifted = any(name == "keystone-public" and f":{BALANCER['keystone-public'][1]} " in body for name, _, body in listens)
    seen = set()
    for name, port, body in listens:
        name = name.removeprefix("public-")
        if name.startswith("statistics-"):
            continue
        seen.add(name)
        front, back = BALANCER[name]
        if int(port) != front:
            raise stand_in.Wrong(f"{path}: {name} is at {port}, wanted {front}")
        for line in re.findall(r"^    server .*$", body, re.M):
            wanted = back if shifted or name in ("mariadb", "rabbitmq", "memcached") else front
            if f":{wanted} " not in line + " ":
                raise stand_in.Wrong(f"{path}: behind {name} stands {line.strip()}, wanted port {wanted}")
        if name in ("mariadb", "rabbitmq") and body.count(" backup") != body.count("    server ") - 1:
            raise stand_in.Wrong(f"{path}: of {name} one is active")
    if "keystone-public" not in seen or "mariadb" not in seen:
        raise stand_in.Wrong(f"{path}: leads to {', '.join(sorted(seen))} only")


def check_file(path):
    name = os.path.basename(path)
    if name == "haproxy.cfg":
        check_balancer(path)
    if name == "snmp.conf" and "mibs +ALL" not in open(path).read().splitlines():
        raise stand_in.Wrong(f"{path}: names of the MIBs are not read")
    if name == "myid" and not open(path).read().strip().isdigit():
        raise stand_in.Wrong(f"{path}: no number")
    if name in TABLES["files"]:
        sections = javascript(open(path).read()) if name.endswith(".js") else \
            stand_in.read_properties(open(path).read()) if name == "zoo.cfg" else stand_in.read_file(path)
        if name == "cassandra.yaml":
            sections = stand_in.read_yaml(open(path).read())
        stand_in.check(path, sections, TABLES["files"][name])
    if name == "basicauthusers.properties":
        root = os.path.join(os.path.dirname(path), "..", "..")
        control = any(os.path.isdir(os.path.join(root, host, "control-control")) for host in os.listdir(root))
        stand_in.check_users(path, ["control node"] if control else [])
    if "," in name:
        raise stand_in.Wrong(f"{path}: a comma in the name of a file")
    for line in open(path):
        if re.match(r"^\w[\w.-]*\s*=\s*=", line):
            raise stand_in.Wrong(f"{path}: a value that begins with '=': {line.strip()}")
        if "{{" in line or "{%" in line:
            raise stand_in.Wrong(f"{path}: not rendered: {line.strip()}")
    if name.endswith((".conf", ".ini")) and re.match(r"^(#.*\n)*\[", open(path).read()) and "supervisord" not in name:
        stand_in.read_file(path)
    check_options(path)


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
    if command.startswith("uwsgi") and ('--add-header "Connection: close"' not in command or "--harakiri" not in command or "--threads" in command):
        raise stand_in.Wrong(f"{path}: a server that ends connections without a word, or whose threads wait for each other")
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
