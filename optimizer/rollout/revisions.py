"""Which template of a DaemonSet is the newest, as its pods are labelled."""

from __future__ import annotations

import time
from typing import Any

import msgspec

from ..errors import LiveError
from ..kube.client import Api
from ..kube.kinds import CONTROLLER_REVISION, DAEMONSET, Ref
from .watch import Target, Watch

HASH = "controller-revision-hash"
LOOK = 0.5
"""The most seconds between two looks at a controller that has not seen a change yet."""

SOON = 30.0
"""Seconds in which a controller sees a change."""


def newest_revision(api: Api, target: Target, timeout: float, interval: float = LOOK) -> str:
    """The hash of the DaemonSet's template as it is now, which its controller may have seen only a moment later.

    That of the ControllerRevision with the highest number. Raises LiveError where the controller does not come.
    """
    deadline = time.monotonic() + timeout
    while True:
        daemonset = api.get(Ref(DAEMONSET, target.namespace, target.name))
        seen = (daemonset.get("status") or {}).get("observedGeneration") or 0
        if seen >= daemonset["metadata"]["generation"]:
            break
        if time.monotonic() > deadline:
            raise LiveError(f"DaemonSet {target.namespace}/{target.name}: its controller has not seen the change")
        time.sleep(min(LOOK, interval))
    found: list[tuple[int, str]] = []
    for page in api.list(Ref(CONTROLLER_REVISION, target.namespace), labelSelector=target.selector):
        for each in msgspec.json.decode(page)["items"] or ():
            if target.uid in owners(each):
                found.append((each["revision"], each["metadata"]["labels"][HASH]))
    if not found:
        raise LiveError(f"DaemonSet {target.namespace}/{target.name}: no ControllerRevision is found")
    return max(found)[1]


def outdated(watch: Watch) -> frozenset[str]:
    """The nodes whose speakers have an old template."""
    newest = newest_revision(watch.api, watch.target, SOON)
    pods, _ = watch.pods()
    return frozenset(name for name, pod in pods.items() if pod.revision != newest)


def owners(manifest: dict[str, Any]) -> list[str]:
    """The uids of an object's owners."""
    return [owner["uid"] for owner in manifest["metadata"].get("ownerReferences") or ()]
