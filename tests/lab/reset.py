"""Back to an empty cluster: whatever was not there at the start is deleted, of every kind there is."""

from __future__ import annotations

from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import msgspec

from tests.lab.client import THREADS, ApiError, Client
from tests.lab.cluster import Lab, suppress_status
from tests.lab.processes import LabError

METADATA = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io,application/json"
# The API server's own, which it renews; and what is said about others, which ends by itself.
IGNORED = {"apiservices", "events", "ipaddresses", "leases", "servicecidrs"}
# What makes pods goes before the pods, and these before their nodes.
FIRST = ("daemonsets", "deployments", "replicasets", "statefulsets", "jobs", "cronjobs", "replicationcontrollers")
MANY = 20
TOO_MANY = 2000
Place = tuple[str, str]


class Found(NamedTuple):
    """An object: the path of its kind, its namespace, its name, and what holds it back though it is being deleted."""

    root: str
    plural: str
    namespace: str
    name: str
    held: bool

    @property
    def collection(self) -> str:
        return (
            f"{self.root}/namespaces/{self.namespace}/{self.plural}" if self.namespace else f"{self.root}/{self.plural}"
        )

    @property
    def key(self) -> tuple[str, str, str]:
        return self.plural, self.namespace, self.name


def kinds(client: Client) -> list[Place]:
    """(path of the version, plural) of all kinds that can be listed and deleted."""
    groups = [group["preferredVersion"]["groupVersion"] for group in client.get("/apis")["groups"]]
    found = []
    for root in ("/api/v1", *(f"/apis/{each}" for each in groups)):
        with suppress_status(404):
            found += [
                (root, each["name"])
                for each in client.get(root)["resources"]
                if {"list", "delete"} <= set(each["verbs"]) and each["name"] not in IGNORED
            ]
    return found


def everything(client: Client) -> list[Found]:
    """All objects."""
    with ThreadPoolExecutor(THREADS) as pool:
        return [found for each in pool.map(lambda place: listed(client, place), kinds(client)) for found in each]


def listed(client: Client, place: Place) -> list[Found]:
    """The objects of a kind."""
    root, plural = place
    try:
        answer = msgspec.json.decode(client.send("GET", f"{root}/{plural}", accept=METADATA))
    except ApiError as error:
        # The kind may go while it is looked at.
        if error.status != 404:
            raise
        return []
    return [
        Found(
            root,
            plural,
            each["metadata"].get("namespace", ""),
            each["metadata"]["name"],
            bool(each["metadata"].get("deletionTimestamp") and each["metadata"].get("finalizers")),
        )
        for each in answer["items"] or ()
    ]


class Start:
    """What was there at the start."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._there = {each.key for each in everything(lab.client)}

    def again(self, seconds: float = 60.0) -> None:
        """Delete the rest, and wait until it is gone; the kubelets are plain again.

        LabError where that cannot be had, or where there is so much that a new cluster is there sooner.
        """
        self._lab.processes.check()
        extra = sum(map(self._is_extra, everything(self._lab.client)))
        if extra > TOO_MANY:
            raise LabError(f"{extra} objects to delete")
        self._lab.plain_kubelets()
        self._lab.eventually("the cluster is empty again", lambda: not self._step(), seconds)

    def _step(self) -> list[Found]:
        """Ask once for all that is too much to be deleted; what that was."""
        there = everything(self._lab.client)
        extra = [each for each in there if self._is_extra(each)]
        kept = {each.collection for each in there if not self._is_extra(each)}
        parts = defaultdict(list)
        for each in extra:
            parts[each.collection].append(each)
        # Nodes last, since a pod without a node has nobody to end it.
        order = {**dict.fromkeys(FIRST, 0), "pods": 1, "nodes": 3}
        for collection in sorted(parts, key=lambda each: order.get(each.rpartition("/")[2], 2)):
            if len(parts[collection]) > MANY and collection not in kept:
                self._delete(collection)
            else:
                with ThreadPoolExecutor(THREADS) as pool:
                    for _ in pool.map(self._delete_one, parts[collection]):
                        pass
        return extra

    def _is_extra(self, each: Found) -> bool:
        if each.key in self._there or each.plural == "pods":
            return each.key not in self._there
        # What the control plane makes for itself may come after the look at the start.
        own = ("serviceaccounts", "default"), ("services", "kubernetes"), ("endpoints", "kubernetes")
        system = each.namespace or (each.name if each.plural == "namespaces" else "")
        if (each.plural, each.name) in own or system.startswith("kube-"):
            return False
        # What is in a namespace that goes goes with it.
        return not each.namespace or ("namespaces", "", each.namespace) in self._there

    def _delete(self, path: str) -> None:
        # 405: not this way; 409: it changed meanwhile.
        with suppress_status(404, 405, 409):
            self._lab.client.delete(path, gracePeriodSeconds=0, propagationPolicy="Background")

    def _delete_one(self, each: Found) -> None:
        path = f"{each.collection}/{each.name}"
        if each.held:
            # Whoever was to do it is gone with the test.
            with suppress_status(404, 409, 422):
                self._lab.client.patch(path, {"metadata": {"finalizers": None}})
        else:
            self._delete(path)
