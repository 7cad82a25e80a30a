#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""hook.py SECRET-FILE PORT-FILE: who gets a webhook's events. A line each: whether its signature is
right, its kind and its sentence."""
import hashlib
import hmac
import http.server
import json
import sys


class Hook(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        with open(sys.argv[1], "rb") as file:
            secret = file.read()
        fields = dict(f.split("=", 1) for f in self.headers["Vmguard-Signature"].split(","))
        wanted = hmac.new(secret, fields["t"].encode() + b"." + body, hashlib.sha256).hexdigest()
        event = json.loads(body)
        word = "signed" if hmac.compare_digest(wanted, fields["v1"]) else "forged"
        print(word, event["kind"], event["text"])
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_):
        pass


server = http.server.HTTPServer(("127.0.0.1", 0), Hook)
with open(sys.argv[2], "w", encoding="ascii") as port:
    port.write(str(server.server_port))
server.serve_forever()
