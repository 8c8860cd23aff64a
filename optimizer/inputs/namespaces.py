"""Dumps with the pods of some namespaces only, as kubectl gives without -A."""

from __future__ import annotations

from collections.abc import Collection

from ..errors import InputError
from ..findings import Finding
from ..kube.item import Item, Items, by_name
from ..kube.objects import DaemonSetStatus, Partial, PodObject
from ..words import listed


class Counted(Partial):
    """A DaemonSet's status alone; those of others may hold anything else."""

    status: DaemonSetStatus | None = None


def pods_missing(pods: Items, daemonsets: Items, speaker: Item | None) -> list[Finding]:
    """The finding that pods are missing, where the others of a dump say so; there are some pods.

    `speaker` is the speakers' DaemonSet, of which more is known elsewhere.
    """
    others = [each for each in by_name(daemonsets) if each is not speaker and scheduled(each)]
    lacking = sorted({each.namespace for each in without_pods(others, pods)})
    if lacking:
        spaces = "the namespace" if len(lacking) == 1 else "the namespaces"
        what = f"by their status DaemonSets in {spaces} {listed(lacking, 5)} have Pods that are not in the input"
        return [assumed_free(f"{what}: what these")]
    namespaces = {namespace for namespace, _ in pods}
    if len(namespaces) == 1:
        return [assumed_free(f"all Pods of the input are in the namespace {namespaces.pop()}: what those of others")]
    return []


def assumed_free(told: str) -> Finding:
    """The finding of pods that are missing, from how it is known to whose requests are not."""
    sentence = f"{told} request is not known and assumed to be free (was it dumped with -A?)"
    return Finding("pods-of-some-namespaces", sentence)


def scheduled(daemonset: Item) -> int:
    """How many pods a DaemonSet says it has."""
    try:
        status = daemonset.load(Counted).status
    except InputError:
        return 0
    return (status.current_number_scheduled or 0) if status else 0


def without_pods(daemonsets: Collection[Item], pods: Items) -> list[Item]:
    """The DaemonSets that own none of the pods."""
    if not daemonsets:
        return []
    # The name of a pod is that of its DaemonSet and some letters; the pods of the rest alone are looked into.
    named = {(namespace, name.rpartition("-")[0]) for namespace, name in pods}
    rest = [each for each in daemonsets if (each.namespace, each.name) not in named]
    spaces = {each.namespace for each in rest}
    owners = {
        (pod.namespace, owner.name)
        for pod in pods.values()
        if pod.namespace in spaces
        for owner in pod.load(PodObject).metadata.owner_references or ()
        if owner.kind == "DaemonSet"
    }
    return [each for each in rest if (each.namespace, each.name) not in owners]
