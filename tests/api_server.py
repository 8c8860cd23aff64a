"""A small Kubernetes API server for the real kubectl: nodes, pods, one DaemonSet and BgpPeers, kept in memory.

Speakers start and stop, and sessions come up, as soon as objects change: pods and the BgpPeers' status are worked
out from the objects at every request. Labels, taints and patches mean what they mean to a real API server. A speaker
whose pod is deleted takes some looks until it is ready, and more until its sessions are up; a template edit under
RollingUpdate restarts all pods, which is taken to be at once: the worst that can happen, since it waits for no session.
"""

from __future__ import annotations

import json
import re
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jsonpatch
import jsonpointer

from optimizer.kube.changes import Objects
from optimizer.kube.parse import taint_of
from optimizer.kube.patches import merge
from optimizer.kube.selectors import affinity_selects, selects
from optimizer.kube.taints import untolerated
from optimizer.model import LabelSelector, Speaker
from tests.exports.export_inputs import DAEMONSET, selector, speaker

GROUPS = {"": "v1", "apps": "v1", "network.kubesphere.io": "v1alpha2"}
KINDS = {
    "nodes": ("Node", "", False),
    "pods": ("Pod", "", True),
    "controllerrevisions": ("ControllerRevision", "apps", True),
    "daemonsets": ("DaemonSet", "apps", True),
    "bgppeers": ("BgpPeer", "network.kubesphere.io", False),
}
PLACE = re.compile(
    r"/apis?/(?P<version>v1|[^/]+/[^/]+)(?:/namespaces/(?P<namespace>[^/]+))?/(?P<plural>[^/]+)(?:/(?P<name>[^/]+))?"
)
Session = tuple[str, str]
HASH = "controller-revision-hash"


def tests_absent(target: Any, operation: dict[str, Any]) -> bool:
    """Whether an operation tests that a field is null which is not there at all."""
    found = jsonpointer.resolve_pointer(target, operation["path"], target)
    return operation["op"] == "test" and operation["value"] is None and found is target


