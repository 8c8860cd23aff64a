"""The policy file and the options over it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given

from optimizer.errors import InputError
from optimizer.inputs.policy import parse_policy, policy_to_data, read_policy
from optimizer.model import (
    GOALS,
    LabelSelector,
    NodeCost,
    NodeRules,
    Policy,
    Requirement,
    Resources,
    SpeakerNeeds,
    Survive,
)
from tests.objects import write
from tests.strategies import policies

EXAMPLE = """
speakersPerRouter: 3
peering: selected
mode: bgp
survive: [{kind: rack}, {kind: zone, survivors: 2}]
speaker:
  requests: {cpu: 150m, memory: 0.5Gi}
  perSession: {cpu: 1m, memory: 1e6}
  maxSessions: 8
  label: example.com/speaker=yes
  daemonSet: openelb-system/openelb-speaker
nodes:
  exclude: [{matchLabels: {gpu: "true"}}]
  prefer: [{matchExpressions: [{key: role, operator: In, values: [infra, edge]}]}]
  pin: [n2, n1, n2]
  ban: [n3]
  cost: [{selector: {}, cost: 5}]
maxMoves: 0
goals: [speakers, sessions]
timeLimit: 1.5
bestEffort: true
allowBreak: true
coverage: false
"""


def policy(folder: Path, content: object, **options: Any) -> Policy:
    text = content if isinstance(content, str | bytes) else yaml.safe_dump(content)
    return read_policy(write(folder / "p.yaml", text), options)


def refused(folder: Path, content: object, **options: Any) -> str:
    with pytest.raises(InputError) as caught:
        policy(folder, content, **options)
    assert str(caught.value).isprintable()
    return str(caught.value).replace(f"{folder}/", "")


def test_every_key_is_read(tmp_path: Path) -> None:
    assert policy(tmp_path, EXAMPLE) == Policy(
        speakers_per_router=3,
        peering="selected",
        mode="bgp",
        survive=(Survive("rack"), Survive("zone", 2)),
        speaker=SpeakerNeeds(
            requests=Resources(150, 2**29),
            per_session=Resources(1, 10**6),
            max_sessions=8,
            label=("example.com/speaker", "yes"),
            daemonset="openelb-system/openelb-speaker",
        ),
        nodes=NodeRules(
            exclude=(LabelSelector({"gpu": "true"}),),
            prefer=(LabelSelector({}, (Requirement("role", "In", ("infra", "edge")),)),),
            pin=("n1", "n2"),
            ban=("n3",),
            cost=(NodeCost(LabelSelector(), 5),),
        ),
        max_moves=0,
        goals=("speakers", "sessions"),
        time_limit=1.5,
        best_effort=True,
        allow_break=True,
        coverage=False,
    )


@pytest.mark.parametrize("text", ["", "{}", "# all as it comes\n"])
def test_every_key_is_optional(tmp_path: Path, text: str) -> None:
    assert policy(tmp_path, text) == read_policy(None, {}) == Policy()


def test_options_go_over_the_file(tmp_path: Path) -> None:
    found = policy(tmp_path, EXAMPLE, speakersPerRouter=2, nodes={"ban": ["n4"]}, survive=[{"kind": "feed"}])
    assert found.speakers_per_router == 2
    assert found.survive == (Survive("feed"),)
    assert (found.nodes.ban, found.nodes.pin) == (("n4",), ("n1", "n2"))
    assert found.speaker.max_sessions == 8


def test_options_alone_are_a_policy() -> None:
    assert read_policy(None, {"mode": "vip", "timeLimit": 5.0}) == Policy(mode="vip", time_limit=5.0)


def test_an_option_does_not_hide_a_mistake_in_the_file(tmp_path: Path) -> None:
    sentence = refused(tmp_path, {"peering": "some"}, peering="selected")
    assert sentence == "p.yaml: peering: 'some' is not known; known are all-attached, selected"


def test_a_mistake_in_an_option_is_told_as_one() -> None:
    with pytest.raises(InputError, match=r"^options: peering: 'selectd' is not known; did you mean 'selected'\?$"):
        read_policy(None, {"peering": "selectd"})


def test_a_node_pinned_in_the_file_and_banned_by_an_option_is_refused(tmp_path: Path) -> None:
    sentence = refused(tmp_path, {"nodes": {"pin": ["n1"]}}, nodes={"ban": ["n2", "n1"]})
    assert sentence == "options: nodes: n1 is both pinned and banned"


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ({"speakerPerRouter": 2}, "unknown key 'speakerPerRouter'; did you mean 'speakersPerRouter'?"),
        ({"speakers_per_router": 2}, "unknown key 'speakers_per_router'; did you mean 'speakersPerRouter'?"),
        ({"survive": [{"kind": "rack", "survivor": 1}]}, "survive[0]: unknown key 'survivor'; did you mean 'survivors"),
        ({"speaker": {"daemonset": "x"}}, "speaker: unknown key 'daemonset'; did you mean 'daemonSet'?"),
        ({"speaker": {"requests": {"cpus": 1}}}, "speaker.requests: unknown key 'cpus'; did you mean 'cpu'?"),
        ({"speaker": {"perSession": {"pods": 1}}}, "speaker.perSession: unknown key 'pods'; known are cpu, "),
        ({"nodes": {"excluded": []}}, "nodes: unknown key 'excluded'; did you mean 'exclude'?"),
        ({"nodes": {"prefer": [{"labels": {}}]}}, "nodes.prefer[0]: unknown key 'labels'; did you mean 'matchLabels'?"),
        (
            {"nodes": {"cost": [{"select": {}, "cost": 1}]}},
            "nodes.cost[0]: unknown key 'select'; did you mean 'selector",
        ),
    ],
)
def test_an_unknown_key_is_refused_with_the_nearest_known_one(tmp_path: Path, content: object, sentence: str) -> None:
    assert refused(tmp_path, content).startswith(f"p.yaml: {sentence}")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ({"speakersPerRouter": 0}, "speakersPerRouter must be from 1 to 1000000, not 0"),
        ({"speakersPerRouter": "2"}, "speakersPerRouter: expected a whole number, found text"),
        ({"speakersPerRouter": True}, "speakersPerRouter: expected a whole number, found true or false"),
        ({"speakersPerRouter": None}, "speakersPerRouter: expected a whole number, found null"),
        ({"speakersPerRouter": 10**30}, "line 1: not valid YAML (a whole number of more than 64 bits)"),
        ({"maxMoves": -1}, "maxMoves must be from 0 to 10000000, not -1"),
        ({"timeLimit": 0}, "timeLimit must be from 0.1 to 1000000, not 0.0"),
        ({"timeLimit": float("nan")}, "timeLimit must be from 0.1 to 1000000, not nan"),
        ({"timeLimit": float("inf")}, "timeLimit must be from 0.1 to 1000000, not inf"),
        ({"timeLimit": "60s"}, "timeLimit: expected a number, found text"),
        ({"bestEffort": "yes"}, "bestEffort: expected true or false, found text"),
        ({"mode": "layer-2"}, "mode: 'layer-2' is not known; did you mean 'layer2'?"),
        ({"mode": 2}, "mode: expected text, found a whole number"),
        ({"goals": ["session"]}, "goals: 'session' is not known; did you mean 'sessions'?"),
        ({"goals": ["cost", "cost"]}, "goals: 'cost' is given twice"),
        ({"goals": []}, "goals: at least one is needed; known are sessions, speakers, moves, sessionMoves, cost"),
        ({"goals": "cost"}, "goals: expected a list, found text"),
        (
            {"mode": "vip", "goals": ["sessions"]},
            "goals: mode vip has no sessions; name another goal, such as speakers",
        ),
        ({"survive": [{"kind": "rack"}, {"kind": "rack"}]}, "survive: 'rack' is given twice"),
        ({"survive": [{"kind": "rack", "survivors": 0}]}, "survive (rack): survivors must be from 1 to 1000000, not 0"),
        ({"survive": [{"kind": ""}]}, "survive[0]: the kind must be printable text, not ''"),
        ({"survive": ["rack"]}, "survive[0]: expected an object, found text"),
        ({"survive": [{}]}, "survive[0]: the field kind is missing"),
        ({"speaker": {"maxSessions": -1}}, "speaker.maxSessions must be from 0 to 1000000, not -1"),
        ({"speaker": {"requests": {"cpu": "abc"}}}, "speaker.requests.cpu: 'abc' is not a Kubernetes quantity"),
        ({"speaker": {"requests": {"memory": -1}}}, "speaker.requests.memory: '-1' is negative"),
        (
            {"speaker": {"requests": {"cpu": True}}},
            "speaker.requests[...]: expected a number or text, found true or false",
        ),
        ({"speaker": {"label": "speaker"}}, "speaker.label: 'speaker' is not of the form key=value"),
        ({"speaker": {"label": "a b=c"}}, "speaker.label: 'a b' is not a label key"),
        ({"speaker": {"label": "a=b=c"}}, "speaker.label: 'b=c' is not a label value"),
        ({"nodes": {"pin": "n1"}}, "nodes.pin: expected a list, found text"),
        ({"nodes": {"pin": ["b", "a"], "ban": ["a", "b"]}}, "nodes: a is both pinned and banned"),
        ({"nodes": {"cost": [{"selector": {}, "cost": -1}]}}, "nodes.cost[0].cost must be from 0 to 1000000, not -1"),
        (
            {"nodes": {"cost": [{"selector": {}, "cost": 0.5}]}},
            "nodes.cost[0].cost: expected a whole number, found a decimal number",
        ),
        (
            {"nodes": {"exclude": [{}, {"matchExpressions": [{"key": "a", "operator": "Near"}]}]}},
            "nodes.exclude[1].matchExpressions: operator 'Near' is not one of In, NotIn, Exists, DoesNotExist",
        ),
        ({"nodes": {"prefer": [{"matchLabels": {"a": "ä"}}]}}, "nodes.prefer[0].matchLabels: 'ä' is not a label value"),
    ],
)
def test_an_impossible_value_is_refused(tmp_path: Path, content: object, sentence: str) -> None:
    assert refused(tmp_path, content).startswith(f"p.yaml: {sentence}")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("maxMoves: 1\nmaxMoves: 2", "p.yaml: line 2: not valid YAML (key 'maxMoves' is given twice)"),
        ('{"nodes": {"pin": [], "pin": []}}', "p.yaml: not valid JSON (key 'pin' is given twice)"),
        ("[]", "p.yaml: must hold one mapping of settings"),
    ],
)
def test_a_file_that_cannot_be_one_policy_is_refused(tmp_path: Path, text: str, sentence: str) -> None:
    assert refused(tmp_path, text) == sentence


def test_many_kinds_to_survive_are_read_at_once(tmp_path: Path) -> None:
    many = [{"kind": f"k{i}"} for i in range(20_000)]
    assert len(parse_policy({"survive": many}, "p").survive) == 20_000
    assert len(GOALS) == len(policy(tmp_path, {"goals": list(GOALS)}).goals)


@given(policies())
def test_a_policy_written_and_read_again_is_the_same(asked: Policy) -> None:
    assert parse_policy(policy_to_data(asked), "p") == asked
