"""Those who are compared: each a module with `run(cluster, policy, tell)`, loaded only in its own process."""

from __future__ import annotations

from collections.abc import Mapping

PEERS: Mapping[str, str] = {
    "ours": "this project",
    "plain": "one plain CP-SAT model, default parameters",
    "highs": "the same plain model in HiGHS",
    "scip": "the same plain model in SCIP",
    "setcover": "ortools.set_cover: greedy, steepest and guided local search, then repair",
    "greedy": "a greedy script",
}
"""The names, which are those of the modules, and what they stand for."""

NEEDS: Mapping[str, str] = {"highs": "highspy", "scip": "pyscipopt"}
"""The packages that the project itself does not depend on."""
