"""One plain CP-SAT model with default parameters."""

from __future__ import annotations

from ortools.sat.python import cp_model

from benchmarks.peers.answer import Answer, Clock, Tell
from benchmarks.peers.lexicographic import Report, Stage, solve
from benchmarks.peers.plain_model import PlainModel, Sum, plain_model
from optimizer.model import Cluster, Policy


def run(cluster: Cluster, policy: Policy, tell: Tell) -> Answer:
    """The answer within the time limit of the policy."""
    clock = Clock(policy.time_limit)
    model = plain_model(cluster, policy)
    return solve(model, CpSat(model), clock, tell)


class ProgressCallback(cp_model.CpSolverSolutionCallback):
    """Reports each better solution."""

    def __init__(self, report: Report) -> None:
        super().__init__()
        self.report = report

    def on_solution_callback(self) -> None:
        """Called by CP-SAT."""
        self.report(self.objective_value, self.best_objective_bound)


class CpSat:
    """The plain model in CP-SAT; `workers` 0 is its default, one for each core."""

    def __init__(self, model: PlainModel, workers: int = 0) -> None:
        self.model, self.workers = cp_model.CpModel(), workers
        self.columns = [self.model.new_bool_var("") for _ in range(model.width)]
        for row in model.rows:
            lower = cp_model.INT_MIN if row.lower is None else row.lower - row.sum.constant
            upper = cp_model.INT_MAX if row.upper is None else row.upper - row.sum.constant
            self.model.add_linear_constraint(self.expression(row.sum), lower, upper)

    def expression(self, sum_: Sum) -> cp_model.LinearExpr:
        """A sum without its constant."""
        return cp_model.LinearExpr.weighted_sum([self.columns[i] for i in sum_.columns], list(sum_.factors))

    def minimize(self, goal: Sum, seconds: float, report: Report) -> Stage:
        """Search for the least value of the goal."""
        self.model.minimize(self.expression(goal))
        solver = cp_model.CpSolver()
        solver.parameters.max_time_in_seconds = seconds
        solver.parameters.num_workers = self.workers
        solver.best_bound_callback = lambda bound: report(None, bound)
        status = solver.solve(self.model, ProgressCallback(report))
        if status == cp_model.INFEASIBLE:
            return Stage(None, None, infeasible=True)
        if status not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
            return Stage(None, solver.best_objective_bound)
        values = list(solver.response_proto.solution)
        self.model.clear_hints()  # type: ignore[no-untyped-call]
        for column, value in zip(self.columns, values, strict=True):
            self.model.add_hint(column, value)
        return Stage(values, solver.best_objective_bound, proved=status == cp_model.OPTIMAL)

    def fix(self, goal: Sum, most: int) -> None:
        """From now on the goal, without its constant, is at most `most`."""
        self.model.add(self.expression(goal) <= most)
