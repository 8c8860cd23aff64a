"""The connection to an API server: pages, tries, errors in one sentence, credentials."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from optimizer.errors import ConflictError, InputError, LiveError, MissingError, OptimizerError, RefusedError
from optimizer.kube.client import RESTARTS, THREADS, Api, connect
from optimizer.kube.kinds import CONTROLLER_REVISION, DAEMONSET, NODE, POD, Ref
from optimizer.kube.parallel import in_parallel
from optimizer.speakers.openelb.kinds import BGP_CONF, BGP_PEER
from tests.live_server import Answer, Server, failure, kubeconfig, serving
from tests.objects import node

NODES = Ref(NODE)


@pytest.fixture
def server() -> Iterator[Server]:
    with serving(Server(*(node(f"n{i}") for i in range(5)), most=2)) as found:
        yield found


@pytest.fixture
def api(server: Server, tmp_path: Path) -> Iterator[Api]:
    found = connect(kubeconfig(tmp_path, server.address, token="secret"))
    yield found
    found.close()


def names(pages: list[bytes]) -> list[str]:
    return [item["metadata"]["name"] for page in pages for item in json.loads(page)["items"]]


def test_a_list_is_all_its_pages(server: Server, api: Api) -> None:
    assert names(api.list(NODES)) == ["n0", "n1", "n2", "n3", "n4"]
    assert [each.query for each in server.requests] == [
        {"limit": "500"},
        {"limit": "500", "continue": "2"},
        {"limit": "500", "continue": "4"},
    ]


def test_selectors_and_credentials_are_sent(server: Server, api: Api) -> None:
    assert names(api.list(NODES, fieldSelector="metadata.name=n3")) == ["n3"]
    (request,) = server.requests
    assert request.query == {"limit": "500", "fieldSelector": "metadata.name=n3"}
    assert request.headers["authorization"] == "Bearer secret"
    assert request.headers["user-agent"].startswith("bgp-speakers/")


def test_pages_that_expire_on_the_way_are_read_from_the_start(server: Server, api: Api) -> None:
    told: list[object] = []
    api.tell = told.append
    server.ordered.extend([None, failure(410, "The provided continue parameter is too old")])
    assert names(api.list(NODES)) == ["n0", "n1", "n2", "n3", "n4"]
    assert ["continue" in each.query for each in server.requests] == [False, True, False, True, True]
    assert told == ["the list of nodes has expired on the way, starting again"]


def test_pages_that_always_expire_are_given_up(server: Server, api: Api) -> None:
    server.ordered.extend(failure(410, "too old") for _ in range(9))
    with pytest.raises(LiveError, match=r"cannot list all nodes: too old \(410\)") as caught:
        api.list(NODES)
    assert caught.value.status == 410
    assert len(server.requests) == RESTARTS


@pytest.mark.parametrize(
    "answer",
    [Answer(429, b"slow down", Retry_After="0"), failure(500, "etcd"), Answer(503, b""), Answer(None)],
    ids=["429", "500", "503", "closed"],
)
def test_what_may_go_by_is_tried_again(server: Server, api: Api, answer: Answer) -> None:
    told: list[object] = []
    api.tell = told.append
    server.ordered.append(answer)
    assert len(api.list(NODES)) == 3
    assert len(server.requests) == 4
    assert str(told[0]).startswith("trying again in 0.")


def test_the_server_says_when_to_try_again(server: Server, api: Api) -> None:
    server.ordered.append(Answer(429, b"", Retry_After="1"))
    start = time.monotonic()
    api.list(NODES)
    assert time.monotonic() - start >= 1


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (failure(500, "etcd is away"), "cannot list all nodes: etcd is away (500)"),
        (Answer(502, b"<html>bad gateway"), "cannot list all nodes: <html>bad gateway (502)"),
        (Answer(429, b"", Retry_After="3600"), "cannot list all nodes: no reason was given (429)"),
        (Answer(None), "cannot list all nodes: the server cannot be reached ("),
    ],
)
def test_patience_ends(server: Server, api: Api, answer: Answer, sentence: str) -> None:
    api.patience = 0.6
    server.ordered.extend([answer] * 99)
    start = time.monotonic()
    with pytest.raises(LiveError) as caught:
        api.list(NODES)
    assert time.monotonic() - start < 2
    assert str(caught.value).startswith(f"{server.address}: {sentence}")
    assert type(caught.value) is LiveError
    assert caught.value.status == (answer.status or 0)


def test_a_server_that_is_not_there(tmp_path: Path) -> None:
    api = connect(kubeconfig(tmp_path, "http://127.0.0.1:1"))
    api.patience = 0
    with pytest.raises(LiveError) as caught:
        api.get(Ref(NODE, name="n1"))
    sentence = str(caught.value)
    assert sentence.startswith("http://127.0.0.1:1: cannot get Node n1: the server cannot be reached (")
    assert "Connection refused" in sentence
    assert "0x" not in sentence


@pytest.mark.parametrize(
    ("status", "kind"),
    [(400, RefusedError), (403, RefusedError), (404, MissingError), (409, ConflictError), (422, RefusedError)],
)
def test_an_answer_that_no_other_try_would_change(server: Server, api: Api, status: int, kind: type) -> None:
    server.ordered.append(failure(status, "so it is"))
    with pytest.raises(kind) as caught:
        api.patch(Ref(NODE, name="n1"), [{"op": "remove", "path": "/metadata/labels/a"}])
    missing = "; a role that allows to patch nodes is missing" if status == 403 else ""
    assert str(caught.value) == f"{server.address}: cannot patch Node n1: so it is ({status}){missing}"
    assert isinstance(caught.value, LiveError)
    assert (caught.value.status, caught.value.exit_code, len(server.requests)) == (status, 1, 1)


def test_a_patch_that_does_not_fit_says_so_where_the_server_does_not(server: Server, api: Api) -> None:
    server.ordered.append(failure(422, "the server rejected our request due to an error in our request"))
    with pytest.raises(RefusedError, match="cannot patch Node n1: it is not as the patch expects it to be"):
        api.patch(Ref(NODE, name="n1"), [{"op": "test", "path": "/metadata/labels/a", "value": "b"}])


@pytest.mark.parametrize("dry", [False, True])
def test_changes_are_sent_as_the_server_wants_them(server: Server, api: Api, dry: bool) -> None:
    server.ordered.extend([Answer(200, {"a": 1}), Answer(201, {"a": 2}), Answer(200, {})])
    operations = [{"op": "add", "path": "/metadata/labels/a~1b", "value": "c"}]
    peer = {"kind": "BgpPeer", "metadata": {"name": "leaf"}}
    assert api.patch(Ref(NODE, name="n1"), operations, dry_run=dry) == {"a": 1}
    assert api.create(Ref(BGP_PEER), peer, dry_run=dry) == {"a": 2}
    api.delete(Ref(POD, "ns", "p"), uid="123", dry_run=dry)
    patched, created, deleted = server.requests
    asked = {"dryRun": "All"} if dry else {}
    assert (patched.query, created.query, deleted.query) == (
        {"fieldManager": "bgp-speakers"} | asked,
        {"fieldManager": "bgp-speakers"} | asked,
        {},
    )
    assert deleted.body.get("dryRun") == (["All"] if dry else None)
    assert patched.headers["content-type"] == "application/json-patch+json"
    assert (patched.body, created.body) == (operations, peer)
    assert deleted.body["preconditions"] == {"uid": "123"}


def test_credentials_that_are_refused_are_read_again_once(server: Server, tmp_path: Path) -> None:
    file = kubeconfig(tmp_path, server.address, token="old")
    api = connect(file)
    kubeconfig(tmp_path, server.address, token="new")
    server.ordered.append(failure(401, "Unauthorized"))
    api.list(NODES)
    assert [each.headers["authorization"] for each in server.requests[:2]] == ["Bearer old", "Bearer new"]
    server.ordered.extend([failure(401, "Unauthorized")] * 2)
    with pytest.raises(LiveError, match="the credentials are not accepted: Unauthorized") as caught:
        api.list(NODES)
    assert (type(caught.value), caught.value.status) == (LiveError, 401)
    assert str(caught.value).startswith(server.address)


def test_an_answer_that_is_no_json(server: Server, api: Api) -> None:
    server.ordered.extend([Answer(200, b"<html>log in</html>")] * 2)
    for ask in (lambda: api.list(NODES), lambda: api.get(Ref(NODE, name="n1"))):
        with pytest.raises(LiveError, match="is not what an API server sends"):
            ask()


def test_many_threads_share_one_api(server: Server, api: Api) -> None:
    server.most = 500
    pages = in_parallel(lambda name: names(api.list(NODES, fieldSelector=f"metadata.name={name}")), ["n1", "n2"] * 99)
    assert pages == [["n1"], ["n2"]] * 99


def test_in_parallel_stops_at_the_first_error() -> None:
    begun: list[int] = []

    def rule(number: int) -> None:
        begun.append(number)
        time.sleep(0.01)
        raise LiveError(f"no {number}")

    with pytest.raises(LiveError):
        in_parallel(rule, range(1000))
    assert len(begun) <= 2 * THREADS
    assert threading.active_count() < THREADS
    assert in_parallel(rule, []) == []


@pytest.mark.parametrize("parallel", [False, True])
def test_ctrl_c_ends_the_waiting_at_once(server: Server, tmp_path: Path, parallel: bool) -> None:
    server.ordered.extend([Answer(429, b"", Retry_After="50")] * 2)
    listing = "in_parallel(api.list, [Ref(NODE)])" if parallel else "api.list(Ref(NODE))"
    code = (
        "import sys; from pathlib import Path; from optimizer.kube.client import connect;"
        "from optimizer.kube.kinds import NODE, Ref;"
        "from optimizer.kube.parallel import in_parallel; api = connect(Path(sys.argv[1])); api.tell = print; "
        + listing
    )
    command = [sys.executable, "-u", "-c", code, str(kubeconfig(tmp_path, server.address))]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert "trying again in 50.0 s" in process.stdout.readline()
        start = time.monotonic()
        process.send_signal(signal.SIGINT)
        _, err = process.communicate()
    assert time.monotonic() - start < 5
    assert "KeyboardInterrupt" in err


def test_paths_and_what_they_are_called() -> None:
    assert Ref(POD).path == "/api/v1/pods"
    assert Ref(POD, "a").path == "/api/v1/namespaces/a/pods"
    assert Ref(NODE, "a", "n1").path == "/api/v1/nodes/n1"
    assert Ref(CONTROLLER_REVISION, "a").path == "/apis/apps/v1/namespaces/a/controllerrevisions"
    assert Ref(BGP_CONF, name="default").path == "/apis/network.kubesphere.io/v1alpha2/bgpconfs/default"
    assert str(Ref(DAEMONSET, "a", "b")) == "DaemonSet a/b"
    assert str(Ref(POD, "a")) == "pods in a"
    with pytest.raises(OptimizerError, match="Pod p: its namespace is not said"):
        Ref(POD, name="p").path  # noqa: B018


def refused(file: Path | None, context: str | None = None) -> str:
    with pytest.raises(InputError) as caught:
        connect(file, context)
    return str(caught.value)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("", "not a kubeconfig file (it holds NoneType where a mapping should be)"),
        ("a: [", "not a kubeconfig file ("),
        ("{contexts: []}", "no current-context is set; say which with --context"),
        ("{current-context: x}", "there is no context 'x' (there are: none)"),
        ("{current-context: x, contexts: 3}", "contexts: expected a list"),
        ("{current-context: x, contexts: [{context: {}}]}", "contexts[0]: expected a name and a context"),
        ("{current-context: x, contexts: [{name: x, context: {cluster: y}}]}", "context x: cluster 'y' has no server"),
    ],
)
def test_a_kubeconfig_that_cannot_be_used(tmp_path: Path, content: str, sentence: str) -> None:
    file = tmp_path / "config"
    file.write_text(content)
    assert refused(file).startswith(f"{file}: {sentence}")


@pytest.mark.parametrize(
    ("user", "sentence"),
    [
        ({"as": "root"}, "user me: as: impersonation is not supported"),
        ({"exec": {"command": "/nowhere", "apiVersion": "v1"}}, "the plugin /nowhere gave no credentials ("),
        ({"client-certificate": "nowhere.crt"}, "context lab: File does not exist: "),
    ],
)
def test_a_user_that_cannot_log_in(tmp_path: Path, user: Any, sentence: str) -> None:
    file = kubeconfig(tmp_path, "https://127.0.0.1:1", **user)
    assert sentence in refused(file)
    assert refused(file).startswith(str(file))


def test_a_plugin_gives_the_token(server: Server, tmp_path: Path) -> None:
    credential = {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": {"token": "t"}}
    plugin = {"command": "echo", "args": [json.dumps(credential)], "apiVersion": credential["apiVersion"]}
    connect(kubeconfig(tmp_path, server.address, exec=plugin)).list(NODES)
    assert server.requests[0].headers["authorization"] == "Bearer t"


def test_a_file_or_context_that_is_not_there(tmp_path: Path) -> None:
    assert refused(tmp_path / "none") == f"{tmp_path}/none: no such file"
    file = kubeconfig(tmp_path, "http://a")
    assert refused(file, "b") == f"{file}: there is no context 'b' (there are: lab)"


def test_files_are_found_as_kubectl_finds_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of several files the first that names a current context wins (with the client alone it would be the last)."""
    first, second = kubeconfig(tmp_path, "http://first", "1"), kubeconfig(tmp_path, "http://second", "2")
    second.write_text(second.read_text().replace("lab", "other"))
    monkeypatch.setenv("KUBECONFIG", os.pathsep.join([str(tmp_path / "none"), str(first), str(second)]))
    assert connect().server == "http://first"
    assert connect(None, "other").server == "http://second"
    assert connect(second).server == "http://second"
    monkeypatch.delenv("KUBECONFIG")
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".kube").mkdir()
    kubeconfig(tmp_path / ".kube", "http://home")
    assert connect().server == "http://home"


def test_without_files_the_pod_s_own_credentials_are_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from kubernetes.config import incluster_config

    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    assert refused(None).startswith(f"{tmp_path}/none: no such file, and this is no pod of a cluster (")
    assert refused(None, "lab") == f"--context lab: there is no kubeconfig file ({tmp_path}/none)"
    for name in ("token", "ca.crt"):
        (tmp_path / name).write_text("secret\n")
    monkeypatch.setattr(incluster_config, "SERVICE_TOKEN_FILENAME", str(tmp_path / "token"))
    monkeypatch.setattr(incluster_config, "SERVICE_CERT_FILENAME", str(tmp_path / "ca.crt"))
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    api = connect()
    assert api.server == "https://127.0.0.1:443"
    url, headers = api.request(api.client, "GET", NODES.path, {"limit": "1"}, "")
    assert url == "https://127.0.0.1:443/api/v1/nodes?limit=1"
    assert headers["authorization"] == "bearer secret"


def test_without_the_package_it_is_said_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "kubernetes", None)
    assert refused(kubeconfig(tmp_path, "http://a")) == (
        "reading a live cluster needs the package kubernetes: pip install 'bgp-speakers[live]' (from a clone '.[live]')"
    )
