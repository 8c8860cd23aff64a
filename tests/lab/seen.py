"""What the speakers see of pods, BgpPeers and nodes, and whether a selector selects."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from tests.objects import SPEAKER


class Owner(msgspec.Struct):
    """An owner reference."""

    kind: str
    name: str


class Metadata(msgspec.Struct, rename="camel"):
    """The parts of the metadata that matter."""

    name: str
    uid: str = ""
    labels: dict[str, str] = {}
    deletion_timestamp: str = ""
    owner_references: list[Owner] = []


class Condition(msgspec.Struct):
    """A condition of a pod."""

    type: str
    status: str


class PodSpec(msgspec.Struct, rename="camel"):
    """A pod's node."""

    node_name: str = ""


class PodStatus(msgspec.Struct):
    """A pod's conditions."""

    conditions: list[Condition] = []


class Pod(msgspec.Struct):
    """A pod."""

    metadata: Metadata
    spec: PodSpec = msgspec.field(default_factory=PodSpec)
    status: PodStatus = msgspec.field(default_factory=PodStatus)

    @property
    def speaks(self) -> bool:
        """Whether it is a speaker that is at work."""
        return (
            any(each.kind == "DaemonSet" and each.name == SPEAKER for each in self.metadata.owner_references)
            and not self.metadata.deletion_timestamp
            and any(each.type == "Ready" and each.status == "True" for each in self.status.conditions)
        )


class PeerConf(msgspec.Struct, rename="camel"):
    """A router's address."""

    neighbor_address: str = ""


class PeerSpec(msgspec.Struct, rename="camel"):
    """What is asked of the speakers."""

    conf: PeerConf = msgspec.field(default_factory=PeerConf)
    node_selector: dict[str, Any] | None = None


class PeerStatus(msgspec.Struct, rename="camel"):
    """What is written already."""

    nodes_peer_status: dict[str, msgspec.Raw] = {}


class Peer(msgspec.Struct):
    """A BgpPeer."""

    metadata: Metadata
    spec: msgspec.Raw
    status: PeerStatus = msgspec.field(default_factory=PeerStatus)

    @property
    def decoded(self) -> PeerSpec:
        """The spec."""
        return msgspec.json.decode(self.spec, type=PeerSpec)


class Node(msgspec.Struct):
    """A node."""

    metadata: Metadata


def selects(selector: Mapping[str, Any] | None, labels: Mapping[str, str]) -> bool:
    """Whether a label selector selects; KeyError if it has an operator that does not exist."""
    given = selector or {}
    return all(labels.get(key) == value for key, value in (given.get("matchLabels") or {}).items()) and all(
        {
            "In": labels.get(each["key"]) in (each.get("values") or ()),
            "NotIn": labels.get(each["key"]) not in (each.get("values") or ()),
            "Exists": each["key"] in labels,
            "DoesNotExist": each["key"] not in labels,
        }[each["operator"]]
        for each in given.get("matchExpressions") or ()
    )
