"""The plain model in SCIP."""

from __future__ import annotations

from pyscipopt import SCIP_EVENTTYPE, Eventhdlr, Expr, Model, quicksum

from benchmarks.peers.answer import Answer, Clock, Tell
from benchmarks.peers.lexicographic import Report, Stage, solve
from benchmarks.peers.plain_model import PlainModel, Sum, plain_model
from optimizer.model import Cluster, Policy

EVENTS = (SCIP_EVENTTYPE.BESTSOLFOUND, SCIP_EVENTTYPE.DUALBOUNDIMPROVED)


def run(cluster: Cluster, policy: Policy, tell: Tell) -> Answer:
    """The answer within the time limit of the policy."""
    clock = Clock(policy.time_limit)
    model = plain_model(cluster, policy)
    return solve(model, Scip(model), clock, tell)


class Listener(Eventhdlr):  # type: ignore[misc]
    """Reports each better solution and bound."""

    report: Report | None = None

    def eventinit(self) -> None:
        """Called by SCIP before a search."""
        for event in EVENTS:
            self.model.catchEvent(event, self)

    def eventexit(self) -> None:
        """Called by SCIP after a search."""
        for event in EVENTS:
            self.model.dropEvent(event, self)

    def eventexec(self, _: object) -> None:
        """Called by SCIP."""
        if self.report is not None:
            found = self.model.getPrimalbound()
            self.report(None if self.model.isInfinity(found) else found, self.model.getDualbound())


class Scip:
    """The plain model in SCIP, default parameters."""

    def __init__(self, model: PlainModel) -> None:
        self.model = Model()
        self.model.hideOutput()
        self.columns = [self.model.addVar(vtype="B") for _ in range(model.width)]
        self.listener = Listener()
        self.model.includeEventhdlr(self.listener, "listener", "reports better solutions and bounds")
        self.impossible = False
        for row in model.rows:
            lower = None if row.lower is None else row.lower - row.sum.constant
            upper = None if row.upper is None else row.upper - row.sum.constant
            if not row.sum.columns:
                # SCIP's interface takes no empty sums.
                self.impossible |= (lower or 0) > 0 or (upper is not None and upper < 0)
            elif lower is not None and lower == upper:
                self.model.addCons(self.expression(row.sum) == lower)
            else:
                if lower is not None:
                    self.model.addCons(self.expression(row.sum) >= lower)
                if upper is not None:
                    self.model.addCons(self.expression(row.sum) <= upper)

    def expression(self, sum_: Sum) -> Expr:
        """A sum without its constant."""
        return quicksum(
            factor * self.columns[column] for column, factor in zip(sum_.columns, sum_.factors, strict=True)
        )

    def minimize(self, goal: Sum, seconds: float, report: Report) -> Stage:
        """Search for the least value of the goal."""
        if self.impossible:
            return Stage(None, None, infeasible=True)
        self.model.freeTransform()
        self.model.setObjective(self.expression(goal), "minimize")
        self.model.setParam("limits/time", seconds)
        self.listener.report = report
        self.model.optimize()
        status = self.model.getStatus()
        if status == "infeasible":
            return Stage(None, None, infeasible=True)
        bound = self.model.getDualbound()
        if not self.model.getNSols():
            return Stage(None, bound)
        best = self.model.getBestSol()
        return Stage([best[column] for column in self.columns], bound, proved=status == "optimal")

    def fix(self, goal: Sum, most: int) -> None:
        """From now on the goal, without its constant, is at most `most`."""
        self.model.freeTransform()
        self.model.addCons(self.expression(goal) <= most)
