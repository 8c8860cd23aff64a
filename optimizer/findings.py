"""What is reported beside an answer: every kind of finding by its stable name, with what it means.

A name stays the same from release to release, so that scripts can look for it; sentences may change.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct


class Finding(Struct, frozen=True, order=True):
    """What is reported: the name of its kind in `RULES`, a sentence, and the object that it is about, "" for several
    or none."""

    rule: str
    sentence: str
    object: str = ""

    def __str__(self) -> str:
        return self.sentence


def node_of(names: Sequence[str]) -> str:
    """The object of a finding about nodes: the node, where it is about just one.

    >>> node_of(["n1"]), node_of(["n1", "n2"])
    ('Node n1', '')
    """
    return f"Node {names[0]}" if len(names) == 1 else ""


RULES: Mapping[str, str] = {
    # the input
    "file-empty": "files in a folder or an archive are empty",
    "file-passed-over": "files in a folder or an archive hold no Kubernetes object that is read",
    "file-packed": "files in a folder or an archive are packed in a way that is not read",
    "object-trimmed": "objects are given whole and trimmed, of which the whole one counts",
    "watch-stream": "objects came in several versions, of which the newest counts",
    "product-assumed": "nothing in the input says which product the speakers belong to",
    "no-speaker-daemonset": "the input has no speaker DaemonSet, so the product's own requests are assumed",
    "object-odd": "objects of others cannot be read, and are passed over",
    "daemonset-deleting": "the speakers' DaemonSet is being deleted",
    "outdated-speakers": "speakers of a release that cannot be placed are there too",
    "other-speakers": "speakers of another product are there too",
    "no-pods": "the input has no Pods, so all that is allocatable is assumed to be free",
    "pods-of-some-namespaces": "only Pods of some namespaces are in the input, and what others request is not known",
    "speaker-pods-missing": "none of the speaker DaemonSet's pods is in the input",
    "sessions-without-speakers": "peer objects report sessions, but no speaker and no DaemonSet of speakers is there",
    "speaker-node-gone": "a speaker's pod outlives its node",
    "hand-label": "the DaemonSet asks for a label of its own, which --speaker-label can manage",
    "node-without-ready": "nodes have no Ready condition, and are assumed to be Ready",
    "node-without-allocatable": "nodes do not say how much is allocatable, which is assumed to be unlimited",
    "requests-from-pods": "running speakers request more than the DaemonSet's template, and that is what counts",
    "requests-from-limit-range": "a LimitRange adds to what the DaemonSet's template requests",
    "scheduler-rule-not-modelled": "the DaemonSet's template has rules of the scheduler that are not looked at",
    "priority-not-modelled": "the scheduler could evict other pods for a speaker, but full nodes count as full",
    "settings-ignored": "an object is passed over, since the product reads one of another name",
    "room-looked-up": "on a live cluster, room was looked up on some nodes only",
    "head-room-ignored": "on a live cluster, how full a node is does not count in its cost",
    # what runs
    "speaker-not-ready": "speakers' pods are not Ready, so these speakers count as not working",
    "speaker-without-session": "speakers are Ready, but all their sessions are reported down",
    "speaker-unschedulable": "the scheduler finds no place for a speaker's pod on its node",
    "router-short-today": "routers have fewer sessions today than they ask for",
    "router-without-session": "all sessions configured with a router are down",
    "session-down": "sessions are reported down though their speakers work",
    "speaker-missing": "the DaemonSet wants speakers on nodes where no pod of it runs",
    "broken-speaker-chosen": "a speaker that does not work is chosen",
    "down-session-chosen": "a session that is down is chosen",
    "working-speaker-stops": "a working speaker stops while one of which not all is up is chosen, and why",
    # topology
    "router-without-nodes": "nothing says which nodes are attached to a router",
    "attached-by-host-name": "peer objects list nodes by host name, and only these are assumed to be attached",
    "peers-by-speaker-label": "peer objects select nodes by the label that marks the speakers, so no other is attached",
    "topology-unknown-node": "the topology names nodes that are not in the input",
    "as-differs": "the topology and a peer object name different AS numbers for a router",
    "router-without-peer": "routers have neither an address nor a peer object",
    "peer-address": "a peer object is passed over, since its address is missing or none",
    "peer-invalid": "a peer object is passed over, since it says what its product or Kubernetes refuses",
    "peer-admin-down": "a peer object is administratively down, so its router asks for no session",
    "peer-selects-nobody": "a peer object selects no node",
    "router-asks-nothing": "routers with minSpeakers: 0 may lose the sessions that they have",
    "router-unreachable": "no eligible node is attached to a router",
    "router-on-one-node": "a router can be reached through one eligible node only",
    "router-on-one-domain": "a router can be reached through one failure domain only",
    "rack-not-covered": "a rack has no eligible node at a router, so that no speaker announces its nodes there",
    "rack-on-one-node": "a rack has only one node for a speaker at a router, and hangs on it there",
    "coverage-without-racks": "coverage of racks is asked for where speakers announce every node",
    "domain-unknown": "eligible nodes are in no known domain of a protected kind",
    # the change
    "placement-outdated": "the cluster is not as when the placement was made, or the file was changed",
    "speaker-retained": "under best effort, speakers stay on nodes that are not eligible",
    "template-changes": "an export changes the DaemonSet's template, which restarts speakers",
    "daemonset-held": "an interrupted change has left the DaemonSet held",
    "router-with-one-session": "a router has one session only, which a restart interrupts",
    "taints-alone": "taints alone keep no speaker off the other nodes",
    "taint-not-tolerated": "other DaemonSets do not tolerate the speakers' taint",
    "peer-edited": "peer objects are edited, which their speakers react to",
    "peer-deleted": "a peer object is deleted, since another one has its address",
    "peer-duplicate": "several peer objects have one address",
    "rack-without-session": "a rack is left without any session at a router, so that its nodes are next hops of nobody",
    "rack-label-unused": "nodes carry a rack label that has no effect on routes",
    "rack-label-missing": "nodes lack the rack label, so that no speaker of a rack announces them",
    "rack-not-listed": "nodes are in a rack for which the settings list no AS number",
    "bgp-sessions-close": "to stop speakers for another mode closes BGP sessions",
    "chart": "what is known to go wrong with the product's chart",
    "large-object": "an object is so large that tools refuse it",
}
"""Every name that a finding may have, and what it means."""
