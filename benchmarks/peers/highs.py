"""The plain model in HiGHS. Only for a process without ortools, which carries another HiGHS library."""

from __future__ import annotations

import highspy
import numpy as np

from benchmarks.peers.answer import Answer, Clock, Tell
from benchmarks.peers.lexicographic import Report, Stage, solve
from benchmarks.peers.plain_model import PlainModel, Row, Sum, plain_model
from optimizer.model import Cluster, Policy


def run(cluster: Cluster, policy: Policy, tell: Tell) -> Answer:
    """The answer within the time limit of the policy."""
    clock = Clock(policy.time_limit)
    model = plain_model(cluster, policy)
    return solve(model, Highs(model), clock, tell)


class Highs:
    """The plain model in HiGHS; default options, but that a proof is one to the last unit."""

    def __init__(self, model: PlainModel) -> None:
        self.width = model.width
        self.highs = highspy.Highs()
        self.highs.silent()
        self.highs.setOptionValue("mip_rel_gap", 0.0)
        self.highs.setOptionValue("mip_abs_gap", 0.99)
        self.every = np.arange(model.width, dtype=np.int32)
        self.highs.addVars(model.width, np.zeros(model.width), np.ones(model.width))
        integer = np.full(model.width, highspy.HighsVarType.kInteger)
        self.highs.changeColsIntegrality(model.width, self.every, integer)
        self.add(model.rows)
        self.values: list[float] | None = None

    def add(self, rows: tuple[Row, ...]) -> None:
        """Add rows."""
        infinity = highspy.kHighsInf
        lower = [-infinity if row.lower is None else row.lower - row.sum.constant for row in rows]
        upper = [infinity if row.upper is None else row.upper - row.sum.constant for row in rows]
        lengths = [len(row.sum.columns) for row in rows]
        starts = np.concatenate(([0], np.cumsum(lengths)[:-1])).astype(np.int32)
        columns = np.fromiter((column for row in rows for column in row.sum.columns), np.int32, sum(lengths))
        factors = np.fromiter((factor for row in rows for factor in row.sum.factors), np.float64, sum(lengths))
        bounds = np.array(lower, dtype=np.float64), np.array(upper, dtype=np.float64)
        self.highs.addRows(len(rows), *bounds, len(columns), starts, columns, factors)

    def minimize(self, goal: Sum, seconds: float, report: Report) -> Stage:
        """Search for the least value of the goal."""
        costs = np.zeros(self.width)
        costs[np.array(goal.columns, dtype=np.int32)] = goal.factors
        self.highs.changeColsCost(self.width, self.every, costs)
        self.highs.setOptionValue("time_limit", seconds)
        if self.values is not None:
            start = highspy.HighsSolution()
            start.col_value = self.values
            self.highs.setSolution(start)

        def improved(event: highspy.highs.HighsCallbackEvent) -> None:
            report(event.data_out.objective_function_value, event.data_out.mip_dual_bound)

        def logged(event: highspy.highs.HighsCallbackEvent) -> None:
            report(None, event.data_out.mip_dual_bound)

        self.highs.clearCallbacks()
        self.highs.cbMipImprovingSolution.subscribe(improved)
        self.highs.cbMipLogging.subscribe(logged)
        self.highs.run()
        status, info = self.highs.getModelStatus(), self.highs.getInfo()
        if status == highspy.HighsModelStatus.kInfeasible:
            return Stage(None, None, infeasible=True)
        proved = status == highspy.HighsModelStatus.kOptimal
        if info.primal_solution_status != highspy.SolutionStatus.kSolutionStatusFeasible:
            return Stage(None, info.mip_dual_bound)
        self.values = list(self.highs.getSolution().col_value)
        return Stage(self.values, info.mip_dual_bound, proved)

    def fix(self, goal: Sum, most: int) -> None:
        """From now on the goal, without its constant, is at most `most`."""
        self.add((Row(Sum(goal.columns, goal.factors), upper=most),))
