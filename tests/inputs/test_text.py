"""Text into plain data: encodings, JSON, YAML, and what is refused with one sentence."""

from __future__ import annotations

import codecs
from pathlib import Path
from typing import Any

import pytest

from optimizer.errors import InputError
from optimizer.inputs.policy import PolicyFile
from optimizer.inputs.text import check_keys, load_documents, load_settings
from optimizer.words import explain, nearest
from tests.objects import write

LEVELS = 100_000


def load(text: str | bytes) -> list[Any]:
    return load_documents(text if isinstance(text, bytes) else text.encode(), "in.yaml")


def refused(text: str | bytes) -> str:
    with pytest.raises(InputError) as caught:
        load(text)
    assert str(caught.value).isprintable()
    assert str(caught.value).startswith("in.yaml: ")
    return str(caught.value).removeprefix("in.yaml: ")


@pytest.mark.parametrize(
    "data",
    [
        b'{"a": "\xc3\xa9"}',
        b"a: \xc3\xa9",
        codecs.BOM_UTF8 + b'{"a": "\xc3\xa9"}',
        codecs.BOM_UTF8 + b"a: \xc3\xa9\r\n",
        '{"a": "é"}'.encode("utf-16"),
        codecs.BOM_UTF16_BE + "a: é\r\n".encode("utf-16-be"),
    ],
)
def test_encodings_that_windows_writes_are_read(data: bytes) -> None:
    assert load(data) == [{"a": "é"}]


def test_utf_16_that_breaks_off_is_refused() -> None:
    assert refused(codecs.BOM_UTF16_LE + b"{\x00\xd8") == "not valid UTF-16 text"


@pytest.mark.parametrize("text", ["a: 1\r\nb: 2\r\n", '{"a": 1,\r\n"b": 2}\r\n', "---\r\na: 1\r\nb: 2\r\n...\r\n"])
def test_line_ends_of_windows_are_read(text: str) -> None:
    assert load(text) == [{"a": 1, "b": 2}]


@pytest.mark.parametrize(
    "text",
    [
        '{"a": 1}{"b": 2}',
        '{"a": 1}\n{"b": 2}\n',
        '\n\n  {"a": 1}\n---\n{"b": 2}\n---\n',
        '---\n{"a": 1}\n---\n{"b": 2}',
        "a: 1\n---\nb: 2\n",
        '{"a": 1}\n---\nb: 2\n',
        "{a: 1}\n---\n{b: 2}\n",
        "---\n---\na: 1\n---\n# nothing\n---\nb: 2\n---\n",
        "# comment\n{a: 1}\n---\nnull\n---\nb: 2",
    ],
)
def test_several_documents_in_one_text_and_empty_ones_left_out(text: str) -> None:
    assert load(text) == [{"a": 1}, {"b": 2}]


def test_a_json_array_is_one_document() -> None:
    assert load('[{"a": 1}, {"b": 2}]') == [[{"a": 1}, {"b": 2}]]


def test_yaml_in_flow_style_is_read() -> None:
    assert load("{kind: Node, items: [1, 'x'],}") == [{"kind": "Node", "items": [1, "x"]}]


@pytest.mark.parametrize("text", ["2024-05-01", "2024-05-01T10:00:00Z", "12:30", "1:2:3:4:5:6:7:8", "="])
def test_plain_yaml_that_kubernetes_reads_as_text_stays_text(text: str) -> None:
    assert load(f"a: {text}") == [{"a": text}]


def test_yaml_numbers_and_words_are_read_as_kubernetes_reads_them() -> None:
    assert load("[0x1F, 1.5, yes, ~, 1e3, '1']") == [[31, 1.5, True, None, "1e3", "1"]]


def test_anchors_aliases_and_merge_keys_are_read() -> None:
    assert load("a: &a {x: 1, y: 2}\nb: *a\nc: {<<: *a, y: 3}") == [
        {"a": {"x": 1, "y": 2}, "b": {"x": 1, "y": 2}, "c": {"x": 1, "y": 3}}
    ]


def test_a_merged_key_may_be_overridden_wherever_the_mapping_stands() -> None:
    text = "a: &a {x: 1}\ndeep: [{b: &b {<<: *a, x: 2}}]\nc: {<<: *b, y: 3}\nd: {<<: [*b, *a]}"
    assert load(text) == [{"a": {"x": 1}, "deep": [{"b": {"x": 2}}], "c": {"x": 2, "y": 3}, "d": {"x": 2}}]


