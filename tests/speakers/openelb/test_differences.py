"""In what BgpPeers of one address differ, as OpenELB and GoBGP read them."""

from __future__ import annotations

from typing import Any

import pytest

from optimizer.model import Peer
from optimizer.speakers.openelb.differences import differences
from tests.exports.export_inputs import peer, rack


def made(name: str, address: str = "10.0.0.1", conf: dict[str, Any] | None = None, **spec: Any) -> Peer:
    """A BgpPeer with more fields."""
    found = peer(name, address, rack(name))
    found.manifest["spec"]["conf"].update(conf or {})
    found.manifest["spec"].update(spec)
    return found


def add_path(afi: str = "AFI_IP", most: int = 10, **more: Any) -> dict[str, Any]:
    config = {"family": {"afi": afi, "safi": "SAFI_UNICAST"}, "enabled": True}
    return {"config": config, "addPaths": {"config": {"sendMax": most}}, **more}


@pytest.mark.parametrize(
    ("one", "two", "fields"),
    [
        ({"conf": {"peerAs": 65002}}, {}, ["spec.conf.peerAs (65002, 65001)"]),
        ({"conf": {"localAs": 65009}}, {}, ["spec.conf.localAs (65009, absent)"]),
        ({"conf": {"authPassword": "alpha"}}, {"conf": {"authPassword": "beta"}}, ["spec.conf.authPassword"]),
        ({"conf": {"authPassword": "alpha"}}, {}, ["spec.conf.authPassword"]),
        ({"conf": {"authPassword": 1234}}, {}, ["spec.conf.authPassword"]),
        ({"conf": {"adminDown": True}}, {}, ["spec.conf.adminDown (true, absent)"]),
        ({"conf": {"vrf": "blue"}}, {"conf": {"vrf": "red"}}, ["spec.conf.vrf"]),
        (
            {"ebgpMultihop": {"enabled": True, "multihopTtl": 2}},
            {},
            ["spec.ebgpMultihop.enabled (true, absent)", "spec.ebgpMultihop.multihopTtl (2, absent)"],
        ),
        ({"transport": {"remotePort": 1179}}, {}, ["spec.transport.remotePort (1179, absent = 179)"]),
        ({"transport": {"passiveMode": True}}, {}, ["spec.transport.passiveMode (true, absent)"]),
        (
            {"timers": {"config": {"keepaliveInterval": "10"}}},
            {},
            ["spec.timers.config.keepaliveInterval (10, absent = 30)"],
        ),
        (
            {"timers": {"config": {"holdTime": 30.0, "keepaliveInterval": 0}}},
            {},
            [
                "spec.timers.config.holdTime (30, absent = 90)",
                "spec.timers.config.keepaliveInterval (0 = 10, absent = 30)",
            ],
        ),
        (
            {"ebgpMultihop": {"enabled": False, "multihopTtl": 2}},
            {"ebgpMultihop": {"enabled": True, "multihopTtl": 2}},
            ["spec.ebgpMultihop.enabled (false, true)", "spec.ebgpMultihop.multihopTtl (unused 2, 2)"],
        ),
        (
            {"gracefulRestart": {"enabled": True}},
            {"gracefulRestart": {"enabled": True, "restartTime": 120}},
            ["spec.gracefulRestart.restartTime (absent = 90, 120)"],
        ),
        ({"bfd": {"enabled": True}}, {}, ["spec.bfd.enabled (true, absent)"]),
        ({"afiSafis": [add_path(most=0)]}, {}, ["spec.afiSafis[AFI_IP].addPaths.config.sendMax (0, absent = 10)"]),
        ({"afiSafis": [add_path(), add_path("AFI_IP6", 0)]}, {}, ["spec.afiSafis[AFI_IP6] (true, absent)"]),
        (
            {"afiSafis": [add_path(mpGracefulRestart={"config": {"enabled": True}})]},
            {},
            ["spec.afiSafis[AFI_IP].mpGracefulRestart.config.enabled (true, absent)"],
        ),
        ({"later": {"token": 7}}, {}, ["spec.later.token"]),
        ({"od\x1bd": 7}, {}, ["'spec.od\\x1bd' (7, absent)"]),
        ({"timers": "soon", "transport": None, "ebgpMultihop": [1]}, {}, []),
    ],
)
def test_a_difference_in_what_makes_the_session_is_named(one: Any, two: Any, fields: list[str]) -> None:
    found = differences(made("a", **one), made("b", **two))
    assert [*found] == fields
    assert not any(secret in " ".join(found) for secret in ("alpha", "beta", "1234"))
    assert len(differences(made("b", **two), made("a", **one))) == len(fields)


@pytest.mark.parametrize(
    "spec",
    [
        {},
        {"conf": {"description": "rack a", "localAs": 0, "authPassword": "", "adminDown": False}},
        {"conf": {"removePrivateAs": "NONE", "peerType": 1, "vrf": None}},
        {"ebgpMultihop": {}},
        {"ebgpMultihop": {"enabled": False, "multihopTtl": 7}},
        {"transport": {"remotePort": 179, "passiveMode": False}},
        {"timers": {"config": {"holdTime": "90", "keepaliveInterval": "30", "connectRetry": "120"}}},
        {"timers": {"config": {"holdTime": 0}}},
        {"gracefulRestart": {"enabled": False, "restartTime": 60}},
        {"afiSafis": []},
        {"afiSafis": [add_path()]},
        {"afiSafis": [{"addPaths": {"config": {"sendMax": 10, "receive": False}}}]},
    ],
)
def test_what_is_absent_and_what_is_the_default_are_equal(spec: Any) -> None:
    assert differences(made("a", **spec), made("b")) == differences(made("a"), made("b", **spec)) == ()


def test_the_default_family_is_that_of_the_address() -> None:
    six = made("a", "fd00::1", afiSafis=[add_path("AFI_IP6")])
    assert differences(six, made("b", "fd00::1")) == ()
    assert differences(made("a", conf={"neighborAddress": "::ffff:10.0.0.1"}), made("b")) == ()


def test_the_order_of_families_means_nothing() -> None:
    both = [add_path(), add_path("AFI_IP6")]
    assert differences(made("a", afiSafis=both), made("b", afiSafis=both[::-1])) == ()


def test_the_ttl_and_the_times_of_what_is_enabled_have_defaults() -> None:
    one = made("a", ebgpMultihop={"enabled": True}, gracefulRestart={"enabled": True})
    restart = {"enabled": True, "restartTime": 90, "deferralTime": 360}
    assert (
        differences(one, made("b", ebgpMultihop={"enabled": True, "multihopTtl": 255}, gracefulRestart=restart)) == ()
    )
