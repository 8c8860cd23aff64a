"""The answer for people: a short, aligned text."""

from __future__ import annotations

import textwrap
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

from ..findings import Finding
from ..model import Cluster, Count, Objective, Placement, Policy, Shortfall
from ..search.coverage import announced_racks
from ..words import are, listed, plural

WIDTH = 118
LABEL = 14
SHOWN = 8
"""Names or lines that are listed before the rest is only counted."""

KINDS: Mapping[str, tuple[str, str, str]] = {
    "redundancy": ("shortfall", "session", "of routers"),
    "announcement": ("shortfall", "session", "of racks that keep none"),
    "coverage": ("exposure", "session", "of racks"),
    "survival": ("exposure", "survivor", "of failures"),
}
"""What best effort may miss: the goal that counts it, what is counted, and whose it is."""


def text(cluster: Cluster, policy: Policy, placement: Placement, verbose: bool = False) -> str:
    """The summary: one subject a paragraph, its name in the first column. `verbose` lists everything."""
    most = 10**9 if verbose else SHOWN
    lines = [("status", status(placement)), ("asked", asked(cluster, policy)), ("nodes", nodes(cluster, placement))]
    if placement.status == "infeasible":
        for conflict in placement.diagnosis[:most]:
            lines += [("conflict", rule) for rule in conflict.rules]
            lines += [("because", fact) for fact in conflict.counts]
            lines.append(("change", conflict.change))
        if len(placement.diagnosis) > most:
            lines.append(("conflict", f"... and {len(placement.diagnosis) - most} more (all with -v)"))
    else:
        lines += goals(cluster, policy, placement)
        lines += moves(cluster, placement, most)
        lines += missing(placement, most)
        lines += paths(placement)
    return "".join(paragraph(label, line) for label, line in lines)


def missing(placement: Placement, most: int = SHOWN) -> list[tuple[str, str]]:
    """What a best-effort placement leaves open, what weighs most first."""
    rank = {name: number for number, name in enumerate(KINDS)}
    # A placement file may have been written by hand.
    found = sorted(placement.shortfalls, key=lambda each: rank.get(kind(each), len(rank)))
    lines = [("missing", lacking(each)) for each in found[:most]]
    more = len(found) - len(lines)
    return [*lines, ("missing", f"... and {more} more (all with -v)")] if more else lines


def kind(each: Shortfall) -> str:
    """What a shortfall is of, one of `KINDS` as a rule."""
    return each.rule.partition(" of ")[0]


def lacking(each: Shortfall) -> str:
    """A shortfall in words.

    >>> lacking(Shortfall("tor", "announcement of rack r1", 1)), lacking(Shortfall("tor", "coverage of rack r1", 2))
    ('tor: no session with rack r1', 'tor: 2 sessions short of coverage of rack r1')
    """
    if kind(each) == "announcement":
        return f"{each.router}: no session with {each.rule.partition(' of ')[2]}"
    return f"{each.router}: {plural(each.missing, 'session')} short of {each.rule}"


def notes(warnings: Sequence[Finding], hazards: Sequence[Finding], verbose: bool = False) -> str:
    """Warnings and hazards, each with its name, which go to stderr."""
    lines = [("warning", named(each)) for each in warnings] + [("hazard", named(each)) for each in hazards]
    shown = lines if verbose else lines[:20]
    more = [("warning", f"... and {len(lines) - len(shown)} more (all with -v)")] if len(shown) < len(lines) else []
    return "".join(paragraph(label, line) for label, line in shown + more)


def named(found: Finding) -> str:
    """A finding in a line; those of a file of an earlier release have no name."""
    return f"{found.sentence} [{found.rule}]" if found.rule else found.sentence


