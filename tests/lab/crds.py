"""OpenELB's kinds that the laboratory needs, as far as this project or the speakers read and write them."""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]
GROUP, VERSION = "network.kubesphere.io", "v1alpha2"
PEERS = f"/apis/{GROUP}/{VERSION}/bgppeers"
STRING: Schema = {"type": "string"}


def loose(**properties: Schema) -> Schema:
    """An object with these fields and whatever else comes."""
    found: Schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    return found | {"properties": properties} if properties else found


def map_of(values: Schema) -> Schema:
    return {"type": "object", "additionalProperties": values}


REQUIREMENT: Schema = {
    "type": "object",
    "required": ["key", "operator"],
    "properties": {"key": STRING, "operator": STRING, "values": {"type": "array", "items": STRING}},
}
SELECTOR: Schema = {
    "type": "object",
    "properties": {"matchLabels": map_of(STRING), "matchExpressions": {"type": "array", "items": REQUIREMENT}},
}
PEER = {
    "spec": loose(
        conf=loose(neighborAddress=STRING, peerAs={"type": "integer", "format": "int64", "minimum": 0}),
        nodeSelector=SELECTOR,
    ),
    "status": loose(
        nodesPeerStatus=map_of(
            loose(
                peerState=loose(neighborAddress=STRING, sessionState=STRING),
                timersState=loose(uptime=STRING, downtime=STRING),
            )
        )
    ),
}
REST = {"spec": loose(), "status": loose()}


def definition(kind: str, properties: Schema) -> Schema:
    """The CustomResourceDefinition of a cluster-wide kind with a status of its own."""
    singular = kind.lower()
    plural = f"{singular}s"
    schema = {"type": "object", "properties": {"apiVersion": STRING, "kind": STRING, "metadata": {"type": "object"}}}
    schema["properties"] |= properties  # type: ignore[operator]
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": "Cluster",
            "names": {"kind": kind, "listKind": f"{kind}List", "plural": plural, "singular": singular},
            "versions": [
                {
                    "name": VERSION,
                    "served": True,
                    "storage": True,
                    "subresources": {"status": {}},
                    "schema": {"openAPIV3Schema": schema},
                }
            ],
        },
    }


DEFINITIONS = (definition("BgpPeer", PEER), definition("BgpConf", REST), definition("Eip", REST))
