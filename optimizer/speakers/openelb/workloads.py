"""What OpenELB's workloads look like, as its manifests and its chart write them."""

from __future__ import annotations

from ..product import Outdated
from ..signs import Signs

SPEAKERS = Signs(
    labels=(
        {"app": "openelb", "component": "speaker"},
        # The chart puts the release's name before the component.
        {"app.kubernetes.io/name": "openelb", "app.kubernetes.io/component": "*speaker"},
    ),
    images=("openelb-speaker",),
    names=("*openelb*-speaker",),
)
"""The DaemonSet of its speakers. The chart names it RELEASE-openelb-speaker, or RELEASE-speaker where the release's own
name holds the product's."""

OUTDATED = Outdated(
    Signs(
        labels=({"app": "openelb-manager"}, {"control-plane": "openelb-manager"}),
        images=("openelb", "porter"),
        names=("*openelb*-manager", "porter-manager"),
    ),
    "OpenELB before 0.6, which has no DaemonSet of speakers: its manager's pods hold the BGP sessions, wherever their "
    "Deployment puts them, so labels on nodes would move nothing; supported: OpenELB 0.6 with its speaker DaemonSet",
)
"""Up to 0.5, and Porter, as it was called first."""
