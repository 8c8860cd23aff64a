"""The benchmark of routers: what they receive is exactly what was sent; the model finds what it was given."""

from __future__ import annotations

import doctest
import importlib
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner
from msgspec.structs import replace

from benchmarks.routers.__main__ import COMMANDS, Report, better, cases, main
from benchmarks.routers.bgp_messages import HEADER, LONGEST, announcements, message, open_message, takes_several_paths
from benchmarks.routers.cost import ROUTERS, Cost
from benchmarks.routers.fit import CPU_TERMS, fit
from benchmarks.routers.load import ROUTER_AS, SPEAKERS_AS, Addresses, Case, Load, Series
from benchmarks.routers.table import compared, rows
from tests.lab.cluster import eventually
from tests.lab.processes import Processes
from tests.lab.routers import Router, Settings

MISSING = [command for of in COMMANDS.values() for command in of if shutil.which(command) is None]


def needs_routers(test: Callable[..., None]) -> Callable[..., None]:
    """A test that starts routers."""
    reason = f"not installed: {', '.join(MISSING)} (Debian: frr, bird2, gobgpd)"
    marked: Callable[..., None] = pytest.mark.routers(pytest.mark.skipif(bool(MISSING), reason=reason)(test))
    return marked


@contextmanager
def loaded(case: Case, network: int, folder: Path) -> Iterator[tuple[Router, Load]]:
    """A router and its speakers, begun."""
    addresses = Addresses(network)
    settings = Settings("router", ROUTER_AS, addresses.router, 1790, ranges=((addresses.range, SPEAKERS_AS),))
    folder.mkdir()
    processes = Processes(folder)
    try:
        router = ROUTERS[case.router](settings, processes, folder)
        router.start()
        with Load(case, addresses, settings, processes, folder) as load:
            load.open()
            yield router, load
    finally:
        processes.close()


def expected(case: Case, addresses: Addresses, dead: int | None = None) -> set[tuple[str, str]]:
    """What each route's paths have to be."""
    return {
        (addresses.speaker(speaker), addresses.hop(speaker if case.series == "one" else hop))
        for speaker in range(case.sessions)
        if speaker != dead
        for hop in range(case.hops)
    }


def held(router: Router, load: Load) -> list[set[tuple[str, str]]]:
    """The paths of each route."""
    return [set(router.paths(route)) for route in load.routes]


@needs_routers
def test_light_and_real_speakers_give_the_same_paths(tmp_path: Path) -> None:
    """All at once, since gobgpd takes seconds to dial."""
    network = 200
    with ExitStack() as stack:
        running: list[tuple[Case, Router, Load]] = []
        for router in ROUTERS:
            series: Series
            for series in ("all", "one"):
                for speakers in ("light", "gobgpd"):
                    case = Case(router, series, 3, 2, speakers)
                    network += 1
                    folder = tmp_path / str(network)
                    running.append((case, *stack.enter_context(loaded(case, network, folder))))
        for case, subject, load in running:
            paths = expected(case, load.addresses)
            eventually("all paths", lambda s=subject, c=case: s.total_paths() == c.paths)  # type: ignore[misc]
            assert held(subject, load) == [paths] * case.routes
            assert subject.established() == {speaker for speaker, _ in paths}
            assert load.sent()
        for _, _, load in running:
            load.withdraw(load.routes[0])
        for case, subject, load in running:
            left = [set(), expected(case, load.addresses)]
            eventually("a route is gone", lambda s=subject, w=load, e=left: held(s, w) == e)  # type: ignore[misc]
            load.announce(load.routes[0])
        for case, subject, load in running:
            eventually("it is back", lambda s=subject, c=case: s.total_paths() == c.paths)  # type: ignore[misc]
            assert held(subject, load) == [expected(case, load.addresses)] * case.routes
            load.die(1)
        for case, subject, load in running:
            survivors = [expected(case, load.addresses, dead=1)] * case.routes
            eventually("one is dead", lambda s=subject, w=load, e=survivors: held(s, w) == e)  # type: ignore[misc]
            assert load.lost == 0


@needs_routers
def test_the_command_measures_shows_and_draws(tmp_path: Path) -> None:
    figures, drawn = tmp_path / "routers.json", tmp_path / "routers.png"
    quick = ["--sessions", "2,3", "--services", "2", "--real", "", "--steady", "0.1"]
    done = CliRunner().invoke(main, [*quick, "--json", str(figures)])
    assert done.exit_code == 0, done.output
    report = msgspec.json.decode(figures.read_bytes(), type=Report)
    assert [cost.case for cost in report.costs] == list(cases(list(ROUTERS), (2, 3), (2,)))
    for cost in report.costs:
        case = cost.case
        assert cost.converged
        assert cost.sessions == (2 if case.series == "two" else case.nodes)
        assert cost.paths == cost.held == cost.sessions * (1 if case.series == "one" else case.nodes) * 2
        assert cost.flap is not None
        assert cost.death is not None
    shown = CliRunner().invoke(main, ["--show", str(figures), "--picture", str(drawn)])
    assert shown.exit_code == 0, shown.output
    assert "| FRR | 3 | 18 |" in shown.output
    assert drawn.stat().st_size > 0


