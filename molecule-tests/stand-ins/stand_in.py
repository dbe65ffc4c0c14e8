"""A stand-in for a daemon that no package registry carries.

It reads the very files that the daemon reads, in their grammar, and ends with a message when an option is missing,
unknown or separated wrongly; connects to what the daemon depends on and ends when that is not there; listens where
the daemon listens; and answers the daemon's health check. What each daemon wants is data: daemons.json beside this.
"""

import ast
import configparser
import json
import os
import re
import signal
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PATIENCE = int(os.environ.get("STAND_IN_PATIENCE", "90"))
HERE = os.path.dirname(os.path.abspath(__file__))
IP = r"\d{1,3}(?:\.\d{1,3}){3}"


class Wrong(Exception):
    """What is wrong with a file or an option, in words."""


# --- files and their grammar -------------------------------------------------------------------------------------


def flat(sections):
    return {(f"{s}.{k}" if s else k): v for s, options in sections.items() for k, v in options.items()}


def read_ini(text):
    parser = configparser.RawConfigParser(strict=True, interpolation=None, default_section="no default section")
    parser.optionxform = str
    parser.read_string(text)
    return {section: dict(parser.items(section)) for section in parser.sections()}


def read_properties(text):
    options = {}
    for line in text.splitlines():
        if line.strip() and not line.lstrip().startswith(("#", "!")):
            key, mark, value = line.partition("=")
            if not mark:
                raise Wrong(f"no '=' in the line '{line}'")
            if key.strip() in options:
                raise Wrong(f"{key.strip()} is there twice")
            options[key.strip()] = value.strip()
    return {"": options}


def read_yaml(text):
    """As much of YAML as the database's configuration needs: keys, and lists of words below a key."""
    options, key = {}, None
    for line in text.splitlines():
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        found = re.match(r"^(\s*)(?:-\s*)?([A-Za-z_]+):\s*(.*)$", line)
        item = re.match(r"^\s*-\s*([^:]+)$", line)
        if found and (not found[1] or found[2] == "seeds"):
            key = found[2]
            if found[3]:
                options[key] = found[3].strip().strip("\"'")
        elif item and key:
            options[key] = options.get(key, []) + [item[1].strip()]
        elif not (found and key == "seed_provider"):
            raise Wrong(f"the line '{line}' is not understood")
    return {"": options}


def read_file(path):
    try:
        text = open(path).read()
    except OSError as problem:
        raise Wrong(f"{path}: {problem.strerror}") from problem
    kind = read_yaml if path.endswith(".yaml") else read_properties if path.endswith(".properties") else read_ini
    try:
        return kind(text)
    except (configparser.Error, Wrong) as problem:
        raise Wrong(f"{path}: {problem}") from problem


def words(value):
    if isinstance(value, list):
        return [str(word) for word in value]
    if str(value).startswith("["):
        return [str(word) for word in ast.literal_eval(value)]
    raise Wrong("it is no list of words")


def fits(value, kind):
    """Says what is wrong with a value, or nothing."""
    kind = kind.removesuffix(" ?")
    text = str(value).lower() if isinstance(value, bool) else str(value)
    name, _, rest = kind.partition(" ")
    if name == "like":
        return None if re.fullmatch(rest.replace("IP", IP), text) else f"it is not like {rest}"
    if kind.startswith("="):
        return None if text == kind[1:] else f"'{kind[1:]}' is wanted"
    if name in ("space", "comma"):
        mark = " " if name == "space" else ","
        for element in text.split(mark):
            if problem := fits(element, rest):
                return f"element '{element}' of the list that {name}s separate: {problem}"
        return None
    if name == "words":
        for element in words(value):
            if rest and (problem := fits(element, rest)):
                return f"element '{element}': {problem}"
        return None
    if kind.startswith("ip"):
        tail = kind[2:].replace("{", "(?:").replace("}", ")").replace(",", "|").replace("/length", r"/\d\d?")
        return None if re.fullmatch(IP + tail.replace(".dns", r"\.dns"), text) else f"it is no {kind}"
    wanted = {
        "text": text.strip() != "",
        "empty": text == "",
        "path": text.startswith("/"),
        "number": re.fullmatch(r"-?\d+", text) is not None,
        "port": text.isdigit() and 0 < int(text) < 65536,
        "bool": text.lower() in ("true", "false"),
        "one": text in rest.split()[1:],
    }
    return None if wanted[name] else f"it is no {kind}"


