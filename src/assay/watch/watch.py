"""A watch: a folder in which a deployed model is watched."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from assay.dataset.errors import DataError
from assay.dataset.rows import UInt8
from assay.watch.absent import Absent
from assay.watch.alerts import Alert, Alerts, Severity, Silence, State
from assay.watch.baseline import Baseline
from assay.watch.beside import MANY, beside
from assay.watch.cells import CellCounts
from assay.watch.checks import check_columns, check_text
from assay.watch.dates import Dates
from assay.watch.events import Batch, Floats, kept_batch, read_batch, table_of
from assay.watch.frames import Names, of_frame, to_frame
from assay.watch.items import Usual, words_of
from assay.watch.journal import COMMAND, EVENTS, Arrays, Journal, replace_whole
from assay.watch.memory import Memory
from assay.watch.pictures import AskPictures, Gallery, UsualPictures
from assay.watch.search import HOLDS, MATCHES, USUAL, item_of, keep, matched, patches, triggers
from assay.watch.sinks import Send
from assay.watch.slices import Ints
from assay.watch.status import Status, status_of
from assay.watch.telling import of_alarm, of_known, of_suspect
from assay.watch.trials import Result, Trials
from assay.watch.triggers import Ask, Known, Miner, Suspect
from assay.watch.waiting import Waiting, unpacked

FILE = "baseline.json"


class Watch:
    """Takes events, remembers what it must, tells what has changed. One process at a time; use as a context manager.

    >>> import tempfile
    >>> from assay.watch.baseline import learn
    >>> from assay.watch.fields import Fields
    >>> rng = np.random.default_rng(0)
    >>> def traffic(n, wrong):
    ...     said = rng.integers(0, 2, n)
    ...     return {"prediction": said, "label": np.where(rng.random(n) < wrong, 1 - said, said)}
    >>> folder = Path(tempfile.mkdtemp()) / "spam-filter"
    >>> with Watch.create(folder, learn(traffic(2000, 0.05), Fields())) as watch:
    ...     quiet = watch.ingest(traffic(1000, 0.05))
    ...     [alert.title for alert in watch.ingest(traffic(500, 0.20))]
    ['the rate of errors is rising in all traffic: 0.178, where the trusted period had 0.0575']
    """

    def __init__(
        self, folder: Path, baseline: Baseline, journal: Journal, ask: Ask | None = None, ask_pictures: AskPictures | None = None
    ) -> None:
        """Prefer `create` and `open`. `ask` and `ask_pictures` are the live model, for trials of unknown triggers."""
        self.folder, self.baseline = folder, baseline
        self._known, self._miner, self._gallery = triggers(folder, baseline)
        self._words = (folder / USUAL).exists()  # whether words and cells are searched
        self._cells: CellCounts | None = None
        if self._words and self._miner is not None and baseline.fields.features:
            self._cells = CellCounts(self._miner.usual, baseline.fields.features)
        self._trials = Trials(ask, ask_pictures)
        self._journal = journal
        self._detectors = baseline.detectors()
        self._memories = baseline.measures.memories()
        self._alerts = Alerts()
        self._pending = Waiting()
        self._names = Names()
        self._absent = Absent(baseline)
        self._counts = {"labels": 0, "given_up": 0, "orphans": 0}
        self._dates = Dates()
        self._sure = np.zeros(0 if (estimate := baseline.measures.estimate) is None else len(estimate.low))
        if (held := journal.restore()) is not None:
            self._restore(*held)
        journal.replay(self._apply)

    @classmethod
    def create(
        cls,
        folder: Path,
        baseline: Baseline,
        *,
        usual: Usual | None = None,
        known: Known | None = None,
        ask: Ask | None = None,
        usual_pictures: UsualPictures | None = None,
        ask_pictures: AskPictures | None = None,
    ) -> Watch:
        """Make the folder. `usual` and `usual_pictures` turn on the search for unknown triggers, `known` are those to be met. Raises
        DataError where something is there already."""
        if folder.exists() and any(folder.iterdir()):
            raise DataError("is there already, and nothing is overwritten", path=folder, remedy="give another folder")
        folder.mkdir(parents=True, exist_ok=True)
        replace_whole(folder / FILE, json.dumps(baseline.to_json(), allow_nan=False).encode())
        keep(folder, usual, known, usual_pictures)
        return cls.open(folder, ask, ask_pictures=ask_pictures)

    @classmethod
    def open(cls, folder: Path, ask: Ask | None = None, *, read_only: bool = False, ask_pictures: AskPictures | None = None) -> Watch:
        """Open it, and go on where it stopped, however it stopped; `read_only` beside a process that writes."""
        path = folder / FILE
        if not path.exists():
            raise DataError("is no watch: baseline.json is not there", path=folder, remedy="make one with assay watch init")
        baseline = Baseline.read(path)
        journal = Journal(folder, read_only)
        try:
            return cls(folder, baseline, journal, ask, ask_pictures)
        except BaseException:  # whoever mends the folder can open it
            journal.close()
            raise

    def ingest(self, events: Any, images: UInt8 | None = None, *, name: str | None = None) -> list[Alert]:
        """Take a batch of events (`assay.watch.events.read_batch`); the alerts that are to be sent. When this returns, they are on disk.

        `images` (n, h, w, c) are looked at for known artefacts and what they share, and not journalled. A batch whose `name` was taken
        before is passed over, so that who does not know whether it arrived may send it again.
        """
        if name is not None and check_text(name) in self._names:
            return []
        table = table_of(events)
        if images is not None and len(images) != table.num_rows:
            raise DataError(f"{len(images)} pictures for {table.num_rows} events", remedy="give one picture an event")
        check_columns(table, self.baseline.fields)
        batch = read_batch(matched(table, images, self._known, self._miner), self.baseline.fields)
        if not len(batch):
            raise DataError("a batch without events", remedy="give each event its columns")
        x, codes = self._judged(batch)  # what is wrong with a batch is found before it is acknowledged
        fired: list[Alert] = []

        def write() -> None:
            self._journal.append(EVENTS, to_frame(batch.table, name))

        # Detectors move while the disk writes. Where it cannot, nothing more is taken: see `broken`.
        try:
            beside(lambda: fired.extend(self._events(batch, x, codes, name)), write, len(batch) >= MANY)
        except BaseException:  # stopped half-way: what is here is not what is on disk
            self._journal.failed = True
            raise
        if self._miner is not None:
            fired += self._tried(self._trials.of_items(self._miner, self.baseline.fields, batch.table))
        if self._gallery is not None and self._miner is not None and images is not None:
            fired += self._look(self._gallery, self._miner, images, batch.prediction)
        if self._journal.due:
            self.snapshot()
        return fired

    def judge(self, events: Any) -> None:
        """Raises DataError where `ingest` would refuse these events; takes nothing."""
        self._judged(read_batch(events, self.baseline.fields))

    def answer(self, number: int, state: State, by: str, note: str = "") -> Alert:
        """Acknowledge an alert, close it, or open it again."""
        if number not in self._alerts.alerts:
            raise DataError(f"there is no alert {number}", remedy="assay watch alerts lists them")
        self._command({"do": "answer", "number": number, "state": state, "by": by, "note": note})
        return self._alerts.alerts[number]

    def raise_alert(self, key: str, severity: Severity, title: str, evidence: Mapping[str, Any]) -> list[Alert]:
        """An alert that comes from elsewhere (an audit): one a cause, as all are; what is to be sent."""
        return self._command({"do": "alert", "key": key, "severity": severity, "title": title, "evidence": dict(evidence)})

    def silence(self, pattern: str, predictions: int, by: str, reason: str) -> Silence:
        """Send nothing about causes that match, for so many predictions; they are still recorded."""
        silence = {"pattern": pattern, "until": self._detectors.clock + predictions, "by": by, "reason": reason}
        self._command({"do": "silence", **silence})
        return self._alerts.silences[-1]

    def deliver(self, sinks: Mapping[str, Send]) -> dict[str, str]:
        """Give every sink what it has not taken yet, in order; {sink: what went wrong}. What a sink did not take it is
        given next time: each alert arrives at least once."""
        failed: dict[str, str] = {}
        for name, send in sinks.items():
            for number, alert in self._alerts.unsent(name):
                try:
                    send(alert)
                except (OSError, DataError) as error:
                    failed[name] = str(error)
                    break
                self._command({"do": "sent", "sink": name, "number": number})
        return failed

    def unsent(self, sink: str) -> list[tuple[int, Alert]]:
        """What a sink has not taken yet, in order: for who sends without holding the watch meanwhile (`deliver` holds it)."""
        return self._alerts.unsent(sink)

    def mark_sent(self, sink: str, number: int) -> None:
        """A sink has taken everything up to this number of `unsent`."""
        self._command({"do": "sent", "sink": sink, "number": number})

    @property
    def broken(self) -> bool:
        """Whether a batch could not be written: it is in the state here and was not acknowledged.

        Nothing more is taken until the watch is opened again, and knows only what was acknowledged.
        """
        return self._journal.failed

    @property
    def silences(self) -> list[Silence]:
        """Every silence that is remembered, those that are over too."""
        return list(self._alerts.silences)

    @property
    def alerts(self) -> list[Alert]:
        """Every alert that is remembered, the oldest first."""
        return list(self._alerts.alerts.values())

    def journalled(self) -> Iterator[pa.Table]:
        """The batches that the journal still holds, as they were kept: those since the last snapshot."""
        return (of_frame(payload)[0] for kind, payload in self._journal.held() if kind == EVENTS)

    def status(self, most: int = 10) -> Status:
        """Where it stands, with the `most` strongest streams."""
        return status_of(
            self.baseline, self._detectors, self._sure, self._counts, len(self._pending), self.alerts, self._absent.told(), most
        )

    def snapshot(self) -> None:
        """Write the state, so that the next start need not replay the journal."""
        d = self._detectors
        arrays: Arrays = {"state": d.state, "last": d.last, "total": d.total, "count": d.count, "sure": self._sure}
        arrays |= {f"cycle{i}": memory.packed() for i, memory in enumerate(self._memories.values())}
        if self._cells is not None:
            arrays |= self._cells.held()
        meta = {
            "miner": None if self._miner is None else self._miner.to_json(),
            "baseline": self.baseline.digest,
            "clock": d.clock,
            "names": list(self._names),
            "counts": self._counts,
            "absent": [self._absent.runs, self._absent.longest],
            "times": self._dates.last,
            "alerts": self._alerts.to_json(),
            "pending": self._pending.to_json(),
        }
        self._journal.snapshot(arrays, meta)

    def close(self) -> None:
        """Let go of the folder; nothing is lost without it."""
        self._journal.close()

    def __enter__(self) -> Watch:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _restore(self, arrays: Mapping[str, Any], meta: Mapping[str, Any]) -> None:
        if meta["baseline"] != self.baseline.digest:
            raise DataError("the snapshot is of another baseline", path=self.folder, remedy="make a new watch for a new baseline")
        d = self._detectors
        d.clock, d.state, d.last, d.total, d.count = int(meta["clock"]), arrays["state"], arrays["last"], arrays["total"], arrays["count"]
        self._sure = arrays["sure"]
        self._memories = {name: Memory.of(arrays[f"cycle{i}"]) for i, name in enumerate(self._memories)}
        self._names = Names(dict.fromkeys(meta["names"]))
        self._counts = dict(meta["counts"])
        self._absent = Absent(self.baseline, *meta.get("absent", ()))
        before = [] if meta.get("time") is None else [meta["time"]]  # of a snapshot by an earlier version: the last event's alone
        self._dates = Dates(meta.get("times", before))
        self._alerts = Alerts.from_json(meta["alerts"])
        if self._miner is not None and meta["miner"] is not None:
            self._miner.restore(meta["miner"])
        if self._cells is not None and "cells" in arrays:
            self._cells.restore(arrays)
        self._pending.restore(meta["pending"])

    def _apply(self, kind: int, payload: bytes) -> None:
        if kind == EVENTS:
            table, name = of_frame(payload)
            batch = kept_batch(table, self.baseline.fields)
            self._events(batch, *self._judged(batch), name)
        else:
            self._obey(json.loads(payload))

    def _command(self, command: Mapping[str, Any]) -> list[Alert]:
        self._journal.append(COMMAND, json.dumps(command).encode())
        return self._obey(command)

    def _obey(self, command: Mapping[str, Any]) -> list[Alert]:
        rest = {name: v for name, v in command.items() if name != "do"}
        if command["do"] == "answer":
            self._alerts.answer(**rest)
        elif command["do"] == "silence":
            self._alerts.silence(Silence(**rest))
        elif command["do"] == "alert":
            return self._alert(**rest, clock=self._detectors.clock, time=self._dates.now())
        elif command["do"] == "sent":
            self._alerts.sent[rest["sink"]] = rest["number"]
        elif command["do"] == "picture" and self._miner is not None:
            self._miner.nominate(**{**rest, "item": tuple(rest["item"])}, clock=self._detectors.clock)
        elif self._miner is not None and (named := self._miner.tried(**rest)) is not None:
            return self._name(named, self._detectors.clock, self._dates.now())
        return []

    def _judged(self, batch: Batch) -> tuple[Floats, Ints]:
        """The measures and the slices of each event. Raises DataError where columns are not what the baseline saw."""
        return self.baseline.measures.encode(batch), self.baseline.slices.codes(batch)

    def _events(self, batch: Batch, x: Floats, codes: Ints, name: str | None) -> list[Alert]:
        measures = self.baseline.measures
        measures.follow(x, batch, self._memories)
        self._names.add(name)
        self._absent.see(batch)
        self._dates.take(batch.time)
        ticks = np.array([p is not None for p in batch.prediction], np.int64)
        clock = self._detectors.clock + np.cumsum(ticks)
        if measures.estimate is not None:
            self._sure = measures.estimate.fade(self._sure, batch.confidence[ticks > 0])
        held: list[tuple[int, ...]] = [()] * len(batch)
        fired = self._met(batch, clock)
        if self._gallery is not None and HOLDS in batch.table.column_names:
            held = [tuple(numbers or ()) for numbers in batch.column(HOLDS).to_pylist()]
        if self._miner is not None and self._words:
            items = words_of(batch, self.baseline.fields)
            if self._cells is not None:
                items = [words | cells for words, cells in zip(items, self._cells.see(batch), strict=True)]
            self._miner.see(items, batch.prediction, int(clock[-1]))
            held = [before + self._miner.held(row) for before, row in zip(held, items, strict=True)]
        fired += self._join(batch, x, codes, held, clock)
        return fired + [
            alert
            for alarm in self._detectors.update(x, codes, ticks)
            for alert in self._alert(*of_alarm(self.baseline, alarm), alarm.clock, self._dates.at(alarm.event))
        ]

    def _join(self, batch: Batch, x: Any, codes: Any, held: list[tuple[int, ...]], clock: Any) -> list[Alert]:
        """Late labels meet their predictions: their outcome and slices are filled in, in the order in which the labels came."""
        fired: list[Alert] = []
        self._counts["labels"] += len(batch) - batch.label.count(None)
        if None not in batch.label and None not in batch.prediction and not any(held):
            return fired  # by far the most: predictions with their labels, and nothing suspicious in them
        for i, (name, said, label) in enumerate(zip(batch.id, batch.prediction, batch.label, strict=True)):
            if said is not None and label is not None and not held[i]:
                continue
            if said is None and name is not None:
                before = self._pending.pop(name, None)
                if before is None:
                    self._counts["orphans"] += 1
                    continue
                if self.baseline.measures.labelled:
                    sure, of = unpacked(before[1])
                    outcome = self.baseline.measures.outcome([before[0]], [label], np.array([sure]))
                    x[i, : outcome.shape[1]], codes[i] = outcome[0], of
                fired += self._outcomes(before[2], before[0] != label, int(clock[i]), i)
            elif label is None and name is not None and said is not None:
                self._counts["given_up"] += self._pending.wait(name, said, float(batch.confidence[i]), codes[i], held[i])
            elif label is not None:
                fired += self._outcomes(held[i], said != label, int(clock[i]), i)
        return fired

    def _outcomes(self, held: tuple[int, ...], wrong: bool, clock: int, event: int) -> list[Alert]:
        """Count a label for each nominee that its event held."""
        if self._miner is None:
            return []
        named = [self._miner.outcome(number, wrong) for number in held]
        return [alert for suspect in named if suspect is not None for alert in self._name(suspect, clock, self._dates.at(event))]

    def _met(self, batch: Batch, clock: Any) -> list[Alert]:
        fired: list[Alert] = []
        if self._known is None or MATCHES not in batch.table.column_names:
            return fired
        for i, numbers in enumerate(batch.column(MATCHES).to_pylist()):
            for number in numbers or ():
                told = of_known(self._known, number, batch.id[i], batch.prediction[i])
                fired += self._alert(*told, int(clock[i]), self._dates.at(i))
        return fired

    def _look(self, gallery: Gallery, miner: Miner, images: UInt8, said: list[str | None]) -> list[Alert]:
        """Count pictures; nominate what those on the rise share, and put it on trial. Both are journalled: a replay sees no pictures."""
        for found in gallery.see(images, said, list(patches(miner).values())):
            item = list(item_of(found))
            self._command({"do": "picture", "item": item, "target": found.target, "carriers": found.carriers, "to_target": found.to_target})
        return self._tried(self._trials.of_pictures(miner, gallery))

    def _tried(self, results: Iterator[Result]) -> list[Alert]:
        """Each result of a trial is journalled, so that a replay asks nobody."""
        found = [self._command({"do": "try", "number": number, "asked": asked, "taken": taken}) for number, asked, taken in results]
        return [alert for alerts in found for alert in alerts]

    def _name(self, suspect: Suspect, clock: int, time: float | None) -> list[Alert]:
        """The alert of an unknown trigger."""
        return self._alert(*of_suspect(suspect), clock, time)

    def _alert(self, key: str, severity: Severity, title: str, evidence: Mapping[str, Any], clock: int, time: float | None) -> list[Alert]:
        alert, send = self._alerts.fire(key, severity, title, evidence, clock, time)
        return [alert] if send else []
