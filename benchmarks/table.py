"""Results as a table, and what they say of ours against the others."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import groupby

from benchmarks.instance import Cell
from benchmarks.result import Result, best, first, gap, proof, proved, ranked

WORTH = 0.1
"""Instances on which every proof takes less are not counted as won or lost: there, starting up is what is measured."""

COLUMNS = (
    ("instance", 18),
    ("peering", 13),
    ("nodes", 8),
    ("peer", 9),
    ("value", 16),
    ("bound", 16),
    ("gap", 7),
    ("first s", 8),
    ("best s", 8),
    ("proof s", 8),
    ("MiB", 6),
    ("status", 10),
)
LEFT = ("instance", "peering", "peer", "status")


def header() -> str:
    """The first line of the table."""
    return line([title for title, _ in COLUMNS])


def row(result: Result) -> str:
    """One result as a line of the table."""
    share = gap(result)
    text = line(
        [
            result.instance,
            result.cell.peering,
            str(result.nodes or result.cell.size),
            result.peer,
            numbers(result.values) if ranked(result) else "-",
            numbers(result.bounds) if any(bound is not None for bound in result.bounds) else "-",
            "-" if share is None else f"{share:.1%}",
            seconds(first(result)),
            seconds(best(result)),
            seconds(proof(result)),
            "-" if result.memory is None else f"{result.memory:.0f}",
            result.status,
        ]
    )
    return f"{text}  {result.note}".rstrip()


def line(cells: Iterable[str]) -> str:
    """Cells in their columns."""
    return " ".join(
        cell.ljust(width) if title in LEFT else cell.rjust(width)
        for cell, (title, width) in zip(cells, COLUMNS, strict=True)
    ).rstrip()


def numbers(values: Sequence[int | None] | None) -> str:
    """Values of the goals in order.

    >>> numbers((100, 50, None))
    '100/50/?'
    """
    return "/".join("?" if value is None else str(value) for value in values or ())


def seconds(value: float | None) -> str:
    """A time with three figures."""
    return "-" if value is None else f"{value:.3f}" if value < 10 else f"{value:.1f}"


def instances(results: Iterable[Result]) -> list[dict[str, Result]]:
    """For every instance the results by peer."""

    def key(result: Result) -> tuple[str, int, str, int, str, int]:
        cell: Cell = result.cell
        return cell.family, cell.size, cell.peering, cell.seed, cell.path or "", cell.k

    return [{result.peer: result for result in found} for _, found in groupby(sorted(results, key=key), key)]


def ratio(ours: Result, other: float | None, limit: float) -> tuple[float, str] | None:
    """How many times longer the other took to the proof, and whether that is exact (`=`), at least (`>=`) or at most
    (`<=`) so, because one of them did not prove within the limit; None where neither did."""
    mine = proof(ours)
    if mine is None and other is None:
        return None
    mark = "=" if mine is not None and other is not None else ">=" if mine is not None else "<="
    return max(limit if other is None else other, 1e-3) / max(limit if mine is None else mine, 1e-3), mark


def summary(results: Sequence[Result], limit: float) -> list[str]:
    """The geometric means of the ratios, and where a peer was better."""
    cases = [case for case in instances(results) if "ours" in case]
    others = list(dict.fromkeys(r.peer for r in results if r.peer not in ("ours",) and r.status != "missing"))
    provers = [peer for peer in others if any(proved(case[peer]) for case in cases if peer in case)]
    lines = []
    columns = {peer: fastest(cases, [peer]) for peer in provers} | {"the best peer": fastest(cases, provers)}
    slow = [(ours, time) for ours, time in columns["the best peer"] if max(time or limit, proof(ours) or limit) > WORTH]
    for title, times in (columns | {f"the best peer, where it or ours takes more than {WORTH} s,": slow}).items():
        ratios = [found for ours, time in times if (found := ratio(ours, time, limit)) is not None]
        if ratios:
            lines.append(mean_line(title, ratios))
    slower = [case for case in cases if slower_than(case, provers)]
    worse = [case for case in cases if any(better(case[peer], case["ours"]) for peer in others if peer in case)]
    for what, which in (
        (f"a peer proved faster (of instances whose proof takes ours or it more than {WORTH} s)", slower),
        ("a peer's value is better", worse),
        (
            "a peer's gap is smaller",
            [c for c in cases if any(closer(c[peer], c["ours"]) for peer in others if peer in c)],
        ),
    ):
        lines.append(f"{what}: {', '.join(label(case['ours']) for case in which) or 'none'}")
    rivals = [[case[peer] for peer in others if peer in case] for case in cases if not proved(case["ours"])]
    mine = [case["ours"] for case in cases if not proved(case["ours"])]
    if mine:
        wins = sum(all(better(one, other) for other in many) for one, many in zip(mine, rivals, strict=True))
        lines.append(f"where ours is not proved, its value is better than that of every peer on {wins} of {len(mine)}")
    return lines + disagreements(cases)


def fastest(cases: Iterable[dict[str, Result]], peers: Sequence[str]) -> list[tuple[Result, float | None]]:
    """For every instance that one of the peers was run on: ours, and the shortest time to their proof, if any."""
    found = []
    for case in cases:
        times = [proof(case[peer]) for peer in peers if peer in case]
        if times:
            found.append((case["ours"], min((time for time in times if time is not None), default=None)))
    return found


def mean_line(peer: str, ratios: Sequence[tuple[float, str]]) -> str:
    """The geometric mean over all instances that one of the two proved, and over those that both did."""
    both = [value for value, mark in ratios if mark == "="]
    kinds = {mark for _, mark in ratios}
    sign = ">=" if kinds <= {"=", ">="} and ">=" in kinds else "=" if kinds == {"="} else "about"
    text = f"time to proof of {peer} / ours, geometric mean: {sign} {mean([v for v, _ in ratios]):.1f}"
    text += f" over {len(ratios)} instances"
    if len(both) < len(ratios):
        ours, others = (sum(mark == sign for _, mark in ratios) for sign in (">=", "<="))
        text += f" ({ours} proved by ours alone, {others} by the peer alone, where the limit counts for the other"
        text += f"; {mean(both):.1f} over the {len(both)} proved by both)" if both else ")"
    return text


def mean(values: Sequence[float]) -> float:
    """The geometric mean."""
    return math.exp(sum(map(math.log, values)) / len(values))


def slower_than(case: dict[str, Result], peers: Sequence[str]) -> bool:
    """Whether a peer proved faster than ours, where that is worth counting."""
    mine = proof(case["ours"])
    times = [proof(case[peer]) for peer in peers if peer in case]
    return any(t is not None and (mine is None or (t < mine and mine > WORTH)) for t in times)


def better(other: Result, ours: Result) -> bool:
    """Whether the other's valid values come before ours."""
    if not ranked(other) or other.values is None:
        return False
    return not ranked(ours) or ours.values is None or other.values < ours.values


