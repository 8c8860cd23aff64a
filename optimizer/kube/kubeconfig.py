"""Which cluster kubectl would talk to: the kubeconfig files, and the context in them.

The client that reads these files later takes the last `current-context` of several files where kubectl takes the
first, and passes over what it does not know: so the context is chosen here, and what would be lost is refused.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml
from msgspec import Struct

from ..errors import InputError

IMPERSONATION = ("as", "as-uid", "as-groups", "as-user-extra")


class Chosen(Struct, frozen=True):
    """The files that exist, the context, and the credential plugin of its user ("": none)."""

    files: tuple[Path, ...]
    context: str
    plugin: str = ""

    @property
    def place(self) -> str:
        """The files and the context, for sentences."""
        return f"{', '.join(map(str, self.files))}: context {self.context}"


def candidates(kubeconfig: Path | None, environment: Mapping[str, str]) -> list[Path]:
    """The files that kubectl would look for: this one, else those in $KUBECONFIG, else ~/.kube/config."""
    if kubeconfig is not None:
        return [kubeconfig]
    listed = [Path(name).expanduser() for name in environment.get("KUBECONFIG", "").split(os.pathsep) if name]
    return listed or [Path("~/.kube/config").expanduser()]


def choose(kubeconfig: Path | None, context: str | None, environment: Mapping[str, str] = os.environ) -> Chosen | None:
    """The context asked for, else the current one; None where there is no file at all.

    Raises InputError for a file that was named but is missing, for broken ones, and for a context that is not there.
    """
    wanted = candidates(kubeconfig, environment)
    files = [file for file in wanted if file.exists()]
    if kubeconfig is not None and not files:
        raise InputError(f"{kubeconfig}: no such file")
    if not files:
        return None
    loaded = {file: load(file) for file in files}
    place = ", ".join(map(str, files))
    # As kubectl has it, the first file that says something wins.
    said = (each.get("current-context") for each in loaded.values())
    name = context or next((str(each) for each in said if each), "")
    if not name:
        raise InputError(f"{place}: no current-context is set; say which with --context")
    contexts = entries(loaded, "contexts", "context")
    if name not in contexts:
        raise InputError(f"{place}: there is no context {name!r} (there are: {', '.join(sorted(contexts)) or 'none'})")
    cluster = str(contexts[name].get("cluster") or "")
    if not entries(loaded, "clusters", "cluster").get(cluster, {}).get("server"):
        raise InputError(f"{place}: context {name}: cluster {cluster!r} has no server")
    user = str(contexts[name].get("user") or "")
    settings = entries(loaded, "users", "user").get(user, {})
    for key in IMPERSONATION:
        if settings.get(key):
            raise InputError(f"{place}: user {user}: {key}: impersonation is not supported")
    plugin = settings.get("exec")
    command = str(plugin.get("command", "")) if isinstance(plugin, dict) else ""
    # Of several ways to log in the client takes the plugin last.
    used = not any(settings.get(key) for key in ("token", "tokenFile", "auth-provider"))
    return Chosen(tuple(files), name, command if used else "")


def load(file: Path) -> dict[str, Any]:
    """A kubeconfig file as plain data. Raises InputError."""
    try:
        data = yaml.safe_load(file.read_text())
    except OSError as error:
        raise InputError(f"{file}: {error.strerror or error}") from None
    except (yaml.YAMLError, UnicodeError, ValueError, RecursionError) as error:
        reason = getattr(error, "problem", None) or str(error).partition("\n")[0]
        raise InputError(f"{file}: not a kubeconfig file ({reason})") from None
    if not isinstance(data, dict):
        raise InputError(f"{file}: not a kubeconfig file (it holds {type(data).__name__} where a mapping should be)")
    return data


def entries(loaded: Mapping[Path, dict[str, Any]], key: str, inner: str) -> dict[str, dict[str, Any]]:
    """The named entries of a list in all files; of one name the first counts. Raises InputError."""
    found: dict[str, dict[str, Any]] = {}
    for file, data in loaded.items():
        listed = data.get(key) or []
        if not isinstance(listed, Iterable) or isinstance(listed, str | Mapping):
            raise InputError(f"{file}: {key}: expected a list")
        for index, entry in enumerate(listed):
            content = entry.get(inner) if isinstance(entry, dict) else None
            if not isinstance(entry, dict) or not entry.get("name") or not isinstance(content or {}, dict):
                raise InputError(f"{file}: {key}[{index}]: expected a name and a {inner}")
            found.setdefault(str(entry["name"]), content or {})
    return found
