"""The goals of a covering program made as small as possible, one after another, at any time with an answer.

Three searches take turns, each with more effort every round: local search finds good choices at once, large
neighbourhoods go on where it is stuck, and CP-SAT tries to prove on the columns that reduced costs leave. Effort is
counted in steps and in CP-SAT's deterministic time, so that the same input gives the same answer unless the time
limit ends the search.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from msgspec import Struct

from ...errors import NoAnswerError
from ...progress import News, Tell
from ..clock import Clock
from ..goals import LinearGoal
from .greedy import greedy, plain_cover
from .local_search import LocalSearch
from .lp_bounds import even, narrowed, relax, with_goal_at_most
from .neighbourhood import Neighbourhoods, Outcome, Trial
from .program import Covering, weighed, without_dominated

STEPS = 1000
"""Steps of local search in the first round, about 0.1 s."""

PROOF = 0.25
"""CP-SAT's deterministic time for the proof in the first round, about as many seconds."""

WIDE, WIDE_PART = 2000, 1 / 16
"""Where reduced costs leave more columns than this, a proof is not to be had soon, and gets a part of its time only."""

SIDE = 16
"""What part of its steps local search gets where neighbourhoods win and it does not."""

GROWTH = 4
"""By how much the effort grows from round to round."""


class Cover(Struct, frozen=True):
    """A choice of columns, and a lower bound for every goal."""

    x: tuple[int, ...]
    bounds: tuple[int, ...]


def cover(
    covering: Covering, goals: Sequence[LinearGoal], running: Sequence[int], clock: Clock, tell: Tell
) -> Cover | None:
    """The best choice of columns; None where no choice keeps all rules.

    `running` is today's choice, from which one of the first searches starts. Raises NoAnswerError where the time ends
    before a first choice is found.
    """
    covering = without_dominated(covering, goals)
    first = first_choice(covering, goals, running, clock)
    if first is None:
        return None
    x = first
    bounds: list[int] = []
    loose: list[LinearGoal] = []
    for number, goal in enumerate(goals):
        same = [earlier for earlier in range(number) if goals[earlier].costs == goal.costs]
        if same:
            bounds.append(bounds[same[0]] - goals[same[0]].constant + goal.constant)
            continue
        last = not any(set(later.costs) - {0} for later in goals[number + 1 :] if later.costs != goal.costs)
        # A goal that cannot be proved must leave time for those after it.
        part = Clock(clock.left() * (1.0 if last else 0.6), clock)
        descent = Descent(covering, goal, x, loose, part, tell)
        descent.descend()
        x, value, relaxation = descent.x, descent.value, descent.relaxation
        bounds.append(descent.bound)
        if relaxation.least(goal) < value:
            loose.append(goal)  # nothing but its own rule holds it, which local search does not see
        covering = with_goal_at_most(narrowed(covering, goal, relaxation, value) or covering, goal, value)
    return Cover(tuple(x), tuple(min(bound, goal.value(x)) for bound, goal in zip(bounds, goals, strict=True)))


def first_choice(
    covering: Covering, goals: Sequence[LinearGoal], running: Sequence[int], clock: Clock
) -> Sequence[int] | None:
    """A choice that keeps all rules: the best of several greedy ones, or what a search finds from there; None where
    there is none. Raises NoAnswerError."""
    costs = weighed(goals, covering.upper)
    starts = [greedy(covering, costs, covering.lower)]
    if any(running):
        starts.append(greedy(covering, costs, running))
    if (plain := plain_cover(covering, costs)) is not None:
        starts.append(plain)
    good = [start for start in starts if covering.keeps(start)]
    if good:
        return min(good, key=lambda start: [goal.value(start) for goal in goals])
    found = None
    if min(costs, default=0) >= 0 and covering.rows:
        found = LocalSearch(covering, costs, starts[0]).improve(10 * STEPS, lambda: clock.over, covering.keeps)
    if found is not None:
        return found
    every = range(len(covering.upper))
    trial = Trial(covering, LinearGoal("any", (0,) * len(costs)), starts[0], every, 0, clock)
    trial.search.first()
    outcome = trial.outcome()
    if outcome.x is None and not outcome.done:
        raise NoAnswerError("the time limit ended before a first placement was found; raise --time-limit")
    return outcome.x


