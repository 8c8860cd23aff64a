"""Packed input gives what unpacked input gives; what is damaged, a bomb or a trap is refused with one sentence."""

from __future__ import annotations

import gzip
import io
import json
import random
import sys
import tarfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from optimizer.errors import InputError
from optimizer.inputs import archives
from optimizer.inputs.cluster import read_cluster
from optimizer.model import Cluster
from tests.objects import Object, daemonset, list_of, node, peer, pod, read, speaker_pod, write

OBJECTS = (
    node("n1", {"rack": "r1"}, allocatable={"cpu": "4", "memory": "8Gi", "pods": "110"}),
    node("n2", {"rack": "r1"}),
    pod("web", "n1", requests={"cpu": "250m"}),
    speaker_pod("n1"),
    daemonset(),
    peer("leaf-1", "10.1.0.1"),
)


def as_text(given: Object) -> bytes:
    return json.dumps(given).encode()


WHOLE = as_text(list_of(*OBJECTS))
PARTS = {
    "nodes.json": as_text(list_of(*OBJECTS[:2])),
    "default/pods.json": as_text(list_of(OBJECTS[2])),
    "openelb-system/rest.yaml": as_text(list_of(*OBJECTS[3:])),
}
BLOCK = 512


def tar(files: Mapping[str, bytes], *others: tarfile.TarInfo, mode: str = "w:gz") -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode=mode) as archive:  # type: ignore[call-overload]
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
        for other in others:
            archive.addfile(other)
    return packed.getvalue()


def special(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


@pytest.fixture
def expected(tmp_path: Path) -> Cluster:
    return read(tmp_path / "expected", *OBJECTS)


def refused(folder: Path, name: str, content: bytes) -> str:
    file = write(folder / name, content)
    with pytest.raises(InputError) as caught:
        read_cluster([str(file)])
    assert str(caught.value).isprintable()
    return str(caught.value).removeprefix(f"{folder}/")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("in.json.gz", gzip.compress(WHOLE)),
        ("in.json", gzip.compress(WHOLE)),
        ("in.json.gz", WHOLE),
        ("in.json.gz", gzip.compress(WHOLE[:300]) + gzip.compress(WHOLE[300:])),
        ("in.tar", tar(PARTS, mode="w")),
        ("in.tar.gz", tar(PARTS)),
        ("in.tgz", tar(PARTS)),
        ("in", tar(PARTS)),
        ("in.tar.gz", tar({f"./bundle/{name}.gz": gzip.compress(part) for name, part in PARTS.items()})),
        ("in.tar.gz", tar({"bundle/data.tgz": tar(PARTS), "bundle/notes.txt": b"\0"})),
        ("in.tar", tar(PARTS, mode="w") + b"\0" * 99 * BLOCK),
    ],
    ids=[
        *["gz", "gz-named-json", "json-named-gz", "two-gz", "tar", "tar-gz", "tgz", "no-ending", "gz-in-tar"],
        *["tar-in-tar", "padded"],
    ],
)
def test_packed_input_gives_what_it_holds(tmp_path: Path, name: str, content: bytes, expected: Cluster) -> None:
    assert read_cluster([str(write(tmp_path / name, content))]) == expected


@pytest.mark.parametrize("packed", [gzip.compress(WHOLE), tar(PARTS), tar(PARTS, mode="w")], ids=["gz", "tgz", "tar"])
def test_standard_input_may_be_packed(monkeypatch: pytest.MonkeyPatch, packed: bytes, expected: Cluster) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(packed)))
    assert read_cluster(["-"]) == expected


def test_packed_files_in_a_folder_are_read(tmp_path: Path, expected: Cluster) -> None:
    for name, part in PARTS.items():
        write(tmp_path / "in" / f"{name}.gz", gzip.compress(part))
    assert read_cluster([str(tmp_path / "in")]) == expected
    write(tmp_path / "other" / "bundle.TGZ", tar(PARTS))
    write(tmp_path / "other" / "audit.log.gz", b"\x1f\x8b")
    assert read_cluster([str(tmp_path / "other")]) == expected


