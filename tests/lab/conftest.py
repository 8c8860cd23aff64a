"""One cluster for each test process, emptied before each test that uses it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
import urllib3

from tests.lab.client import ApiError
from tests.lab.cluster import Lab, cluster
from tests.lab.network import Network
from tests.lab.processes import LabError
from tests.lab.programs import MissingError, programs
from tests.lab.reset import Start
from tests.lab.routers import missing


class Shared:
    """The cluster, if there is one."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._lab: Lab | None = None
        self._start: Start | None = None

    def empty(self) -> Lab:
        """The cluster as it was at its start, or a new one where that cannot be had."""
        if self._lab is not None and self._start is not None:
            try:
                self._start.again()
            except (LabError, ApiError, urllib3.exceptions.HTTPError):
                self.close()
            else:
                return self._lab
        self._lab = self._stack.enter_context(cluster())
        self._start = Start(self._lab)
        return self._lab

    def close(self) -> None:
        """Stop the cluster."""
        self._stack.close()
        self._lab = None


@pytest.fixture(scope="session")
def shared_lab() -> Iterator[Shared]:
    """The cluster of this test process."""
    try:
        programs()
    except MissingError as error:
        pytest.skip(str(error))
    shared = Shared()
    try:
        yield shared
    finally:
        shared.close()


@pytest.fixture
def wire(shared_lab: Shared) -> Lab:
    """An empty cluster, where there are the programs and the rights for real speakers and routers under it."""
    if os.geteuid() != 0:
        pytest.skip("network namespaces need root")
    if absent := missing():
        pytest.skip(f"not installed: {', '.join(absent)} (Debian: frr, bird2, gobgpd, iproute2)")
    if refused := Network(0, {}).refused():
        pytest.skip(f"no network namespaces here: {refused}")
    return shared_lab.empty()


@pytest.fixture
def lab(shared_lab: Shared) -> Lab:
    """An empty cluster."""
    return shared_lab.empty()
