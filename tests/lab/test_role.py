"""examples/live/rbac.yaml: a service account with these roles can do everything, and needs each of their verbs."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Collection, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml
from click.testing import Result

from tests.lab.client import Client, kubeconfig
from tests.lab.cluster import Lab
from tests.lab.conftest import Shared
from tests.lab.objects import RACK, SYSTEM, daemonset, nodes, peer, rack_peer
from tests.lab.speakers import Speakers, speakers
from tests.lab.states import ONE, THREE, TOLD, TWO, identities, ok, placement_in, run, speaking, state, topology_of_rack

pytestmark = pytest.mark.lab

FILE = Path(__file__).parents[2] / "examples" / "live" / "rbac.yaml"
GIVEN: list[Any] = list(yaml.safe_load_all(FILE.read_text()))
NAME, READER = "bgp-speakers", "bgp-speakers-reader"
MISSING = re.compile(r"\(403\); a role that allows to (\w+) (\w+) is missing")
REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
# A speaker runs there, but has not the room that the policy wants it to have.
POLICY = {"speaker": {"requests": {"cpu": "200m", "memory": "100Mi"}}}
FULL = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "full", "namespace": "default"},
    "spec": {
        "nodeName": "r1-n1",
        "containers": [{"name": "main", "image": "main", "resources": {"requests": {"cpu": "3850m"}}}],
    },
}


class Right(NamedTuple):
    """A verb of a rule."""

    role: str
    namespace: str
    group: str
    resource: str
    verb: str


RIGHTS = [
    Right(each["metadata"]["name"], each["metadata"].get("namespace", ""), group, resource, verb)
    for each in GIVEN
    for rule in each.get("rules", ())
    for group in rule["apiGroups"]
    for resource in rule["resources"]
    for verb in rule["verbs"]
]
READ = frozenset(each for each in RIGHTS if each.role == READER)


def documents(rights: Collection[Right]) -> list[Any]:
    """The file with these rights alone."""
    found = []
    for each in GIVEN:
        made = dict(each)
        if "rules" in each:
            name, namespace = each["metadata"]["name"], each["metadata"].get("namespace", "")
            made["rules"] = [
                {"apiGroups": [right.group], "resources": [right.resource], "verbs": [right.verb]}
                for right in rights
                if (right.role, right.namespace) == (name, namespace)
            ]
        found.append(made)
    return found


class Case:
    """A cluster in which a change needs everything, and the service account that is to make it."""

    def __init__(self, lab: Lab, works: Speakers, folder: Path) -> None:
        self.lab, self.works, self.folder = lab, works, folder
        self.placement, self.rollback = folder / "placement.json", folder / "placement.rollback.json"
        self.topology, self.policy = topology_of_rack(folder, "r3", THREE), folder / "policy.json"
        self.policy.write_text(json.dumps(POLICY))
        self.apply_files(documents(()))
        made = lab.run_kubectl("-n", SYSTEM, "create", "token", NAME)
        assert made.returncode == 0, made.stderr
        token = made.stdout.strip()
        self.client = Client(lab.server, lab.authority(), token)
        self.login = kubeconfig(folder / "kubeconfig", lab.server, lab.authority(), token)

    def apply_files(self, manifests: Collection[Any]) -> None:
        """Apply manifests as kubectl does."""
        file = self.folder / "rbac.yaml"
        file.write_text(yaml.safe_dump_all(manifests))
        made = self.lab.run_kubectl("apply", "-f", file)
        assert made.returncode == 0, made.stderr

    def grant(self, rights: Collection[Right]) -> None:
        """Give the account these rights alone; the authorizer takes a moment to see it."""
        for each in documents(rights):
            if "rules" in each:
                self.lab.client.patch(self.lab.client.path(each), {"rules": each["rules"]})
        self.wait_for(rights)

    def wait_for(self, rights: Collection[Right]) -> None:
        """Wait until the account has these rights alone."""
        for each in RIGHTS:
            wanted = each in rights
            self.lab.eventually(f"{each}: {wanted}", partial(self.is_so, each, wanted))

    def is_so(self, right: Right, wanted: bool) -> bool:
        """Whether the account has a right, or has it not."""
        where = {"group": right.group, "resource": right.resource, "verb": right.verb, "namespace": right.namespace}
        review = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview"}
        answer = self.client.send("POST", REVIEWS, {**review, "spec": {"resourceAttributes": where}})
        return bool(json.loads(answer)["status"].get("allowed")) == wanted

    def command(self, name: str, kubeconfig: Path | None = None) -> list[str | Path]:
        """A command of the sequence."""
        pace = ["--yes", "--timeout", "20", "--interval", "0.1"]
        # What the new router has so far is what the plan itself has opened.
        style = ["--style", "taints", "--allow-break"]
        given: dict[str, list[str | Path]] = {
            "optimize": ["--live", "--topology", self.topology, "--policy", self.policy, "-o", self.placement],
            "plan": [self.placement, *style],
            "apply": [self.placement, *style, *pace],
            "rollback": [self.rollback, *pace],
        }
        return [name, *given[name], "--kubeconfig", kubeconfig or self.login]

    def run(self, name: str) -> Result:
        """Run a command as the account."""
        return run(*self.command(name))

    def ok(self, name: str) -> Result:
        """Run a command as the account, which is to do it."""
        return ok(*self.command(name))

    def as_it_was(self) -> None:
        """Take back what has been started, as the administrator."""
        if self.rollback.exists():
            ok(*self.command("rollback", self.lab.kubeconfig))
            self.rollback.unlink()

    def lowest(self, since: float) -> int:
        """The fewest sessions that one of today's routers has had."""
        return min(self.works.history.lowest(address, since) for address in (ONE, TWO))


