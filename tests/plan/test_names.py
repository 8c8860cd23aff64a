"""A step's name is for people: no code decides by it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import optimizer
from optimizer.plan.plan import make_plan
from optimizer.plan.template import STYLES
from tests.exports.export_shell import moving_with

PACKAGE = Path(optimizer.__file__).parent
PLANNER = PACKAGE / "plan" / "order.py"
FOLDERS = ("plan", "rollout", "exports", "reports", "cli")


def step_names() -> set[str]:
    """The names of all steps: the first arguments with which the planner makes one."""
    calls = (each for each in ast.walk(ast.parse(PLANNER.read_text())) if isinstance(each, ast.Call))
    first = (each.args[0] for each in calls if isinstance(each.func, ast.Name) and each.func.id in ("Step", "draft"))
    return {each.value for each in first if isinstance(each, ast.Constant) and isinstance(each.value, str)}


def sources() -> Iterator[tuple[Path, ast.Module]]:
    for folder in FOLDERS:
        for path in sorted((PACKAGE / folder).rglob("*.py")):
            yield path, ast.parse(path.read_text())


def test_the_names_are_found() -> None:
    made = {step.name for style in STYLES for step in make_plan(*moving_with(style)).steps}
    assert made | {"untaint-speakers", "untaint-nodes"} == step_names()


def test_no_code_but_the_planner_holds_the_name_of_a_step() -> None:
    names = step_names()
    assert "label-speakers" in names
    for path, tree in sources():
        held = {each.value for each in ast.walk(tree) if isinstance(each, ast.Constant) and each.value in names}
        # The kind of an object and a variable of the scripts are called so too.
        assert held - {"daemonset"} == set() or path == PLANNER, path


def test_no_code_compares_the_name_of_a_step() -> None:
    for path, tree in sources():
        for each in ast.walk(tree):
            parts: list[ast.expr] = []
            if isinstance(each, ast.Compare):
                parts = [each.left, *each.comparators]
            elif isinstance(each, ast.Match):
                parts = [each.subject]
            for part in parts:
                is_name = isinstance(part, ast.Attribute) and part.attr in ("name", "slug")
                of_step = isinstance(part, ast.Attribute) and ast.unparse(part.value).endswith("step")
                assert not (is_name and of_step), f"{path}:{part.lineno}"
