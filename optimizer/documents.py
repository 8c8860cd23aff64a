"""Text into plain data: encodings, JSON, YAML, several documents in one file, and errors that name the place.

Kubernetes dumps may be huge, so JSON goes through msgspec; hand-written files are read strictly: a key given
twice is an error, because one of the two would be lost.
"""

from __future__ import annotations

import codecs
import difflib
import json
import re
from collections.abc import Hashable, Iterable
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import yaml
from msgspec import inspect

from .errors import InputError

T = TypeVar("T")

BOMS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))


class StrictLoader(yaml.CSafeLoader):
    """YAML as Kubernetes reads it, but a key given twice is an error. Dates stay text."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """The mapping; raises a ConstructorError for a key given twice."""
        # A merge key may be overridden on purpose, so only keys written side by side count.
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.tag != "tag:yaml.org,2002:merge":
                if key.value in seen:
                    raise yaml.constructor.ConstructorError(
                        None, None, f"key {key.value!r} is given twice", key.start_mark
                    )
                seen.add(key.value)
        return super().construct_mapping(node, deep)


StrictLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.CSafeLoader.yaml_implicit_resolvers.items()
}


def read_bytes(path: Path) -> bytes:
    """The file's bytes. Raises InputError where it is missing or cannot be read."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from None


def to_utf8(data: bytes, name: str) -> bytes:
    """`data` without a byte order mark; UTF-16, as PowerShell writes it, is converted."""
    for bom, encoding in BOMS:
        if data.startswith(bom):
            try:
                return data.decode(encoding).encode()
            except UnicodeError:
                raise InputError(f"{name}: not valid {encoding.upper()[:6]} text") from None
    return data


def load_documents(data: bytes, name: str) -> list[Any]:
    """All documents of a JSON or YAML text, empty ones left out.

    JSON documents may follow one another, with or without `---`. Raises InputError naming `name` and the line.
    """
    data = to_utf8(data, name)
    if not data.strip():
        raise InputError(f"{name}: the file is empty")
    try:
        if data.lstrip()[:1] in (b"{", b"["):
            try:
                return [msgspec.json.decode(data)]
            except msgspec.DecodeError as error:
                return load_json_stream(data, name, error)
        return load_yaml(data, name)
    except UnicodeDecodeError:
        raise InputError(f"{name}: not UTF-8 text") from None
    except RecursionError:
        raise InputError(f"{name}: nested too deeply to be Kubernetes objects") from None


def load_json_stream(data: bytes, name: str, first_error: Exception) -> list[Any]:
    """JSON documents one after another, as `jq` prints them; YAML in flow style where it is no JSON at all."""
    text = data.decode()
    decoder, position = json.JSONDecoder(), 0
    documents: list[Any] = []
    while position < len(text):
        try:
            document, end = decoder.raw_decode(text, position)
        except ValueError as error:
            if documents or not re.search(r"^---", text, re.MULTILINE):
                try:
                    return load_yaml(data, name)
                except InputError:
                    pass
            what = f"line {error.lineno}: {error.msg}" if isinstance(error, json.JSONDecodeError) else str(error)
            raise InputError(f"{name}: neither JSON nor YAML ({what})") from first_error
        documents.append(document)
        position = end
        while position < len(text) and text[position].isspace():
            position += 1
        if text.startswith("---", position):
            return load_yaml(data, name)
    return documents


def load_yaml(data: bytes, name: str) -> list[Any]:
    """All YAML documents that are not empty."""
    try:
        return [document for document in yaml.load_all(data, Loader=StrictLoader) if document is not None]
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f" line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or getattr(error, "reason", None) or "it cannot be parsed"
        raise InputError(f"{name}:{place or ''} not valid YAML ({problem})") from None
    except (ValueError, OverflowError) as error:  # such as an impossible number or base64
        raise InputError(f"{name}: not valid YAML ({error})") from None


def load_settings(path: Path) -> dict[str, Any]:
    """The one mapping in a hand-written settings file; an empty file is an empty mapping."""
    data = to_utf8(read_bytes(path), str(path))
    if data.lstrip()[:1] == b"{":
        try:
            found = json.loads(data, object_pairs_hook=unique_keys)
        except (ValueError, RecursionError) as error:
            raise InputError(f"{path}: not valid JSON ({error})") from None
        documents = [found]
    else:
        try:
            documents = load_yaml(data, str(path))
        except RecursionError:
            raise InputError(f"{path}: nested too deeply") from None
    if not documents:
        return {}
    if len(documents) > 1 or not isinstance(documents[0], dict):
        raise InputError(f"{path}: must hold one mapping of settings")
    return documents[0]


def unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object; raises ValueError for a key given twice."""
    result = dict(pairs)
    if len(result) != len(pairs):
        twice = next(key for i, (key, _) in enumerate(pairs) if key in dict(pairs[:i]))
        raise ValueError(f"key {twice!r} is given twice")
    return result


def nearest(word: str, known: Iterable[str]) -> str:
    """`; did you mean 'x'?` for the nearest known word, or the list of them.

    >>> nearest("suvive", ["peering", "survive"])
    "did you mean 'survive'?"
    """
    names = sorted(known)
    close = difflib.get_close_matches(word, names, n=1, cutoff=0.5)
    return f"did you mean {close[0]!r}?" if close else f"known are {', '.join(names)}"


def convert(data: Any, type_: type[T], place: str) -> T:
    """`data` as `type_`. Raises InputError naming `place` and the field."""
    try:
        return msgspec.convert(data, type_)
    except msgspec.ValidationError as error:
        raise InputError(f"{place}: {explain(str(error))}") from None
    except RecursionError:
        raise InputError(f"{place}: nested too deeply") from None


def check_keys(data: Any, type_: Any, place: str) -> None:
    """Raise InputError for a key that the struct `type_` does not have, naming the nearest known one."""
    info = type_ if isinstance(type_, inspect.Type) else inspect.type_info(type_)
    if isinstance(info, inspect.UnionType):
        for member in info.types:
            check_keys(data, member, place)
    elif isinstance(info, inspect.StructType) and isinstance(data, dict):
        fields = {field.encode_name: field.type for field in info.fields}
        for key, value in data.items():
            if key not in fields:
                raise InputError(f"{place}: unknown key {str(key)!r}; {nearest(str(key), fields)}")
            check_keys(value, fields[key], f"{place}.{key}" if "." in place or ":" in place else f"{place}: {key}")
    elif isinstance(info, inspect.VarTupleType) and isinstance(data, list):
        for index, value in enumerate(data):
            check_keys(value, info.item_type, f"{place}[{index}]")


def explain(message: str) -> str:
    """msgspec's sentence with the field in front and without backticks.

    >>> explain("Expected `int`, got `str` - at `$.a.b`")
    'a.b: expected int, got str'
    """
    problem, _, path = message.partition(" - at `")
    field = path.rstrip("`").removeprefix("$").removeprefix(".")
    sentence = problem.replace("`", "")
    sentence = sentence[:1].lower() + sentence[1:]
    return f"{field}: {sentence}" if field else sentence
