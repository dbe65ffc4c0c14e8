"""A cloud of one process: what Keystone and its kin answer, kept in memory.

Writes clouds.yaml and its own number into the directory that it is given, and
ends by itself when nobody asks it any more."""

import http.server
import json
import os
import sys
import threading
import time
import urllib.parse

folder = sys.argv[1]
store, assigned, asked = {}, set(), [time.time()]
KEYS = {"users": "user", "projects": "project", "domains": "domain", "roles": "role",
        "services": "service", "endpoints": "endpoint", "networks": "network",
        "subnets": "subnet", "flavors": "flavor", "groups": "group"}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, body=None, token=None):
        data = b"" if body is None else json.dumps(body).encode()
        self.send_response(status)
        if token:
            self.send_header("X-Subject-Token", token)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def handle_one(self):
        asked[0] = time.time()
        url = urllib.parse.urlparse(self.path)
        data = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = [part for part in url.path.split("/") if part]
        if url.path == "/v3/auth/tokens":
            user = json.loads(data)["auth"]["identity"]["password"]["user"]
            if user["password"] != "secret":
                return self.answer(401, {"error": {"message": "wrong password"}})
            base = "http://127.0.0.1:%d" % self.server.server_port
            catalog = [{"type": kind, "endpoints": [
                {"interface": "public", "region_id": "One", "url": base + path}]}
                for kind, path in (("network", "/net"), ("image", "/img"), ("compute", "/nova"))]
            return self.answer(201, {"token": {"catalog": catalog}}, "token")
        if self.headers.get("X-Auth-Token") != "token":
            return self.answer(401, {"error": {"message": "no token"}})
        if "roles" in parts[:-1] and len(parts) > 4:
            if self.command == "PUT":
                assigned.add(url.path)
            elif self.command == "DELETE":
                assigned.discard(url.path)
            return self.answer(204 if url.path in assigned or self.command != "GET" else 404)
        image = parts[0] == "img"
        if image and parts[-1] == "file":
            thing = store["images"][parts[-2]]
            thing.update(size=len(data), status="active")
            return self.answer(204)
        if image and "actions" in parts:
            wanted = {"deactivate": "deactivated", "reactivate": "active"}[parts[-1]]
            store["images"][parts[-3]]["status"] = wanted
            return self.answer(204)
        # Descriptions of flavors are known from this version on.
        known = self.headers.get("OpenStack-API-Version") == "compute 2.55"
        if parts[0] == "nova" and b'"description"' in data and not known:
            return self.answer(400, {"badRequest": {"message": "description was unexpected"}})
        specs = "os-extra_specs" in parts
        name = "images" if image else parts[1] if parts[0] != "net" else parts[2]
        all_ = store.setdefault(name, {})
        key = KEYS.get(name)
        if specs:
            extra = all_[parts[2]].setdefault("extra", {})
            if self.command == "POST":
                extra.update(json.loads(data)["extra_specs"])
            elif self.command == "DELETE":
                extra.pop(parts[-1], None)
            return self.answer(200, {"extra_specs": extra})
        at = {"images": 2, "networks": 3, "subnets": 3}.get(name, 2)
        at = at + 1 if image else at
        number = parts[at] if len(parts) > at and parts[at] != "detail" else None
        wrap = (lambda thing: thing) if image else (lambda thing: {key: thing})
        if number is None and self.command == "GET":
            query = dict(urllib.parse.parse_qsl(url.query))
            query.pop("is_public", None)
            shown = all_.values()
            if name == "flavors":
                hidden = {"extra"} if known else {"extra", "description"}
                shown = [{k: v for k, v in thing.items() if k not in hidden} for thing in shown]
            found = [thing for thing in shown
                     if all(str(thing.get(k)) == v for k, v in query.items())]
            return self.answer(200, {name: found})
        if number is None:
            body = json.loads(data)
            thing = body if image else body[key]
            thing.pop("password", None)
            thing.setdefault("id", "%s%d" % (name, len(all_) + 1))
            if thing["id"] == "auto":
                thing["id"] = "auto%d" % len(all_)
            thing.setdefault("status", "queued" if image else "ACTIVE")
            all_[thing["id"]] = thing
            return self.answer(201, wrap(thing))
        if number not in all_:
            return self.answer(404, {"error": {"message": "not found"}})
        if self.command == "DELETE":
            del all_[number]
            return self.answer(204)
        if self.command in ("PATCH", "PUT"):
            change = json.loads(data)
            if image:
                change = {one["path"][1:]: one["value"] for one in change}
            else:
                change = change[key]
            change.pop("password", None)
            all_[number].update(change)
        return self.answer(200, wrap(all_[number]))

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = handle_one


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)


def watch():
    while time.time() - asked[0] < 30:
        time.sleep(1)
    os._exit(0)


threading.Thread(target=watch, daemon=True).start()
with open(folder + "/clouds.new", "w") as file:
    file.write("clouds:\n  fake:\n    auth:\n      auth_url: http://127.0.0.1:%d\n"
               "      username: admin\n      password: secret\n      project_name: admin\n"
               "    region_name: One\n" % server.server_port)
with open(folder + "/pid", "w") as file:
    file.write(str(os.getpid()))
os.rename(folder + "/clouds.new", folder + "/clouds.yaml")
server.serve_forever()