def check(path, sections, table):
    """Every option that is wanted is there and fits, and no other is."""
    given, known = flat(sections), flat(table)
    for option in given:
        if option not in known:
            raise Wrong(f"{path}: {option} is no option of this daemon")
    for option, kind in known.items():
        if option not in given:
            if not kind.endswith(" ?"):
                raise Wrong(f"{path}: {option} is missing")
        elif problem := fits(given[option], kind):
            raise Wrong(f"{path}: {option} is '{given[option]}': {problem}")


def check_users(path, wanted=()):
    """Users of ifmap, each once and with a password; "wanted" are more that must be there."""
    seen = {}
    for line in open(path).read().splitlines():
        if line.strip() and not line.startswith("#"):
            user, mark, password = line.partition(":")
            if not mark or not password:
                raise Wrong(f"{path}: the line '{user}' has no password")
            if user in seen:
                raise Wrong(f"{path}: user {user} is there twice")
            seen[user] = password
    for user in ("api-server", "schema-transformer", "svc-monitor", "visual"):
        if user not in seen:
            raise Wrong(f"{path}: user {user} is missing")
    nodes = [user for user in seen if re.fullmatch(IP, user)]
    for node in nodes:
        if f"{node}.dns" not in seen:
            raise Wrong(f"{path}: control node {node} has no user {node}.dns")
    if "control node" in wanted and not nodes:
        raise Wrong(f"{path}: no control node may come in")


# --- what a daemon depends on ------------------------------------------------------------------------------------


