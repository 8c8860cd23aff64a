"""One run of CP-SAT: its parameters and its time."""

from __future__ import annotations

import math
import threading

from ortools.sat.python import cp_model

from ..errors import InternalError
from ..progress import News, Tell
from .clock import Clock

FOUND = (cp_model.OPTIMAL, cp_model.FEASIBLE)


class ProgressCallback(cp_model.CpSolverSolutionCallback):
    """Reports each better solution."""

    def __init__(self, name: str, progress: Tell) -> None:
        super().__init__()
        self.name, self.progress = name, progress

    def on_solution_callback(self) -> None:
        """Called by CP-SAT."""
        self.progress(News(self.name, round(self.objective_value), math.ceil(self.best_objective_bound - 1e-6)))


class CpSatSearch:
    """One deterministic CP-SAT search (unless the time ends it).

    One worker with the full linear relaxation: a single search gives the same answer every time, on two cores as on
    eight, and was measured to prove covering problems far faster than the default (scp41 of the OR-Library: 0.04 s
    against more than 60 s). No probing: it took seconds on large irregular networks and won nothing in any run tried.
    """

    def __init__(
        self, model: cp_model.CpModel, clock: Clock, share: float = 1.0, effort: float | None = None, seed: int = 0
    ) -> None:
        self.model, self.clock = model, clock
        self.status, self.done = cp_model.UNKNOWN, threading.Event()
        self.problem: BaseException | None = None
        self.solver = cp_model.CpSolver()
        parameters = self.solver.parameters
        parameters.num_workers = 1
        parameters.linearization_level = 2
        parameters.cp_model_probing_level = 0
        parameters.random_seed = seed
        parameters.max_time_in_seconds = clock.left() * share
        # Left to CP-SAT, Ctrl-C would end the process after its first search.
        parameters.catch_sigint_signal = False
        if effort is not None:
            parameters.max_deterministic_time = effort

    def start(self, callback: ProgressCallback | None = None) -> None:
        """Begin to search, beside whatever else goes on."""

        def solve() -> None:
            try:
                self.status = self.solver.solve(self.model, callback)
            except BaseException as problem:
                self.problem = problem
            finally:
                self.done.set()

        threading.Thread(target=solve).start()

    def wait(self) -> cp_model.CpSolverStatus:
        """The outcome, soon after the time is over."""
        try:
            while not self.done.wait(0.1):
                if self.clock.over:
                    self.stop()
        except BaseException:  # such as Ctrl-C: no search may go on alone
            self.stop()
            raise
        if self.problem:
            raise self.problem
        if self.status == cp_model.MODEL_INVALID:
            raise InternalError(f"CP-SAT refuses the model: {self.model.validate()}")
        return self.status

    def stop(self) -> None:
        """End the search, which may be about to begin only."""
        while not self.done.wait(0.01):
            self.solver.stop_search()

    def run(self, callback: ProgressCallback | None = None) -> cp_model.CpSolverStatus:
        """Search, and the outcome."""
        self.start(callback)
        return self.wait()

    def first(self) -> cp_model.CpSolverStatus:
        """Any solution: without the linear relaxation it comes at once, also where the relaxation is large."""
        self.solver.parameters.linearization_level = 0
        self.solver.parameters.stop_after_first_solution = True
        return self.run()
