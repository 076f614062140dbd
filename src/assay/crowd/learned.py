"""What finished reviews teach the next queue: which kinds of suspicion turned out right, and which rows are done.

For each source of rows (a finding, a screen, a reading of disputes) the settled looks that changed a label are set against those that the
queue had expected, as a ratio that begins at 1 and moves with the evidence; a finding's begins at that of all findings. Values are
multiplied by it. Only the order of looks changes: no finding, p-value, verdict or guarantee of a scan hears of it, for whoever
reviews could otherwise argue poison away.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from assay.crowd.queue import Item, ranked
from assay.crowd.review import Outcome

STRENGTH = 2.0  # changed labels, expected and seen, that a source is believed to have at the outset


@dataclass(frozen=True)
class Learned:
    """`seen` source -> (labels that changed, labels expected to). `done` keys of settled rows."""

    seen: dict[str, tuple[float, float]]
    done: frozenset[str]

    def ratio(self, source: str) -> float:
        """Changed over expected, 1 where nothing is known; a source of two words begins where all of its first word stand.

        >>> taught = Learned({"screen": (0.0, 8.0), "finding 1": (5.0, 2.0), "finding 2": (0.0, 3.0)}, frozenset())
        >>> [round(taught.ratio(source), 2) for source in ("screen", "finding 1", "finding 2", "finding 3", "attack")]
        [0.2, 1.75, 0.4, 1.0, 1.0]
        """
        kind = source.split(" ")[0]
        changed, expected = (sum(pair[i] for name, pair in self.seen.items() if name.split(" ")[0] == kind) for i in (0, 1))
        base = (changed + STRENGTH) / (expected + STRENGTH)
        if kind == source:
            return base
        changed, expected = self.seen.get(source, (0.0, 0.0))
        return (changed + STRENGTH * base) / (expected + STRENGTH)


def learn(outcomes: Iterable[Outcome], known: Iterable[str] = ()) -> Learned:
    """From what came of reviews. `known` are keys of gold rows, which say nothing of the queue."""
    seen: dict[str, tuple[float, float]] = {}
    done, planted = set(), set(known)
    for outcome in outcomes:
        task = outcome.task
        if outcome.state != "settled" or task.key in planted:
            continue
        done.add(task.key)
        if task.source and task.suspected is not None and outcome.label is not None:
            changed, expected = seen.get(task.source, (0.0, 0.0))
            seen[task.source] = (changed + (outcome.label != task.suspected), expected + min(1.0, task.value))
    return Learned(seen, frozenset(done))


def reranked(items: Sequence[Item], learned: Learned) -> list[Item]:
    """The queue without the rows that are done, by what their sources proved to be worth."""
    left = [item for item in items if item.key not in learned.done]
    made = ranked([replace(item, value=item.value * learned.ratio(item.source)) for item in left])
    place = {item.key: number for number, item in enumerate(left)}
    return sorted(made, key=lambda item: (-item.value, place[item.key]))  # values that rounding made equal keep their order
