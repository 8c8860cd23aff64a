"""YAML as kubectl prints it, read fast: whatever the text, what comes out is what the strict loader makes of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, seed, settings
from hypothesis import strategies as st

from optimizer.errors import InputError
from optimizer.inputs import kubectl_yaml, strict_yaml
from optimizer.inputs.cluster import read_cluster
from optimizer.inputs.items import objects
from tests.objects import daemonset, list_of, node, peer, read, write

HEAD = "apiVersion: v1\nitems:\n"
TAIL = 'kind: List\nmetadata:\n  resourceVersion: ""\n'


class Printer(yaml.SafeDumper):
    """Prints strings as kubectl does: several lines as a literal block, what could be no text in double quotes."""

    def ignore_aliases(self, _: Any) -> bool:
        return True


def print_text(printer: Printer, text: str) -> yaml.Node:
    doubtful = printer.resolve(yaml.ScalarNode, text, (True, False)) != f"{strict_yaml.TAG}str"  # type: ignore[no-untyped-call]
    style = "|" if "\n" in text else '"' if doubtful or text == "" else None
    return printer.represent_scalar(f"{strict_yaml.TAG}str", text, style=style)


Printer.add_representer(str, print_text)


def printed(*items: Any, width: float = float("inf")) -> str:
    lines = [
        "- " + yaml.dump(item, Dumper=Printer, width=width).removesuffix("...\n").replace("\n", "\n  ").rstrip(" ")
        for item in items
    ]
    return HEAD + "".join(lines) + TAIL


def strictly(text: str) -> str:
    """What the strict loader makes of a text."""
    try:
        return repr(strict_yaml.load(text.encode("utf-8", "surrogatepass"), "x"))
    except InputError as error:
        return str(error)
    except (UnicodeError, RecursionError) as error:
        return type(error).__name__


def fast(text: str) -> str | None:
    """The same by the reader of kubectl's form; None where the text is not in it."""
    found = kubectl_yaml.split(text.encode("utf-8", "surrogatepass"), "x")
    if found is None:
        return None
    outer, items = found
    try:
        return repr([outer | {"items": list(items)}])
    except InputError as error:
        return str(error)
    except (UnicodeError, RecursionError) as error:
        return type(error).__name__


