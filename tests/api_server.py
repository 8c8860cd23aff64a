"""A small Kubernetes API server for the real kubectl: nodes, pods, one DaemonSet and BgpPeers, kept in memory.

Speakers start and stop, and sessions come up, as soon as objects change: pods and the BgpPeers' status are worked
out from the objects at every request. Labels, taints and patches mean what they mean to a real API server.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jsonpatch

from optimizer.kube import affinity_selects, selects, untolerated
from optimizer.manifests import Objects, merge, taint_of
from optimizer.model import LabelSelector, Speaker
from tests.export_inputs import DAEMONSET, selector, speaker

GROUPS = {"": "v1", "apps": "v1", "network.kubesphere.io": "v1alpha2"}
KINDS = {
    "nodes": ("Node", "", False),
    "pods": ("Pod", "", True),
    "daemonsets": ("DaemonSet", "apps", True),
    "bgppeers": ("BgpPeer", "network.kubesphere.io", False),
}
PLACE = re.compile(
    r"/apis?/(?P<version>v1|[^/]+/[^/]+)(?:/namespaces/(?P<namespace>[^/]+))?/(?P<plural>[^/]+)(?:/(?P<name>[^/]+))?"
)
Session = tuple[str, str]


class World:
    """The objects, the sessions that do not come up (`down`), what has been done, and how many changes are allowed."""

    def __init__(self, objects: Objects) -> None:
        self.objects = {key: json.loads(json.dumps(each)) for key, each in objects.items()}
        for key, each in self.objects.items():
            if key[0] == "DaemonSet":
                each["spec"].setdefault("updateStrategy", {"type": "RollingUpdate"})
        self.down: set[Session] = set()
        self.log: list[str] = []
        self.allowed: int | None = None

    def speakers(self) -> list[str]:
        """The nodes on which the DaemonSet controller runs a speaker."""
        pod = speaker(next(each for (kind, _, _), each in self.objects.items() if kind == "DaemonSet"))
        return sorted(name for (kind, _, name), each in self.objects.items() if kind == "Node" and runs_on(pod, each))

    def sessions(self) -> set[Session]:
        """The sessions (node, address) that are up."""
        return {
            (name, peer["spec"]["conf"]["neighborAddress"])
            for (kind, _, _), peer in self.objects.items()
            if kind == "BgpPeer"
            for name in self.speakers()
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
            count = len(self.speakers())
            fields = ("desiredNumberScheduled", "updatedNumberScheduled", "numberAvailable", "currentNumberScheduled")
            return {**found, "status": {"observedGeneration": 9, **dict.fromkeys(fields, count)}}
        return found

    def listed(self, kind: str) -> list[dict[str, Any]]:
        if kind == "Pod":
            ready = {"conditions": [{"type": "Ready", "status": "True"}]}
            return [
                {
                    "metadata": {"name": f"speaker-{name}", "namespace": DAEMONSET[1]},
                    "spec": {"nodeName": name},
                    "status": ready,
                }
                for name in self.speakers()
            ]
        return [self.shown(key) for key in sorted(self.objects) if key[0] == kind]

    def set(self, key: tuple[str, str, str], new: dict[str, Any] | None, what: str) -> bool:
        """Change an object, unless no more changes are allowed: then the API server is out of order."""
        if self.allowed is not None and len(self.log) >= self.allowed:
            return False
        self.log.append(f"{what} {key[0]} {key[2]}")
        if new is None:
            del self.objects[key]
        else:
            self.objects[key] = new
        return True


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
                new = jsonpatch.apply_patch(old, body)
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
        if (kind, namespace, name) not in self.world.objects:
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