def test_archives_without_objects_are_passed_over_where_they_are_found(tmp_path: Path) -> None:
    bundle = {**PARTS, "logs/etcd.tar.gz": tar({"etcd.log": b"x"}), "none.tgz": gzip.compress(b""), "0.tar": b""}
    for name, content in bundle.items():
        write(tmp_path / "in" / name, content)
    for given in (tmp_path / "in", write(tmp_path / "in.tgz", tar(bundle))):
        warnings = read_cluster([str(given)]).warnings
        told = {each.rule: each.sentence for each in warnings if each.rule.startswith("file-")}
        assert told.keys() == {"file-passed-over", "file-empty"}
        assert told["file-passed-over"].endswith("logs/etcd.tar.gz")
        assert told["file-empty"].startswith("2 files are empty")


def test_files_that_are_packed_otherwise_are_named_as_such(tmp_path: Path) -> None:
    bundle = {**PARTS, "more/pods.json.xz": b"\xfd7zXZ\0", "a.zip": b"PK\x03\x04", "b.log.xz": b""}
    for name, content in bundle.items():
        write(tmp_path / "in" / name, content)
    for given in (tmp_path / "in", write(tmp_path / "in.tgz", tar(bundle))):
        (told,) = [each for each in read_cluster([str(given)]).warnings if each.rule.startswith("file-")]
        assert told.rule == "file-packed"
        assert told.sentence.startswith("2 files are packed in a way that is not read, and passed over: ")
        assert told.sentence.endswith("more/pods.json.xz; unpack them, or pack them with gzip")
    write(tmp_path / "only" / "c.json.bz2", b"BZh9")
    with pytest.raises(InputError, match=r"holds no \.json.* file; 1 file is packed in a way that is not read"):
        read_cluster([str(tmp_path / "only")])


def test_a_folder_and_its_archive_are_one_input(tmp_path: Path, expected: Cluster) -> None:
    for name, part in PARTS.items():
        write(tmp_path / "in" / name, part)
    write(tmp_path / "in" / "all.tar.gz", tar(PARTS))
    assert read_cluster([str(tmp_path / "in")]) == expected


def test_names_that_lead_elsewhere_and_files_that_are_none_do_no_harm(tmp_path: Path, expected: Cluster) -> None:
    files = {f"/../../{name}": part for name, part in PARTS.items()} | {"x/._nodes.json": b"\0", ".git/a.json": b"{"}
    others = [special(f"{kind!r}.json", kind, "/etc/passwd") for kind in (tarfile.SYMTYPE, tarfile.CHRTYPE)]
    others += [special("fifo.json", tarfile.FIFOTYPE), special("folder.json", tarfile.DIRTYPE)]
    others += [special("again.json", tarfile.LNKTYPE, "nodes.json")]
    assert read_cluster([str(write(tmp_path / "work" / "in.tgz", tar(files, *others)))]) == expected
    assert [each.name for each in (tmp_path / "work").iterdir()] == ["in.tgz"]


def test_of_two_members_of_one_name_the_later_counts_as_where_it_is_unpacked(tmp_path: Path) -> None:
    first, second = tar({"n.json": as_text(node("old"))}, mode="w"), tar({"n.json": as_text(node("new"))}, mode="w")
    joined = first.rstrip(b"\0") + b"\0" * (-len(first.rstrip(b"\0")) % BLOCK) + second
    assert [each.name for each in read_cluster([str(write(tmp_path / "in.tar", joined))]).nodes] == ["new"]


def test_messages_name_the_archive_and_the_path_in_it(tmp_path: Path) -> None:
    broken = {"bundle/pods.json": b'{"kind": "List", "items": [', "bundle/nodes.json": PARTS["nodes.json"]}
    assert refused(tmp_path, "in.tgz", tar(broken)) == "in.tgz: bundle/pods.json: the JSON text is cut off (line 1)"
    twice = {"a.json": as_text(node("n1")), "b.json.gz": gzip.compress(as_text(node("n1", unschedulable=True)))}
    told = refused(tmp_path, "in.tgz", tar(twice))
    assert told.startswith("in.tgz: b.json.gz: Node n1: given twice, first in ")
    assert told.endswith("in.tgz: a.json; they differ in spec.unschedulable, so leave one of them out")