@pytest.mark.parametrize("text", ["", " \n\t\n", codecs.BOM_UTF8])
def test_an_empty_file_is_refused(text: str | bytes) -> None:
    assert refused(text) == "the file is empty"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('{"a": 1,', "the JSON text is cut off (line 1)"),
        ('{"a":\n "b', "the JSON text is cut off (line 2)"),
        ('[{"a": 1}', "the JSON text is cut off (line 1)"),
        (
            '{"a": 1}\n{"a": ',
            "line 2: not valid JSON (Expecting value); line 2: not valid YAML (did not find expected <document start>)",
        ),
        (
            '{"a": 1}}',
            "line 1: not valid JSON (Expecting value); line 1: not valid YAML (did not find expected <document start>)",
        ),
        ("a: [1,\n", "line 2: not valid YAML (did not find expected node content)"),
        ("a: 'b\n", "line 2: not valid YAML (found unexpected end of stream)"),
        ("a: b: c", "line 1: not valid YAML (mapping values are not allowed in this context)"),
    ],
)
def test_text_that_breaks_off_or_is_neither_names_the_line(text: str, sentence: str) -> None:
    assert refused(text) == sentence


@pytest.mark.parametrize(
    "data",
    [b"\x7fELF\x02\x01\x00\x00", b"\x1f\x8b\x08\x00\x00", bytes(range(256)), b'{"a": "\xff"}', b"a: \xff", b"a: \x00"],
)
def test_binary_data_is_refused(data: bytes) -> None:
    assert "not" in refused(data)


@pytest.mark.parametrize("text", ['{"a": "\\ud800"}', '[{"a": "\\udc00"}]', '{"a": 1} {"\\ud800": 1}', 'a: "\\ud800"'])
def test_half_of_a_surrogate_pair_is_refused(text: str) -> None:
    refused(text)


@pytest.mark.parametrize(
    "text",
    [
        '{"a":' * LEVELS + "1" + "}" * LEVELS,
        "[" * LEVELS + "]" * LEVELS,
        "[" * LEVELS,
        "a: " + "[" * LEVELS + "]" * LEVELS,
        "a: " + "{" * LEVELS,
        "- " * LEVELS + "a",
        "? " * LEVELS + "a",
        "".join(f"{' ' * level}a:\n" for level in range(300)),
    ],
    ids=["objects", "arrays", "open", "flow", "flow-open", "dashes", "questions", "blocks"],
)
def test_deep_nesting_is_refused_and_does_not_end_the_process(text: str) -> None:
    assert "nested" in refused(text) or "cut off" in refused(text)


def bomb(levels: int, wide: int) -> str:
    lines = ["a0: &a0 [x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * wide)}]" for n in range(1, levels)]
    return "\n".join(lines)


def test_aliases_that_unfold_to_far_too_much_are_refused() -> None:
    assert "aliases unfold to far too much" in refused(bomb(20, 10))
    assert "aliases unfold to far too much" in refused(bomb(5000, 1))


def test_merge_keys_that_unfold_to_far_too_much_are_refused() -> None:
    lines = ["a0: &a0 {k: v}"] + [f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 20)}]}}" for n in range(1, 8)]
    assert "aliases unfold to far too much" in refused("\n".join(lines))


@pytest.mark.parametrize("text", ["a: &a [*a]", "&a {b: *a}", "a: &a {b: &b [*a, *b]}", "&a {<<: *a}"])
def test_an_alias_inside_of_what_it_stands_for_is_refused(text: str) -> None:
    assert "an alias inside of what it stands for" in refused(text)


def test_an_alias_of_nothing_is_refused() -> None:
    assert refused("a: *b") == "line 1: not valid YAML (found undefined alias)"


@pytest.mark.parametrize(
    "text",
    [
        "!!python/object/apply:os.system ['true']",
        "a: !!python/object:optimizer.model.Node {}",
        "a: !!python/name:os.system",
        "a: !Ref x",
        "a: !!set {b, c}",
        "a: !!timestamp 2024-01-01",
    ],
)
def test_yaml_tags_of_foreign_types_are_refused(text: str) -> None:
    assert "could not determine a constructor for the tag" in refused(text)


@pytest.mark.parametrize(
    "text", ["!!int ''", "!!int x", "!!bool maybe", "!!float ''", "!!binary é", "!!map x", "? [a]\n: b", "!!int [1]"]
)
def test_yaml_values_that_do_not_fit_their_tag_are_refused(text: str) -> None:
    assert "not valid YAML" in refused(text)


@pytest.mark.parametrize("number", ["0x" + "f" * 5000, "9" * 5000, "1" + "0" * 30, "!!int '" + "1:" * 9999 + "1'"])
def test_whole_numbers_that_no_field_holds_are_refused(number: str) -> None:
    assert "not valid YAML" in refused(f"a: {number}")


@pytest.mark.parametrize("text", ["a: 1\na: 2", "{a: 1, 'a': 2}", "b: {a: 1, a: 1}", "z: {a: 1}\n---\nz: {a: 1, a: 1}"])
def test_a_yaml_key_given_twice_is_refused(text: str) -> None:
    assert "key 'a' is given twice" in refused(text)


def settings(folder: Path, content: str | bytes) -> dict[str, Any]:
    return load_settings(write(folder / "s.yaml", content))