class Descent:
    """The searches that take turns at one goal from a choice on, and what they have reached.

    `loose` are the earlier goals that the relaxation does not hold in place; local search counts them along, and what
    improves one of them that is not proved is better.
    """

    def __init__(
        self,
        covering: Covering,
        goal: LinearGoal,
        x: Sequence[int],
        loose: Sequence[LinearGoal],
        clock: Clock,
        tell: Tell,
    ) -> None:
        self.covering, self.goal, self.ranking = covering, goal, (*loose, goal)
        self.clock, self.tell = clock, tell
        self.relaxation = even(covering, goal)
        self.x, self.value, self.bound = x, goal.value(x), self.relaxation.least(goal)
        self.costs = weighed(self.ranking, covering.upper)
        usable = self.open() and min(self.costs, default=0) >= 0
        self.local = LocalSearch(covering, self.costs, x) if usable else None
        self.effort = self.turns = 1
        self.steps = STEPS

    def descend(self) -> None:
        """Until the value is proved, or the time is over.

        In each round the proof goes on beside the searches for something better. What comes first by the clock must
        not matter: the searches end early only where the proof shows that they cannot reach the known bound, and the
        proof counts only where they have not reached it.
        """
        self.tell(News(self.goal.name, self.value, min(self.value, self.bound)))
        if self.local:
            self.take(self.local.improve(STEPS // 4, lambda: self.clock.over, self.covering.keeps))
        if not self.open():
            return
        self.relaxation = relax(self.covering, self.goal, Clock(self.clock.left() / 2, self.clock))
        self.raise_to(self.relaxation.least(self.goal))
        self.take(self.rounded())
        self.around = Neighbourhoods(self.covering, self.goal, self.relaxation.reduced)
        while self.open():
            before, start = self.value, self.x
            proof = self.proof()
            if proof is None:
                self.bound = self.value
                return
            try:
                self.explore(proof)
                if self.value > self.bound:
                    self.settle(proof.outcome(), before, start)
            finally:
                proof.search.stop()
            self.effort *= GROWTH

    def rounded(self) -> Sequence[int] | None:
        """The relaxation's choice, rounded up, without what is not needed then; None where that breaks a rule."""
        whole = [math.ceil(value - 1e-6) for value in self.relaxation.values]
        found = greedy(self.covering, self.costs, whole) if whole else None
        return found if found and self.covering.keeps(found) else None

    def proof(self) -> Trial | None:
        """A search, begun, of all that reduced costs leave for anything better; None where they leave nothing."""
        most = self.value - 1
        core = narrowed(self.covering, self.goal, self.relaxation, most)
        if core is None:
            return None
        start = [max(low, min(at, high)) for low, at, high in zip(core.lower, self.x, core.upper, strict=True)]
        wide = sum(low < high for low, high in zip(core.lower, core.upper, strict=True)) > WIDE
        effort = PROOF * self.effort * (WIDE_PART if wide else 1)
        trial = Trial(core, self.goal, start, range(len(start)), most, self.clock, effort, self.effort % (1 << 31))
        trial.search.start()
        return trial

    def explore(self, proof: Trial) -> None:
        """Local search, then neighbourhoods, as many as have shown to be worth it."""

        def hopeless() -> bool:
            if self.clock.over:
                return True
            if len(self.ranking) > 1 or not proof.search.done.is_set():
                return False
            outcome = proof.outcome()
            return outcome.done and outcome.bound > self.bound

        local_won = False
        if self.local:
            if self.x is not self.local.best:
                self.local.restart(self.x)
            before = self.value
            self.take(self.local.improve(self.steps, hopeless, self.covering.keeps))
            local_won = self.value < before
        before, stuck = self.value, False
        for _ in range(self.turns):
            if self.value <= self.bound or hopeless():
                return
            value = self.value
            # Two side by side where one alone has not been enough.
            trials = [self.neighbourhood() for _ in range(2 if stuck else 1)]
            for trial in trials:
                trial.search.start()
            for trial in trials:
                outcome, before_trial = trial.outcome(), self.value
                self.take(outcome.x)
                self.around.learn(outcome.done, self.value < before_trial)
            stuck = self.value == value
        won = self.value < before
        self.turns = GROWTH * self.effort if won else max(1, self.turns // 2)
        self.steps = STEPS * GROWTH * self.effort // (SIDE if won and not local_won else 1)

    def neighbourhood(self) -> Trial:
        """A search of the next neighbourhood."""
        free, effort = self.around.around(self.x), min(1.0, PROOF * self.effort)
        return Trial(self.covering, self.goal, self.x, free, self.value, self.clock, effort, self.around.turn)

    def settle(self, outcome: Outcome, before: int, start: Sequence[int]) -> None:
        """What the proof has shown: where it is complete, its choice, or the one it started from, is the best."""
        if outcome.done:
            if outcome.x is None and len(self.ranking) == 1:
                self.x, self.value = start, before
            self.bound = max(self.bound, before if outcome.x is None else self.goal.value(outcome.x))
        self.take(outcome.x)
        if not outcome.done:
            self.raise_to(outcome.bound)

    def raise_to(self, bound: int) -> None:
        """Take a bound if it is better."""
        if bound > self.bound:
            self.bound = min(bound, self.value)
            self.tell(News(self.goal.name, self.value, self.bound))

    def open(self) -> bool:
        """Whether there is something left to find, and time."""
        return self.value > self.bound and not self.clock.over

    def take(self, found: Sequence[int] | None) -> None:
        """Keep what was found if it is as good as what is known."""
        if found is None:
            return
        rank = [goal.value(found) for goal in self.ranking]
        if rank > [goal.value(self.x) for goal in self.ranking]:
            return
        better = rank[-1] < self.value
        self.x, self.value = found, rank[-1]
        if better:
            self.tell(News(self.goal.name, self.value, min(self.bound, self.value)))
