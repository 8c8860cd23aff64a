"""The policy file -> a checked `Policy`, and back for placement.json."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Struct

from ..errors import InputError
from ..files import path_of
from ..kube.names import check_label_key, check_label_value
from ..kube.objects import Expression, Quantities, Selector
from ..kube.parse import read_selector
from ..kube.quantities import HUGE_PAGES, parse_resources
from ..model import (
    GOALS,
    Goal,
    LabelSelector,
    Mode,
    NodeCost,
    NodeRules,
    Peering,
    Policy,
    Resources,
    SpeakerNeeds,
    Survive,
)
from ..words import nearest
from .attachments import check_text
from .fields import AMOUNTS, FROM_ONE, FROM_ZERO, about
from .text import check_keys, check_unique, convert, expect, load_settings, made_by_hand

NATIVE = ("cpu", "memory", "ephemeral-storage")
"""The resources without a domain in their name that a pod can request, but for huge pages."""


class Setting(Struct, frozen=True, rename="camel", omit_defaults=True):
    """A part of the policy file."""


class SurviveSetting(Setting, frozen=True):
    """A protected kind of failure domain."""

    kind: Annotated[str, about("A kind that the topology declares, or zone, region, hostname.")]
    survivors: Annotated[int, about("Sessions that a router outside the failed domain keeps.", **FROM_ONE)] = 1


class SpeakerSetting(Setting, frozen=True):
    """What a speaker needs; quantities as Kubernetes writes them."""

    requests: Annotated[
        Quantities | None, about("Resources of one speaker, instead of the DaemonSet's requests.", **AMOUNTS)
    ] = None
    per_session: Annotated[Quantities | None, about("Resources of each session, on top.", **AMOUNTS)] = None
    max_sessions: Annotated[int | None, about("The most sessions of one speaker.", **FROM_ZERO)] = None
    label: Annotated[
        str | None, about("The node label that marks speakers, as key=value [bgp-speakers/speaker=true].", pattern="=")
    ] = None
    daemon_set: Annotated[str | None, about("The speaker DaemonSet, as [namespace/]name.")] = None


class CostSetting(Setting, frozen=True):
    """The cost of choosing a node that matches."""

    selector: Annotated[Selector, about("A label selector; an empty one matches every node.")]
    cost: Annotated[int, about("What each such node costs.", **FROM_ZERO)]


class NodeSettings(Setting, frozen=True):
    """Which nodes must not, should or must be chosen."""

    exclude: Annotated[tuple[Selector, ...], about("Nodes that must not run a speaker, by label selectors.")] = ()
    prefer: Annotated[tuple[Selector, ...], about("Where given, nodes that match none of these cost 1 more.")] = ()
    pin: Annotated[tuple[str, ...], about("Names of nodes that must run a speaker.")] = ()
    ban: Annotated[tuple[str, ...], about("Names of nodes that must not run a speaker.")] = ()
    cost: Annotated[tuple[CostSetting, ...], about("Costs of nodes, added up where several match.")] = ()
    head_room: Annotated[bool, about("Whether it counts as a cost how full a node is.")] = True


class PolicyFile(Setting, frozen=True):
    """What is asked for; options of the command line override it."""

    speakers_per_router: Annotated[
        int, about("Sessions that every router keeps, each from another node.", **FROM_ONE)
    ] = 2
    peering: Annotated[
        Peering, about("all-attached: a speaker peers with all its routers; selected: sessions are chosen.")
    ] = "all-attached"
    mode: Annotated[Mode, about("How services are announced.")] = "bgp"
    survive: Annotated[
        tuple[SurviveSetting, ...], about("Kinds of failure domains of which whichever one may fail.")
    ] = ()
    speaker: Annotated[SpeakerSetting, about("What a speaker needs, and which DaemonSet and label it has.")] = (
        SpeakerSetting()
    )
    nodes: Annotated[NodeSettings, about("Which nodes must not, should or must be chosen.")] = NodeSettings()
    max_moves: Annotated[
        int | None,
        about("The most speakers that may start or stop on eligible nodes.", minimum=0, maximum=10_000_000),
    ] = None
    goals: Annotated[
        tuple[Goal, ...], about("In strict order, each proved before the next.", minItems=1, uniqueItems=True)
    ] = GOALS
    time_limit: Annotated[float, about("Seconds to prove in.", minimum=0.1, maximum=1_000_000)] = 60.0
    best_effort: Annotated[bool, about("Where not all rules can hold, miss as few as can be.")] = False
    allow_break: Annotated[bool, about("Let a router be over its limit during the change.")] = False
    coverage: Annotated[
        bool | None,
        about("Whether every rack keeps sessions of its own; null: where speakers announce only their own rack."),
    ] = None


def read_policy(path: str | Path | None, options: Mapping[str, Any] = {}) -> Policy:
    """The policy of the file, if any, with the command line's options (same keys) over it. Raises InputError."""
    data: dict[str, Any] = {} if path is None else load_settings(path_of(path, "policy"))
    place = "policy" if path is None else str(path)
    # The file is checked before the options are laid over it, so that an option never hides a mistake in it.
    policy = parse_policy(data, place)
    return parse_policy(overlay(data, options), "options") if options else policy