class Daemon:
    def __init__(self, name, table):
        self.name = name
        self.spec = table["daemons"][name]
        self.files = table["files"]
        self.options = {}
        self.state = "Non-Functional"
        self.why = "starting"
        self.leader = None
        self.published = {}

    def value(self, word):
        return self.options.get(word, word)

    def load(self, arguments):
        given = [arguments[i + 1] for i, word in enumerate(arguments) if word in ("--conf_file", "--conf-file", "-c")]
        given += [word.partition("=")[2] for word in arguments if word.startswith(("--conf_file=", "--config-file="))]
        own = [self.path(file) for file in self.spec["files"]]
        if given and set(given) != set(own) and self.name != "kafka":
            raise Wrong(f"it is started with {' and '.join(given)}, but reads {' and '.join(own)}")
        if not given and len(own) > 1 and "python" in self.spec.get("runs_by", "") + self.name:
            raise Wrong("it is started without its files")
        for path in own:
            sections = read_file(path)
            if os.path.basename(path) in self.files:
                check(path, sections, self.files[os.path.basename(path)])
            self.options.update(flat(sections))
        for file in self.spec.get("reads", []):
            path = self.path(file)
            sections = read_file(path)
            if file in self.files:
                check(path, sections, self.files[file])
        if "users" in self.spec:
            check_users(self.spec["users"])

    def load_javascript(self, given):
        for file in self.spec["files"]:
            check("/etc/contrail/" + file, {"": given[file]}, self.files[file])
            self.options.update(given[file])
        for file in self.spec.get("reads", []):
            check(self.path(file), read_file(self.path(file)), self.files[file])

    @staticmethod
    def path(file):
        return file if file.startswith("/") else "/etc/contrail/" + file

    def missing(self):
        """What it depends on and does not find, in words."""
        return [what for need in self.spec.get("needs", []) if (what := self.lacks(need))]

    def lacks(self, need):
        kind, *rest = need.split()
        try:
            return getattr(self, "need_" + kind)(*rest)
        except (OSError, ValueError, KeyError, IndexError, subprocess.SubprocessError) as problem:
            return f"{kind} {' '.join(str(self.value(word)) for word in rest[:2] if 'password' not in word)}: {problem}"

    def places(self, option, port=None):
        value = self.value(option)
        listed = value if isinstance(value, list) else re.split(r"[ ,]+", str(value).strip())
        for place in listed:
            host, _, own = str(place).partition(":")
            yield host, int(own or self.value(port))

    def need_tcp(self, option, port=None):
        problems = []
        for host, number in self.places(option, port):
            try:
                socket.create_connection((host, number), 3).close()
                return None
            except OSError as problem:
                problems.append(f"{host}:{number} {problem}")
        return "; ".join(problems)

    def need_http(self, option, port, path):
        host, number = next(self.places(option, port))
        return self.status(f"http://{host}:{number}{path}")

    @staticmethod
    def status(url, data=None, wanted=None):
        request = urllib.request.Request(url, data=data, headers={"Content-Type": "application/json"})
        try:
            code = urllib.request.urlopen(request, timeout=10).status
        except urllib.error.HTTPError as answer:
            code = answer.code
        good = code == wanted if wanted else code < 500
        return None if good else f"{url} answers {code}"

    def need_zookeeper(self, option, port=None):
        problems = []
        for place in self.places(option, port):
            try:
                with socket.create_connection(place, 3) as link:
                    link.sendall(b"ruok")
                    if link.recv(16) == b"imok":
                        return None
                problems.append(f"{place} is not well")
            except OSError as problem:
                problems.append(f"{place} {problem}")
        return "; ".join(map(str, problems))

    def need_redis(self, option, port, password):
        with socket.create_connection(next(self.places(option, port)), 3) as link:
            link.sendall(f"AUTH {self.value(password)}\r\n".encode())
            answer = link.recv(200)
        return None if answer.startswith(b"+OK") else "redis refuses the password"

    def need_rabbit(self, section):
        hosts = self.options[f"{section}.rabbit_server"]
        return self.amqp(
            [(h.partition(":")[0], int(h.partition(":")[2] or self.options[f"{section}.rabbit_port"])) for h in hosts.split(",")],
            self.options[f"{section}.rabbit_user"],
            self.options[f"{section}.rabbit_password"],
        )

    def need_oslo(self, _):
        section = "oslo_messaging_rabbit"
        places = [(h.partition(":")[0], int(h.partition(":")[2] or 5672)) for h in self.options[f"{section}.rabbit_hosts"].split(",")]
        return self.amqp(places, self.options[f"{section}.rabbit_userid"], self.options[f"{section}.rabbit_password"])

    @staticmethod
    def amqp(places, user, password):
        """Goes as far as the broker's word that this user may come in."""
        problems = []
        for place in places:
            try:
                with socket.create_connection(place, 5) as link:
                    link.settimeout(10)
                    link.sendall(b"AMQP\x00\x00\x09\x01")
                    Daemon.frame(link)
                    login = b"\0" + user.encode() + b"\0" + password.encode()
                    body = struct.pack(">HHI", 10, 11, 0) + b"\x05PLAIN" + struct.pack(">I", len(login)) + login + b"\x05en_US"
                    link.sendall(struct.pack(">BHI", 1, 0, len(body)) + body + b"\xce")
                    answer = Daemon.frame(link)
                    if struct.unpack(">HH", answer[:4]) == (10, 30):
                        return None
                    problems.append(f"{place[0]} refuses the login")
            except (OSError, struct.error) as problem:
                problems.append(f"{place[0]} {problem or 'refuses the login'}")
        return "rabbitmq: " + "; ".join(problems)

    @staticmethod
    def frame(link):
        head = b""
        while len(head) < 7:
            part = link.recv(7 - len(head))
            if not part:
                raise OSError("the broker hung up, as it does after a wrong password")
            head += part
        size = struct.unpack(">BHI", head)[2] + 1
        body = b""
        while len(body) < size:
            part = link.recv(size - len(body))
            if not part:
                raise OSError("the broker hung up")
            body += part
        return body

    def need_keystone(self):
        o = {key: self.options["KEYSTONE." + key] for key in ("auth_protocol", "auth_host", "auth_port", "admin_user", "admin_password", "admin_tenant_name")}
        base = f"{o['auth_protocol']}://{o['auth_host']}:{o['auth_port']}"
        user = {"name": o["admin_user"], "domain": {"id": "default"}, "password": o["admin_password"]}
        body = {"auth": {"identity": {"methods": ["password"], "password": {"user": user}},
                         "scope": {"project": {"name": o["admin_tenant_name"], "domain": {"id": "default"}}}}}
        return self.status(base + "/v3/auth/tokens", json.dumps(body).encode(), 201)

    def need_interface(self, option):
        name = self.value(option)
        return None if os.path.exists(f"/sys/class/net/{name}") else f"there is no interface {name}"

    def need_published(self, service):
        url = f"http://{self.options['DISCOVERY.server']}:{self.options['DISCOVERY.port']}/services.json"
        for one in json.load(urllib.request.urlopen(url, timeout=5))["services"]:
            if one["service_type"] == service:
                socket.create_connection((one["ip"], int(one["port"])), 3).close()
                return None
        return f"discovery knows no {service}"

    def need_named(self):
        """Writes named's configuration anew, looks for its process and has it read the configuration."""
        folder = self.options["DEFAULT.named_config_directory"]
        key = f'key "rndc-key" {{\n    algorithm hmac-md5;\n    secret "{self.options["DEFAULT.rndc_secret"]}";\n}};\n'
        conf = (f'options {{\n    directory "{folder}";\n    managed-keys-directory "{folder}";\n    empty-zones-enable no;\n'
                f'    pid-file "{folder}/contrail-named.pid";\n    listen-on port {self.options["DEFAULT.dns_server_port"]} {{ any; }};\n'
                "    allow-query { any; };\n    allow-recursion { any; };\n    allow-query-cache { any; };\n};\n" + key +
                'controls {\n    inet 127.0.0.1 port 8094\n    allow { 127.0.0.1; } keys { "rndc-key"; };\n};\n')
        rndc = key + 'options {\n    default-key "rndc-key";\n    default-server 127.0.0.1;\n    default-port 8094;\n};\n'
        self.write(f"{folder}/{self.options['DEFAULT.named_config_file']}", conf)
        self.write(f"{folder}/{self.options['DEFAULT.rndc_config_file']}", rndc)
        pid = open(f"{folder}/contrail-named.pid").read().strip()
        if b"contrail-named" not in open(f"/proc/{pid}/cmdline", "rb").read():
            return f"process {pid} is not named"
        done = subprocess.run(["/usr/bin/contrail-rndc", "-c", f"{folder}/contrail-rndc.conf", "-p", "8094", "reconfig"],
                              capture_output=True, text=True, timeout=20)
        return None if done.returncode == 0 else done.stderr.strip()

    @staticmethod
    def write(path, text):
        if not os.path.exists(path) or open(path).read() != text:
            with open(path, "w") as file:
                file.write(text)

    # --- where it listens ----------------------------------------------------------------------------------------

    def listen(self):
        for where in self.spec.get("listens", []):
            kind, host, port, *handler = where.split()
            getattr(self, "listen_" + kind)(str(self.value(host)), int(self.value(port)), *handler)

    def listen_tcp(self, host, port):
        server = socket.create_server((host, port), reuse_port=False)

        def accept():
            while True:
                link, _ = server.accept()
                link.close()

        threading.Thread(target=accept, daemon=True).start()

    def listen_store(self, host, port):
        """The database: words by line, kept in a file of the data directory, below a keyspace and a table."""
        folder = self.options["data_file_directories"][0] + "/config/objects"
        os.makedirs(folder, exist_ok=True)
        for key in ("commitlog_directory", "saved_caches_directory"):
            os.makedirs(self.options[key], exist_ok=True)
        file, lock = folder + "/objects.json", threading.Lock()
        objects = json.load(open(file)) if os.path.exists(file) else {}
        server = socket.create_server((host, port))

        def serve(link):
            with link, link.makefile("rw") as stream:
                for line in stream:
                    word, key, *rest = line.rstrip("\n").split(" ", 2)
                    with lock:
                        if word == "PUT":
                            objects[key] = json.loads(rest[0])
                        elif word == "DEL":
                            objects.pop(key, None)
                        if word != "LIST":
                            json.dump(objects, open(file + ".part", "w"))
                            os.replace(file + ".part", file)
                        stream.write(json.dumps({k: v for k, v in objects.items() if k.startswith(key)}) + "\n")
                        stream.flush()

        def accept():
            while True:
                threading.Thread(target=serve, args=(server.accept()[0],), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()

    def listen_http(self, host, port, handler, secure=False):
        daemon = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def answer(self, method):
                size = int(self.headers.get("Content-Length") or 0)
                body = json.loads(self.rfile.read(size)) if size else {}
                local = self.server.server_address[0] == "127.0.0.1"
                code, content = getattr(daemon, "serve_" + handler)(method, self.path, body, self.headers, local)
                data = content.encode() if isinstance(content, str) else json.dumps(content).encode()
                self.send_response(code)
                self.send_header("Content-Type", "text/xml" if isinstance(content, str) else "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                if method != "HEAD":
                    self.wfile.write(data)

            def do_GET(self):
                self.answer("GET")

            def do_POST(self):
                self.answer("POST")

            def do_DELETE(self):
                self.answer("DELETE")

        server = ThreadingHTTPServer((host, port), Handler)
        if secure:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain("/var/lib/contrail-webui/keys/cs-cert.pem", "/var/lib/contrail-webui/keys/cs-key.pem")
            server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()

    def listen_https(self, host, port, handler):
        self.listen_http(host, port, handler, secure=True)

    def serve_plain(self, *_):
        return 200, {}

    serve_webui = serve_plain

    def serve_analytics(self, _method, path, *_):
        return 200, {"href": path, "uves": []}

    def serve_introspect(self, _method, path, *_):
        return 200, ("<NodeStatusUVE><data><NodeStatus><process_status><list><ProcessStatus>"
                     f'<module_id type="string">{self.name}</module_id><state type="string" identifier="3">{self.state}</state>'
                     f'<description type="string" identifier="5">{self.why}</description>'
                     "</ProcessStatus></list></process_status></NodeStatus></data></NodeStatusUVE>")

    def serve_discovery(self, method, path, body, *_):
        if method == "POST" and path.startswith("/publish/"):
            self.published[f"{body['service_type']}@{body['ip']}"] = dict(body, seen=time.time())
            return 200, {}
        return 200, {"services": [one for one in self.published.values() if time.time() - one["seen"] < 150]}

    def serve_api(self, method, path, body, headers, local):
        if path in ("/", ""):
            return 200, {"href": "/", "links": []}
        if not local and not headers.get("X-Auth-Token"):
            return 401, {"error": "a token is wanted"}
        kind = path.strip("/").split("?")[0].split("/")[0]
        if method == "POST":
            self.store("PUT", f"{kind}/{body['name']}", body)
            return 200, body
        if method == "DELETE":
            name = path.strip("/").split("/", 1)[1]
            self.store("DEL", f"{kind}/{name}", {})
            return 200, {}
        found = self.store("LIST", kind + "/", {})
        return 200, {kind: [dict(one, fq_name=key.split("/", 1)[1].split(":")) for key, one in sorted(found.items())]}

    def store(self, word, key, value):
        with socket.create_connection(next(self.places("DEFAULTS.cassandra_server_list")), 5) as link, link.makefile("rw") as stream:
            stream.write(f"{word} {key} {json.dumps(value)}\n")
            stream.flush()
            return json.loads(stream.readline())

    # --- one of several is active --------------------------------------------------------------------------------

    def elect(self):
        """Holds a node in ZooKeeper that lives as long as this process."""
        while True:
            try:
                for place in self.places("DEFAULTS.zk_server_ip"):
                    try:
                        link = socket.create_connection(place, 3)
                        break
                    except OSError:
                        continue
                else:
                    raise OSError("no member of the ensemble")
                self.hold(link)
            except (OSError, struct.error):
                self.leader = False
                time.sleep(3)

    def hold(self, link):
        link.settimeout(20)

        def send(body):
            link.sendall(struct.pack(">i", len(body)) + body)

        def receive():
            size = struct.unpack(">i", self.exactly(link, 4))[0]
            return self.exactly(link, size)

        send(struct.pack(">iqiq", 0, 0, 15000, 0) + struct.pack(">i", 16) + b"\0" * 16 + b"\0")
        receive()
        path = self.spec["one_active"].encode()
        number = 0
        while True:
            number += 1
            if self.leader:
                send(struct.pack(">ii", -2, 11))
            else:
                acl = struct.pack(">i", 1) + struct.pack(">i", 31) + struct.pack(">i", 5) + b"world" + struct.pack(">i", 6) + b"anyone"
                me = socket.gethostname().encode()
                send(struct.pack(">ii", number, 1) + struct.pack(">i", len(path)) + path + struct.pack(">i", len(me)) + me + acl + struct.pack(">i", 1))
            error = struct.unpack(">iqi", receive()[:16])[2]
            if not self.leader:
                self.leader = error == 0
            time.sleep(4)

    @staticmethod
    def exactly(link, size):
        data = b""
        while len(data) < size:
            part = link.recv(size - len(data))
            if not part:
                raise OSError("the ensemble hung up")
            data += part
        return data

    # --- its life ------------------------------------------------------------------------------------------------

    def look(self):
        problems = self.missing()
        if problems:
            self.state, self.why = "Non-Functional", "; ".join(problems)
        elif self.leader is False:
            self.state, self.why = "Non-Functional", "standby: another one is active"
        else:
            self.state, self.why = "Functional", ""
        return not problems

    def publish(self):
        service, port = self.spec["publishes"].split()
        options = self.options
        server = options.get("DISCOVERY.server") or options.get("DEFAULTS.disc_server_ip") or options.get("DISCOVERY.disc_server_ip")
        number = options.get("DISCOVERY.port") or options.get("DEFAULTS.disc_server_port") or "5998"
        ip = options.get("DEFAULT.hostip") or options.get("DEFAULTS.host_ip") or options.get("DEFAULTS.ifmap_server_ip")
        body = json.dumps({"service_type": service, "ip": ip, "port": port}).encode()
        try:
            self.status(f"http://{server}:{number}/publish/{socket.gethostname()}", body)
        except OSError as problem:
            self.why = f"discovery: {problem}"

    def live(self):
        if "introspect" in self.spec:
            self.listen_http("0.0.0.0", self.spec["introspect"], "introspect")
        if "one_active" in self.spec:
            self.leader = False
            threading.Thread(target=self.elect, daemon=True).start()
        end = time.time() + PATIENCE
        while not self.look():
            if time.time() > end:
                raise Wrong(f"gives up: {self.why}")
            time.sleep(2)
        self.listen()
        print(f"stand-in {self.name}: reads its files, finds what it depends on, serves", flush=True)
        while True:
            self.look()
            if "publishes" in self.spec:
                self.publish()
            # A login costs the identity service much: the ones that need one do not ask for it all the time.
            time.sleep(60 if self.state == "Functional" and "keystone" in self.spec.get("needs", []) else 10)


def main(name, javascript=None):
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    daemon = Daemon(name, json.load(open(HERE + "/daemons.json")))
    try:
        if javascript is not None:
            daemon.load_javascript(javascript)
        else:
            daemon.load(sys.argv[1:])
        daemon.live()
    except Wrong as problem:
        sys.exit(f"stand-in {name}: {problem}")


if __name__ == "__main__":
    main(sys.argv[1], json.loads(sys.stdin.readline()) if sys.argv[2:] == ["--javascript"] else None)
