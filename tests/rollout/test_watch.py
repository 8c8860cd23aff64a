"""What a look at the cluster believes: pods of the DaemonSet that are ready, and sessions younger than their pod."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

import msgspec
import pytest

from optimizer.errors import LiveError
from optimizer.kube.client import Api
from optimizer.kube.pods import Pod
from optimizer.rollout.belief import Memory, Seen, Trust, believe
from optimizer.rollout.goal import Goal, superfluous
from optimizer.rollout.watch import Target, Watch
from optimizer.speakers import product_named
from optimizer.speakers.product import PeerReport, SessionReport
from tests.live_server import Answer, Server, serving
from tests.objects import SPEAKER, SYSTEM, Object, peer, speaker_pod

LABELS = {"app": "openelb", "component": "speaker"}
TARGET = Target(SYSTEM, SPEAKER, "1", "app=openelb,component=speaker")
BEFORE, START, AFTER, LATER = (f"2026-05-01T10:00:0{second}Z" for second in range(4))
UNTIMED = 99.0


@pytest.fixture
def server() -> Iterator[Server]:
    with serving(Server(most=2)) as found:
        yield found


def speaker(node: str, started: str | None = START, ready: str = "True", **metadata: Any) -> Object:
    """A speaker's pod."""
    made = speaker_pod(node, labels={**LABELS, "controller-revision-hash": "new"})
    made["metadata"] |= {"uid": f"uid-{node}"} | metadata
    made["status"] |= {"conditions": [{"type": "PodScheduled", "status": "True"}, {"type": "Ready", "status": ready}]}
    if started is not None:
        made["status"]["startTime"] = started
    return made


def watching(api: Api) -> Watch:
    return Watch(api, TARGET, product_named(""), True)


def told(state: Any = "ESTABLISHED", **timers: Any) -> Object:
    """What a speaker tells of a session."""
    return {"peerState": {"neighborAddress": "10.0.0.1", "sessionState": state}, "timersState": timers}


def leaf(**reports: Any) -> Object:
    return peer("leaf", "10.0.0.1") | {"status": {"nodesPeerStatus": reports}}


def look(server: Server, api: Api, *objects: Object, settled: bool = False, with_sessions: bool = True) -> Seen:
    server.objects = list(objects)
    return Watch(api, TARGET, product_named(""), with_sessions).look(settled)


@pytest.mark.parametrize(
    ("report", "believed"),
    [
        (told(uptime=AFTER), True),
        (told(uptime=BEFORE), False),
        (told(uptime="2026-05-01T12:00:02+02:00"), True),
        (told(uptime="2026-05-01T11:59:59+02:00"), False),
        (told("ACTIVE", uptime=AFTER), False),
        (told("established", uptime=AFTER), True),
        (told("", uptime=AFTER), False),
        ({"timersState": {"uptime": AFTER}}, False),
        ({"peerState": None, "timersState": {"uptime": AFTER}}, False),
        ({}, False),
    ],
)
@pytest.mark.parametrize("settled", [False, True])
def test_a_session_is_believed_where_it_is_younger_than_its_pod(
    server: Server, api: Api, report: Object, believed: bool, settled: bool
) -> None:
    seen = look(server, api, speaker("n1"), leaf(n1=report), settled=settled)
    assert seen.ready == {"n1"}
    assert seen.sessions == ({("n1", "leaf")} if believed else set())


@pytest.mark.parametrize(
    "report",
    [
        *(told(), told(uptime=None), told(uptime=""), told(uptime="soon"), told(uptime=START)),
        {"peerState": {"sessionState": "ESTABLISHED"}},
    ],
)
def test_a_report_without_a_time_or_of_the_same_second_is_believed_once_its_pod_has_been_ready_for_so_long(
    server: Server, api: Api, report: Object
) -> None:
    assert look(server, api, speaker("n1"), leaf(n1=report), settled=True).sessions
    watch = watching(api)
    assert watch.patience == product_named("").report_period
    watch.patience = UNTIMED
    assert not watch.look().sessions
    watch.patience = 0
    assert watch.look().sessions == {("n1", "leaf")}
    # Another pod has not been seen before.
    server.objects[0]["metadata"]["uid"] = "another"
    watch.patience = UNTIMED
    assert not watch.look().sessions
    # One that is not ready begins anew.
    assert set(watch.memory.since) == {"another"}
    server.objects[0]["status"]["conditions"] = []
    assert not watch.look(first=True).sessions
    assert not watch.memory.since