@needs_routers
def test_a_router_that_reaches_the_limit_is_told(tmp_path: Path) -> None:
    figures = tmp_path / "routers.json"
    asked = ["--sessions", "2,3,4", "--services", "2", "--routers", "frr", "--real", "", "--limit", "0"]
    done = CliRunner().invoke(main, [*asked, "--json", str(figures)])
    assert done.exit_code == 0, done.output
    assert "not converged after 0" in done.output
    report = msgspec.json.decode(figures.read_bytes(), type=Report)
    assert {(cost.case.nodes, cost.converged) for cost in report.costs} == {(2, False), (4, False)}


def test_a_router_that_nobody_knows_is_refused() -> None:
    done = CliRunner().invoke(main, ["--routers", "abacus"])
    assert done.exit_code == 2
    assert "'abacus' is none of frr, bird" in done.output
    assert CliRunner().invoke(main, ["--sessions", "2,many"]).exit_code == 2


def test_messages_are_whole_and_of_allowed_length() -> None:
    routes = [f"10.9.{index // 250}.{index % 250}/32" for index in range(1000)]
    sent = list(announcements(routes, ["10.0.0.1", "10.0.0.2"], [SPEAKERS_AS]))
    assert all(HEADER < len(each) <= LONGEST for each in sent)
    assert all(int.from_bytes(each[16:18], "big") == len(each) for each in sent)
    # Nine bytes a route: the number of its path, its length and its address.
    attributes = 4 + 7 + 7
    assert sum(len(each) - HEADER - 4 - attributes - 2 for each in sent) == 2 * 1000 * 9


def test_a_router_that_takes_several_paths_is_known_by_its_open() -> None:
    offers_to_send = open_message(SPEAKERS_AS, 9, "10.0.0.1")[HEADER:]
    assert not takes_several_paths(offers_to_send)
    assert takes_several_paths(offers_to_send[:-1] + b"\x01")
    assert takes_several_paths(offers_to_send[:-1] + b"\x03")
    assert not takes_several_paths(message(4)[HEADER:])


def test_the_model_finds_the_coefficients_that_a_cost_was_made_of() -> None:
    made = [
        (case, 3e-4 * case.sessions + 5e-8 * case.paths**2 / case.routes)
        for case in cases(["frr"], (2, 10, 50, 100), (1, 10, 100))
    ]
    costs = [Cost(case, case.sessions, case.paths, True, cpu, 1.0, 1 << 24) for case, cpu in made]
    found = fit(costs, CPU_TERMS, lambda cost: cost.cpu)
    assert found is not None
    assert {name: pytest.approx(value) for name, value in found.terms.items()} == {
        "S": 3e-4,
        "P^2/R": 5e-8,
    }
    assert found.largest == pytest.approx(1)
    assert fit(costs[:2], CPU_TERMS, lambda cost: cost.cpu) is None


def test_a_row_says_what_is_not_known() -> None:
    case = Case("bird", "all", 50, 100)
    (row,) = rows([Cost(case, 50, 250_000, False, 120.4, 130.0, 1 << 24, held=2500)])
    assert row[8] == "not converged after 120 (1.0% of the paths)"
    assert row[11:] == [""] * 5


@pytest.mark.parametrize("name", ["bgp_messages", "load", "fit", "table"])
def test_examples_in_docstrings(name: str) -> None:
    assert doctest.testmod(importlib.import_module(f"benchmarks.routers.{name}")).failed == 0


def test_of_two_runs_the_one_that_was_disturbed_less_counts() -> None:
    case = Case("frr", "all", 50, 100)
    ran = [Cost(case, 50, 250_000, converged, cpu, 1.0, 1) for converged, cpu in ((True, 30.0), (True, 20.0))]
    lost = [replace(ran[0], converged=False, cpu=cpu) for cpu in (60.0, 120.0)]
    assert better(*ran) == better(*reversed(ran)) == ran[1]
    assert better(*lost) == better(*reversed(lost)) == lost[1]
    assert better(lost[0], ran[0]) == better(ran[0], lost[0]) == ran[0]


def test_real_and_light_speakers_are_compared_where_the_difference_could_be_seen() -> None:
    made = [Case("frr", "all", nodes, 100, speakers, 5.0) for nodes in (10, 30) for speakers in ("light", "gobgpd")]
    spent = zip(made, (0.004, 0.009, 2.0, 3.0), strict=True)
    (line,) = compared([Cost(case, case.sessions, case.paths, True, cpu, 5.0, 1 << 24) for case, cpu in spent])
    assert line.startswith("FRR, 30 sessions, 90,000 paths: ")
    assert "ratio 1.50" in line
