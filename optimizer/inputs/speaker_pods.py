"""How the speakers' pods are: which of them work, and for which nodes the scheduler finds no place."""

from __future__ import annotations

from msgspec import Struct

from ..kube.item import Item
from ..kube.objects import Partial, PodObject
from ..kube.pods import PodStatus

NAME_FIELD = "metadata.name"


class Shown(Partial):
    """A pod, as far as it says how it is."""

    status: PodStatus | None = None


class SpeakerPods(Struct):
    """The nodes of the speakers' pods, each with what is wrong with it, "" for nothing, and the nodes for which a pod
    waits that the scheduler refuses."""

    troubles: dict[str, str]
    refused: dict[str, str]

    def add(self, item: Item, node: str) -> None:
        """A pod that is on a node; while one takes another's place there, one that works is enough."""
        trouble = status_of(item).trouble
        before = self.troubles.get(node)
        if before is None or (before and not trouble):
            self.troubles[node] = printable(trouble)

    def add_waiting(self, item: Item, pod: PodObject) -> None:
        """A pod of the template as it is now that is on no node yet; the controller has written into its affinity for
        which one it is meant."""
        if not status_of(item).unscheduled:
            return
        for node in meant_for(pod):
            self.refused[node] = "the scheduler finds no place for its pod"


def status_of(item: Item) -> PodStatus:
    """How a pod is."""
    return item.decode(Shown).status or PodStatus()


def meant_for(pod: PodObject) -> list[str]:
    """The node for which a DaemonSet's controller has made a pod; [] where that is not said."""
    affinity = pod.spec.affinity.node_affinity if pod.spec.affinity else None
    terms = (affinity.required.node_selector_terms if affinity and affinity.required else None) or ()
    fields = (each for term in terms for each in term.match_fields or ())
    names = {name for each in fields if each.key == NAME_FIELD and each.operator == "In" for name in each.values or ()}
    return sorted(names) if len(names) == 1 else []


def printable(reason: str) -> str:
    """A reason as it can be shown, on one line."""
    return "".join(each if each.isprintable() else "?" for each in reason[:100])