def test_a_pod_that_does_not_say_since_when_it_runs(server: Server, api: Api) -> None:
    for started in (None, "garbage"):
        pod = speaker("n1", started)
        assert not look(server, api, pod, leaf(n1=told(uptime=AFTER))).sessions
        assert look(server, api, pod, leaf(n1=told(uptime=AFTER)), settled=True).sessions == {("n1", "leaf")}


def test_a_container_that_has_started_again_is_what_counts(server: Server, api: Api) -> None:
    pod = speaker("n1", BEFORE)
    pod["status"]["containerStatuses"] = [
        {"name": "speaker", "state": {"running": {"startedAt": START}}, "lastState": {"terminated": {}}},
        {"name": "other", "state": {"waiting": {"reason": "ImagePullBackOff"}}},
        {"name": "bare"},
    ]
    assert look(server, api, pod, leaf(n1=told(uptime=AFTER))).sessions
    assert not look(server, api, pod, leaf(n1=told(uptime=BEFORE)), settled=True).sessions


def test_pods_that_are_deleted_not_ready_or_nowhere(server: Server, api: Api) -> None:
    reports = {name: told(uptime=AFTER) for name in ("n1", "n2", "n3", "n4")}
    pods = [
        speaker("n1"),
        speaker("n2", ready="False"),
        speaker("n3", deletionTimestamp=AFTER),
        speaker("n5", ready="Unknown"),
    ]
    nowhere = speaker("n6")
    del nowhere["spec"]["nodeName"]
    seen = look(server, api, *pods, nowhere, leaf(**reports))
    assert (set(seen.pods), set(seen.ready), set(seen.leaving)) == ({"n1", "n2", "n5"}, {"n1"}, {"n3"})
    assert seen.sessions == {("n1", "leaf")}
    assert seen.pods["n1"].revision == "new"


def test_a_new_pod_beside_one_that_is_being_deleted(server: Server, api: Api) -> None:
    old = speaker("n1", deletionTimestamp=AFTER)
    seen = look(server, api, speaker("n1", name="next", uid="next"), old, leaf(n1=told(uptime=AFTER)))
    assert (set(seen.ready), set(seen.leaving), seen.pods["n1"].metadata.name) == ({"n1"}, {"n1"}, "next")


def test_pods_of_others_are_none_of_the_speakers(server: Server, api: Api) -> None:
    stranger, orphan = speaker("n1"), speaker("n2")
    stranger["metadata"]["ownerReferences"][0]["uid"] = "2"
    del orphan["metadata"]["ownerReferences"]
    unlabelled = speaker("n3", labels={})
    elsewhere = speaker("n4", namespace="default")
    reports = {name: told(uptime=AFTER) for name in ("n1", "n2", "n3", "n4")}
    seen = look(server, api, stranger, orphan, unlabelled, elsewhere, leaf(**reports))
    assert (seen.pods, seen.leaving, seen.sessions) == ({}, frozenset(), frozenset())


def test_without_sessions_the_bgppeers_are_not_asked_for(server: Server, api: Api) -> None:
    seen = look(server, api, speaker("n1"), leaf(n1=told(uptime=AFTER)), with_sessions=False)
    assert seen.ready == {"n1"}
    assert not seen.sessions
    assert not seen.peers
    # There is no report to wait for.
    assert Watch(api, TARGET, product_named(""), False).patience == 0
    assert not server.asked("bgppeers")


def test_bgppeers_without_a_status(server: Server, api: Api) -> None:
    statuses: list[Object] = [{}, {"status": None}, {"status": {}}, {"status": {"nodesPeerStatus": None}}]
    for status in statuses:
        seen = look(server, api, speaker("n1"), peer("leaf", "10.0.0.1") | status)
        assert not seen.sessions
        assert seen.peers == {"leaf"}


