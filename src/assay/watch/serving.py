"""What serves, told of every move: MLflow's registry by its aliases, or a command.

The history of moves is kept here (`assay.watch.models`); what serves is brought in line with it (`assay.watch.rollback.tell`), as often
as one likes, and again after any failure.

    mlflow:http://registry:5000/spam-filter      the registered model "spam-filter"; versions have MLflow's numbers for names
    command:/usr/local/bin/switch --now          run with ASSAY_ALIAS, ASSAY_VERSION and ASSAY_DIGEST in its environment

MLflow is spoken to over its REST interface (2.0, as MLflow 2.3 and later serve it): its package is not needed here. What this cannot
see: whether the machines that serve have loaded what the alias means by now; that is theirs to say.
"""

from __future__ import annotations

import http.client
import json
import os
import ssl
import subprocess
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import unquote, urlencode, urlsplit

from assay.dataset.errors import DataError
from assay.watch.audits import words_of
from assay.watch.models import Models

TIMEOUT = 30.0  # seconds for an answer of the registry: it may have to wait for its database
PATIENCE = 300.0  # seconds for a command: it may restart a service
LARGEST = 16 * 2**20  # bytes of an answer
PAGE = 1000  # versions asked for at once
USER, PASSWORD, TOKEN = "MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN"  # as MLflow's own clients read them


class Serving(Protocol):
    """Something that serves a model by an alias."""

    def current(self, alias: str) -> str | None:
        """The version that serves by this alias; None where there is none, or it cannot say."""

    def point(self, alias: str, version: str, digest: str) -> None:
        """Let this version serve. Raises OSError where that did not succeed: nothing is known then."""


def serving(said: str, environment: Mapping[str, str] = os.environ) -> Serving:
    """What `mlflow:URL/MODEL` or `command:PROGRAM ARGUMENTS` names. Raises DataError for anything else.

    >>> serving("mlflow:http://localhost:5000/spam%20filter").model
    'spam filter'
    """
    kind, _, rest = said.partition(":")
    if kind == "mlflow":
        base, _, model = rest.rpartition("/")
        parts = urlsplit(base)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username is not None or not model:
            raise DataError(f"{said!r} names no registered model", remedy="give mlflow:http://HOST:PORT/MODEL")
        return MLflow(base, unquote(model), _credentials(environment))
    if kind == "command" and (words := words_of(rest)):
        return Command(words)
    raise DataError(f"{said!r} names nothing that serves", remedy="give mlflow:http://HOST:PORT/MODEL or command:PROGRAM")


def _credentials(environment: Mapping[str, str]) -> str | None:
    if token := environment.get(TOKEN):
        return f"Bearer {token}"
    if user := environment.get(USER):
        return "Basic " + b64encode(f"{user}:{environment.get(PASSWORD, '')}".encode()).decode()
    return None


@dataclass(frozen=True)
class Command:
    """A program that switches what serves. It is run without a shell, and told by its environment."""

    arguments: tuple[str, ...]

    def current(self, alias: str) -> str | None:
        """A command cannot say: the history says whether it was told."""
        return None

    def point(self, alias: str, version: str, digest: str) -> None:
        """Run it. Raises OSError where it cannot be run, takes too long, or fails."""
        told = {"ASSAY_ALIAS": alias, "ASSAY_VERSION": version, "ASSAY_DIGEST": digest}
        try:
            done = subprocess.run(self.arguments, env={**os.environ, **told}, capture_output=True, timeout=PATIENCE, check=False)
        except subprocess.TimeoutExpired as error:
            raise OSError(f"{self.arguments[0]} took more than {PATIENCE:.0f} seconds") from error
        if done.returncode:
            said = done.stderr.decode(errors="replace").strip()[-500:]
            raise OSError(f"{self.arguments[0]} failed with {done.returncode}" + (f": {said}" if said else ""))


