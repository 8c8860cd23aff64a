"""What runs and what is up: pods, the scheduler's word, and the product's own reports."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from optimizer.inputs.live import read_live
from optimizer.inputs.routers import with_topology
from optimizer.inputs.topology import Topology
from optimizer.kube.client import Api
from optimizer.model import Cluster, Policy
from optimizer.speakers.openelb import OpenELB
from tests.live_server import Server
from tests.objects import Object, daemonset, node, peer, pod, read, speaker_pod

HOST = "kubernetes.io/hostname"


def nodes(*names: str) -> list[Object]:
    return [node(name, {HOST: name}) for name in names]


def reported(name: str, address: str, selector: Object | None = None, **states: str) -> Object:
    """A peer object with what speakers have written into its status; an empty state says nothing."""
    entries: dict[str, Any] = {
        on: {"peerState": {"neighborAddress": address} | ({"sessionState": state} if state else {})}
        for on, state in states.items()
    }
    return peer(name, address, selector) | {"status": {"nodesPeerStatus": entries}}


def with_status(pod: Object, **status: Any) -> Object:
    return pod | {"status": {**pod["status"], **status}}


def unready(on: str, reason: str | None = None, field: str = "containerStatuses") -> Object:
    """A speaker's pod that is not Ready, with why a container waits."""
    waiting = [{"name": "speaker", "state": {"waiting": {"reason": reason}}}] if reason else []
    conditions = [{"type": "PodScheduled", "status": "True"}, {"type": "Ready", "status": "False"}]
    return with_status(speaker_pod(on), conditions=conditions, **{field: waiting})


