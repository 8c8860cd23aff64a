"""A small API server, and the client's connection to it; who needs other objects has a `server` of his own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from optimizer.kube.client import Api, connect
from tests.live_server import Server, kubeconfig, serving


@pytest.fixture
def server() -> Iterator[Server]:
    """A server without objects."""
    with serving(Server()) as found:
        yield found


@pytest.fixture
def api(server: Server, tmp_path: Path) -> Iterator[Api]:
    """A connection to the server."""
    found = connect(kubeconfig(tmp_path, server.address))
    yield found
    found.close()