def paragraph(label: str, line: str) -> str:
    """A label and its text, wrapped and aligned."""
    indent = " " * LABEL
    wrapped = textwrap.fill(
        line,
        WIDTH,
        initial_indent=f"{label:<{LABEL}}",
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return wrapped + "\n"


def status(placement: Placement) -> str:
    """What is known about the answer."""
    if placement.status == "infeasible":
        return "infeasible: no placement keeps all the rules"
    short = ", but rules are missed (best effort)" if placement.shortfalls else ""
    if placement.status == "optimal":
        return f"optimal: every goal proved, in order{short}"
    return f"feasible: the search ended before every goal was proved{short}"


def asked(cluster: Cluster, policy: Policy) -> str:
    """The request in a sentence."""
    survive = ", ".join(f"any one {each.kind} (keeping {each.survivors})" for each in policy.survive)
    also = f"; surviving {survive}" if survive else ""
    if policy.mode != "bgp":
        kinds = sorted(
            {each.kind for each in policy.survive} or {kind for node in cluster.nodes for kind in node.domains}
        )
        apart = f", no two in one {' or '.join(kinds)}" if kinds else ""
        return f"{plural(policy.speakers_per_router, 'speaker')} on different nodes{apart}, mode {policy.mode}"
    asking = [router for router in cluster.routers if router.min_speakers != 0]
    number, least = len(asking), policy.speakers_per_router
    more = sum((router.min_speakers or 0) > least for router in asking)
    aside = [f"{more} of them {'asks' if more == 1 else 'ask'} for more"] if more else []
    if none := len(cluster.routers) - number:
        aside.append(f"{none} more {'asks' if none == 1 else 'ask'} for none")
    routers = f"{'' if number == 1 else 'each of '}{plural(number, 'router')}"
    routers += f" ({', '.join(aside)})" if aside else ""
    if announced_racks(cluster, policy):
        also += f"; every rack keeping {least} of its own, where it has the nodes"
    return f"{plural(least, 'session')} for {routers}, peering {policy.peering}{also}"


def nodes(cluster: Cluster, placement: Placement) -> str:
    """How many nodes are candidates, and why the others are not."""
    causes = ", ".join(f"{number} {cause}" for cause, number in placement.ineligible.items())
    return f"{placement.eligible} of {len(cluster.nodes)} eligible" + (f"; {causes}" if causes else "")


def goals(cluster: Cluster, policy: Policy, placement: Placement) -> Iterable[tuple[str, str]]:
    """The goals in order, each with its value and what is proved of it."""
    for goal in placement.objectives:
        value = str(goal.value)
        if goal.name in ("sessions", "speakers"):
            value = f"{before(goal.name, placement.today)} -> {goal.value}"
        elif goal.name == "moves":
            value += f" ({moved(cluster, placement, goal.value)})"
        elif parts := missed(placement, goal.name):
            value += f" ({parts})"
        line = f"{value}, {proof(goal)}"
        if goal.name == "sessions":
            line += f"; {reason(cluster, policy, placement, goal)}"
        yield goal.name, line


def missed(placement: Placement, goal: str) -> str:
    """What a goal of best effort counts, where racks are a part of it: otherwise its name says it.

    >>> short = Shortfall("tor", "redundancy", 1), Shortfall("tor", "announcement of rack r1", 1)
    >>> missed(Placement("optimal", shortfalls=short), "shortfall")
    '1 session of routers, 1 session of racks that keep none'
    """
    numbers: Counter[str] = Counter()
    for each in placement.shortfalls:
        numbers[kind(each)] += each.missing
    parts = {
        what: f"{plural(numbers[what], noun)} {whose}"
        for what, (name, noun, whose) in KINDS.items()
        if name == goal and numbers[what]
    }
    return ", ".join(parts.values()) if {"announcement", "coverage"} & parts.keys() else ""


def before(name: str, today: Count) -> str:
    """Today's speakers or sessions, and how many of them work as far as is known.

    >>> before("sessions", Count(4, 12, 4, 9, 1))
    '12 configured today, 9 up, 1 down, 2 unknown'
    >>> before("sessions", Count(4, 12, 4, 0, 0)), before("speakers", Count(4, 12, 3, 9, 1))
    ('12 configured today', '4 today, 3 working')
    """
    if name == "speakers":
        broken = today.working is not None and today.working < today.speakers
        return f"{today.speakers} today" + (f", {today.working} working" if broken else "")
    up, down = today.up or 0, today.down or 0
    if not up and not down:
        return f"{today.sessions} configured today"
    unknown = today.sessions - up - down
    parts = [f"{today.sessions} configured today", f"{up} up"]
    parts += [f"{number} {state}" for number, state in ((down, "down"), (unknown, "unknown")) if number]
    return ", ".join(parts)


def moved(cluster: Cluster, placement: Placement, value: int) -> str:
    """The moves in words: to mend a speaker that does not work counts as one, to stop it as none."""
    today, then = cluster.today, set(placement.speakers)
    mended = len(then.intersection(today.broken))
    starts, stops = len(then.difference(today.speakers)), len(set(today.working) - then)
    forced = starts + mended + stops - value
    parts = [f"{starts} start, {stops - forced} stop" + (f", {mended} to be mended" if mended else "")]
    if forced:
        parts.append(f"{forced} more must leave nodes that are not eligible")
    if idle := len(set(cluster.today.broken) - then):
        parts.append(f"{idle} that {'does' if idle == 1 else 'do'} not work {'stops' if idle == 1 else 'stop'} as well")
    return "; ".join(parts)


def proof(goal: Objective) -> str:
    """Whether the value is proved to be the least, or the gap."""
    if goal.value == goal.bound:
        return "proved least"
    return f"at least {goal.bound} (gap {(goal.value - goal.bound) / goal.value:.2%})"


def reason(cluster: Cluster, policy: Policy, placement: Placement, goal: Objective) -> str:
    """How the number of sessions compares with what is asked for, what of that is missing, and why there can be no
    fewer."""
    racks = announced_racks(cluster, policy)
    asked, missing = asked_and_missing(cluster, policy, placement, racks)
    who = "the routers and their racks" if racks else "the routers"
    told = f"{who} ask for {asked} in all"
    if missing:
        told += f", {missing} of which {are(missing)} missing"
        counted = [each.name for each in placement.objectives if each.name in ("shortfall", "exposure") and each.value]
        told += f" (see {' and '.join(counted)})" if racks and counted else ""
    proved, more = goal.value == goal.bound, goal.value - (asked - missing)
    if proved and not more:
        return told if missing else f"{told}, so there can be no fewer"
    if proved and more > 0 and policy.goals[0] == "sessions":
        return f"{told}; the other rules force {more} more"
    return told


def asked_and_missing(
    cluster: Cluster, policy: Policy, placement: Placement, racks: Mapping[str, str]
) -> tuple[int, int]:
    """The sessions that routers and their racks ask for, and how many of these are missing (under best effort).

    A rack asks for what the policy does, or for as many as it has nodes for: for what it has, at most that many, and
    for what is reported to be missing.
    """
    held: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for session in placement.sessions if racks else ():
        held[session.router][racks.get(session.node, "")] += 1
    short: defaultdict[str, Counter[bool]] = defaultdict(Counter)
    for each in placement.shortfalls:
        if kind(each) in ("redundancy", "coverage"):
            short[each.router][kind(each) == "redundancy"] += each.missing
    asked = missing = 0
    for router in cluster.routers:
        if router.min_speakers == 0:
            continue
        needed, lack = max(policy.speakers_per_router, router.min_speakers or 0), short[router.name]
        of_racks = sum(min(number, policy.speakers_per_router) for number in held[router.name].values())
        most = max(needed, of_racks + lack[False])
        asked += most
        missing += most - max(needed - lack[True], of_racks)
    return asked, missing


def changed(cluster: Cluster, placement: Placement) -> tuple[list[str], list[str]]:
    """The nodes whose speaker starts, and those whose speaker stops."""
    now, then = set(cluster.today.speakers), set(placement.speakers)
    return (
        [name for name in placement.speakers if name not in now],
        [name for name in cluster.today.speakers if name not in then],
    )


def moves(cluster: Cluster, placement: Placement, most: int) -> Iterable[tuple[str, str]]:
    """The speakers that start, stop and stay, by name as far as they are few."""
    starts, stops = changed(cluster, placement)
    broken = cluster.today.broken
    stops = [f"{name} ({broken[name]})" if name in broken else name for name in stops]
    stay = sorted(set(placement.speakers) - set(starts))
    mend = [f"{name} ({broken[name]})" for name in stay if name in broken]
    stay = [name for name in stay if name not in broken]
    for label, names in (("start", starts), ("stop", stops), ("stay", stay), ("to be mended", mend)):
        if names:
            yield label, listed(names, most)


def paths(placement: Placement) -> Iterable[tuple[str, str]]:
    """What the fullest router holds for one service."""
    if placement.paths:
        today = max(placement.paths, key=lambda each: each.today)
        proposed = max(placement.paths, key=lambda each: each.proposed)
        number = f"{today.today} today -> {proposed.proposed}"
        yield "paths", f"{number} for each service on the fullest router (all its sessions together)"
