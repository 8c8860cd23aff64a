"""What a script would do: one CP-SAT model with a variable for each node and session, default parameters."""

from __future__ import annotations

from ortools.sat.python import cp_model

from optimizer.model import Cluster, Objective, Policy


def sessions(cluster: Cluster, policy: Policy, seconds: float) -> Objective | None:
    """The fewest sessions that the plain model finds, and its bound; None where it finds no placement in time."""
    model = cp_model.CpModel()
    x = {node.name: model.new_bool_var("") for node in cluster.nodes}
    s = {(name, router): model.new_bool_var("") for router, names in cluster.attachments.items() for name in names}
    for (name, _), variable in s.items():
        if policy.peering == "all-attached":
            model.add(variable == x[name])
        else:
            model.add_implication(variable, x[name])
    domains = {node.name: node.domains for node in cluster.nodes}
    for router in cluster.routers:
        held = {name: s[name, router.name] for name in cluster.attachments[router.name]}
        model.add(sum(held.values()) >= policy.speakers_per_router)
        if router.max_sessions is not None:
            model.add(sum(held.values()) <= router.max_sessions)
        for rule in policy.survive:
            values = {domains[name][rule.kind] for name in held} - {router.domains.get(rule.kind)}
            for value in sorted(values):
                outside = [variable for name, variable in held.items() if domains[name][rule.kind] != value]
                model.add(sum(outside) >= rule.survivors)
    model.minimize(sum(s.values()))
    search = cp_model.CpSolver()
    search.parameters.max_time_in_seconds = seconds
    if search.solve(model) not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        return None
    return Objective("sessions", round(search.objective_value), round(search.best_objective_bound))
