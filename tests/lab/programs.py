"""The programs of the laboratory: where they are, and `python -m tests.lab.programs`, which builds them from Go.

They are kept outside the checkout, under a name made of what they are built from, so that checkouts share them.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

SOURCE = Path(__file__).with_name("programs")
BUILD = "python -m tests.lab.programs"
# One OpenELB speaker is a program of this project's own.
SPEAKER = "speaker"
NAMES = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl", "kwok", SPEAKER)
# What KUBEBUILDER_ASSETS holds by convention.
ASSETS = ("etcd", "kube-apiserver", "kubectl")


class MissingError(Exception):
    """A program is not there; the sentence says which, where it was looked for, and how to get it."""


def cache() -> Path:
    """The folder of the programs that go.mod, go.sum and the speaker's source describe, whether it is there or not."""
    found = hashlib.sha256()
    for path in (SOURCE / "go.mod", SOURCE / "go.sum", *sorted((SOURCE / SPEAKER).glob("*.go"))):
        found.update(path.read_bytes())
    root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return root / "bgp-speakers-lab" / found.hexdigest()[:16]


def programs() -> Mapping[str, Path]:
    """The path of each program."""
    assets, built = os.environ.get("KUBEBUILDER_ASSETS"), cache()
    found = {}
    for name in NAMES:
        places = [built]
        if assets:
            # Those that belong there are not taken from anywhere else: the versions would mix.
            places = [Path(assets)] if name in ASSETS else [Path(assets), built]
        path = next((place / name for place in places if os.access(place / name, os.X_OK)), None)
        if path is None:
            looked = " and ".join(map(str, places))
            way = "this builds it" if built in places else "with KUBEBUILDER_ASSETS unset this builds it"
            raise MissingError(f"the laboratory has no {name} in {looked}; {way}: {BUILD}")
        found[name] = path
    return found


def flags() -> str:
    """What the linker is told; without it the API server takes itself for a version that does not exist."""
    found = re.search(r"^\s*k8s\.io/kubernetes v((\d+)\.(\d+)\.\S+)", (SOURCE / "go.mod").read_text(), re.MULTILINE)
    if found is None:
        raise MissingError(f"{SOURCE / 'go.mod'} names no version of k8s.io/kubernetes")
    version, major, minor = found.groups()
    values = {"gitVersion": f"v{version}", "gitMajor": major, "gitMinor": minor}
    return " ".join(["-s -w", *(f"-X k8s.io/component-base/version.{name}={value}" for name, value in values.items())])


def build() -> Path:
    """The cache's folder, built where it is not there yet."""
    target = cache()
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if target.is_dir():
            return target
        if shutil.which("go") is None:
            raise MissingError("building the laboratory's programs needs Go (https://go.dev/doc/install)")
        with tempfile.TemporaryDirectory(prefix=f"{target.name}.", dir=target.parent) as folder:
            made = Path(folder, "programs")
            made.mkdir()
            # -mod=readonly: what is built is what go.sum says, and so what the folder's name says.
            how = ("-mod=readonly", "-trimpath", "-ldflags", flags(), "-o", f"{made}/")
            command = ["go", "build", *how, "tool", f"./{SPEAKER}"]
            subprocess.run(command, cwd=SOURCE, env={**os.environ, "GOWORK": "off"}, stdout=sys.stderr, check=True)
            # Its package is called that.
            (made / "server").rename(made / "etcd")
            made.rename(target)
    return target


if __name__ == "__main__":
    try:
        sys.stdout.write(f"{build()}\n")
    except (MissingError, subprocess.CalledProcessError) as error:
        sys.exit(str(error))
