#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Asks a vmguardd and holds its answer against openapi.yaml.

check.py SOCKET STATUS METHOD PATH [BODY]   prints the answer; fails where it is not as described
check.py --operations                       METHOD PATH of all that the document has
"""
import http.client
import json
import os
import re
import socket
import sys

import jsonschema
import yaml

METHODS = ("get", "put", "post", "patch", "delete")


def fail(text):
    sys.exit(f"check.py: {text}")


class Connection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("vmguard", timeout=60)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


def operation_of(document, method, path):
    """The operation that this request is, or None."""
    path = path.split("?")[0]
    for template, item in document["paths"].items():
        pattern = re.sub(r"\\{\w+\\}", "[^/]+", re.escape(template))
        if re.fullmatch(pattern, path) and method.lower() in item:
            return item[method.lower()]
    return None


def resolve(document, o):
    while "$ref" in o:
        target = document
        for word in o["$ref"].removeprefix("#/").split("/"):
            target = target[word]
        o = target
    return o


def validate(document, schema, value):
    whole = {**schema, "components": document["components"]}
    jsonschema.Draft4Validator(whole, format_checker=jsonschema.FormatChecker()).validate(value)


def check(document, operation, status, kind, body):
    responses = operation["responses"]
    response = resolve(document, responses.get(str(status), responses["default"]))
    content = response.get("content", {})
    if not content:
        return None if not body else fail(f"a body where {status} has none: {body!r}")
    if kind not in content:
        fail(f"{status} is of type {kind}, not {' or '.join(content)}")
    if not kind.endswith("json"):
        return body.decode()
    value = json.loads(body)
    validate(document, content[kind]["schema"], value)
    return json.dumps(value)


def main():
    folder = os.path.dirname(os.path.abspath(__file__))
    with open(os.path.join(folder, "openapi.yaml"), encoding="utf-8") as file:
        document = yaml.safe_load(file)
    if sys.argv[1] == "--operations":
        for path, item in document["paths"].items():
            print("\n".join(f"{m.upper()} {path}" for m in METHODS if m in item))
        return
    path, status, method, target, *body = sys.argv[1:]
    headers = {"Content-Type": "application/json"} if body else {}
    connection = Connection(path)
    connection.request(method, target, body[0] if body else None, headers)
    response = connection.getresponse()
    answer = response.read()
    if response.status != int(status):
        fail(f"{method} {target}: {response.status}, not {status}: {answer.decode()}")
    # what the document does not have is refused with a problem, as everything else is
    operation = operation_of(document, method, target) or {
        "responses": {"default": {"$ref": "#/components/responses/Problem"}}}
    kind = (response.getheader("Content-Type") or "").split(";")[0]
    print(check(document, operation, response.status, kind, answer) or "")


main()