# Sessions that were closed a moment ago are reported for a while.

REPORTS = [told(uptime=AFTER), told(), told(uptime="soon"), told(uptime="")]
ONE = ("n1", "leaf")


def first_look(server: Server, api: Api, today: Collection[tuple[str, str]], *objects: Object) -> tuple[Watch, Seen]:
    server.objects = list(objects)
    watch = watching(api)
    watch.patience = 0
    return watch, watch.first_look(today)


def report(server: Server, watch: Watch, **reports: Any) -> frozenset[tuple[str, str]]:
    """The sessions that are seen with these reports."""
    server.objects[-1]["status"] = {"nodesPeerStatus": reports}
    return watch.look().sessions


@pytest.mark.parametrize("old", REPORTS)
def test_a_session_of_today_is_believed_from_the_first_look_on(server: Server, api: Api, old: Object) -> None:
    watch, seen = first_look(server, api, {ONE}, speaker("n1"), leaf(n1=old))
    assert (set(seen.sessions), set(seen.ready), set(seen.peers)) == ({ONE}, {"n1"}, {"leaf"})
    assert not watch.memory.doubted
    assert watch.look().sessions == {ONE}


@pytest.mark.parametrize("old", REPORTS)
def test_a_report_of_a_session_that_was_closed_a_moment_ago_is_not_believed_until_it_changes(
    server: Server, api: Api, old: Object
) -> None:
    watch, seen = first_look(server, api, {("n1", "other"), ("n2", "leaf")}, speaker("n1"), leaf(n1=old))
    assert (seen.sessions, [*watch.memory.doubted]) == (frozenset(), [ONE])
    assert not any(report(server, watch, n1=old) for _ in range(3))
    assert report(server, watch, n1=told(uptime=LATER)) == {ONE}
    assert not watch.memory.doubted
    # It is looked at as any other from now on.
    assert report(server, watch, n1=old) == {ONE}


@pytest.mark.parametrize("old", REPORTS)
@pytest.mark.parametrize("between", [{}, {"n1": told("ACTIVE", uptime=AFTER)}, {"n2": told(uptime=AFTER)}])
def test_a_report_that_has_gone_once_is_believed_when_it_comes_again(
    server: Server, api: Api, old: Object, between: Object
) -> None:
    watch, _ = first_look(server, api, (), speaker("n1"), leaf(n1=old))
    assert not report(server, watch, n1=old)
    assert not report(server, watch, **between)
    assert report(server, watch, n1=old) == {ONE}


def test_a_report_is_doubted_of_one_session_alone(server: Server, api: Api) -> None:
    up, pods = told(uptime=AFTER), (speaker("n1"), speaker("n2"))
    watch, seen = first_look(server, api, {("n2", "leaf")}, *pods, leaf(n1=up, n2=up))
    assert seen.sessions == {("n2", "leaf")}
    assert report(server, watch, n1=up, n2=up, n3=up) == {("n2", "leaf")}
    assert report(server, watch, n1=told(uptime=LATER), n2=up) == {ONE, ("n2", "leaf")}


def test_a_changed_report_is_held_to_the_pod_s_start_as_any_other(server: Server, api: Api) -> None:
    watch, _ = first_look(server, api, (), speaker("n1"), leaf(n1=told(uptime=AFTER)))
    assert not report(server, watch, n1=told(uptime=BEFORE))
    watch.patience = UNTIMED
    assert not report(server, watch, n1=told())
    assert report(server, watch, n1=told(uptime=AFTER)) == {ONE}


def test_reports_of_a_speaker_that_is_not_up_are_doubted_too(server: Server, api: Api) -> None:
    """It starts while the report of the one before it still stands."""
    up = told(uptime=AFTER)
    watch, seen = first_look(server, api, (), leaf(n1=up))
    assert (seen.pods, [*watch.memory.doubted]) == ({}, [ONE])
    server.objects.insert(0, speaker("n1"))
    assert not report(server, watch, n1=up)
    assert report(server, watch, n1=told(uptime=LATER)) == {ONE}


