"""`ortools.set_cover` alone. It knows how to cover each router once; what more is asked for is done as people would:
cover again without the nodes that are chosen already, as often as sessions are asked for, then repair by greed."""

from __future__ import annotations

from ortools.set_cover.python import set_cover

from benchmarks.peers.answer import Answer, Clock, Tell
from benchmarks.peers.greedy import Work
from optimizer.model import Cluster, Policy

ROUNDS, STALE = 100_000, 10_000
"""Steps of a descent at most, and after how many rounds without a better cover the search is given up."""


def run(cluster: Cluster, policy: Policy, tell: Tell) -> Answer:
    """The best answer within the time limit of the policy."""
    clock = Clock(policy.time_limit)
    work = Work(cluster, policy)
    asked = {name: router.needed for name, router in work.routers.items()}
    rounds = max(asked.values())
    simple = rounds == 1 and not policy.survive and policy.goals[0] == "cost"
    for turn in range(rounds):
        lacking = [name for name, router in work.routers.items() if router.held <= turn < asked[name]]
        share = Clock(clock.left() / (rounds - turn) * 0.9)
        names = cover(work, lacking, share, tell if simple else None)
        work.cover(names, clock)
    work.cover(work.nodes, clock)
    return work.answer()


def cover(work: Work, routers: list[str], clock: Clock, tell: Tell | None) -> list[str]:
    """Nodes that cover the routers once, as far as they can be covered by nodes that are not chosen yet."""
    wanted = set(routers)
    names = [name for name in work.nodes if name not in work.chosen and not wanted.isdisjoint(work.reach[name])]
    coverable = sorted(wanted.intersection(router for name in names for router in work.reach[name]))
    if not coverable:
        return []
    number = {router: i for i, router in enumerate(coverable)}
    model = set_cover.SetCoverModel()
    for name in names:
        model.add_empty_subset(float(work.weight(name)))
        for router in work.reach[name]:
            if router in number:
                model.add_element_to_last_subset(number[router])
    model.create_sparse_row_view()
    state = set_cover.SetCoverInvariant(model)
    set_cover.GreedySolutionGenerator(state).next_solution()
    set_cover.SteepestSearch(state).set_max_iterations(ROUNDS).next_solution()
    best, cost, stale = chosen(state), state.cost(), 0
    if tell:
        tell("cost", round(cost), None)
    while clock.left() and stale < STALE:
        # The usual loop of this library: forget a part, cover again, improve.
        set_cover.clear_random_subsets(max(1, len(best) // 4), state)
        set_cover.GreedySolutionGenerator(state).next_solution()
        search = set_cover.GuidedLocalSearch(state)
        search.initialize()
        search.set_max_iterations(100)
        search.next_solution()
        set_cover.GreedySolutionGenerator(state).next_solution()
        set_cover.SteepestSearch(state).set_max_iterations(ROUNDS).next_solution()
        stale += 1
        if state.cost() < cost and not state.num_uncovered_elements():
            best, cost, stale = chosen(state), state.cost(), 0
            if tell:
                tell("cost", round(cost), None)
        else:
            restore(state, best)
    return [names[subset] for subset in best]


def chosen(state: set_cover.SetCoverInvariant) -> list[int]:
    """The subsets of the cover."""
    return [subset for subset, used in enumerate(state.is_selected()) if used]


def restore(state: set_cover.SetCoverInvariant, best: list[int]) -> None:
    """Go back to a cover; one by one, as the calls that load a whole one do not work from Python."""
    keep = set(best)
    now = set(chosen(state))
    for subset in now - keep:
        state.deselect(subset, set_cover.consistency_level.REDUNDANCY)
    for subset in keep - now:
        state.select(subset, set_cover.consistency_level.REDUNDANCY)
