"""Why a component has no answer: rules that cannot hold together, and by how much one must give."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from ortools.sat.python import cp_model

from ..model import Policy, Survive
from .clock import Clock
from .cp_sat_model import ComponentModel, total
from .cp_sat_search import FOUND, CpSatSearch
from .problem import Component
from .rules import Rule, soft_rules


def conflict(
    component: Component, policy: Policy, survive: Sequence[Survive], dropped: Collection[Rule], clock: Clock
) -> list[Rule]:
    """A minimal set of rules that cannot hold together: leaving out any one of them, the others can.

    CP-SAT names a sufficient set of assumptions; then each rule is left out in turn and stays out where the rest
    still conflicts (a deletion filter: J. W. Chinneck, E. W. Dravnieks, Locating minimal infeasible constraint sets in
    linear programs, 1991). Empty where the rules hold together, or where the time ends before that is known.
    """
    model = ComponentModel(component, policy, survive, dropped=dropped, explain=True)
    rule_of = {literal.index: rule for rule, literal in model.literals.items()}

    def clashing(rules: Collection[Rule]) -> list[Rule] | None:
        model.cp.clear_assumptions()
        model.cp.add_assumptions([model.literals[rule] for rule in sorted(rules)])
        search = CpSatSearch(model.cp, clock)
        if search.run() != cp_model.INFEASIBLE:
            return None
        named = [rule_of[index] for index in search.solver.sufficient_assumptions_for_infeasibility()]
        return sorted(set(named)) or sorted(rules)

    core = clashing(list(model.literals))
    for rule in sorted(core or (), key=removal_order):
        if core and rule in core:
            core = clashing([other for other in core if other != rule]) or core
    return core or []


def removal_order(rule: Rule) -> tuple[int, Rule]:
    """Rules that say least to an operator are left out first, so that the explanation is given in the others."""
    order = ("moves", "change", "capacity", "limit", "pins", "survival", "coverage", "redundancy")
    return order.index(rule.kind), rule


def least_relief(
    component: Component,
    policy: Policy,
    survive: Sequence[Survive],
    rule: Rule,
    dropped: Collection[Rule],
    clock: Clock,
) -> int | None:
    """By how much the rule must be relaxed, all other rules but the dropped ones kept; None where that cannot help. For
    the racks of a router that is what all of them lack together."""
    parts = [part for part in soft_rules(component, survive) if part.whole == rule] or [rule]
    model = ComponentModel(component, policy, survive, relaxed=parts, dropped=dropped)
    if not model.slack:
        return None
    # What its coverage lacks says of a rack without any session all there is to say.
    lack = total(slack for part, slack in model.slack.items() if part.kind != "announcement")
    model.cp.minimize(lack)
    search = CpSatSearch(model.cp, clock)
    return search.solver.value(lack) if search.run() == cp_model.OPTIMAL else None


def satisfiable(
    component: Component, policy: Policy, survive: Sequence[Survive], dropped: Collection[Rule], clock: Clock
) -> bool:
    """Whether the component's rules but the dropped ones are shown to hold together."""
    model = ComponentModel(component, policy, survive, dropped=dropped)
    return CpSatSearch(model.cp, clock).run() in FOUND