class World:
    """The objects, the sessions that do not come up (`down`), what has been done, and how many changes are allowed."""

    def __init__(self, objects: Objects) -> None:
        self.objects = {key: json.loads(json.dumps(each)) for key, each in objects.items()}
        for key, each in self.objects.items():
            if key[0] == "DaemonSet":
                self.daemonset, self.place = each, key
        with_defaults(self.daemonset)
        self.down: set[Session] = set()
        self.log: list[str] = []
        self.allowed: int | None = None
        self.templates = [template_of(self.daemonset)]
        self.pods = {name: Pod(self.templates[0]) for name in self.speakers()}
        self.starting: dict[str, int] = {}
        self.moments = [self.sessions()]

    def change(self, key: tuple[str, str, str], new: dict[str, Any] | None) -> None:
        """Change an object; the DaemonSet controller follows, and every state of the sessions is noted."""
        if new is None:
            del self.objects[key]
        else:
            self.objects[key] = new
        if key == self.place:
            self.daemonset = with_defaults(self.objects[key])
            template = template_of(self.daemonset)
            self.templates = [*(each for each in self.templates if each != template), template]
        old, newest, names = self.pods, self.templates[-1], self.speakers()
        self.pods = {name: old.get(name) or Pod(newest) for name in names}
        outdated = [name for name, pod in self.pods.items() if pod.template != newest]
        if self.daemonset["spec"]["updateStrategy"]["type"] != "OnDelete" and outdated:
            self.restart(outdated, looks=0)
        self.moments.append(self.sessions())

    def restart(self, names: list[str], looks: int = 3) -> None:
        """Delete pods; the new ones are not up before that many looks."""
        self.starting |= dict.fromkeys(names, 9)
        self.moments.append(self.sessions())
        for name in names:
            self.pods[name] = Pod(self.templates[-1])
            self.starting[name] = looks
        self.moments.append(self.sessions())

    def outdated(self, node: str) -> bool:
        return node in self.pods and self.pods[node].template != self.templates[-1]

    def has_pod(self, name: str) -> bool:
        return any(pod.name(node) == name for node, pod in self.pods.items())

    def look(self) -> None:
        """Somebody looks, and time goes by."""
        self.starting = {name: left - 1 for name, left in self.starting.items() if left > 0}

    def speakers(self) -> list[str]:
        """The nodes on which the DaemonSet controller runs a speaker."""
        pod = speaker(self.daemonset)
        return sorted(name for (kind, _, name), each in self.objects.items() if kind == "Node" and runs_on(pod, each))

    def sessions(self) -> set[Session]:
        """The sessions (node, address) that are up."""
        names = [name for name in self.speakers() if not self.starting.get(name)]
        return {
            (name, peer["spec"]["conf"]["neighborAddress"])
            for (kind, _, _), peer in self.objects.items()
            if kind == "BgpPeer"
            for name in names
            if selects(selector(peer["spec"].get("nodeSelector")), self.objects["Node", "", name]["metadata"]["labels"])
        } - self.down

    def shown(self, key: tuple[str, str, str]) -> dict[str, Any]:
        """An object with its status."""
        found: dict[str, Any] = self.objects[key]
        if key[0] == "BgpPeer":
            up = {"peerState": {"sessionState": "ESTABLISHED"}}
            address = found["spec"]["conf"]["neighborAddress"]
            names = sorted(name for name, at in self.sessions() if at == address)
            return {**found, "status": {"nodesPeerStatus": dict.fromkeys(names, up) | {"gone": {"peerState": {}}}}}
        if key[0] == "DaemonSet":
            return {**found, "metadata": {**found["metadata"], "generation": 9}, "status": {"observedGeneration": 9}}
        return found

    def listed(self, kind: str) -> list[dict[str, Any]]:
        owner = {"ownerReferences": [{"kind": "DaemonSet", "name": DAEMONSET[2]}], "namespace": DAEMONSET[1]}
        if kind == "Pod":
            return [
                {
                    "metadata": {**owner, "name": pod.name(name), "labels": {HASH: hash_of(pod.template)}},
                    "spec": {"nodeName": name},
                    "status": {"conditions": [{"type": "Ready", "status": str(self.starting.get(name, 0) < 2)}]},
                }
                for name, pod in sorted(self.pods.items())
            ]
        if kind == "ControllerRevision":
            return [
                {
                    "metadata": {**owner, "name": f"r{hash_of(each)}", "labels": {HASH: hash_of(each)}},
                    "revision": number,
                }
                for number, each in sorted(enumerate(self.templates, 8), key=str)
            ]
        return [self.shown(key) for key in sorted(self.objects) if key[0] == kind]

    def set(self, key: tuple[str, str, str], new: dict[str, Any] | None, what: str) -> bool:
        """Change an object, unless no more changes are allowed: then the API server is out of order."""
        if self.allowed is not None and len(self.log) >= self.allowed:
            return False
        self.log.append(f"{what} {key[0]} {key[2]}")
        if key[0] == "Pod":
            self.restart([name for name, pod in self.pods.items() if pod.name(name) == key[2]])
        else:
            self.change(key, new)
        return True


class Pod:
    """A pod of the DaemonSet; no two have one name."""

    numbers = count()

    def __init__(self, template: str) -> None:
        self.template, self.number = template, next(self.numbers)

    def name(self, node: str) -> str:
        return f"speaker-{node}-{self.number}"


def template_of(daemonset: dict[str, Any]) -> str:
    pod = daemonset["spec"]["template"]["spec"]
    return json.dumps({name: value for name, value in pod.items() if value}, sort_keys=True)


def hash_of(template: str) -> str:
    return str(zlib.crc32(template.encode()))


def with_defaults(daemonset: dict[str, Any]) -> dict[str, Any]:
    """The DaemonSet with its update strategy as an API server sets it where it is not given."""
    strategy = daemonset["spec"].setdefault("updateStrategy", {})
    strategy.setdefault("type", "RollingUpdate")
    return daemonset


def runs_on(pod: Speaker, node: dict[str, Any]) -> bool:
    labels, taints = node["metadata"]["labels"], map(taint_of, node["spec"].get("taints") or ())
    return (
        selects(LabelSelector(pod.node_selector), labels)
        and affinity_selects(pod.affinity, node["metadata"]["name"], labels)
        and untolerated(taints, pod.tolerations, pod.host_network) is None
    )