WORDS = [
    *[
        "true",
        "yes",
        "No",
        "on",
        "~",
        "null",
        "",
        "0",
        "-1",
        "-0",
        "007",
        "0x1F",
        "1_000",
        "1.5",
        "1e3",
        "1.",
        ".5",
        "-.5",
    ],
    *[
        "+1",
        ".inf",
        ".nan",
        "12:30",
        "2024-05-01",
        "2024-05-01T10:00:00Z",
        "=",
        "<<",
        "-",
        "--",
        "?",
        ":",
        "a:",
        "a: b",
    ],
    *[
        "a #b",
        "a#b",
        "#",
        "&a",
        "*a",
        "!x",
        "| x",
        "> x",
        "%",
        "@",
        "`",
        "[]",
        "{}",
        "{a",
        "a]",
        "'",
        '"',
        "it's",
        'a"b"',
    ],
    *[
        "a\nb",
        "a\n\n b\n",
        " a",
        "a ",
        "a\n",
        "\n",
        "\n\na",
        "a\tb",
        "\r",
        "é",
        "\u2028",
        "\\",
        "\\n",
        "C:\\x",
        "---",
        "...",
    ],
    *[
        "a  b",
        "f:metadata",
        'k:{"type":"Ready"}',
        ".",
        "f:.",
        "10.0.0.1",
        "1.7.13",
        "v1",
        "x" * 90,
        "word " * 30,
        "'a': b",
    ],
    *[
        "9" * 17,
        "9" * 18,
        "9" * 19,
        "9" * 40,
        "-",
        "- a",
        "(x)",
        "/a",
        "a,b",
        "key" * 200,
        "null:",
        "true: x",
        "0: a",
        "y",
    ],
]
texts = st.sampled_from(WORDS) | st.text("ab:-#'\" \n\\{}[]&*!|>%@~.0159ey", max_size=8)
values = st.recursive(
    texts | st.sampled_from([None, True, False, 0, -5, 420, 2**40, 2**70, 1.5, 1e300]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
PIECES = [
    *[
        "&a ",
        "*a",
        "!!int ",
        "!!str ",
        "<<: ",
        "? ",
        "- ",
        "  ",
        " ",
        "\n",
        "\n\n",
        "---\n",
        "...\n",
        "# x\n",
        " #x",
        "\t",
        "\r",
    ],
    *[
        ": ",
        ":",
        "'",
        '"',
        "{",
        "}",
        "[",
        "]",
        ",",
        "|",
        "|-",
        "|+",
        "|2",
        ">",
        ">-",
        "%a\n",
        "~",
        "yes",
        "0x1",
        "1e3",
        "\\",
    ],
    *[
        "é",
        "\x00",
        "\x7f",
        "\u0085",
        "a: 1\n",
        "- a\n",
        "  a: 1\n",
        "kind: List\n",
        "items:\n",
        "items: []\n",
        "- a: &b x\n",
    ],
]


@st.composite
def broken(draw: st.DrawFn, text: str) -> str:
    """The text with a few pieces put in, cut out, or lines moved."""
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(text)))
        match draw(st.sampled_from(["put", "put", "cut", "twice", "indent", "drop"])):
            case "put":
                text = text[:at] + draw(st.sampled_from(PIECES)) + text[at:]
            case "cut":
                text = text[:at] + text[at + draw(st.integers(1, 6)) :]
            case action:
                lines = text.split("\n")
                number = draw(st.integers(0, len(lines) - 1))
                if action == "twice":
                    lines.insert(draw(st.integers(0, len(lines))), lines[number])
                elif action == "indent":
                    lines[number] = draw(st.sampled_from(["", " ", "  ", "- "])) + lines[number].lstrip()
                else:
                    del lines[number]
                text = "\n".join(lines)
    return text


@seed(1)
@settings(max_examples=300, deadline=None, database=None)
@given(st.lists(values, min_size=1, max_size=4), st.sampled_from([80, float("inf")]))
def test_what_kubectl_could_print_is_read_as_by_the_strict_loader(items: list[Any], width: float) -> None:
    text = printed(*items, width=width)
    assert fast(text) in (None, strictly(text))


@seed(1)
@settings(max_examples=600, deadline=None, database=None)
@given(st.data())
def test_whatever_is_changed_in_it_it_is_read_as_by_the_strict_loader(data: st.DataObject) -> None:
    text = data.draw(broken(printed(*data.draw(st.lists(values, min_size=1, max_size=3)))))
    assert fast(text) in (None, strictly(text))


OBJECTS = [
    node(
        "n1",
        {"rack": "r1", "example.com/gpu": "true", "x": "-1"},
        addresses=["10.0.0.1"],
        allocatable={"cpu": "4", "memory": "8Gi", "pods": 110},
        taints=[{"key": "gpu", "effect": "NoSchedule"}],
    ),
    peer("leaf-1", "10.1.0.1", {"matchExpressions": [{"key": "rack", "operator": "In", "values": ["r1", "r2"]}]}),
    daemonset(scheduled=1, tolerations=[{"operator": "Exists"}], nodeSelector={"kubernetes.io/os": "linux"}),
]
MANAGED: dict[str, Any] = {
    "f:metadata": {"f:labels": {".": {}, "f:rack": {}}},
    "f:status": {'k:{"type":"Ready"}': {"f:status": {}}},
}
OBJECTS[0]["metadata"] |= {
    "annotations": {"applied": '{"a": 1}\n', "ttl": "0", "note": "two\nlines"},
    "creationTimestamp": "2024-05-01T10:00:00Z",
    "managedFields": [{"fieldsType": "FieldsV1", "fieldsV1": MANAGED}],
}


