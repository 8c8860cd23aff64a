"""Text into plain data: encodings, JSON, YAML, several documents in one file, and errors that name the place.

Kubernetes dumps may be huge, so JSON goes through msgspec; hand-written files are read strictly: a key given
twice is an error, because one of the two would be lost.
"""

from __future__ import annotations

import codecs
import json
import mmap
import os
import re
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from msgspec import inspect

from ..errors import InputError
from ..words import explain, nearest

T = TypeVar("T")

BOMS = ((codecs.BOM_UTF8, "UTF-8"), (codecs.BOM_UTF16_LE, "UTF-16"), (codecs.BOM_UTF16_BE, "UTF-16"))
SEPARATORS = re.compile(r"(?:\s+|^---(?=\s|\Z))*", re.MULTILINE)
SEQUENCES = (inspect.VarTupleType, inspect.ListType)
CHECKED = (inspect.Metadata, inspect.UnionType, inspect.StructType, *SEQUENCES)
Text = bytes | memoryview
"""The bytes of a file; a view where the file is mapped into memory."""

MAPPED = 2**24
"""Bytes from which a file is mapped. (One that is cut off while it is read ends the process then.)"""


class EmptyFileError(InputError):
    """The file is empty."""


def read_text(path: Path) -> Text:
    """The file's text; large files take no memory of their own. Raises InputError where it cannot be read."""
    try:
        file = path.open("rb")
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from None
    except ValueError:  # such as a NUL in it
        raise InputError(f"{path}: cannot be the name of a file") from None
    with file:
        try:
            if os.fstat(file.fileno()).st_size < MAPPED:  # pipes have no size
                return file.read()
            with suppress(OSError, ValueError):  # not every file system can, and files may shrink
                return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
            return file.read()
        except OSError as error:
            raise InputError(f"{path}: {error.strerror or error}") from None


def to_utf8(text: Text, name: str) -> Text:
    """The text without a byte order mark; UTF-16, as PowerShell writes it, is converted."""
    start = bytes(text[:4])
    for bom, encoding in BOMS:
        if start.startswith(bom):
            try:
                return text[len(bom) :] if encoding == "UTF-8" else bytes(text).decode(encoding).encode()
            except UnicodeError:
                raise InputError(f"{name}: not valid {encoding} text") from None
    return text


def load_documents(text: Text, name: str) -> list[Any]:
    """All documents of a JSON or YAML text, empty ones left out.

    JSON documents may follow one another, with or without `---`. Raises InputError naming `name` and the line, for an
    empty file EmptyFileError.
    """
    data = bytes(to_utf8(text, name))
    if not data.strip():
        raise EmptyFileError(f"{name}: the file is empty")
    try:
        if data.lstrip()[:1] in (b"{", b"["):
            try:
                return [msgspec.json.decode(data)]
            except msgspec.DecodeError as error:
                return load_json_stream(data, name, str(error))
        return load_yaml(data, name)
    except UnicodeError:
        raise InputError(f"{name}: not UTF-8 text") from None
    except RecursionError:
        raise InputError(f"{name}: nested too deeply to be Kubernetes objects") from None


def load_json_stream(data: bytes, name: str, problem: str) -> list[Any]:
    """JSON documents one after another, as `jq` prints them; YAML in flow style where it is no JSON at all.

    `problem` is why the text is not one JSON document.
    """
    text = data.decode()
    decoder, position = json.JSONDecoder(), start_of_document(text, 0)
    documents: list[Any] = []
    while position < len(text):
        try:
            document, end = decoder.raw_decode(text, position)
        except ValueError as error:
            if "truncated" in problem:  # then it is no YAML either, and might take long to read as such
                raise InputError(f"{name}: the JSON text is cut off (line {line_of(error)})") from None
            return load_flow_yaml(data, name, error)
        documents.append(document)
        position = start_of_document(text, end)
    msgspec.json.encode(documents)  # fails for half of a surrogate pair, which is no text
    return documents


def start_of_document(text: str, position: int) -> int:
    """The position after white space and `---` lines."""
    found = SEPARATORS.match(text, position)
    return found.end() if found else position


def line_of(error: ValueError) -> int:
    """The line of a JSON error; 1 for one that has none, such as a number of thousands of digits."""
    return error.lineno if isinstance(error, json.JSONDecodeError) else 1


