"""A model of what a router spends, fitted to what was measured: a few terms, none of them below zero."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
from msgspec import Struct

from benchmarks.routers.cost import Cost

Term = Callable[[Cost], float]
Array = npt.NDArray[np.float64]

SHARE = 0.01
"""Of the sum: a term that comes to less in every case is left out."""

STEPS = 500
ENOUGH = 1e-9
"""A step that changes coefficients by less is the last one."""

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
    """The factor between what the model says and what was measured, in the median of the cases."""
    largest: float
    """The same in the worst case."""
    cases: int

    def text(self) -> str:
        """The model in a line.

        >>> Fit({"1": 4.8, "P": 5e-5}, 1.2, 3.0, 40).text()
        '4.8e+00 + 5.0e-05 P (40 cases; half of them within a factor of 1.20, the worst off by 3.0)'
        """
        told = " + ".join(f"{value:.1e} {name}".removesuffix(" 1") for name, value in self.terms.items())
        off = f"half of them within a factor of {self.typical:.2f}, the worst off by {self.largest:.1f}"
        return f"{told} ({self.cases} cases; {off})"


def fit(costs: Sequence[Cost], terms: Sequence[tuple[str, Term]], figure: Callable[[Cost], float]) -> Fit | None:
    """The terms that fit best; None where there is too little to fit.

    Figures span five orders of magnitude, so it is the squares of the differences of logarithms that are least, and the
    smallest case counts like the largest. A term that is nowhere a hundredth of the sum is left out.
    """
    measured = np.array([figure(cost) for cost in costs])
    if len(costs) <= len(terms) or not (measured > 0).all():
        return None
    values = np.array([[term(cost) for _, term in terms] for cost in costs], dtype=float)
    kept = list(range(len(terms)))
    while True:
        coefficients = least_logarithms(values[:, kept], measured)
        parts = values[:, kept] * coefficients
        matter = (parts / parts.sum(axis=1, keepdims=True)).max(axis=0) > SHARE
        if matter.all():
            break
        kept = [index for index, matters in zip(kept, matter, strict=True) if matters]
    off = np.exp(np.abs(np.log(parts.sum(axis=1) / measured)))
    names = {terms[index][0]: float(value) for index, value in zip(kept, coefficients, strict=True)}
    return Fit(names, float(np.median(off)), float(off.max()), len(costs))


def least_logarithms(values: Array, measured: Array) -> Array:
    """Coefficients above zero with the least sum of squares of log(values @ coefficients / measured).

    Damped steps of Gauss and Newton in the logarithms of the coefficients.

    >>> least_logarithms(np.array([[1.0, 1.0], [1.0, 10.0], [1.0, 100.0]]), np.array([5.0, 32.0, 302.0])).round(3)
    array([2., 3.])
    """
    logs = np.log(np.median(measured[:, None] / values, axis=0) / values.shape[1])
    damping = 1e-3 * np.eye(values.shape[1])
    for _ in range(STEPS):
        parts = values * np.exp(logs)
        model = parts.sum(axis=1)
        slopes = np.vstack([parts / model[:, None], damping])
        missing = np.concatenate([np.log(measured / model), np.zeros(len(logs))])
        step = np.linalg.lstsq(slopes, missing, rcond=None)[0].clip(-1, 1)
        logs += step
        if np.abs(step).max() < ENOUGH:
            break
    found: Array = np.exp(logs)
    return found


def models(costs: Sequence[Cost], router: str) -> dict[str, Fit | None]:
    """CPU seconds to converge and MiB of a router under light speakers."""
    known = [
        cost
        for cost in costs
        if cost.converged and cost.case.router == router and cost.case.speakers == "light" and not cost.case.over
    ]
    # So little that nothing is left of it beyond the keepalives tells nothing.
    return {
        "CPU s to converge": fit([cost for cost in known if cost.cpu], CPU_TERMS, lambda cost: cost.cpu),
        "MiB": fit(known, MEMORY_TERMS, lambda cost: cost.memory / 2**20),
    }