@pytest.fixture(scope="module")
def case(shared_lab: Shared, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Case]:
    """Three racks: a node that is full; a BgpPeer too many; and a router that has none. The template is to change."""
    lab = shared_lab.empty()
    lab.client.create_all(nodes(3, 4))
    lab.client.create(FULL)
    second = peer("old-r2", TWO, {"matchLabels": {RACK: "r2"}})
    lab.client.create_all([rack_peer("r1", ONE), rack_peer("r2", TWO), second, daemonset()])
    with speakers(lab, period=TOLD) as works:
        lab.eventually("all sessions are up", lambda: sum(map(len, works.sessions().values())) == 8)
        lab.eventually("all is told", lambda: all(told(lab, name) for name in ("leaf-r1", "leaf-r2")))
        made = Case(lab, works, tmp_path_factory.mktemp("role"))
        yield made
        made.client.close()


def told(lab: Lab, name: str) -> bool:
    """Whether the speakers of a rack have all told of their sessions."""
    found = lab.client.get(f"/apis/network.kubesphere.io/v1alpha2/bgppeers/{name}").get("status", {})
    entries = found.get("nodesPeerStatus", {}).values()
    return [each["peerState"]["sessionState"] for each in entries] == ["ESTABLISHED"] * 4


def refused(result: Result) -> tuple[str, str]:
    """The verb and the resource that one sentence names."""
    said = [line for line in result.stderr.splitlines() if line.startswith("bgp-speakers: ")]
    assert (result.exit_code, len(said)) == (1, 1), result.output
    assert result.stderr.endswith(f"{said[0]}\n")
    found = MISSING.findall(said[0])
    assert len(found) == 1, said
    verb, resource = found[0]
    return verb, resource


def test_the_roles_suffice(case: Case) -> None:
    before = state(case.lab)
    case.apply_files([each for each in GIVEN if each["kind"] == "ServiceAccount" or each["metadata"]["name"] == READER])
    case.wait_for(READ)
    assert "1 short of 200m CPU" in case.ok("optimize").output
    case.apply_files(GIVEN)
    case.wait_for(RIGHTS)
    objects = identities(case.lab)
    steps = json.loads(run(*case.command("plan"), "--format", "json").stdout)["steps"]
    assert {"daemonset", "restart-speakers", "taint-nodes", "open-peers", "close-peers"} <= {s["slug"] for s in steps}
    changes = json.dumps(steps)
    assert all(f'"change": "{kind}"' in changes for kind in ("Create", "Delete", "TaintNodes", "Label", "Patch"))
    assert (state(case.lab), identities(case.lab)) == (before, objects)
    since = time.monotonic()
    case.ok("apply")
    chosen = set(placement_in(case.placement)["speakers"])
    assert speaking(case.lab) == chosen
    assert {name for name, each in state(case.lab).items() if "taints" in each["spec"]} == {
        f"nodes {name}" for name in chosen
    }
    assert "nothing to change" in case.ok("plan").stdout
    case.ok("rollback")
    assert state(case.lab) == before
    assert case.lowest(since) >= 2
    case.rollback.unlink()


def test_a_command_names_each_right_that_it_lacks_and_goes_on_once_it_has_it(case: Case) -> None:
    before, since = state(case.lab), time.monotonic()
    used: dict[str, set[Right]] = {}
    for name in ("optimize", "apply", "rollback"):
        granted = set[Right]() if name == "optimize" else set(READ)
        while True:
            case.grant(granted)
            found = state(case.lab)
            result = case.run(name)
            if result.exit_code == 0:
                break
            lacked = refused(result)
            (right,) = {each for each in RIGHTS if (each.verb, each.resource) == lacked} - granted
            granted.add(right)
            assert case.lowest(since) >= 2
            if "stopped at" in result.stderr:
                assert "in a safe state" in result.stderr
            else:
                # It has not begun.
                assert state(case.lab) == found
        used[name] = granted
    assert used["optimize"] == READ
    assert used["apply"] == set(RIGHTS)
    assert state(case.lab) == before
    assert case.lowest(since) >= 2
    case.rollback.unlink()


def test_what_stopped_early_is_taken_back(case: Case) -> None:
    before, since = state(case.lab), time.monotonic()
    case.grant(READ)
    case.ok("optimize")
    case.grant([each for each in RIGHTS if (each.resource, each.verb) != ("bgppeers", "create")])
    stopped = case.run("apply")
    assert refused(stopped) == ("create", "bgppeers")
    assert "stopped at step 1 of 9 (open-peers), in a safe state" in stopped.stderr
    case.grant(RIGHTS)
    for _ in range(2):
        case.ok("rollback")
        assert state(case.lab) == before
    assert case.lowest(since) >= 2
    case.rollback.unlink()


@pytest.mark.parametrize("right", RIGHTS, ids=lambda right: f"{right.role}-{right.verb}-{right.resource}")
def test_each_right_is_needed(case: Case, right: Right) -> None:
    before, since = state(case.lab), time.monotonic()
    case.grant([each for each in RIGHTS if each != right])
    # Most are missed before anything is changed.
    result = next((each for each in map(case.run, ("optimize", "plan", "apply")) if each.exit_code != 0), None)
    assert result is not None, "nobody has missed it"
    assert refused(result) == (right.verb, right.resource)
    assert case.lowest(since) >= 2
    case.as_it_was()
    assert state(case.lab) == before
