"""Jobs and records that outlive whoever works on them: leases, deaths (-9), tables that follow their history, backups, retention."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

import pytest

pytest.importorskip("fastapi")

from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import select, update

from assay.dataset.errors import DataError
from assay.serve import keeping, queue, users
from assay.serve.access import SYSTEM
from assay.serve.database import Database
from assay.serve.errors import Conflict
from assay.serve.records import Base, JobRecord, ProjectRecord, ScanRecord, TokenRecord, now
from assay.serve.settings import Settings
from serve_databases import database, new_database, postgres  # noqa: F401  # fixtures
from serve_story import poisoned, team


@pytest.fixture
def db(database: str, tmp_path: Path) -> Database:  # noqa: F811
    held = Database(Settings(tmp_path, database).url)
    held.upgrade()
    return held


def put(db: Database, count: int) -> list[str]:
    with db.write() as session:
        return [queue.put(session, SYSTEM, "scan", f"s{i}", None, {}).id for i in range(count)]


def state(db: Database, job: str) -> JobRecord:
    with db.read() as session:
        return session.get_one(JobRecord, job)


def test_migrations_lead_to_the_tables(db: Database) -> None:
    with db.engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection, opts={"compare_type": True}), Base.metadata) == []
    db.upgrade()
    assert db.current()


def test_a_newer_data_base_is_left_alone(tmp_path: Path) -> None:
    held = Database(Settings(tmp_path).url)
    held.upgrade()
    with held.writer.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    assert not held.current()
    with pytest.raises(DataError, match="revision 9999"):
        held.upgrade()


def test_no_job_is_taken_twice(db: Database) -> None:
    jobs, taken = put(db, 40), []
    mutex = threading.Lock()

    def work(name: str) -> None:
        while True:
            with db.write() as session:
                job = queue.take(session, name)
            if job is None:
                return
            with mutex:
                taken.append(job.id)

    threads = [threading.Thread(target=work, args=(f"w{i}",)) for i in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken) == sorted(jobs)


def test_leases(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    (job,) = put(db, 1)
    with db.write() as session:
        assert queue.take(session, "one") is not None
        assert queue.take(session, "two") is None  # leased
        assert queue.renew(session, job, "one", 0.5, "half")
    assert state(db, job).progress == 0.5
    with db.write() as session:
        session.execute(update(JobRecord).values(lease=now() - 1))
    with db.write() as session:
        assert queue.take(session, "two") is not None  # "one" stopped renewing
        assert not queue.renew(session, job, "one", 0.9, "late")
        assert not queue.end(session, job, "one", "done")  # and what it says no longer counts
        queue.release(session, job, "two")
    assert (state(db, job).state, state(db, job).attempts) == ("queued", 1)
    for _ in range(queue.ATTEMPTS - 1):
        with db.write() as session:
            assert queue.take(session, "three") is not None
            assert queue.abandon(session, "three") == 1
    with db.write() as session:
        assert queue.take(session, "four") is None
    assert state(db, job).state == "failed"
    assert "workers died at it" in str(state(db, job).error)


def test_cancel(db: Database) -> None:
    waiting, running = put(db, 2)
    with db.write() as session:
        assert queue.cancel(session, SYSTEM, waiting).state == "cancelled"
        held = queue.take(session, "one")
        assert held is not None
        assert held.id == running
        assert queue.cancel(session, SYSTEM, running).cancel
        assert not queue.renew(session, running, "one", 0.1, "")
        assert queue.end(session, running, "one", "cancelled")
        with pytest.raises(Conflict):
            queue.cancel(session, SYSTEM, running)


def test_a_session_that_fails_changes_nothing(db: Database) -> None:
    def fail() -> None:
        with db.write() as session:
            session.add(ProjectRecord(name="x", about="", created_by="y"))
            session.flush()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    with db.read() as session:
        assert session.scalar(select(ProjectRecord)) is None


def test_killed_worker(tmp_path: Path) -> None:
    """kill -9 in the middle of a scan: the server puts the job back, another worker goes on, the report is there."""
    with team(tmp_path) as crew:
        service = crew.service
        data = crew.upload(crew.project(), poisoned(1500, 80))
        asked = crew.admin.get(f"/api/v1/datasets/{data}").json()
        scan = crew.admin.post(f"/api/v1/projects/{asked['project_id']}/scans", json={"dataset_id": data, "canaries": False}).json()
        supervisor = service.supervisor
        supervisor.settings = Settings(service.settings.data, workers=1)
        supervisor.start()
        deadline = time.monotonic() + 60
        killed = False
        while time.monotonic() < deadline:
            job = crew.admin.get(f"/api/v1/jobs/{scan['job']['id']}").json()
            if job["state"] == "running" and not killed:
                os.kill(supervisor.pids[0], signal.SIGKILL)
                killed = True
            if job["state"] not in ("queued", "running"):
                break
            time.sleep(0.05)
        assert killed
        held = crew.admin.get(f"/api/v1/scans/{scan['id']}").json()
        assert (held["job"]["state"], held["job"]["attempts"], held["verdict"]) == ("done", 2, "poisoned"), held["job"]
        assert crew.admin.get(f"/api/v1/scans/{scan['id']}/report/json").status_code == 200


def test_backup_from_one_data_base_into_the_other(postgres: str, tmp_path: Path) -> None:  # noqa: F811
    kept = tmp_path / "kept.tar"
    with team(tmp_path / "one") as crew:
        project = crew.project()
        data = crew.upload(project, poisoned(200, 30))
        scan = crew.scan(project, data)
        before = crew.admin.get(f"/api/v1/scans/{scan}").json()
        made = keeping.backup(crew.service.settings, kept)
        with pytest.raises(DataError, match="nothing is overwritten"):
            keeping.backup(crew.service.settings, kept)
        actions = [n["action"] for n in crew.admin.get("/api/v1/audit", params={"limit": 500}).json()]
    other = Settings(tmp_path / "two", new_database(postgres))
    back = keeping.restore(other, kept)
    assert (back.files, back.records) == (made.files, made.records)
    held = Database(other.url)
    with held.write() as session:
        token = users.new_token_for(session, "admin", 1)
    held.close()
    from starlette.testclient import TestClient

    from assay.serve.app import create_app

    app = create_app(Settings(other.data, other.database, workers=0))
    with TestClient(app, base_url="http://127.0.0.1:8337", headers={"authorization": f"Bearer {token}"}) as client:
        assert client.get(f"/api/v1/scans/{scan}").json() == before
        assert client.get(f"/api/v1/datasets/{data}/rows").json()["total"] == 200
        assert [n["action"] for n in client.get("/api/v1/audit", params={"limit": 500}).json()][1:] == actions


def test_a_backup_that_was_changed_is_refused(tmp_path: Path) -> None:
    kept = tmp_path / "kept.tar"
    with team(tmp_path / "one") as crew:
        crew.upload(crew.project(), "text,label\nunmistakable,x\nb,y\n")
        keeping.backup(crew.service.settings, kept)
    kept.write_bytes(kept.read_bytes().replace(b"unmistakable", b"indifferent!"))
    with pytest.raises(DataError, match="is not as it was written"):
        keeping.restore(Settings(tmp_path / "two"), kept)
    assert list((tmp_path / "two").iterdir()) == []


def test_retention(tmp_path: Path) -> None:
    with team(tmp_path) as crew:
        project = crew.project()
        data = crew.upload(project, poisoned(200, 30))
        old, used, new = (crew.scan(project, data) for _ in range(3))
        crew.admin.post(f"/api/v1/projects/{project}/incidents", json={"title": "t", "scan_id": used})
        database = crew.service.database
        with database.write() as session:
            for id in (old, used):
                job = session.get_one(ScanRecord, id).job_id
                session.execute(update(JobRecord).where(JobRecord.id == job).values(ended=now() - 40 * keeping.DAY))
            session.execute(update(TokenRecord).where(TokenRecord.name == "x").values(expires=0))
        assert keeping.retain(database, crew.service.files).scans == 0  # nobody said how long
        assert keeping.retain(database, crew.service.files, 30, dry_run=True).scans == 1
        assert crew.admin.get(f"/api/v1/scans/{old}").status_code == 200
        assert crew.admin.patch(f"/api/v1/projects/{project}", json={"keep_days": 30}).status_code == 200
        assert keeping.retain(database, crew.service.files).scans == 1
        assert crew.admin.get(f"/api/v1/scans/{old}").status_code == 404
        assert not crew.service.files.scan(project, old).exists()
        for id in (used, new):
            assert crew.admin.get(f"/api/v1/scans/{id}/findings").status_code == 200