def refused(on: str) -> Object:
    """A speaker's pod that the scheduler finds no place for."""
    term = {"matchFields": [{"key": "metadata.name", "operator": "In", "values": [on]}]}
    affinity = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}}
    pod = speaker_pod(on, phase="Pending", affinity=affinity)
    del pod["spec"]["nodeName"]
    return with_status(pod, conditions=[{"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}])


def seen(folder: Path, *objects: Object) -> Cluster:
    return with_topology(read(folder, *objects, daemonset()), Topology())


def rules(cluster: Cluster) -> list[str]:
    return [each.rule for each in cluster.warnings]


def test_a_session_is_up_down_or_unknown(tmp_path: Path) -> None:
    pods = [speaker_pod(name) for name in ("n1", "n2", "n3", "n4")]
    leaf = reported("leaf", "10.0.0.1", n1="ESTABLISHED", n2="ACTIVE", n4="", gone="ESTABLISHED")
    other = reported("other", "10.0.0.2", n2="ESTABLISHED")
    today = seen(tmp_path, *nodes("n1", "n2", "n3", "n4"), *pods, leaf, other).today
    assert today.sessions["leaf"] == ("n1", "n2", "n3", "n4")
    assert (today.up, today.down) == ({"leaf": ("n1",), "other": ("n2",)}, {"leaf": ("n2",)})
    assert today.held["leaf"] == ("n1", "n3", "n4")
    assert today.working == today.speakers


def test_a_speaker_all_of_whose_sessions_are_down_does_not_work(tmp_path: Path) -> None:
    pods = [speaker_pod(name) for name in ("n1", "n2", "n3", "n4")]
    here = {"matchLabels": {HOST: "n2"}}
    leaf = reported("leaf", "10.0.0.1", n1="IDLE", n2="IDLE", n3="OPENSENT", n4="ESTABLISHED")
    other = reported("other", "10.0.0.2", here, n2="ESTABLISHED")
    cluster = seen(tmp_path, *nodes("n1", "n2", "n3", "n4"), *pods, leaf, other)
    assert list(cluster.today.broken) == ["n1", "n3"]
    assert rules(cluster)[-2:] == ["speaker-without-session", "session-down"]
    assert str(cluster.warnings[-1]).endswith("1 of 5 sessions is reported down though the speaker works: n2 - leaf")


def test_a_router_without_any_session_says_nothing_of_its_speakers(tmp_path: Path) -> None:
    pods = [speaker_pod(name) for name in ("n1", "n2")]
    leaf = reported("leaf", "10.0.0.1", n1="IDLE", n2="ACTIVE")
    cluster = seen(tmp_path, *nodes("n1", "n2"), *pods, leaf)
    assert (cluster.today.broken, cluster.today.down) == ({}, {"leaf": ("n1", "n2")})
    assert "1 router with all configured sessions down: leaf; is it up?" in map(str, cluster.warnings)


def test_in_layer_2_a_speaker_works_whatever_its_sessions_do(tmp_path: Path) -> None:
    cluster = read(tmp_path, *nodes("n1"), speaker_pod("n1"), reported("leaf", "10.0.0.1", n1="IDLE"), daemonset())
    assert with_topology(cluster, Topology(), Policy(mode="layer2")).today.broken == {}


def test_what_is_reported_of_a_speaker_that_is_not_ready_is_not_believed(tmp_path: Path) -> None:
    leaf = reported("leaf", "10.0.0.1", n1="ESTABLISHED", n2="ESTABLISHED")
    cluster = seen(tmp_path, *nodes("n1", "n2"), unready("n1", "CrashLoopBackOff"), speaker_pod("n2"), leaf)
    assert cluster.today.broken == {"n1": "CrashLoopBackOff"}
    assert (cluster.today.up, cluster.today.down) == ({"leaf": ("n2",)}, {"leaf": ("n1",)})
    assert "1 of 2 speakers is not Ready: n1 (CrashLoopBackOff)" in map(str, cluster.warnings)


@pytest.mark.parametrize(
    ("pod", "trouble"),
    [
        (unready("n1"), "not Ready"),
        (unready("n1", "ImagePullBackOff"), "ImagePullBackOff"),
        (unready("n1", "CreateContainerConfigError", "initContainerStatuses"), "CreateContainerConfigError"),
        (with_status(unready("n1"), phase="Pending"), "Pending"),
        (with_status(speaker_pod("n1"), phase="Pending"), "Pending"),
        (with_status(speaker_pod("n1"), conditions=[{"type": "Ready", "status": "Unknown"}]), "not Ready"),
        (unready("n1", "evil\x1b[31m\nforged"), "evil?[31m?forged"),
    ],
)
def test_why_a_speaker_is_not_ready(tmp_path: Path, pod: Object, trouble: str) -> None:
    assert seen(tmp_path, *nodes("n1"), pod).today.broken == {"n1": trouble}


@pytest.mark.parametrize("status", [{}, {"conditions": [{"type": "Ready", "status": "True"}]}, {"conditions": []}])
def test_a_pod_of_which_nothing_is_said_works(tmp_path: Path, status: Object) -> None:
    assert seen(tmp_path, *nodes("n1"), with_status(speaker_pod("n1"), **status)).today.broken == {}


def test_one_of_two_pods_on_a_node_is_enough(tmp_path: Path) -> None:
    second = speaker_pod("n1")
    second["metadata"]["name"] = "another"
    for pods in ([unready("n1", "Error"), second], [second, unready("n1", "Error")]):
        assert seen(tmp_path, *nodes("n1"), *pods).today.broken == {}


def test_a_pod_that_the_scheduler_refuses_keeps_its_node_out(tmp_path: Path) -> None:
    cluster = seen(tmp_path, *nodes("n1", "n2"), refused("n1"), speaker_pod("n2"))
    assert (cluster.today.speakers, list(cluster.today.refused)) == (("n2",), ["n1"])
    assert "speaker-unschedulable" in rules(cluster)
    waiting = refused("n1")
    waiting["status"]["conditions"] = []
    assert seen(tmp_path, *nodes("n1", "n2"), waiting, speaker_pod("n2")).today.refused == {}


def test_without_pods_the_status_tells_how_many_are_ready(tmp_path: Path) -> None:
    status = {"currentNumberScheduled": 2, "numberReady": 1}
    cluster = read(tmp_path, *nodes("n1", "n2"), daemonset() | {"status": status})
    assert "speaker-not-ready" in rules(cluster)
    assert any("by its status 1 of 2 speakers is Ready" in str(each) for each in cluster.warnings)
    none = read(tmp_path, *nodes("n1", "n2"), daemonset() | {"status": status | {"numberReady": 0}})
    assert list(none.today.broken) == ["n1", "n2"]
    for well in ({"currentNumberScheduled": 2, "numberReady": 2}, {"currentNumberScheduled": 2}):
        assert "speaker-not-ready" not in rules(read(tmp_path, *nodes("n1", "n2"), daemonset() | {"status": well}))


def test_speakers_that_the_daemonset_wants_and_that_are_not_there_are_named(tmp_path: Path) -> None:
    status = {"currentNumberScheduled": 2, "desiredNumberScheduled": 3, "numberReady": 1}
    evicted = speaker_pod("n2", phase="Failed")
    found = read(tmp_path, *nodes("n1", "n2", "n3"), speaker_pod("n1"), evicted, daemonset() | {"status": status})
    (told,) = (str(each) for each in found.warnings if each.rule == "speaker-missing")
    assert told.endswith("no pod of it runs on 2 of 3 nodes where it wants one: n2, n3")


def silent(cluster: Cluster) -> list[tuple[str, str]]:
    return [(each.sentence, each.object) for each in cluster.warnings if each.rule == "sessions-without-speakers"]


def test_sessions_that_nobody_holds_are_reported(tmp_path: Path) -> None:
    """A dump without the speakers' namespace; reports of nodes that are gone prove nothing."""
    peers = [
        reported("leaf", "10.0.0.1", n1="ESTABLISHED", n2="ACTIVE"),
        reported("spine", "10.0.0.2", n1="ESTABLISHED", gone="ESTABLISHED"),
    ]
    web = pod("web", "n1")
    told = (
        "BgpPeers report sessions of speakers on {}, such as n1, but the input holds no speaker: was it dumped with -A?"
    )
    assert silent(read(tmp_path, *nodes("n1", "n2"), *peers, web)) == [(told.format("2 nodes"), "")]
    assert silent(read(tmp_path, *nodes("n1", "n2"), *peers)) == [(told.format("2 nodes"), "")]
    assert silent(read(tmp_path, *nodes("n1"), *peers)) == [(told.format("1 node"), "Node n1")]
    assert silent(read(tmp_path, *nodes("n3"), *peers)) == []


@pytest.mark.parametrize("more", [daemonset(), daemonset(scheduled=0), speaker_pod("n2")])
def test_where_there_are_speakers_other_reports_are_left_over(tmp_path: Path, more: Object) -> None:
    peers = [reported("leaf", "10.0.0.1", n1="ESTABLISHED", n2="ESTABLISHED")]
    assert silent(read(tmp_path, *nodes("n1", "n2"), *peers, more)) == []


def test_live_nobody_is_asked_how_it_was_dumped(server: Server, api: Api) -> None:
    server.objects = [*nodes("n1"), reported("leaf", "10.0.0.1", n1="ESTABLISHED")]
    ((sentence, _),) = silent(read_live(api).cluster)
    assert sentence.endswith("on 1 node, such as n1, but the cluster has no speaker: is it gone?")


def test_a_live_cluster_is_observed_as_a_dump_is(tmp_path: Path, server: Server, api: Api) -> None:
    labels = {"app": "openelb", "component": "speaker"}
    pods = [unready("n1", "ImagePullBackOff"), speaker_pod("n2"), speaker_pod("n3"), refused("n4")]
    for each in pods:
        each["metadata"]["labels"] = labels
    leaf = reported("leaf", "10.0.0.1", n1="ESTABLISHED", n2="ESTABLISHED", n3="CONNECT")
    objects = [*nodes("n1", "n2", "n3", "n4"), *pods, leaf, daemonset()]
    server.objects = objects
    live = with_topology(read_live(api).cluster, Topology())
    dumped = seen(tmp_path, *objects[:-1])
    assert live.today == dumped.today
    assert (list(live.today.broken), list(live.today.refused)) == (["n1", "n3"], ["n4"])


ODD_ENTRIES: list[Any] = [None, 5, [], {}, {"peerState": None}, {"peerState": []}, {"peerState": {"sessionState": 6}}]


@pytest.mark.parametrize("odd", ODD_ENTRIES)
def test_an_odd_report_is_unknown_and_those_beside_it_count(tmp_path: Path, odd: Any) -> None:
    leaf = reported("leaf", "10.0.0.1", n1="IDLE", n2="ESTABLISHED")
    leaf["status"]["nodesPeerStatus"]["n3"] = odd
    pods = [speaker_pod(name) for name in ("n1", "n2", "n3")]
    cluster = seen(tmp_path, *nodes("n1", "n2", "n3"), leaf, *pods)
    assert [each.name for each in cluster.routers] == ["leaf"]
    assert (cluster.today.up, cluster.today.down) == ({"leaf": ("n2",)}, {"leaf": ("n1",)})


@pytest.mark.parametrize("status", [[], "x", 5, None, {"nodesPeerStatus": []}, {"nodesPeerStatus": "x"}])
def test_a_status_that_is_none_leaves_the_router(tmp_path: Path, status: Any) -> None:
    leaf = peer("leaf", "10.0.0.1") | {"status": status}
    cluster = seen(tmp_path, *nodes("n1"), leaf, speaker_pod("n1"))
    assert [each.name for each in cluster.routers] == ["leaf"]
    assert (cluster.today.up, cluster.today.down) == ({}, {})


def test_what_is_odd_beside_a_state_hides_it_not(tmp_path: Path) -> None:
    leaf = reported("leaf", "10.0.0.1", n1="ACTIVE")
    leaf["status"]["nodesPeerStatus"]["n1"] |= {"timersState": 5}
    leaf["status"]["nodesPeerStatus"]["n1"]["peerState"]["messages"] = {"sent": []}
    assert seen(tmp_path, *nodes("n1"), leaf, speaker_pod("n1")).today.down == {"leaf": ("n1",)}


@pytest.mark.parametrize(
    ("state", "up"),
    [
        *[(state, False) for state in ("IDLE", "CONNECT", "ACTIVE", "OPENSENT", "OPENCONFIRM", "Idle", "openSent")],
        *[(state, True) for state in ("ESTABLISHED", "Established")],
        *[(state, None) for state in ("UNKNOWN", "SESSION", "UP", " ")],
    ],
)
def test_a_state_counts_in_whatever_case_and_any_other_word_is_unknown(
    tmp_path: Path, state: str, up: bool | None
) -> None:
    found = seen(tmp_path, *nodes("n1"), reported("leaf", "10.0.0.1", n1=state), speaker_pod("n1"))
    assert found.reports.get("leaf", {}).get("n1") is up


def test_a_rollout_reads_an_odd_report_as_none(server: Server, api: Api) -> None:
    leaf = reported("leaf", "10.0.0.1", n1="Established", n2="UNKNOWN")
    leaf["status"]["nodesPeerStatus"] |= {"n3": None, "n4": {"peerState": {"sessionState": 6}}}
    odd = peer("odd", "10.0.0.2") | {"spec": [], "status": []}
    server.objects = [leaf, odd]
    reports = {each.peer: {node: found.up for node, found in each.sessions.items()} for each in OpenELB().reports(api)}
    assert reports == {"leaf": {"n1": True}, "odd": {}}


@pytest.mark.parametrize("reason", ["SchedulingGated", "SchedulerError"])
def test_a_pod_that_no_node_was_tried_for_is_not_refused(tmp_path: Path, reason: str) -> None:
    waiting = refused("n2")
    waiting["status"]["conditions"][0]["reason"] = reason
    assert seen(tmp_path, *nodes("n1", "n2"), speaker_pod("n1"), waiting).today.refused == {}


def test_a_waiting_pod_that_is_to_go_or_of_an_older_template_says_nothing(tmp_path: Path) -> None:
    given, gone, old, new = daemonset(), refused("n2"), refused("n3"), refused("n4")
    given["metadata"]["annotations"] = {"deprecated.daemonset.template.generation": "2"}
    gone["metadata"]["deletionTimestamp"] = "2024-05-01T10:00:00Z"
    for each, number in ((gone, "2"), (old, "1"), (new, "2")):
        each["metadata"]["labels"] = {"pod-template-generation": number}
    cluster = read(tmp_path, *nodes("n1", "n2", "n3", "n4"), given, speaker_pod("n1"), gone, old, new)
    assert [*cluster.today.refused] == ["n4"]
