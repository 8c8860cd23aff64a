"""What differs by product: how a session is asked for, what a change disturbs, what a router has to hold."""

from __future__ import annotations

from typing import Protocol

from ..model import Cluster, Paths, Placement, Policy
from ..plan.steps import PeerEdits, Step
from ..plan.template import Style


class Product(Protocol):
    """A BGP speaker for Kubernetes; a module with these functions is one."""

    def edit_peers(self, cluster: Cluster, policy: Policy, placement: Placement) -> PeerEdits:
        """The edits of the product's peer objects that give exactly the placement's sessions. Raises InputError."""

    def paths(self, cluster: Cluster, placement: Placement) -> tuple[Paths, ...]:
        """What each router holds for one service, today and in the placement."""


class Hazards(Protocol):
    """The product's traps; a module with these functions tells them."""

    def hazards(self, cluster: Cluster, policy: Policy, placement: Placement) -> tuple[str, ...]:
        """One sentence for each trap that the input itself holds."""

    def export_hazards(
        self, cluster: Cluster, policy: Policy, placement: Placement, steps: tuple[Step, ...], style: Style, helm: bool
    ) -> tuple[str, ...]:
        """One sentence for each disturbance that the steps bring about."""
