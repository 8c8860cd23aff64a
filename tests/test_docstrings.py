"""The worked examples in docstrings are right."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

import optimizer


@pytest.mark.parametrize("name", [module.name for module in pkgutil.walk_packages(optimizer.__path__, "optimizer.")])
def test_examples_in_docstrings(name: str) -> None:
    if name != "optimizer.__main__":
        assert doctest.testmod(importlib.import_module(name)).failed == 0
