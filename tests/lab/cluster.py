"""A fresh Kubernetes control plane on loopback: `with cluster() as lab:`."""

from __future__ import annotations

import re
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import urllib3

from tests.lab import kubelets
from tests.lab.client import ApiError, Client, kubeconfig
from tests.lab.crds import DEFINITIONS, PEERS
from tests.lab.processes import LabError, Processes
from tests.lab.programs import programs
from tests.objects import SYSTEM

T = TypeVar("T")
ADMIN, ROLE_TEST = "admin", "role-test"
ACCOUNT = "system:serviceaccount:"
# Those that tests of nodes, pods and DaemonSets meet.
CONTROLLERS = (
    "clusterrole-aggregation-controller",
    "daemonset-controller",
    "garbage-collector-controller",
    "namespace-controller",
    "node-lifecycle-controller",
    "pod-garbage-collector-controller",
    "serviceaccount-controller",
    "taint-eviction-controller",
)
FAST = ("--kube-api-qps=5000", "--kube-api-burst=10000")
ALONE = ("--leader-elect=false", "--secure-port=0")
START_UP = 120
PATIENCE = 180.0
"""Seconds that what is to come may take at the most: a busy machine is no failure."""


def address_for_one() -> str:
    """A loopback address of one's own: clusters side by side meet neither each other nor outgoing connections."""
    return f"127.{1 + secrets.randbelow(253)}.{secrets.randbelow(256)}.{1 + secrets.randbelow(253)}"


