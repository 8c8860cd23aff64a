"""What the exported scripts ask kubectl about BgpPeers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..product import Probes
from .kinds import BGP_PEER

STATUS_PERIOD = 35
"""Seconds after which a speaker has written the state of its sessions: it does so every 30 s."""

SESSIONS = (
    "{{range .items}}{{$peer := .metadata.name}}{{with .status}}{{range $node, $status := .nodesPeerStatus}}"
    '{{with $status.peerState}}{{with .sessionState}}{{if eq . "ESTABLISHED"}}{{$node}} {{$peer}}{{"\\n"}}'
    "{{end}}{{end}}{{end}}{{end}}{{end}}{{end}}"
)
"""Go template over a list of BgpPeers: a line `node peer` for each session that is up."""

FIELDS = "{.spec.conf.neighborAddress} {.spec.conf.peerAs} {.spec.nodeSelector}"
"""The fields of a BgpPeer that patches change, as kubectl's jsonpath takes them."""

PROBES = Probes(BGP_PEER.resource, SESSIONS, STATUS_PERIOD, FIELDS)


def probed(manifest: Mapping[str, Any]) -> list[Any]:
    """The values of FIELDS in a BgpPeer."""
    conf = manifest["spec"]["conf"]
    return [conf["neighborAddress"], conf.get("peerAs"), manifest["spec"].get("nodeSelector")]