def settings_refused(folder: Path, content: str | bytes) -> str:
    with pytest.raises(InputError) as caught:
        settings(folder, content)
    return str(caught.value).replace(f"{folder}/", "")


@pytest.mark.parametrize("text", ['{"a": [1]}', "a: [1]", "{a: [1]}", "a:\n- 1\n", "\ufeffa: [1]", '{"a": [1],}'])
def test_settings_are_one_mapping_in_json_or_yaml(tmp_path: Path, text: str) -> None:
    assert settings(tmp_path, text) == {"a": [1]}


@pytest.mark.parametrize("text", ["", "# only comments\n", "---\n"])
def test_empty_settings_are_an_empty_mapping(tmp_path: Path, text: str) -> None:
    assert settings(tmp_path, text) == {}


@pytest.mark.parametrize("text", ["- a", "a", "a: 1\n---\nb: 1", "12"])
def test_settings_that_are_no_mapping_are_refused(tmp_path: Path, text: str) -> None:
    assert settings_refused(tmp_path, text) == "s.yaml: must hold one mapping of settings"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('{"a": {"b": 1, "b": 2}}', "s.yaml: not valid JSON (key 'b' is given twice)"),
        ("a: {b: 1, b: 2}", "s.yaml: line 1: not valid YAML (key 'b' is given twice)"),
        (
            '{"a": [1',
            "s.yaml: line 1: not valid JSON (Expecting ',' delimiter); line 2: not valid YAML "
            "(did not find expected ',' or ']')",
        ),
        ("a: [1", "s.yaml: line 2: not valid YAML (did not find expected ',' or ']')"),
        (b'{"a": "\xff"}', "s.yaml: not UTF-8 text"),
        ('{"a": "\\ud800"}', "s.yaml: not UTF-8 text"),
        ('{"a": ' + "[" * LEVELS, "s.yaml: nested too deeply"),
        ("a: " + "[" * LEVELS, "s.yaml: line 1: not valid YAML (nested deeper than 200 levels)"),
    ],
    ids=["twice-json", "twice-yaml", "cut-json", "cut-yaml", "binary", "surrogate", "deep-json", "deep-yaml"],
)
def test_settings_that_cannot_be_read_are_refused(tmp_path: Path, text: str | bytes, sentence: str) -> None:
    assert settings_refused(tmp_path, text) == sentence


def test_a_number_of_thousands_of_digits_is_refused(tmp_path: Path) -> None:
    assert settings_refused(tmp_path, '{"a": ' + "9" * 5000 + "}").startswith("s.yaml: not valid JSON (Exceeds")


@pytest.mark.parametrize("name", ["missing.yaml", "a\x00b", "\ud800", "x" * 5000])
def test_a_file_that_cannot_be_opened_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError) as caught:
        load_settings(tmp_path / name)
    assert str(caught.value).isprintable()


def test_a_folder_where_a_file_is_expected_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r": Is a directory$"):
        load_settings(tmp_path)


def test_the_nearest_known_word_is_named_or_all_of_them() -> None:
    assert nearest("suvive", ["peering", "survive"]) == "did you mean 'survive'?"
    assert nearest("qqq", ["b", "a"]) == "known are a, b"
    assert nearest("?", [f"n{i:02d}" for i in range(23)]).endswith("n19 and 3 more")


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        ({"pering": "selected"}, "p.yaml: unknown key 'pering'; did you mean 'peering'?"),
        ({"nodes": {"bann": []}}, "p.yaml: nodes: unknown key 'bann'; did you mean 'ban'?"),
        ({"survive": [{}, {"kimd": "x"}]}, "p.yaml: survive[1]: unknown key 'kimd'; did you mean 'kind'?"),
        (
            {"nodes": {"cost": [{"selector": {"matchExpressions": [{"value": ["a"]}]}}]}},
            "p.yaml: nodes.cost[0].selector.matchExpressions[0]: unknown key 'value'; did you mean 'values'?",
        ),
        ({1: 2}, "p.yaml: unknown key '1'; known are "),
    ],
)
def test_unknown_keys_are_refused_with_their_place(data: Any, sentence: str) -> None:
    with pytest.raises(InputError) as caught:
        check_keys(data, PolicyFile, "p.yaml")
    assert str(caught.value).startswith(sentence)


def test_the_field_stands_in_front_of_a_problem() -> None:
    assert explain("Expected `int`, got `str` - at `$.a[0].b`") == "a[0].b: expected a whole number, found text"
    assert explain("Input data was truncated") == "input data was truncated"


def test_a_sentence_is_one_line_of_bounded_length() -> None:
    assert str(InputError("a\nb\x1b[31m\u2028\ud800é")) == "a\\nb\\x1b[31m\\u2028\\ud800é"
    assert len(str(InputError("\n" * 100_000))) < 2100
