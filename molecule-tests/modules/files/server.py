"""A small HTTP server for the tasks: files below a folder, and a few answers that a test wants."""

import base64
import http.server
import json
import os
import sys


class Server(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def answer(self, code, text, **headers):
        body = text.encode()
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def special(self):
        path = self.path
        if path == "/redirect":
            self.answer(302, "", Location="/files/hello.txt")
        elif path == "/private":
            wanted = "Basic " + base64.b64encode(b"ada:opensesame").decode()
            if self.headers.get("Authorization") == wanted:
                self.answer(200, "come in\n")
            else:
                self.answer(401, "who?\n", WWW_Authenticate='Basic realm="x"')
        elif path == "/gone":
            self.answer(410, "gone\n")
        elif path == "/echo":
            size = int(self.headers.get("Content-Length") or 0)
            body = self.rfile.read(size).decode(errors="replace")
            found = {
                "method": self.command,
                "type": self.headers.get("Content-Type", ""),
                "agent": self.headers.get("User-Agent", ""),
                "extra": self.headers.get("X-Extra", ""),
                "body": body,
            }
            self.answer(200, json.dumps(found), Content_Type="application/json")
        else:
            return False
        return True

    def do_GET(self):
        if not self.special():
            super().do_GET()

    def do_HEAD(self):
        if not self.special():
            super().do_HEAD()

    def do_POST(self):
        if not self.special():
            self.answer(404, "no\n")

    do_PUT = do_POST


os.chdir(sys.argv[2])
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Server).serve_forever()
