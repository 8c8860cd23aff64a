"""BGP products that are recognised so that they can be named, but cannot be placed yet.

One that becomes a `Product` takes its `peers`, `kinds` and `signs` with it, and leaves this list.
"""

from __future__ import annotations

from msgspec import Struct

from ..kube.kinds import Kind
from .signs import Signs


class Unsupported(Struct, frozen=True):
    """A product: its name as `--product` takes it, its title, and what tells that it is there.

    `peers` are the kinds that show that it speaks BGP, `kinds` its others. `network`: its DaemonSet carries the
    cluster's network, and says nothing of BGP.
    """

    name: str
    title: str
    signs: Signs
    peers: tuple[Kind, ...]
    kinds: tuple[Kind, ...] = ()
    network: bool = False


def kinds(group: str, version: str, *names: str, namespaced: bool = False) -> tuple[Kind, ...]:
    """The kinds of a group, the plurals of which are regular."""
    found = []
    for name in names:
        low = name.lower()
        found.append(Kind(name, group, version, f"{low[:-1]}ies" if low.endswith("y") else f"{low}s", namespaced))
    return tuple(found)


UNSUPPORTED = (
    Unsupported(
        "metallb",
        "MetalLB",
        Signs(
            labels=(
                {"app": "metallb", "component": "speaker"},
                {"app.kubernetes.io/name": "metallb", "app.kubernetes.io/component": "speaker"},
            ),
            images=("metallb/speaker", "metallb-speaker"),
            names=("metallb-system/speaker", "*metallb*-speaker"),
        ),
        peers=kinds("metallb.io", "v1beta2", "BGPPeer", namespaced=True),
        kinds=kinds(
            "metallb.io",
            "v1beta1",
            *("AddressPool", "BFDProfile", "BGPAdvertisement", "Community", "IPAddressPool", "L2Advertisement"),
            namespaced=True,
        ),
    ),
    Unsupported(
        "frr-k8s",
        "FRR-K8s",
        Signs(
            labels=(
                {"app": "frr-k8s", "component": "frr-k8s"},
                {"app.kubernetes.io/name": "frr-k8s", "app.kubernetes.io/component": "frr-k8s"},
            ),
            images=("metallb/frr-k8s", "frr-k8s"),
            names=("frr-k8s", "frr-k8s-daemon", "*-frr-k8s"),
        ),
        peers=kinds("frrk8s.metallb.io", "v1beta1", "FRRConfiguration", namespaced=True),
        kinds=(
            *kinds("frrk8s.metallb.io", "v1beta1", "FRRNodeState"),
            *kinds("frrk8s.metallb.io", "v1beta1", "BGPSessionState", namespaced=True),
        ),
    ),
    Unsupported(
        "cilium",
        "Cilium",
        Signs(
            labels=({"k8s-app": "cilium"}, {"app.kubernetes.io/name": "cilium-agent"}),
            images=("cilium/cilium", "mirrored-cilium-cilium"),
            names=("cilium",),
        ),
        peers=(
            *kinds("cilium.io", "v2", "CiliumBGPClusterConfig"),
            *kinds("cilium.io", "v2alpha1", "CiliumBGPPeeringPolicy"),
        ),
        kinds=kinds(
            "cilium.io",
            "v2",
            *("CiliumBGPAdvertisement", "CiliumBGPNodeConfig", "CiliumBGPNodeConfigOverride", "CiliumBGPPeerConfig"),
        ),
        network=True,
    ),
    Unsupported(
        "calico",
        "Calico",
        Signs(
            labels=({"k8s-app": "calico-node"}, {"k8s-app": "canal"}),
            images=("calico/node", "mirrored-calico-node"),
            names=("calico-node", "canal"),
        ),
        peers=(
            *kinds("projectcalico.org", "v3", "BGPPeer"),
            *kinds("crd.projectcalico.org", "v1", "BGPPeer"),
        ),
        kinds=(
            *kinds("projectcalico.org", "v3", "BGPConfiguration"),
            *kinds("crd.projectcalico.org", "v1", "BGPConfiguration"),
        ),
        network=True,
    ),
)
"""All of them."""