def overlay(data: Mapping[str, Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """`options` over `data`; mappings are joined key by key.

    >>> overlay({"nodes": {"ban": ["a"]}, "maxMoves": 3}, {"nodes": {"pin": ["b"]}})
    {'nodes': {'ban': ['a'], 'pin': ['b']}, 'maxMoves': 3}
    """
    merged = dict(data)
    for key, value in options.items():
        both = isinstance(value, Mapping) and isinstance(merged.get(key), Mapping)
        merged[key] = overlay(merged[key], value) if both else value
    return merged


def parse_policy(data: object, place: str) -> Policy:
    """A checked policy from plain data; `place` names the file. Raises InputError."""
    check_keys(data, PolicyFile, place)
    check_choices(data, place)
    found = convert(data, PolicyFile, place)
    check_numbers(found, place)
    policy = Policy(
        speakers_per_router=found.speakers_per_router,
        peering=found.peering,
        mode=found.mode,
        survive=tuple(Survive(entry.kind, entry.survivors) for entry in found.survive),
        speaker=parse_speaker(found.speaker, f"{place}: speaker"),
        nodes=NodeRules(
            exclude=parse_selectors(found.nodes.exclude, f"{place}: nodes.exclude"),
            prefer=parse_selectors(found.nodes.prefer, f"{place}: nodes.prefer"),
            pin=tuple(sorted(set(found.nodes.pin))),
            ban=tuple(sorted(set(found.nodes.ban))),
            cost=tuple(
                NodeCost(parse_selector(entry.selector, f"{place}: nodes.cost[{index}].selector"), entry.cost)
                for index, entry in enumerate(found.nodes.cost)
            ),
            head_room=found.nodes.head_room,
        ),
        max_moves=found.max_moves,
        goals=found.goals,
        time_limit=found.time_limit,
        best_effort=found.best_effort,
        allow_break=found.allow_break,
        coverage=found.coverage,
    )
    both = sorted(set(policy.nodes.pin) & set(policy.nodes.ban))
    if both:
        raise InputError(f"{place}: nodes: {both[0]} is both pinned and banned")
    return policy


def check_choices(data: object, place: str) -> None:
    """Raise InputError for a word that is none of a field's choices, naming the nearest."""
    if not isinstance(data, dict):
        return
    choices = {"peering": ("all-attached", "selected"), "mode": ("bgp", "layer2", "vip")}
    given = [(field, data[field], known) for field, known in choices.items() if field in data]
    if isinstance(data.get("goals"), list):
        given += [("goals", goal, GOALS) for goal in data["goals"]]
    for field, value, known in given:
        if isinstance(value, str) and value not in known:
            raise InputError(f"{place}: {field}: {value!r} is not known; {nearest(value, known)}")


def check_numbers(found: PolicyFile, place: str) -> None:
    """Raise InputError for numbers that make no sense."""
    numbers: list[tuple[str, float | None, float, float]] = [
        ("speakersPerRouter", found.speakers_per_router, 1, 1_000_000),
        ("maxMoves", found.max_moves, 0, 10_000_000),
        ("timeLimit", found.time_limit, 0.1, 1_000_000),
        ("speaker.maxSessions", found.speaker.max_sessions, 0, 1_000_000),
    ]
    numbers += [(f"survive ({entry.kind}): survivors", entry.survivors, 1, 1_000_000) for entry in found.survive]
    numbers += [(f"nodes.cost[{i}].cost", entry.cost, 0, 1_000_000) for i, entry in enumerate(found.nodes.cost)]
    for field, number, least, most in numbers:
        if number is not None and not least <= number <= most:
            raise InputError(f"{place}: {field} must be from {least} to {most}, not {number}")
    for index, entry in enumerate(found.survive):
        check_text(entry.kind, f"{place}: survive[{index}]: the kind")
    check_unique([entry.kind for entry in found.survive], f"{place}: survive:")
    check_unique(found.goals, f"{place}: goals:")
    if not found.goals:
        raise InputError(f"{place}: goals: at least one is needed; known are {', '.join(GOALS)}")
    if found.mode != "bgp" and all(goal.startswith("session") for goal in found.goals):
        raise InputError(f"{place}: goals: mode {found.mode} has no sessions; name another goal, such as speakers")


def parse_speaker(found: SpeakerSetting, place: str) -> SpeakerNeeds:
    """The needs of a speaker. Raises InputError."""
    return SpeakerNeeds(
        requests=None if found.requests is None else parse_amounts(found.requests, f"{place}.requests"),
        per_session=parse_amounts(found.per_session or {}, f"{place}.perSession"),
        max_sessions=found.max_sessions,
        label=SpeakerNeeds().label if found.label is None else parse_label(found.label, f"{place}.label"),
        daemonset=found.daemon_set,
    )


def parse_amounts(amounts: Quantities, place: str) -> Resources:
    """The resources of a policy. Raises InputError for what no pod can request and for what is no quantity."""
    for name in amounts:
        if name not in NATIVE and not name.startswith(HUGE_PAGES) and "/" not in name:
            raise InputError(f"{place}: unknown key {name!r}; {nearest(name, NATIVE)}")
    try:
        return parse_resources(amounts)
    except ValueError as error:
        raise InputError(f"{place}.{error}") from None


def parse_label(text: str, place: str) -> tuple[str, str]:
    """`key=value` as a pair, checked as Kubernetes checks labels. Raises InputError."""
    key, equals, value = text.partition("=")
    if not equals:
        raise InputError(f"{place}: {text!r} is not of the form key=value")
    try:
        check_label_key(key)
        check_label_value(value)
    except ValueError as error:
        raise InputError(f"{place}: {error}") from None
    prefix = key.rpartition("/")[0]
    if prefix.endswith(("kubernetes.io", "k8s.io")) and prefix != "node-role.kubernetes.io":
        raise InputError(f"{place}: {key} is a label of Kubernetes itself, which a change would spoil")
    return key, value


def parse_selector(selector: Selector, place: str) -> LabelSelector:
    """A label selector; an empty one matches every node. Raises InputError."""
    return read_selector(selector, place) or LabelSelector()


def parse_selectors(selectors: tuple[Selector, ...], place: str) -> tuple[LabelSelector, ...]:
    """Label selectors. Raises InputError naming the one that is wrong."""
    return tuple(parse_selector(selector, f"{place}[{index}]") for index, selector in enumerate(selectors))


def policy_to_data(policy: Policy) -> dict[str, Any]:
    """The policy as `parse_policy` reads it: `parse_policy(policy_to_data(p), "")` is `p`."""
    needs = policy.speaker

    def amounts(resources: Resources) -> Quantities:
        others = {name: str(amount) for name, amount in resources.others.items()}
        return {"cpu": f"{resources.cpu}m", "memory": str(resources.memory), **others}

    def plain(selector: LabelSelector) -> Selector:
        expressions = [Expression(each.key, each.operator, list(each.values)) for each in selector.match_expressions]
        return Selector(dict(selector.match_labels), expressions)

    file = PolicyFile(
        speakers_per_router=policy.speakers_per_router,
        peering=policy.peering,
        mode=policy.mode,
        survive=tuple(SurviveSetting(entry.kind, entry.survivors) for entry in policy.survive),
        speaker=SpeakerSetting(
            requests=amounts(needs.requests) if needs.requests else None,
            per_session=amounts(needs.per_session) if needs.per_session != Resources() else None,
            max_sessions=needs.max_sessions,
            label="=".join(needs.label),
            daemon_set=needs.daemonset,
        ),
        nodes=NodeSettings(
            exclude=tuple(map(plain, policy.nodes.exclude)),
            prefer=tuple(map(plain, policy.nodes.prefer)),
            pin=policy.nodes.pin,
            ban=policy.nodes.ban,
            cost=tuple(CostSetting(plain(entry.selector), entry.cost) for entry in policy.nodes.cost),
            head_room=policy.nodes.head_room,
        ),
        max_moves=policy.max_moves,
        goals=policy.goals,
        time_limit=policy.time_limit,
        best_effort=policy.best_effort,
        allow_break=policy.allow_break,
        coverage=policy.coverage,
    )
    data: dict[str, Any] = msgspec.to_builtins(file)
    return data


def checked_policy(policy: Policy) -> Policy:
    """A policy made by hand, checked as one from a file is. Raises InputError."""
    try:
        expect(policy, Policy, "policy")
        data = policy_to_data(policy)
    except (AttributeError, TypeError) as error:
        # Something is of another type than it says; which field that is, this finds out, but for mappings.
        made_by_hand(policy, Policy, "policy")
        raise InputError(f"policy: not made of the types of its fields ({error})") from None
    return parse_policy(data, "policy")