@dataclass(frozen=True, repr=False)
class MLflow:
    """One registered model of an MLflow registry, by its REST interface."""

    base: str  # http://host:port, with the path in front of /api, if there is one
    model: str
    credentials: str | None = None

    def current(self, alias: str) -> str | None:
        """The number of the version that the alias means."""
        found = self._call("GET", "registered-models/alias", {"name": self.model, "alias": alias}, absent=None)
        return None if found is None else str(found["model_version"]["version"])

    def point(self, alias: str, version: str, digest: str) -> None:
        """Move the alias, and read it back: what the registry then says is what counts."""
        self._call("POST", "registered-models/alias", {"name": self.model, "alias": alias, "version": version})
        if (now := self.current(alias)) != version:
            raise OSError(f"{self.base} was asked to let {alias!r} mean version {version}, and says {now}")

    def versions(self) -> list[dict[str, Any]]:
        """Every version of the model, as MLflow describes it: "version", "source", "run_id", "aliases" among others."""
        found: list[dict[str, Any]] = []
        token = ""
        while True:
            name = self.model.replace("'", "\\'")
            more = {"page_token": token} if token else {}
            page = self._call("GET", "model-versions/search", {"filter": f"name='{name}'", "max_results": str(PAGE), **more})
            found += page.get("model_versions", [])
            token = page.get("next_page_token", "")
            if not token:
                return sorted(found, key=lambda v: int(v["version"]))

    def aliases(self) -> dict[str, str]:
        """What each alias means. Raises OSError where there is no such model."""
        held = self._call("GET", "registered-models/get", {"name": self.model})["registered_model"].get("aliases", [])
        return {str(a["alias"]): str(a["version"]) for a in held}

    def _call(self, method: str, path: str, said: Mapping[str, str], absent: Any = ...) -> Any:
        """The answer; `absent` where the registry says that there is no such thing."""
        parts = urlsplit(self.base)
        assert parts.hostname is not None
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        more: dict[str, Any] = {"context": ssl.create_default_context()} if parts.scheme == "https" else {}
        connection = kind(parts.hostname, parts.port, timeout=TIMEOUT, **more)
        target = f"{parts.path}/api/2.0/mlflow/{path}" + (f"?{urlencode(said)}" if method == "GET" else "")
        headers = {"Content-Type": "application/json"} | ({"Authorization": self.credentials} if self.credentials else {})
        try:
            connection.request(method, target, None if method == "GET" else json.dumps(said).encode(), headers)
            answer = connection.getresponse()
            content = answer.read(LARGEST)
        except http.client.HTTPException as error:
            raise OSError(f"{self.base} gave no HTTP answer: {error}") from error
        finally:
            connection.close()
        return self._read(answer.status, content, path, absent)

    def _read(self, status: int, content: bytes, path: str, absent: Any) -> Any:
        try:
            found = json.loads(content)
        except ValueError as error:
            raise OSError(f"{self.base} answered {status} to {path}, and not in JSON: is it an MLflow registry?") from error
        if status == 200:
            return found
        code, message = found.get("error_code"), str(found.get("message", ""))[:300]
        missing = code == "RESOURCE_DOES_NOT_EXIST" or (code == "INVALID_PARAMETER_VALUE" and "alias" in message and "not found" in message)
        if absent is not ... and missing:
            return absent
        raise OSError(f"{self.base} answered {status} to {path}: {code}: {message}")


def take_over(models: Models, registry: MLflow, by: str) -> list[str]:
    """Write into the history what the registry holds and the history does not: versions, and moves of aliases made elsewhere; in words.

    MLflow keeps no history of aliases; run often, this is one.
    """
    done = []
    for version in registry.versions():
        name = str(version["version"])
        if name not in models.versions:
            models.add(name, note=f"MLflow, {registry.model}: {version.get('source') or 'no source'}", by=by)
            done.append(f"version {name} is new")
    for alias, name in sorted(registry.aliases().items()):
        now = models.current(alias)
        if now == name:
            continue
        if models.versions[name].withdrawn:
            done.append(f"{alias} means {name} there, which was withdrawn: put it right with assay watch models tell")
            continue
        models.point(alias, name, by, "moved in MLflow")
        done.append(f"{alias} was moved there from {now or 'nothing'} to {name}")
    return done