def test_real_objects_are_read_without_the_strict_loader(monkeypatch: pytest.MonkeyPatch) -> None:
    text = printed(*OBJECTS)
    expected = strictly(text)
    monkeypatch.setattr(kubectl_yaml, "load", None)
    assert fast(text) == expected
    assert fast("---\n" + text) == expected


@seed(1)
@settings(max_examples=300, deadline=None, database=None)
@given(st.data())
def test_whatever_is_changed_in_real_objects_they_are_read_as_by_the_strict_loader(data: st.DataObject) -> None:
    text = data.draw(broken(printed(*data.draw(st.lists(st.sampled_from(OBJECTS), min_size=1, max_size=3)))))
    assert fast(text) in (None, strictly(text))


@pytest.mark.parametrize(
    "items",
    [
        '- a: "x\n- y"\n- b\n',
        "- a: &a {x: 1}\n- b: *a\n- c\n",
        "- a: [1,\n- 2]\n",
        "- a: 1\n  a: 2\n",
        "- a: 'x\n",
        "- a\n- ? b\n- c\n",
        '- a: long\n    line\n- b: "\\u00e9"\n- é\n',
        "- a: &a [x]\n  b: [*a, *a]\n",
    ],
)
def test_what_does_not_end_with_its_item_is_read_as_a_whole(items: str) -> None:
    text = HEAD + items + TAIL
    assert fast(text) == strictly(text)


@pytest.mark.parametrize(
    "text", [HEAD + TAIL, HEAD + "- a\n---\n" + TAIL, HEAD + "- a\n" + TAIL + "items:\n- b\n", "a: 1\n"]
)
def test_other_texts_are_left_to_the_strict_loader(text: str) -> None:
    assert fast(text) is None


def test_a_kind_that_is_no_list_is_one_object(tmp_path: Path) -> None:
    odd = write(tmp_path / "in" / "odd.yaml", "kind: Odd\nitems:\n- a\n")
    write(tmp_path / "in" / "nodes.json", OBJECTS[0])
    assert len(read_cluster([str(odd.parent)]).nodes) == 1


def test_a_large_list_gives_the_same_cluster_in_json_and_yaml(tmp_path: Path) -> None:
    nodes = [node(f"n{i}", {"rack": f"r{i // 40}"}, allocatable={"cpu": str(i % 7 + 1)}) for i in range(3000)]
    file = write(tmp_path / "in.yaml", printed(*nodes, *OBJECTS[1:]))
    assert read_cluster([str(file)]) == read(tmp_path, list_of(*nodes, *OBJECTS[1:]))


def test_that_other_yaml_takes_long_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[object] = []
    monkeypatch.setattr("optimizer.inputs.items.LARGE", 100)
    text = printed(*OBJECTS)
    assert len(list(objects(text.encode(), "in.yaml", told.append))) == 3
    assert told == []
    assert len(list(objects(text.replace("kind: List\n", "kind:   List\n").encode(), "in.yaml", told.append))) == 3
    assert told == [
        "in.yaml: 0 MB that are not one list as kubectl prints it take long; one list of -o json is read fast"
    ]


def test_shell_text_is_no_alias_and_other_line_breaks_part_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    whole: list[bytes] = []
    load = strict_yaml.load

    def noted(text: bytes, name: str) -> list[Any]:
        whole.append(text)
        return load(text, name)

    monkeypatch.setattr(kubectl_yaml, "load", noted)
    text = "apiVersion: v1\nitems:\n- a: é && ls *\n  kind: Node\n- b: 1\nkind: List\n"
    found = kubectl_yaml.split(text.encode(), "x")
    assert found is not None
    assert list(found[1]) == load(text.encode(), "x")[0]["items"]
    assert [len(part) < len(text.encode()) for part in whole] == [True]
    for odd in ("- a: b\rkind: Pod\n- c: d\n", "- a: b\n- c: d\r---\rkind: Node\n", "- a: b\x85kind: Pod\n"):
        found = kubectl_yaml.split(f"apiVersion: v1\nitems:\n{odd}kind: List\n".encode(), "x")
        assert found is not None
        with pytest.raises(InputError):
            list(found[1])
