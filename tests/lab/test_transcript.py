"""The README's transcript of a live cluster is what the commands print there; UPDATE_EXAMPLES=1 writes it anew."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.lab.cluster import Lab
from tests.lab.objects import daemonset, nodes, rack_peer
from tests.lab.speakers import speakers

pytestmark = pytest.mark.lab

README = Path(__file__).parents[2] / "README.md"
BLOCK = re.compile(r"(<!-- live transcript -->\n```text\n)(.*?)(```)", re.DOTALL)
COMMANDS = (
    "bgp-speakers optimize --live -o placement.json",
    "bgp-speakers plan placement.json",
    "bgp-speakers apply placement.json --yes",
    "bgp-speakers rollback placement.rollback.json --yes",
)


def test_the_transcript_of_a_live_cluster(lab: Lab, tmp_path: Path) -> None:
    routers = {f"r{rack}": f"192.168.{rack}.1" for rack in (1, 2, 3)}
    lab.client.create_all([*nodes(3, 4), daemonset(), *(rack_peer(*each) for each in routers.items())])
    printed = []
    with speakers(lab) as works:
        lab.eventually("every speaker has its session", lambda: sum(map(len, works.sessions().values())) == 12)
        for command in COMMANDS:
            ran = subprocess.run(
                [sys.executable, "-m", "optimizer", *shlex.split(command)[1:]],
                cwd=tmp_path,
                env=os.environ | {"KUBECONFIG": str(lab.kubeconfig), "PYTHONPATH": str(README.parent)},
                capture_output=True,
                text=True,
                check=False,
            )
            assert ran.returncode == 0, ran.stderr
            printed.append(f"$ {command}\n{ran.stdout}")
    text = README.read_text()
    if os.environ.get("UPDATE_EXAMPLES"):
        README.write_text(BLOCK.sub(lambda found: found[1] + "".join(printed) + found[3], text))
    found = BLOCK.search(README.read_text())
    assert found is not None
    assert found[2] == "".join(printed)