class Handler(BaseHTTPRequestHandler):
    """Requests of kubectl."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    world: World

    def log_message(self, *_: Any) -> None:
        """Be silent."""

    def answer(self, body: Any, code: int = 200) -> None:
        data = json.dumps(body).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def missing(self) -> None:
        self.answer({"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "code": 404}, 404)

    def fail(self) -> None:
        self.answer({"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": "out of order"}, 500)

    def locate(self) -> tuple[str, str, str, str] | None:
        """Kind, apiVersion, namespace and name of the path."""
        found = PLACE.fullmatch(urlsplit(self.path).path)
        if found is None or found["plural"] not in KINDS:
            return None
        return KINDS[found["plural"]][0], found["version"], found["namespace"] or "", found["name"] or ""

    def body(self) -> Any:
        return json.loads(self.rfile.read(int(self.headers["Content-Length"])))

    def discover(self, path: str) -> Any:
        if path == "/api":
            return {"kind": "APIVersions", "versions": ["v1"]}
        if path == "/apis":
            versions = {group: {"groupVersion": f"{group}/{v}", "version": v} for group, v in GROUPS.items() if group}
            groups = [{"name": g, "versions": [v], "preferredVersion": v} for g, v in versions.items()]
            return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}
        for group, version in GROUPS.items():
            place = f"{group}/{version}" if group else version
            if path == (f"/apis/{place}" if group else f"/api/{place}"):
                verbs = ["get", "list", "patch", "create", "delete", "watch"]
                resources = [
                    {"name": name, "singularName": name[:-1], "kind": kind, "namespaced": spaced, "verbs": verbs}
                    for name, (kind, of, spaced) in KINDS.items()
                    if of == group
                ]
                return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": place, "resources": resources}
        if path == "/openapi/v3":
            return {"paths": {"apis/network.kubesphere.io/v1alpha2": {"serverRelativeURL": "/openapi/v3/peers"}}}
        if path == "/openapi/v3/peers":
            gvk = {"group": "network.kubesphere.io", "version": "v1alpha2", "kind": "BgpPeer"}
            validated = {
                "parameters": [{"name": "fieldValidation", "in": "query", "schema": {"type": "string"}}],
                "responses": {},
                "x-kubernetes-action": "patch",
                "x-kubernetes-group-version-kind": gvk,
            }
            info = {"title": "peers", "version": "1"}
            return {"openapi": "3.0.0", "info": info, "paths": {"/x": {"patch": validated, "post": validated}}}
        return None

    def do_GET(self) -> None:
        split = urlsplit(self.path)
        place = self.locate()
        if place is None:
            found = self.discover(split.path)
            return self.missing() if found is None else self.answer(found)
        kind, version, namespace, name = place
        if kind in ("Pod", "BgpPeer"):
            self.world.look()
        if kind == "Pod" and name:
            return self.missing() if not self.world.has_pod(name) else self.answer({"metadata": {"name": name}})
        if name:
            key = (kind, namespace, name)
            return self.answer(self.world.shown(key)) if key in self.world.objects else self.missing()
        if "watch" in parse_qs(split.query):
            return self.answer({"type": "BOOKMARK", "object": {"kind": kind, "apiVersion": version}})
        items = self.world.listed(kind)
        return self.answer({"kind": f"{kind}List", "apiVersion": version, "metadata": {}, "items": items})

    def do_PATCH(self) -> None:
        kind, _, namespace, name = self.locate() or ("", "", "", "")
        key, body = (kind, namespace, name), self.body()
        if key not in self.world.objects:
            return self.missing()
        old = self.world.objects[key]
        if self.headers["Content-Type"].startswith("application/json-patch"):
            try:
                # As the API server has it, an absent field passes a test for null.
                new = jsonpatch.apply_patch(old, [each for each in body if not tests_absent(old, each)])
            except jsonpatch.JsonPatchException as error:
                status = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "Invalid"}
                return self.answer({**status, "message": f"the patch failed: {error}", "code": 422}, 422)
        else:
            # Of the fields that kubectl label and kubectl taint send, a strategic merge does the same.
            new = merge(old, body)
        return self.answer(new) if self.world.set(key, new, "patch") else self.fail()

    def do_POST(self) -> None:
        kind, _, namespace, _ = self.locate() or ("", "", "", "")
        new = self.body()
        key = (kind, namespace, new["metadata"]["name"])
        return self.answer(new, 201) if self.world.set(key, new, "create") else self.fail()

    def do_DELETE(self) -> None:
        kind, _, namespace, name = self.locate() or ("", "", "", "")
        if int(self.headers["Content-Length"] or 0):
            self.body()
        if not self.world.has_pod(name) if kind == "Pod" else (kind, namespace, name) not in self.world.objects:
            return self.missing()
        done = self.world.set((kind, namespace, name), None, "delete")
        return self.answer({"kind": "Status", "apiVersion": "v1", "status": "Success"}) if done else self.fail()


@contextmanager
def serving(world: World) -> Iterator[str]:
    """The address at which kubectl finds the world."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Handler,), {"world": world}))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
