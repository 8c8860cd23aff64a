"""Sessions in which nothing is announced, though it should be, do not count, and their speakers are restarted alone."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from optimizer.errors import StoppedError
from optimizer.kube.client import Api
from optimizer.rollout.belief import Seen
from optimizer.rollout.goal import Goal, missing
from optimizer.rollout.silent_speakers import TRIES, SilentSpeakers
from optimizer.rollout.watch import Target, Watch
from optimizer.speakers import product_named
from tests.live_server import Server
from tests.objects import SPEAKER, SYSTEM, Object, peer, speaker_pod

LABELS = {"app": "openelb", "component": "speaker"}
TARGET = Target(SYSTEM, SPEAKER, "1", "app=openelb,component=speaker")
START, UP = "2026-05-01T10:00:01Z", "2026-05-01T10:00:02Z"
ONE, TWO = ("n1", "leaf"), ("n2", "leaf")
BOTH = Goal(frozenset({"n1", "n2"}), frozenset({ONE, TWO}))


def speaker(node: str, ready: str = "True") -> Object:
    made = speaker_pod(node, labels=LABELS)
    made["metadata"]["uid"] = f"uid-{node}"
    made["status"] |= {"startTime": START, "conditions": [{"type": "Ready", "status": ready}]}
    return made


def told(updates: Any = None, state: str = "ESTABLISHED") -> Object:
    """What a speaker tells of a session, with so many UPDATEs sent; None: it does not say."""
    found: Object = {"peerState": {"sessionState": state}, "timersState": {"uptime": UP}}
    if updates is not None:
        found["peerState"]["messages"] = {"sent": {"keepalive": "7", "update": updates}, "received": {"update": "9"}}
    return found


def leaf(name: str = "leaf", /, **reports: Any) -> Object:
    return peer(name, "10.0.0.1") | {"status": {"nodesPeerStatus": reports}}


def first_look(server: Server, api: Api, *objects: Object) -> tuple[Watch, Seen]:
    server.objects = list(objects)
    watch = Watch(api, TARGET, product_named(""), True)
    watch.patience = 0
    return watch, watch.first_look({ONE, TWO, ("n2", "other")})


@pytest.mark.parametrize(
    "none",
    [told(), told("0"), told(0), told(""), {**told(), "peerState": {"sessionState": "ESTABLISHED", "messages": None}}],
)
@pytest.mark.parametrize("some", ["1", "12", 3])
def test_a_session_without_an_update_does_not_count_where_others_have_some(
    server: Server, api: Api, none: Object, some: Any
) -> None:
    pods = speaker("n1"), speaker("n2")
    watch, seen = first_look(server, api, *pods, leaf(n1=told(some), n2=none))
    assert watch.memory.announced == {"leaf"}
    assert set(seen.sessions) == {ONE}
    assert set(seen.mute) == {TWO}
    assert missing(BOTH, seen) == ["an announcement in the session n2 - leaf"]
    server.objects = [*pods, leaf(n1=told(some), n2=told("1"))]
    assert watch.look().sessions == {ONE, TWO}


@pytest.mark.parametrize("none", [told(), told("0")])
def test_where_nobody_announces_anything_sessions_count_as_they_are(server: Server, api: Api, none: Object) -> None:
    pods = speaker("n1"), speaker("n2")
    watch, seen = first_look(server, api, *pods, leaf(n1=none, n2=none), leaf("other", n1=none))
    assert not watch.memory.announced
    assert not seen.mute
    assert seen.sessions >= {ONE, TWO}


def test_each_router_is_held_to_what_it_is_told_itself(server: Server, api: Api) -> None:
    pods = speaker("n1"), speaker("n2")
    watch, seen = first_look(server, api, *pods, leaf(n1=told(), n2=told()), leaf("other", n1=told("2"), n2=told("2")))
    assert watch.memory.announced == {"other"}
    assert {ONE, TWO} <= seen.sessions


def test_a_session_that_is_down_announces_nothing_whatever_is_reported(server: Server, api: Api) -> None:
    watch, seen = first_look(server, api, speaker("n1"), speaker("n2"), leaf(n1=told("3", "ACTIVE"), n2=told()))
    assert not watch.memory.announced
    assert seen.sessions == {TWO}


# What is restarted


def silence(server: Server, api: Api, *objects: Object) -> tuple[SilentSpeakers, list[str], list[object]]:
    """One that has had its first look, the nodes of the pods that it removes, and what it tells."""
    watch, _ = first_look(server, api, *objects)
    removed: list[str] = []
    lines: list[object] = []
    return SilentSpeakers(watch, lambda pod: removed.append(pod.spec.node_name), lines.append), removed, lines


def end(it: SilentSpeakers, *nodes: str) -> bool:
    return it.restart_one(frozenset(nodes or ("n1", "n2")), it.watch.look())


def test_one_speaker_at_a_time_is_restarted(server: Server, api: Api) -> None:
    pods = [speaker(name) for name in ("n1", "n2", "n3")]
    it, removed, lines = silence(server, api, *pods, leaf(n1=told("1"), n2=told(), n3=told()))
    it.watch.memory = replace(it.watch.memory, doubted={})
    assert end(it, "n1", "n2", "n3")
    assert removed == ["n2"]
    assert lines == ["  the speaker on n2 has its sessions but announces nothing to leaf: restarting it"]
    pods[1]["status"]["conditions"] = []
    assert not end(it, "n1", "n2", "n3")
    pods[1]["status"] |= speaker("n2")["status"]
    assert end(it, "n1", "n2", "n3")
    assert removed == ["n2", "n3"]


@pytest.mark.parametrize("reason", ["soon", "leaves", "not ready", "announces elsewhere"])
def test_a_speaker_is_not_restarted_without_need(server: Server, api: Api, reason: str) -> None:
    pods = [speaker("n1", "False" if reason == "not ready" else "True"), speaker("n2"), speaker("n3")]
    other = leaf("other", n2=told("1")) if reason == "announces elsewhere" else leaf("other")
    it, removed, lines = silence(server, api, *pods, leaf(n1=told("1"), n2=told(), n3=told("1")), other)
    it.watch.patience = 60 if reason == "soon" else 0
    assert not end(it, *(["n1"] if reason == "leaves" else []))
    assert (removed, lines) == ([], [])


def test_where_nobody_who_has_started_announces_anything_the_operator_is_asked(server: Server, api: Api) -> None:
    """All services may have gone while their speakers kept their sessions."""
    it, removed, _ = silence(server, api, speaker("n1"), speaker("n2"), leaf(n1=told("1"), n2=told()))
    for _ in range(TRIES):
        assert end(it)
    assert removed == ["n2"] * TRIES
    with pytest.raises(
        StoppedError, match=r"the speaker on n2 has its sessions but announces nothing to leaf.*--allow-silent"
    ):
        end(it)


def test_where_others_announce_each_has_its_own_tries(server: Server, api: Api) -> None:
    pods = [speaker(name) for name in ("n1", "n2", "n3")]
    it, removed, _ = silence(server, api, pods[0], leaf(n1=told("1")))
    server.objects = [*pods, leaf(n1=told("1"), n2=told("4"), n3=told())]
    it.watch.memory = replace(it.watch.memory, doubted={})
    for _ in range(TRIES):
        assert end(it, "n1", "n2", "n3")
    assert removed == ["n3"] * TRIES
    with pytest.raises(StoppedError, match="the speaker on n3"):
        end(it, "n1", "n2", "n3")


def test_silence_may_be_allowed(server: Server, api: Api) -> None:
    server.objects = [speaker("n1"), speaker("n2"), leaf(n1=told("1"), n2=told())]
    watch = Watch(api, TARGET, product_named(""), True, allow_silent=True)
    assert watch.first_look({ONE, TWO}).sessions == {ONE, TWO}
    assert watch.look().sessions == {ONE, TWO}


def test_a_router_that_is_told_something_later_is_told_it_by_all(server: Server, api: Api) -> None:
    pods = speaker("n1"), speaker("n2")
    watch, seen = first_look(server, api, *pods, leaf(n1=told(), n2=told()))
    assert seen.sessions == {ONE, TWO}
    server.objects = [*pods, leaf(n1=told("1"), n2=told())]
    assert watch.look().sessions == {ONE}
