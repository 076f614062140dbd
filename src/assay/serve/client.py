"""A typed client: the same shapes as the service's, over HTTP.

with Client("http://127.0.0.1:8337", token) as assay:
    project = assay.project("films")
    data = assay.upload(project.id, Path("reviews.csv"))
    scan = assay.finish(assay.scan(project.id, data.id))
    for finding in assay.findings(scan.id): ...
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import httpx2
from pydantic import BaseModel, TypeAdapter

from assay.dataset.errors import DataError
from assay.serve.files import pack
from assay.serve.shapes import (
    ColumnNames,
    Dataset,
    Finding,
    Incident,
    Job,
    Judgement,
    Me,
    Model,
    Monitor,
    NewIncident,
    NewMonitor,
    NewMove,
    NewProject,
    NewRemediation,
    NewScan,
    Page,
    Project,
    Registry,
    Remediation,
    Rows,
    Scan,
    Taken,
)

Shape = TypeVar("Shape", bound=BaseModel)
Follow = Callable[[Job], None]

TOKEN = "ASSAY_TOKEN"  # environment
PATIENCE = 60.0  # seconds for one answer
TRIES = 4  # of a request that may be sent twice
CHUNK = 1 << 20


class Refusal(DataError):
    """What the service did not grant. `status` and `kind` as it said them."""

    def __init__(self, status: int, kind: str, detail: str, remedy: str | None) -> None:
        self.status, self.kind = status, kind
        super().__init__(detail, path=f"the service ({status})", remedy=remedy)


class Client:
    """Talks to one service. Use as a context manager, or `close`."""

    def __init__(self, server: str, token: str | None = None, http: Any = None) -> None:
        """`token`: by default what the environment's ASSAY_TOKEN holds. `http`: another httpx client, for tests.

        Raises DataError without a token, or where it would go over a network in the clear.
        """
        url = httpx2.URL(server)
        if url.scheme not in ("http", "https"):
            raise DataError(f"{server!r} is no http or https URL", remedy="give --server https://assay.example.com")
        if url.scheme == "http" and url.host not in ("127.0.0.1", "localhost", "::1"):
            raise DataError(f"a token would go to {url.host} in the clear", remedy="give an https URL")
        token = token or os.environ.get(TOKEN)
        if not token:
            raise DataError("the service asks for a token", remedy=f"set {TOKEN}, or make one: POST /api/v1/me/tokens")
        headers = {"authorization": f"Bearer {token}", "user-agent": "assay"}
        self._http = http or httpx2.Client(base_url=server.rstrip("/"), timeout=PATIENCE, follow_redirects=False)
        self._http.headers.update(headers)

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        self._http.close()

    def me(self) -> Me:
        return self._get("/api/v1/me", Me)

    # projects

    def projects(self) -> Iterator[Project]:
        """All of them, the newest first."""
        return self._all("/api/v1/projects", Project)

    def project(self, name: str) -> Project:
        """The project of that name; made where there is none."""
        found = next((project for project in self.projects() if project.name == name), None)
        return found or self._post("/api/v1/projects", NewProject(name=name), Project)

    # data sets

    def upload(self, project: str, path: Path, columns: ColumnNames | None = None, name: str | None = None) -> Dataset:
        """Send a file, or a folder as an archive of it. The next version of the data set of that name; `name`: the file's by default."""
        if not path.exists():
            raise DataError("there is no such file or folder", path=path, remedy="check the path")
        if path.is_dir():
            with tempfile.TemporaryDirectory() as scratch:
                packed = Path(scratch) / f"{path.resolve().name}.zip"
                pack(path, packed)
                return self._upload(project, packed, columns or ColumnNames(), name or path.resolve().name)
        return self._upload(project, path, columns or ColumnNames(), name)

    def _upload(self, project: str, path: Path, columns: ColumnNames, name: str | None) -> Dataset:
        asked = {k: v for k, v in columns.model_dump().items() if v}
        params: dict[str, Any] = {"file": path.name, **asked, **({"name": name} if name else {})}
        with path.open("rb") as file:
            chunks = iter(lambda: file.read(CHUNK), b"")
            answer = self._http.post(
                f"/api/v1/projects/{project}/datasets",
                params=params,
                content=chunks,
                headers={"content-type": "application/octet-stream", "content-length": str(path.stat().st_size)},
                timeout=None,
            )
        return self._shape(answer, Dataset)

    def datasets(self, project: str) -> Iterator[Dataset]:
        return self._all(f"/api/v1/projects/{project}/datasets", Dataset)

    def dataset(self, id: str) -> Dataset:
        return self._get(f"/api/v1/datasets/{id}", Dataset)

    def rows(self, dataset: str, offset: int = 0, limit: int = 50, scan: str | None = None) -> Rows:
        return self._get(f"/api/v1/datasets/{dataset}/rows", Rows, offset=offset, limit=limit, scan=scan)

    # scans

    def scan(self, project: str, dataset: str, **settings: Any) -> Scan:
        """Queue a scan (`assay.serve.shapes.NewScan`)."""
        return self._post(f"/api/v1/projects/{project}/scans", NewScan(dataset_id=dataset, **settings), Scan)

    def get_scan(self, id: str) -> Scan:
        return self._get(f"/api/v1/scans/{id}", Scan)

    def cancel(self, scan: str) -> Scan:
        return self._shape(self._http.post(f"/api/v1/scans/{scan}/cancel"), Scan)

    def finish(self, scan: Scan, progress: Follow | None = None) -> Scan:
        """Wait until a scan has ended. Raises DataError where it failed or was cancelled."""
        job = self.follow(scan.job.id, progress)
        if job.state != "done":
            raise DataError(job.error or f"the scan was {job.state}", path=f"scan {scan.id}")
        return self.get_scan(scan.id)

    def follow(self, job: str, progress: Follow | None = None) -> Job:
        """The job once it has ended. `progress` is called whenever it changes; a stream that breaks off is taken up again."""
        tries = 0
        while True:
            try:
                for found in self._events(job):
                    tries = 0
                    if progress is not None:
                        progress(found)
                    if found.state not in ("queued", "running"):
                        return found
            except httpx2.TransportError:
                tries += 1
                if tries >= TRIES:
                    raise
            time.sleep(0.5 * 2**tries)

    def _events(self, job: str) -> Iterator[Job]:
        with self._http.stream("GET", f"/api/v1/jobs/{job}/progress", timeout=PATIENCE) as answer:
            if answer.status_code != 200:
                answer.read()
                raise _refusal(answer)
            for line in answer.iter_lines():
                if line.startswith("data: "):
                    yield Job.model_validate_json(line[6:])

    def findings(self, scan: str) -> list[Finding]:
        return self._list(f"/api/v1/scans/{scan}/findings", Finding)

    def report(self, scan: str, out: Path, parts: Sequence[str] = ("json", "rows", "html", "sarif")) -> Path:
        """Write a scan's report into the new folder `out`, as `assay scan` would have; `assay clean`, `explain` and the rest take it."""
        names = {"json": "report.json", "rows": "rows.parquet", "html": "report.html", "sarif": "report.sarif"}
        out.mkdir(parents=True, exist_ok=True)
        for part in parts:
            answer = self._http.get(f"/api/v1/scans/{scan}/report/{part}")
            if answer.status_code != 200:
                raise _refusal(answer)
            (out / names[part]).write_bytes(answer.content)
        return out

    # models and monitors

    def upload_model(self, project: str, path: Path, name: str | None = None) -> Model:
        params = {"file": path.name, **({"name": name} if name else {})}
        with path.open("rb") as file:
            chunks = iter(lambda: file.read(CHUNK), b"")
            answer = self._http.post(f"/api/v1/projects/{project}/models", params=params, content=chunks, timeout=None)
        return self._shape(answer, Model)

    def model(self, id: str) -> Model:
        return self._get(f"/api/v1/models/{id}", Model)

    def monitor(self, project: str, new: NewMonitor) -> Monitor:
        return self._post(f"/api/v1/projects/{project}/monitors", new, Monitor)

    def send(self, monitor: str, events: Sequence[Mapping[str, Any]], name: str) -> Taken:
        """A batch of events. It counts once, so that one that may or may not have arrived is sent again."""
        body = {"events": list(events), "name": name}
        for tries in range(TRIES):
            try:
                answer = self._http.post(f"/api/v1/monitors/{monitor}/events", json=body)
            except httpx2.TransportError:
                if tries + 1 == TRIES:
                    raise
            else:
                if answer.status_code not in (429, 503) or tries + 1 == TRIES:
                    return self._shape(answer, Taken)
            time.sleep(0.5 * 2**tries)
        raise AssertionError("unreachable")

    # which model serves, incidents and what puts them right

    def registry(self, project: str) -> Registry:
        """Aliases, the versions that they may mean, and their moves."""
        return self._get(f"/api/v1/projects/{project}/aliases", Registry)

    def judge(self, model: str, judgement: Judgement) -> Registry:
        return self._post(f"/api/v1/models/{model}/judgements", judgement, Registry)

    def point(self, project: str, alias: str, move: NewMove) -> Registry:
        answer = self._http.put(f"/api/v1/projects/{project}/aliases/{alias}", json=move.model_dump(mode="json"))
        return self._shape(answer, Registry)

    def open_incident(self, project: str, new: NewIncident) -> Incident:
        return self._post(f"/api/v1/projects/{project}/incidents", new, Incident)

    def incident(self, id: str) -> Incident:
        return self._get(f"/api/v1/incidents/{id}", Incident)

    def remediate(self, incident: str, new: NewRemediation, progress: Follow | None = None) -> Remediation:
        """Ask for it, and wait. Look at `state`: one that stopped goes on with `resume`; `undo` takes it back."""
        return self._ended(self._post(f"/api/v1/incidents/{incident}/remediations", new, Remediation), progress)

    def resume(self, remediation: str, progress: Follow | None = None) -> Remediation:
        return self._ended(self._shape(self._http.post(f"/api/v1/remediations/{remediation}/resume"), Remediation), progress)

    def undo(self, remediation: str, progress: Follow | None = None) -> Remediation:
        """Take every step back, and wait."""
        return self._ended(self._shape(self._http.post(f"/api/v1/remediations/{remediation}/undo"), Remediation), progress)

    def _ended(self, asked: Remediation, progress: Follow | None) -> Remediation:
        if asked.job is not None:
            self.follow(asked.job.id, progress)
        return self._get(f"/api/v1/remediations/{asked.id}", Remediation)

    # plumbing

    def _get(self, path: str, shape: type[Shape], **params: Any) -> Shape:
        return self._shape(self._http.get(path, params={k: v for k, v in params.items() if v is not None}), shape)

    def _post(self, path: str, body: BaseModel, shape: type[Shape]) -> Shape:
        return self._shape(self._http.post(path, json=body.model_dump(mode="json")), shape)

    def _list(self, path: str, shape: type[Shape]) -> list[Shape]:
        answer = self._http.get(path)
        if answer.status_code >= 300:
            raise _refusal(answer)
        return TypeAdapter(list[shape]).validate_json(answer.content)  # type: ignore[valid-type]  # a shape is a type

    def _all(self, path: str, shape: type[Shape]) -> Iterator[Shape]:
        after: str | None = None
        while True:
            page = self._get(path, Page[shape], limit=200, after=after)  # type: ignore[valid-type]  # a shape is a type
            yield from page.items
            after = page.after
            if after is None:
                return

    def _shape(self, answer: Any, shape: type[Shape]) -> Shape:
        if answer.status_code >= 300:
            raise _refusal(answer)
        return shape.model_validate_json(answer.content)


def _refusal(answer: Any) -> Refusal:
    try:
        said = json.loads(answer.content)
        return Refusal(answer.status_code, said["kind"], said["detail"], said.get("remedy"))
    except (ValueError, KeyError, TypeError):
        return Refusal(answer.status_code, "unknown", "no answer of Assay's", "check the address")