def load_flow_yaml(data: bytes, name: str, error: ValueError) -> list[Any]:
    """The documents of a text that looks like JSON, but is not, for the reason given by `error`."""
    try:
        return load_yaml(data, name)
    except InputError as second:
        problem = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
        also = str(second).removeprefix(f"{name}: ")
        raise InputError(f"{name}: line {line_of(error)}: not valid JSON ({problem}); {also}") from None


def load_yaml(data: bytes, name: str) -> list[Any]:
    """All YAML documents that are not empty. Raises InputError naming `name` and the line."""
    from . import strict_yaml  # which JSON does without

    return strict_yaml.load(data, name)


def load_settings(path: Path) -> dict[str, Any]:
    """The one mapping in a hand-written settings file; an empty file is an empty mapping."""
    data = bytes(to_utf8(read_text(path), str(path)))
    try:
        documents = load_json_settings(data, str(path)) or load_yaml(data, str(path))
    except UnicodeError:
        raise InputError(f"{path}: not UTF-8 text") from None
    except RecursionError:
        raise InputError(f"{path}: nested too deeply") from None
    if not documents:
        return {}
    if len(documents) > 1 or not isinstance(documents[0], dict):
        raise InputError(f"{path}: must hold one mapping of settings")
    return documents[0]


def load_json_settings(data: bytes, name: str) -> list[Any]:
    """The JSON document; none where the text is YAML."""
    if data.lstrip()[:1] != b"{":
        return []
    text = data.decode()
    try:
        found = json.loads(text, object_pairs_hook=unique_keys)
    except json.JSONDecodeError as error:
        return load_flow_yaml(data, name, error)
    except ValueError as error:  # a key given twice, or a number of thousands of digits
        raise InputError(f"{name}: not valid JSON ({error})") from None
    msgspec.json.encode(found)  # fails for half of a surrogate pair, which is no text
    return [found]


def unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object; raises ValueError for a key given twice."""
    result: dict[str, Any] = {}
    for key, value in pairs:
        if key in result:
            raise ValueError(f"key {key!r} is given twice")
        result[key] = value
    return result


def expect(given: object, type_: type[Any], what: str) -> None:
    """Raise InputError unless a caller of the Python API gave `what` the type that it is to have."""
    if not isinstance(given, type_):
        raise InputError(f"{what}: expected {type_.__name__}, got {type(given).__name__}")


def made_by_hand(given: Any, type_: type[Any], what: str) -> None:
    """Raise InputError where a struct has fields of other types than it declares."""
    expect(given, type_, what)
    convert(msgspec.to_builtins(given, enc_hook=repr), type_, what)


def convert(data: Any, type_: type[T], place: str) -> T:
    """`data` as `type_`. Raises InputError naming `place` and the field."""
    try:
        return msgspec.convert(data, type_)
    except msgspec.ValidationError as error:
        raise InputError(f"{place}: {explain(str(error))}") from None
    except RecursionError:
        raise InputError(f"{place}: nested too deeply") from None


def check_keys(data: Any, type_: Any, place: str, field: str = "") -> None:
    """Raise InputError for a key that the struct `type_` does not have, naming the nearest known one.

    `place` names the file, `field` the field of it that `data` is.
    """
    info = type_ if isinstance(type_, inspect.Type) else inspect.type_info(type_)
    if isinstance(info, inspect.Metadata):
        check_keys(data, info.type, place, field)
    elif isinstance(info, inspect.UnionType):
        for member in info.types:
            check_keys(data, member, place, field)
    elif isinstance(info, inspect.StructType) and isinstance(data, dict):
        fields = {each.encode_name: each.type for each in info.fields}
        for key, value in data.items():
            if key not in fields:
                within = f"{place}: {field}" if field else place
                raise InputError(f"{within}: unknown key {str(key)!r}; {nearest(str(key), fields)}")
            check_keys(value, fields[key], place, f"{field}.{key}" if field else key)
    elif isinstance(info, SEQUENCES) and isinstance(info.item_type, CHECKED) and isinstance(data, list):
        for index, value in enumerate(data):
            check_keys(value, info.item_type, place, f"{field}[{index}]")


def check_unique(values: Sequence[str], what: str) -> None:
    """Raise InputError for a value that occurs twice."""
    seen: set[str] = set()
    for value in values:
        if value in seen:
            raise InputError(f"{what} {value!r} is given twice")
        seen.add(value)
