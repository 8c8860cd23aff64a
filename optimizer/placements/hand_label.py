"""The label of somebody's own by which a DaemonSet chooses its nodes, while another one is managed."""

from __future__ import annotations

from msgspec import structs

from ..findings import Finding
from ..inputs.speaker_label import own_labels
from ..model import SPEAKER_LABEL, Cluster, Policy
from ..search.eligibility import judgement
from ..search.problem import Problem
from ..speakers import product_named
from ..words import are, plural


def hand_labels(cluster: Cluster, problem: Problem) -> list[Finding]:
    """One finding for each label that may mark the speakers, and by which alone more nodes would be eligible, with the
    option that manages it. It may be that of a pool of nodes as well, so that it is never taken unasked.
    """
    policy, speaker = problem.policy, cluster.speaker
    if speaker is None or policy.speaker.label != SPEAKER_LABEL or not product_named(cluster.product).restrictable:
        return []
    asked = own_labels(speaker, cluster.nodes)
    if SPEAKER_LABEL[0] in asked:
        return []
    found = []
    for key, value in sorted(asked.items()):
        without = sum(key not in node.labels for node in cluster.nodes)
        if not without:
            continue
        number = gained(cluster, problem, (key, value))
        if not number:
            continue
        named, lack = f"DaemonSet {speaker.namespace}/{speaker.name}", "lacks" if without == 1 else "lack"
        told = (
            f"{named} runs only on nodes with the label {key}, which {plural(without, 'node')} {lack}: where it is "
            f"what marks the speakers, and not a pool of nodes, --speaker-label {key}={value} manages it, and "
            f"{plural(number, 'more node')} {are(number)} eligible"
        )
        found.append(Finding("hand-label", told, named))
    return found


def gained(cluster: Cluster, problem: Problem, label: tuple[str, str]) -> int:
    """How many nodes are not eligible, but would be if that label were the one to manage."""
    policy = problem.policy
    managing: Policy = structs.replace(policy, speaker=structs.replace(policy.speaker, label=label))
    now, then = judgement(cluster, policy), judgement(cluster, managing)
    # Of a node with room and routers, no more is against it than its labels, taints and state.
    return sum(
        node.name in problem.causes and not then(node).against and now(node).against == problem.causes[node.name]
        for node in cluster.nodes
    )