NOISE = random.Random(1).randbytes(50_000)
END_OF_A_MEMBER = tar({"a.json": WHOLE.ljust(4 * BLOCK)}, mode="w")[: 5 * BLOCK]
LONG = tar({"a.json": WHOLE, "noise.log": NOISE, "z.json": WHOLE}, mode="w")


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("a.json.gz", gzip.compress(WHOLE)[:-9], "the archive is damaged or cut off ("),
        ("a.json", gzip.compress(WHOLE)[:20], "the archive is damaged or cut off ("),
        ("a.json.gz", b"\x1f\x8b", "the archive is damaged or cut off ("),
        ("a.json.gz", gzip.compress(WHOLE)[:-8] + b"\0" * 8, "the archive is damaged or cut off ("),
        ("a.tar.gz", tar(PARTS)[:-9], "the archive is damaged or cut off ("),
        ("a.tar", LONG[:30_000], "the archive is damaged or cut off ("),
        ("a.tar", END_OF_A_MEMBER, "the archive is damaged or cut off (it ends too early)"),
        ("a.tar", LONG + LONG, "the archive is damaged or cut off (there is more behind its end)"),
        ("a.tgz", gzip.compress(b"text"), "the archive is damaged or cut off ("),
        ("a.tgz", tar({"a.log": b"x"}), "the archive holds no .json, .yaml or .yml file"),
        ("a.tgz", tar({}), "the archive holds no .json, .yaml or .yml file"),
        ("a.json.gz", gzip.compress(b""), "the file is empty"),
        ("a.json.gz", b"", "the file is empty"),
        ("a.zip", b"PK\x03\x04...", "packed by zip, which is not read; unpack it, or pack it with gzip"),
        ("a.json.xz", b"\xfd7zXZ\x00...", "packed by xz, which is not read; unpack it, or pack it with gzip"),
    ],
    # What is packed holds the time, and is no name.
    ids=lambda given: given if isinstance(given, str) else "packed",
)
def test_what_is_damaged_or_packed_otherwise_is_refused(
    tmp_path: Path, name: str, content: bytes, sentence: str
) -> None:
    assert refused(tmp_path, name, content).startswith(f"{name}: {sentence}")


@pytest.fixture
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is small may be called a bomb."""
    monkeypatch.setattr(archives, "FREELY", 10_000)


@pytest.mark.usefixtures("_small")
@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.json.gz", gzip.compress(b" " * 5_000_000)),
        ("a.tgz", tar({"a.json": b" " * 5_000_000})),
        ("a.tgz", tar({"a.log": b" " * 5_000_000, "n.json": WHOLE})),
        ("a.tgz", tar({"a.json.gz": gzip.compress(b" " * 5_000_000)})),
    ],
    ids=["gz", "member", "other-member", "in-a-member"],
)
def test_a_bomb_is_refused(tmp_path: Path, name: str, content: bytes) -> None:
    assert "unpacks to over 400 times its size" in refused(tmp_path, name, content)


@pytest.mark.usefixtures("_small")
def test_a_sparse_file_is_refused(tmp_path: Path) -> None:
    """Its size is anything, and its bytes are none."""
    info = tarfile.TarInfo("a.json")
    info.type, info.size = tarfile.CONTTYPE, 0
    packed = bytearray(tar({}, info, mode="w"))
    packed[124:136] = b"77777777777\0"
    packed[148:156] = b"%06o\0 " % (sum(packed[:148]) + 8 * 32 + sum(packed[156:BLOCK]))
    assert "unpacks to over 400 times its size" in refused(tmp_path, "a.tar", bytes(packed))


def test_archives_in_archives_have_an_end(tmp_path: Path) -> None:
    inner = tar(PARTS)
    for _ in range(5):
        inner = tar({"in.tgz": inner})
    assert refused(tmp_path, "a.tgz", inner).endswith(": an archive in more than 3 others")


def test_damage_of_any_kind_is_refused_with_one_sentence(tmp_path: Path) -> None:
    chance = random.Random(2)
    whole = [tar(PARTS), tar(PARTS, mode="w"), gzip.compress(WHOLE), tar({"é" * 120 + "/n.json": WHOLE}, mode="w")]
    outcomes = set()
    for _ in range(400):
        spoiled = bytearray(chance.choice(whole))
        for _ in range(chance.randint(1, 5)):
            spoiled[chance.randrange(min(len(spoiled), 1600))] = chance.randrange(256)
        try:
            read_cluster([str(write(tmp_path / "a.tar.gz", bytes(spoiled)))])
            outcomes.add("read")
        except InputError as error:
            assert str(error).isprintable()  # noqa: PT017 -- both outcomes are right
            outcomes.add("refused")
    assert outcomes == {"read", "refused"}
