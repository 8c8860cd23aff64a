"""A model of what a router spends, fitted to what was measured: a few terms, none of them below zero."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import combinations
from statistics import median

import numpy as np
from msgspec import Struct

from .router_cost import Cost

Term = Callable[[Cost], float]

SESSIONS: tuple[str, Term] = ("S", lambda cost: cost.sessions)
PATHS: tuple[str, Term] = ("P", lambda cost: cost.paths)
CPU_TERMS: tuple[tuple[str, Term], ...] = (
    SESSIONS,
    PATHS,
    # A session that brings paths has a router choose again among all paths of the route.
    ("P S", lambda cost: cost.paths * cost.sessions),
    # So does every path, where the router does not take several together.
    ("P^2/R", lambda cost: cost.paths**2 / cost.case.routes),
)
"""S sessions, R routes, P paths."""

MEMORY_TERMS: tuple[tuple[str, Term], ...] = (("1", lambda cost: 1.0), SESSIONS, PATHS)


class Fit(Struct, frozen=True):
    """What a figure comes to: a sum of terms with these coefficients."""

    terms: dict[str, float]
    typical: float
    """The median of the errors, each relative to what was measured."""
    largest: float
    cases: int

    def text(self) -> str:
        """The model in a line.

        >>> Fit({"S": 3e-4, "P^2/R": 5e-8}, 0.2, 0.9, 40).text()
        '3.0e-04 S + 5.0e-08 P^2/R (40 cases; half of them within 20%, the worst off by 90%)'
        """
        told = " + ".join(f"{value:.1e} {name}".removesuffix(" 1") for name, value in self.terms.items())
        return (
            f"{told} ({self.cases} cases; half of them within {self.typical:.0%}, the worst off by {self.largest:.0%})"
        )


def fit(costs: Sequence[Cost], terms: Sequence[tuple[str, Term]], figure: Callable[[Cost], float]) -> Fit | None:
    """The terms that fit best; None where there is too little to fit.

    Errors count relative to what was measured, else the largest case alone would decide. No term may be negative: of
    the few subsets of terms, the best one whose least squares have no negative coefficient is the optimum under that
    rule.
    """
    measured = np.array([figure(cost) for cost in costs])
    if len(costs) <= len(terms) or not measured.all():
        return None
    columns = np.array([[term(cost) for _, term in terms] for cost in costs]) / measured[:, None]
    # Terms differ by ten orders of magnitude.
    scale = np.abs(columns).max(axis=0)
    best: tuple[float, tuple[int, ...], np.ndarray] | None = None
    for size in range(1, len(terms) + 1):
        for chosen in combinations(range(len(terms)), size):
            some = columns[:, chosen] / scale[list(chosen)]
            values = np.linalg.lstsq(some, np.ones(len(costs)), rcond=None)[0]
            left = float(((some @ values - 1) ** 2).sum())
            if (values >= 0).all() and (best is None or left < best[0]):
                best = (left, chosen, values / scale[list(chosen)])
    if best is None:
        return None
    _, chosen, values = best
    off = np.abs(columns[:, chosen] @ values - 1)
    names = {terms[index][0]: float(value) for index, value in zip(chosen, values, strict=True)}
    return Fit(names, float(median(off)), float(off.max()), len(costs))


def models(costs: Sequence[Cost], router: str) -> dict[str, Fit | None]:
    """CPU seconds to converge and MiB of a router under light speakers."""
    known = [cost for cost in costs if cost.converged and cost.case.router == router and cost.case.speakers == "light"]
    # So little that nothing is left of it beyond the keepalives tells nothing.
    return {
        "CPU s to converge": fit([cost for cost in known if cost.cpu], CPU_TERMS, lambda cost: cost.cpu),
        "MiB": fit(known, MEMORY_TERMS, lambda cost: cost.memory / 2**20),
    }