def closer(other: Result, ours: Result) -> bool:
    """Whether the other, which has a bound, is nearer to its proof than ours: more goals proved, or a smaller gap."""
    theirs, mine = gap(other), gap(ours)
    if theirs is None or proved(ours):
        return False
    return mine is None or (-settled(other), theirs) < (-settled(ours), mine)


def settled(result: Result) -> int:
    """How many goals are proved, in order."""
    pairs = zip(result.values or (), result.bounds, strict=False)
    return next((number for number, (value, bound) in enumerate(pairs) if value != bound), len(result.goals))


def label(result: Result) -> str:
    """The instance, to be named in a sentence."""
    return f"{result.instance} {result.nodes or result.cell.size} {result.cell.peering}"


def disagreements(cases: Iterable[dict[str, Result]]) -> list[str]:
    """Proofs that contradict each other, a known optimum or a valid value, and failures of ours: each is a bug."""
    found = []
    for case in cases:
        ours = case.get("ours")
        if ours is not None and ours.status in ("invalid", "error", "killed"):
            found.append(f"DISAGREEMENT {label(ours)}: ours is {ours.status}: {ours.note}")
        for result in case.values():
            if result.status == "infeasible" and any(ranked(other) for other in case.values()):
                found.append(f"DISAGREEMENT {label(result)}: {result.peer} says infeasible, others have a placement")
            if not proved(result) or result.values is None:
                continue
            lower = [other for other in case.values() if better(other, result)]
            found += [
                f"DISAGREEMENT {label(result)}: {result.peer} proved more than {other.peer} has" for other in lower
            ]
            if result.known is not None and result.known != result.values:
                found.append(
                    f"DISAGREEMENT {label(result)}: {result.peer} proved {result.values}, known {result.known}"
                )
            if result.best_known is not None and result.values[0] > result.best_known:
                found.append(f"DISAGREEMENT {label(result)}: {result.peer} proved more than the best known value")
    return found
