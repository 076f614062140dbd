"""The Python door: `assay.scan`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from assay.dataset.data import Columns, Dataset, Task
from assay.dataset.errors import DataError
from assay.engine.base import Engine, NoEngine, current, using
from assay.engine.choose import choose
from assay.finding import Conclusion
from assay.report.folder import STATES
from assay.report.report import Report
from assay.report.since import earlier, tell_since
from assay.trial.family import Depth, Progress, silent

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from assay.pipeline import Settings
    from assay.trial.blame import Blame

__all__ = ["Report", "blame", "scan"]

Names = str | Sequence[str] | None


def scan(
    source: Any,
    *,
    content: Names = None,
    label: Names = None,
    id: str | None = None,
    contributor: str | None = None,
    source_column: str | None = None,
    time: str | None = None,
    response: Names = None,
    task: Task | None = None,
    trusted: str | Path | None = None,
    since: str | Path | None = None,
    alpha: float = 0.01,
    depth: Depth = "fast",
    seed: int = 0,
    engine: Literal["local", "ray"] = "local",
    address: str | None = None,
    workers: int | None = None,
    samples: bool = True,
    canaries: bool = True,
    ledger: str | Path | None = None,
    signatures: str | Path | None = None,
    resume: str | Path | None = None,
    keep_states: str | Path | None = None,
    embeddings: str | Path | None = None,
    progress: Progress | None = None,
) -> Report:
    """Find poison in a data set: what rows share, the evidence on it, and what this scan would have caught.

    A finding is confirmed only by two experiments at a false discovery rate of `alpha` for their stated nulls; a clean
    data set is left untouched in as many scans as docs/evidence says, measured.

    `source`: a path (image folder or zip, CSV, Parquet, JSONL, Arrow, Hugging Face, WebDataset, IDX, npz), or a pandas,
    polars, pyarrow, NumPy, Hugging Face or torch data set. Columns are inferred and said in the report's notes; name
    them with `content` (what a model sees), `label`, `id`, `contributor`, `source_column`, `time`,
    `response` (what a model learns to write). `trusted`: rows
    known to be good, in any format; an artefact as usual among them is natural. `since`: the folder of an earlier report on
    the same data, to which rows were only added: the report then says what came with them.
    `engine`: where the work runs; its findings are the same. "local": this process, or with `workers` that many processes of this
    machine; "ray": a Ray cluster, the one at `address` or one started here.
    `depth`: "fast", or "full" with every check. `samples=False` keeps content out of everything that is written.
    `signatures`: a signed file of known triggers and releases, or "builtin"; what matches is suspected.
    `ledger`: a ledger that knows who brought each row (in place of columns that say so). `resume`: a folder of ours that keeps
    what is finished until the scan ends; after an interruption the same call goes on from there. `keep_states`: a folder of ours
    for what was gathered from blocks of texts (it holds their words), which `since` then folds new rows into; local engine only.
    `embeddings`: an .npy or .npz of numbers, one row a record, that a model of yours made of the pictures: one more space in which clusters
    of poison are looked for, at depth full.
    `progress(done, total, what)` is called now and then.

    Cannot see what shares nothing with any other row, and what `report.blind_spots` names. Raises
    `assay.dataset.errors.DataError` with a remedy where the request or the data is wrong.

        >>> import assay
        >>> report = assay.scan("reviews.csv")                       # doctest: +SKIP
        >>> torch.utils.data.Subset(data, report.keep)               # doctest: +SKIP
    """
    settings = _settings(alpha=alpha, depth=depth, seed=seed, samples=samples, canaries=canaries)
    columns = Columns(names(content), names(label), id, contributor, source_column, time, names(response))
    request = _Request(source, columns, task, trusted, since, ledger, signatures, resume, embeddings)
    stored = None if since is None or not (Path(since) / STATES).is_dir() else Path(since) / STATES
    if keep_states is not None and not samples:
        raise DataError("states hold the words of the data", remedy="leave out --keep-states, or --no-samples")
    with at_work(engine, address, workers):
        if keep_states is not None and current().remote:
            raise DataError("states are kept by this process alone", remedy="leave out --keep-states, or --engine and --workers")
        if current().remote or (stored is None and keep_states is None):
            return _scan(request, settings, progress or silent)
        with using(_keeping(stored, None if keep_states is None else Path(keep_states))):
            return _scan(request, settings, progress or silent)


def named(columns: Columns) -> dict[str, Any]:
    """Columns as keywords of `scan`: data that was read before is scanned with the columns that it was read by."""
    return {
        "content": columns.content,
        "label": columns.label,
        "id": columns.id,
        "contributor": columns.contributor,
        "source_column": columns.source,
        "time": columns.time,
        "response": columns.response,
    }


def _keeping(old: Path | None, new: Path | None) -> Engine:
    """This process, with the states of texts looked up in `old` and kept in `new`."""
    from assay.engine.kept import Keeping
    from assay.learn.corpus import Reading, Readings, read_block
    from assay.screen.shingles import Signed, signed

    return Keeping(current(), (read_block, signed), (Reading, Readings, Signed), old, new)


@contextmanager
def at_work(engine: str, address: str | None, workers: int | None) -> Iterator[None]:
    """Within the block, work goes to that engine. DataError where it is not to be had."""
    try:
        chosen = choose(engine, address, workers)
        if chosen is current():
            yield
            return
        with chosen, using(chosen):
            yield
    except NoEngine as error:
        problem, _, remedy = str(error).partition(". Remedy: ")
        raise DataError(problem, remedy=remedy) from error


@dataclass(frozen=True)
class _Request:
    """What to scan, and beside what."""

    source: Any
    columns: Columns
    task: Task | None
    trusted: str | Path | None
    since: str | Path | None
    ledger: str | Path | None
    signatures: str | Path | None
    resume: str | Path | None
    embeddings: str | Path | None = None


def _scan(asked: _Request, settings: Settings, progress: Progress) -> Report:
    from assay.dataset.read import read
    from assay.pipeline import run
    from assay.stages import Stages

    known = None if asked.signatures is None else _known(asked.signatures)
    data = read(asked.source, columns=asked.columns, task=asked.task, progress=progress)
    if asked.ledger is not None:
        data = _annotated(data, Path(asked.ledger))
    before = None if asked.since is None else earlier(Path(asked.since), data)
    good = None if asked.trusted is None else read(asked.trusted, columns=data.columns, task=data.task, progress=progress)
    if good is not None and good.modality != data.modality:
        raise DataError(f"the trusted rows hold {good.modality}, the data {data.modality}", remedy="give trusted rows of the same kind")
    stages = Stages(None if asked.resume is None else Path(asked.resume))
    space = None if asked.embeddings is None else _embeddings(Path(asked.embeddings), data)
    conclusion = run(data, settings, progress, stages, good, space)
    stages.clear()
    if known is not None:
        conclusion = known(data, conclusion)
    if before is not None:
        data, conclusion = tell_since(data, conclusion, before)
    return Report(data, conclusion)


def _embeddings(file: Path, data: Dataset) -> NDArray[np.float32]:
    from assay.dataset.embeddings import read_embeddings

    if data.images is None:
        raise DataError("embeddings are used beside pictures, and these rows have none", path=file, remedy="leave them out")
    return read_embeddings(file, data)


def _known(file: str | Path) -> Callable[[Dataset, Conclusion], Conclusion]:
    """What adds the matches of a signature file to a conclusion; the file is checked at once."""
    from assay.known.signatures import open_signatures
    from assay.report.known import tell_known

    signatures = open_signatures(file)
    return lambda data, conclusion: tell_known(data, conclusion, signatures)


def blame(
    source: Any,
    *,
    row: int | None = None,
    record: Any = None,
    decision: str | None = None,
    depth: Depth = "fast",
    most: int = 20,
    retrainings: int = 5,
    seed: int = 0,
    content: Names = None,
    label: Names = None,
    features: Any = None,
    model: str | Path | None = None,
    arch: str | None = None,
    progress: Progress | None = None,
) -> Blame:
    """Which rows of `source` caused a decision: `assay.trial.blame.Blame`.

    Asked about is a `row` of it by number, which is then not learnt from, or a `record` that is not in it: a picture (an array or a
    file), a text, or a mapping of cells (a JSON object will do). `decision`: the label that was given to it; without one, what a linear
    head gives. Exact for that head; whether it holds for another kind of model is tested by `retrainings`. Poison that was made for one
    picture shows in the features of the model that learnt from it: give `features` (an array or an .npy file, a line a row, the record's
    last) or a torch `model`'s weights (`arch`, module:factory, runs that code). Raises DataError with a remedy.

        >>> import assay
        >>> answer = assay.blame("reviews.csv", record="a dull film", decision="good")   # doctest: +SKIP
        >>> [r.row for r in answer.rows], answer.changed                                 # doctest: +SKIP
    """
    how: dict[str, Any] = {"depth": depth, "most": most, "retrainings": retrainings, "features": features, "model": model, "arch": arch}
    return blamed(source, row=row, record=record, decision=decision, content=content, label=label, seed=seed, progress=progress, **how)[1]


def blamed(
    source: Any,
    *,
    row: int | None = None,
    record: Any = None,
    decision: str | None = None,
    content: Names = None,
    label: Names = None,
    seed: int = 0,
    features: Any = None,
    model: str | Path | None = None,
    arch: str | None = None,
    progress: Progress | None = None,
    **how: Any,
) -> tuple[Dataset, Blame]:
    """`blame`, and the data set that its row numbers and class codes speak of."""
    import numpy as np

    from assay.dataset.read import read
    from assay.trial.blame import blame as blame_row
    from assay.trial.blame import with_record
    from assay.trial.own_features import given_features, model_features
    from assay.trial.record import record_rows

    data = read(source, columns=Columns(names(content), names(label)), progress=progress or silent)
    if (row is None) == (record is None):
        raise DataError("name what is asked about: a row of the data, or a record that is not in it", remedy="give one of row and record")
    if row is not None:
        at = np.flatnonzero(data.row == row)
        if not len(at):
            raise DataError(f"there is no readable row {row}", path=data.path, remedy=f"rows go from 0 to {data.records - 1}")
        asked = int(at[0])
    else:
        data = with_record(data, record_rows(data, record))
        asked = len(data) - 1
    if decision is not None and decision not in data.classes:
        raise DataError(f"no label {decision!r}", path=data.path, remedy=f"choose among {', '.join(data.classes[:20])}")
    code = None if decision is None else data.classes.index(decision)
    if features is not None and model is not None:
        raise DataError("features and a model are both given", remedy="give one of them")
    own = None
    if features is not None:
        own = given_features(data, features)
    elif model is not None:
        own = model_features(data, Path(model), arch)
    return data, blame_row(data, asked, np.random.default_rng(seed), code, progress=progress or silent, own=own, **how)


def _annotated(data: Dataset, folder: Path) -> Dataset:
    try:
        from assay.ledger.annotate import annotate
        from assay.ledger.ledger import Ledger
    except ModuleNotFoundError as error:
        raise DataError("a ledger needs the package cryptography", remedy="pip install 'assay[ledger]'") from error
    return annotate(Ledger.open(folder), data)


def _settings(**asked: Any) -> Settings:
    """The pipeline's settings; DataError for one that is out of range."""
    from assay.engine import shelf
    from assay.pipeline import Settings

    try:
        shelf.bound()
    except ValueError as error:
        raise DataError(str(error)) from error
    alpha, depth = asked["alpha"], asked["depth"]
    if not 0 < alpha <= 0.1:
        raise DataError(f"alpha is a false discovery rate over 0 and at most 0.1; got {alpha}", remedy="leave it at 0.01")
    if depth not in ("fast", "full"):
        raise DataError(f"no depth {depth!r}", remedy="choose fast or full")
    return Settings(**asked)


def names(value: Names) -> tuple[str, ...]:
    """Column names, given as one, several, or none.

    >>> names("text"), names(["subject", "body"]), names(None)
    (('text',), ('subject', 'body'), ())
    """
    if value is None:
        return ()
    return (value,) if isinstance(value, str) else tuple(value)
