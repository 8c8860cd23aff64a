"""Logging in to an API server with the package `kubernetes`.

It gives us what is tedious about a connection: kubeconfig files, TLS, tokens and their renewal, plugins, proxies.
"""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .. import __version__
from ..errors import InputError
from . import kubeconfig
from .parallel import THREADS


def log_in(file: Path | None, context: str | None) -> Any:
    """A client of the package `kubernetes` with the credentials that kubectl would use. Raises InputError."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import urllib3
            from kubernetes import client, config
    except ImportError:
        install = "pip install 'bgp-speakers[live]' (from a clone '.[live]')"
        raise InputError(f"reading a live cluster needs the package kubernetes: {install}") from None
    chosen = kubeconfig.choose(file, context)
    settings = client.Configuration()
    settings.retries, settings.connection_pool_maxsize = False, THREADS
    if chosen is None:
        looked = ", ".join(map(str, kubeconfig.candidates(None, os.environ)))
        if context:
            raise InputError(f"--context {context}: there is no kubeconfig file ({looked})")
        try:
            config.load_incluster_config(settings)  # type: ignore[no-untyped-call]
        except (config.ConfigException, OSError) as error:
            raise InputError(f"{looked}: no such file, and this is no pod of a cluster ({error})") from None
        if not settings.auth_settings():  # as in version 36.0.0
            raise InputError("this version of the package kubernetes sends no credentials of pods; install 37 or newer")
    else:
        with overheard() as heard:
            try:
                files = os.pathsep.join(map(str, chosen.files))
                config.load_kube_config(files, chosen.context, settings)  # type: ignore[no-untyped-call]
            # The client trusts that the files are in form, and fails in many ways where they are not.
            except (config.ConfigException, OSError, ArithmeticError, LookupError, TypeError, ValueError) as error:
                raise InputError(f"{chosen.place}: {error}") from None
            except AttributeError as error:
                raise InputError(f"{chosen.place}: not in the form of a kubeconfig file ({error})") from None
        if chosen.plugin and not settings.api_key and not settings.cert_file:
            reason = "; ".join(heard) or "no reason was given"
            raise InputError(f"{chosen.place}: the plugin {chosen.plugin} gave no credentials ({reason})")
    if not settings.verify_ssl:
        urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
    found = client.ApiClient(settings)
    found.user_agent = f"bgp-speakers/{__version__}"
    return found


@contextmanager
def overheard() -> Iterator[list[str]]:
    """What the client logs as an error, such as that a plugin failed, which it would print and go on without."""
    heard: list[str] = []

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            heard.append(" ".join(record.getMessage().split()))

    listener = Listener(logging.ERROR)
    logging.getLogger().addHandler(listener)
    try:
        yield heard
    finally:
        logging.getLogger().removeHandler(listener)