# What is still there but not to be.


def test_speakers_that_are_not_to_be_are_named_on_all_nodes_or_on_these(server: Server, api: Api) -> None:
    leaving = speaker("n4", deletionTimestamp=AFTER)
    seen = look(server, api, speaker("n1"), speaker("n2"), speaker("n3", ready="False"), leaving)
    goal = Goal(frozenset({"n1"}), frozenset())
    ends = [f"speaker on {name} to stop" for name in ("n2", "n3", "n4")]
    assert superfluous(goal, seen) == superfluous(goal, seen, ("n1", "n2", "n3", "n4", "n5")) == ends
    assert superfluous(goal, seen, {"n4", "n2"}) == [ends[0], ends[2]]
    assert superfluous(goal, seen, ("n1", "n5")) == superfluous(goal, seen, ()) == []


def test_all_pages_are_looked_at(server: Server, api: Api) -> None:
    names = [f"n{number}" for number in range(5)]
    peers = [
        peer(f"leaf-{number}", "10.0.0.1") | {"status": {"nodesPeerStatus": {"n4": told(uptime=AFTER)}}}
        for number in range(3)
    ]
    seen = look(server, api, *map(speaker, names), *peers)
    assert seen.ready == set(names)
    assert len(seen.sessions) == 3
    assert seen.peers == {"leaf-0", "leaf-1", "leaf-2"}


@pytest.mark.parametrize(
    "items", [[{"metadata": []}], [{"metadata": {}, "status": {"conditions": "none"}}], {}, [{"spec": {}}]]
)
def test_garbage_is_an_error_in_one_sentence(server: Server, api: Api, items: Any) -> None:
    server.ordered.append(Answer(200, {"metadata": {}, "items": items}))
    with pytest.raises(LiveError, match="the API server's answer cannot be read"):
        watching(api).look()


def test_garbage_in_a_status_is_not_believed(server: Server, api: Api) -> None:
    seen = look(server, api, speaker("n1"), leaf(n1=[]), settled=True)
    assert (set(seen.ready), set(seen.sessions)) == ({"n1"}, set())


# The belief alone, without a cluster.


def pod_of(node: str, started: str = START) -> Pod:
    return msgspec.convert(speaker(node, started), Pod)


@pytest.mark.parametrize("seconds", [0.0, 34.0, 36.0])
def test_belief_goes_from_one_memory_to_the_next(seconds: float) -> None:
    pods = {"n1": pod_of("n1"), "n2": pod_of("n2")}
    old = [PeerReport("leaf", {"n1": SessionReport(True), "n2": SessionReport(True, AFTER)})]
    seen, memory = believe(old, pods, Memory(), 100.0, Trust(35.0))
    assert seen.sessions == {("n2", "leaf")}
    assert memory == Memory({"uid-n1": 100.0, "uid-n2": 100.0})
    seen, after = believe(old, pods, memory, 100.0 + seconds, Trust(35.0))
    assert (("n1", "leaf") in seen.sessions) == (seconds > 35)
    assert after == memory


def test_what_is_reported_at_first_is_remembered_and_what_is_announced_binds_all() -> None:
    pods = {"n1": pod_of("n1"), "n2": pod_of("n2")}
    reports = {"n1": SessionReport(True, AFTER, announces=True), "n2": SessionReport(True, LATER)}
    seen, memory = believe([PeerReport("leaf", reports)], pods, Memory(), 0.0, Trust(0.0, first=True))
    assert [*seen.sessions, *seen.mute] == [("n1", "leaf"), ("n2", "leaf")]
    assert memory.doubted == {("n1", "leaf"): AFTER, ("n2", "leaf"): LATER}
    assert memory.announced == {"leaf"}
    again, after = believe([PeerReport("leaf", reports)], pods, memory, 1.0, Trust(0.0))
    assert (again.sessions, after) == (frozenset(), memory)
    silent, _ = believe([PeerReport("leaf", reports)], pods, Memory(), 0.0, Trust(0.0, allow_silent=True))
    assert silent.sessions == {("n1", "leaf"), ("n2", "leaf")}
