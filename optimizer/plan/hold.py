"""How a DaemonSet is held, so that it restarts no pod by itself, and let go again.

A DaemonSet that is updated by hand (OnDelete) stops, when its template changes, the pods on nodes that the template
no longer selects, and leaves all others as they are. So the strategy is changed for the time of the change.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import msgspec

from ..errors import InputError
from ..kube.changes import Patch
from ..kube.patches import unmerge

HELD = {"type": "OnDelete", "rollingUpdate": None}
DEFAULT = {"type": "RollingUpdate"}
ANNOTATION = "bgp-speakers/update-strategy"
"""Annotation of a DaemonSet that is held: its own update strategy as JSON, so that an interrupted change is known."""


def strategy(daemonset: Mapping[str, Any]) -> str:
    """The type of the DaemonSet's update strategy."""
    return (daemonset["spec"].get("updateStrategy") or {}).get("type") or "RollingUpdate"


def is_held(daemonset: Mapping[str, Any]) -> bool:
    """Whether an earlier change has left the DaemonSet held, so that it restarts no pod by itself."""
    return strategy(daemonset) == "OnDelete" and ANNOTATION in (daemonset["metadata"].get("annotations") or {})


def own_strategy(daemonset: Mapping[str, Any]) -> dict[str, Any]:
    """The update strategy that a DaemonSet which is held had before. Raises InputError where nobody can tell."""
    metadata = daemonset["metadata"]
    try:
        own = msgspec.json.decode(metadata["annotations"][ANNOTATION], type=dict[str, Any])
    except msgspec.DecodeError:
        own = {}
    if own.get("type") != "RollingUpdate":
        raise InputError(
            f"DaemonSet {metadata.get('namespace', '')}/{metadata['name']}: the annotation {ANNOTATION} does not say "
            "which strategy to go back to; give it the spec.updateStrategy that you wish and remove the annotation"
        )
    return own


def hold_and_resume(daemonset: Mapping[str, Any], edited: bool) -> tuple[tuple[Patch, ...], tuple[Patch, ...]]:
    """What keeps a DaemonSet whose template is edited from restarting its pods, and the exact inverse.

    Nothing where it never restarts any; one that an earlier change has left held is only to be resumed.
    """
    metadata = daemonset["metadata"]
    place = ("DaemonSet", metadata.get("namespace", ""), metadata["name"])
    if is_held(daemonset):
        body = {"metadata": {"annotations": {ANNOTATION: None}}, "spec": {"updateStrategy": own_strategy(daemonset)}}
        return (), (Patch(*place, "merge", body),)
    if not edited and strategy(daemonset) != "OnDelete" and ANNOTATION in (metadata.get("annotations") or {}):
        # Somebody has let it go by hand: what we noted is of no use any more.
        return (), (Patch(*place, "merge", {"metadata": {"annotations": {ANNOTATION: None}}}),)
    if not edited or strategy(daemonset) == "OnDelete":
        return (), ()
    own = json.dumps(daemonset["spec"].get("updateStrategy") or DEFAULT, sort_keys=True)
    hold = {"metadata": {"annotations": {ANNOTATION: own}}, "spec": {"updateStrategy": HELD}}
    back = unmerge(daemonset, hold)
    back["metadata"]["annotations"][ANNOTATION] = None  # also where an old one was left
    return (Patch(*place, "merge", hold),), (Patch(*place, "merge", back),)