def free_ports(address: str, count: int) -> list[int]:
    """Ports that nobody uses."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind((address, 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()


def eventually(what: str, check: Callable[[], T | None], seconds: float = PATIENCE, pause: float = 0.02) -> T:
    """What the check returns as soon as that is true; a server that is away is not, yet."""
    end = time.monotonic() + seconds
    seen: object = None
    while True:
        try:
            found = check()
            if found:
                return found
            seen = found
        except (ApiError, urllib3.exceptions.HTTPError) as error:
            seen = error
        if time.monotonic() > end:
            raise LabError(f"not within {seconds:g} seconds: {what}; last seen: {seen!r}")
        time.sleep(pause)


class Lab:
    """The control plane and its administrator's `client`."""

    client: Client
    kubeconfig: Path

    def __init__(self, folder: Path, users: Mapping[str, Iterable[str]]) -> None:
        self.folder = folder
        self.programs = programs()
        self.processes = Processes(folder)
        self.address = address_for_one()
        self._etcd, self._peers, self._kwok, port = free_ports(self.address, 4)
        self.server = f"https://{self.address}:{port}"
        self._tokens = {name: secrets.token_hex(16) for name in (ADMIN, *users)}
        groups = {ADMIN: ("system:masters",), **users}
        lines = [f'{self._tokens[name]},{name},{name},"{",".join(of)}"\n' for name, of in groups.items()]
        (folder / "tokens.csv").write_text("".join(lines))
        self._clients: list[Client] = []

    @property
    def kubectl(self) -> Path:
        """The kubectl of the cluster's version."""
        return self.programs["kubectl"]

    def start(self) -> None:
        """Start everything, and wait until it is of use."""
        self._start_etcd()
        self.start_api_server()
        self.kubeconfig = self.kubeconfig_of(ADMIN)
        self.start_others()
        self.client.create_all(DEFINITIONS)
        self.client.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SYSTEM}})
        self.eventually("BgpPeers can be listed", lambda: self.client.get(PEERS))
        # Pods cannot be created before; it also says that the controller manager works.
        for namespace in ("default", SYSTEM):
            path = f"/api/v1/namespaces/{namespace}/serviceaccounts/default"
            self.eventually(f"{namespace} has its ServiceAccount", partial(self.client.get, path))

    def close(self) -> None:
        """Stop everything."""
        for each in self._clients:
            each.close()
        self.processes.close()

    def eventually(self, what: str, check: Callable[[], T | None], seconds: float = PATIENCE) -> T:
        """What the check returns as soon as that is true, as long as no process has ended by itself."""

        def checked() -> T | None:
            self.processes.check()
            return check()

        return eventually(what, checked, seconds)

    # The processes

    def _start_etcd(self) -> None:
        client, peer = (f"http://{self.address}:{port}" for port in (self._etcd, self._peers))
        flags = {
            "name": "lab",
            "data-dir": self.folder / "etcd",
            "listen-client-urls": client,
            "advertise-client-urls": client,
            "listen-peer-urls": peer,
            "initial-advertise-peer-urls": peer,
            "initial-cluster": f"lab={peer}",
            # 5,000 nodes with a status in each of 250 BgpPeers do not fit in the default of 2 GiB for long.
            "quota-backend-bytes": 8 << 30,
            "log-level": "warn",
        }
        given = [f"--{name}={value}" for name, value in flags.items()]
        self.processes.start("etcd", [self.programs["etcd"], "--unsafe-no-fsync", *given])
        self._wait("etcd", partial(self._listens, self._etcd))

    def _listens(self, port: int) -> bool:
        with suppress(OSError), socket.create_connection((self.address, port), 1):
            return True
        return False

    def _wait(self, name: str, check: Callable[[], object]) -> None:
        try:
            self.eventually(f"{name} is ready", check, START_UP)
        except LabError as error:
            raise LabError(f"{error}\nthe end of the log of {name}:\n{self.processes.tail(name)}") from None

    def start_api_server(self) -> None:
        """Start the API server, and wait until it is ready."""
        certificates = self.folder / "certificates"
        key = certificates / "apiserver.key"
        flags = {
            "etcd-servers": f"http://{self.address}:{self._etcd}",
            "bind-address": self.address,
            "advertise-address": self.address,
            "secure-port": self.server.rpartition(":")[2],
            # The Service of the API server may not have a loopback address, and nobody uses it.
            "endpoint-reconciler-type": "none",
            "cert-dir": certificates,
            "authorization-mode": "RBAC",
            "token-auth-file": self.folder / "tokens.csv",
            "service-account-issuer": "https://kubernetes.default.svc",
            # It makes this key itself before it reads it.
            "service-account-signing-key-file": key,
            "service-account-key-file": key,
            "service-cluster-ip-range": "10.0.0.0/24",
            # Nodes come with their status here; the taint that this sets would be taken away again one by one.
            "disable-admission-plugins": "TaintNodesByCondition",
        }
        given = [f"--{name}={value}" for name, value in flags.items()]
        self.processes.start("kube-apiserver", [self.programs["kube-apiserver"], *given])
        self._wait("kube-apiserver", self._authority_and_ready)

    def _authority_and_ready(self) -> bool:
        if not self._clients:
            certificate = self.folder / "certificates" / "apiserver.crt"
            if not certificate.exists() or certificate.read_text().count("END CERTIFICATE") < 2:
                return False
            self.client = self.client_of(ADMIN)
        return self.client.send("GET", "/readyz") == b"ok"

    def restart_api_server(self) -> None:
        """Kill the API server and start it again, at the same address, with what it has stored."""
        self.stop_api_server()
        self.start_api_server()

    def stop_api_server(self) -> None:
        """Kill the API server."""
        self.processes.kill("kube-apiserver")

    def start_others(self) -> None:
        """Start the controllers, the scheduler and the kubelets."""
        self.controllers()
        login = f"--kubeconfig={self.kubeconfig}"
        self.processes.start("kube-scheduler", [self.programs["kube-scheduler"], login, *ALONE, *FAST])
        self.kubelets()

    def controllers(self, login: Path | None = None) -> None:
        """Start the controllers, which reach the API server by this kubeconfig; those that are there end."""
        manager = "kube-controller-manager"
        self.processes.kill(manager)
        flags = (
            f"--kubeconfig={login or self.kubeconfig}",
            f"--controllers={','.join(CONTROLLERS)}",
            "--concurrent-daemonset-syncs=4",
            # No kubelet here gets silent, however slow the machine.
            "--node-monitor-grace-period=24h",
        )
        self.processes.start(manager, [self.programs[manager], *ALONE, *FAST, *flags])

    def kubelets(self, never_ready: Iterable[str] = (), ready_after: float = 0.0, speakers: bool = True) -> None:
        """Pods get Ready after so many seconds, and never on these nodes; from now on.

        A pod that is Ready stays so, except that the status of one on such a node can be set by hand and stays.
        Without `speakers` their pods are left to somebody else.
        """
        self.processes.kill("kwok")
        config = kubelets.write(self.folder / "kwok.yaml", never_ready, ready_after, speakers)
        flags = (
            "--kubeconfig",
            self.kubeconfig,
            "--config",
            config,
            "--server-address",
            f"{self.address}:{self._kwok}",
        )
        self.processes.start("kwok", [self.programs["kwok"], *flags])
        # It listens once it works; pods that come before may be overlooked.
        self._wait("kwok", partial(self._listens, self._kwok))
        self._plain_kubelets = not never_ready and not ready_after and speakers

    def plain_kubelets(self) -> None:
        """Pods get Ready at once, everywhere, again."""
        if not self._plain_kubelets:
            self.kubelets()

    # Users

    def token_of(self, user: str) -> str:
        """A user's token; system:serviceaccount:NAMESPACE:NAME is created where it does not exist."""
        if not user.startswith(ACCOUNT):
            return self._tokens[user]
        namespace, name = user.removeprefix(ACCOUNT).split(":")
        account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"namespace": namespace, "name": name}}
        with suppress_status(409):
            self.client.create(account)
        request: dict[str, Any] = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
        path = f"{self.client.path(account)}/token"
        answer = self.client.send("POST", path, request)
        found = re.search(rb'"token":\s*"([^"]+)"', answer)
        if found is None:
            raise LabError(f"no token for {user}")
        return found[1].decode()

    def kubeconfig_of(self, user: str) -> Path:
        """A kubeconfig for one of `users` or a ServiceAccount; its context is `lab`."""
        name = re.sub(r"[^\w-]", "-", user)
        return kubeconfig(self.folder / f"{name}.kubeconfig", self.server, self.authority(), self.token_of(user))

    def client_of(self, user: str) -> Client:
        """A client for one of `users` or a ServiceAccount."""
        made = Client(self.server, self.authority(), self.token_of(user))
        self._clients.append(made)
        return made

    def authority(self) -> str:
        """The certificate that the API server has signed its own with."""
        chain = (self.folder / "certificates" / "apiserver.crt").read_text()
        return "-----BEGIN" + chain.rpartition("-----BEGIN")[2]

    def run_kubectl(self, *arguments: str | Path, user: str = ADMIN) -> subprocess.CompletedProcess[str]:
        """Run kubectl as a user; it may fail."""
        login = self.kubeconfig if user == ADMIN else self.kubeconfig_of(user)
        command = [self.kubectl, "--kubeconfig", login, *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)


@contextmanager
def suppress_status(*statuses: int) -> Iterator[None]:
    """Take no offence at these refusals."""
    try:
        yield
    except ApiError as error:
        if error.status not in statuses:
            raise


@contextmanager
def cluster(users: Mapping[str, Iterable[str]] | None = None) -> Iterator[Lab]:
    """A cluster of its own, with these users (name -> groups) besides the administrator; `role-test` without any."""
    folder = Path(tempfile.mkdtemp(prefix="bgp-speakers-lab-"))
    try:
        lab = Lab(folder, {ROLE_TEST: ()} if users is None else users)
        try:
            lab.start()
            yield lab
        finally:
            lab.close()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
