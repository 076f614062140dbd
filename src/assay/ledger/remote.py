"""Data that is a list of URLs: what a reviewer saw at them, and whether everybody is still given the same.

Two attacks on such lists (Carlini et al. 2024, "Poisoning Web-Scale Training Datasets is Practical", IEEE S&P): *split view*, where
whoever downloads later, or with another client, gets something else than the reviewer; and *front-running*, where content
is changed for the short time in which it is collected, and changed back.

    pins.jsonl   schema "assay.pins/1": a line for each observation {"url", "sha256", "bytes", "time", "final"}; the first of a
                 URL is what was reviewed

Each check fetches every URL as several clients do, and adds what it saw. What it cannot see: a server that tells these
fetches from the real download (by address, say), and changes between two checks: check at random times.
"""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from assay.dataset.errors import DataError

TIMEOUT = 20.0  # seconds for one answer to begin
LARGEST = 256 << 20  # bytes read of one answer; what is longer is an error, not a pin
# Clients that servers are known to treat differently: a library, a crawler, a person.
AGENTS = (
    "python-urllib/3",
    "Mozilla/5.0 (compatible; CCBot/2.0; +https://commoncrawl.org/faq/)",
    "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
)

Kind = Literal["altered", "split view", "changed and back", "missing", "moved"]


@dataclass(frozen=True)
class Seen:
    """One answer. `sha256` is "" where there was none."""

    url: str
    sha256: str
    bytes: int
    time: str
    final: str  # the URL that answered, after redirects


@dataclass(frozen=True)
class Change:
    """A URL that does not give what was reviewed."""

    url: str
    kind: Kind
    detail: str


Fetch = Callable[[str, str, str], Seen]  # url, agent, time


def fetch(url: str, agent: str, time: str) -> Seen:
    """The answer to one client. Raises DataError for a URL that is not http or https."""
    if urlsplit(url).scheme not in ("http", "https"):
        raise DataError(f"{url!r} is no http or https URL", remedy="leave it out of the list")
    digest, size = sha256(), 0
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers={"User-Agent": agent}), timeout=TIMEOUT) as answer:
            while block := answer.read(1 << 20):
                digest.update(block)
                size += len(block)
                if size > LARGEST:
                    return Seen(url, "", 0, time, answer.url)
            return Seen(url, digest.hexdigest(), size, time, answer.url)
    except (urllib.error.URLError, OSError, ValueError):
        return Seen(url, "", 0, time, url)


def pin(urls: Iterable[str], time: str, ask: Fetch = fetch) -> list[Seen]:
    """What is at each URL now, for a reviewer to look at. Raises DataError where one gives no answer."""
    seen = [ask(url, AGENTS[0], time) for url in dict.fromkeys(urls)]
    silent = [one.url for one in seen if not one.sha256]
    if silent:
        raise DataError(
            f"{len(silent)} URLs give no answer: {', '.join(silent[:3])}", remedy="leave them out: what nobody saw cannot be reviewed"
        )
    return seen


def look(pins: Sequence[Seen], time: str, ask: Fetch = fetch, agents: Sequence[str] = AGENTS) -> list[Seen]:
    """What every URL gives to each of `agents` now."""
    return [ask(url, agent, time) for url in dict.fromkeys(one.url for one in pins) for agent in agents]


def changes(pins: Sequence[Seen], now: Sequence[Seen]) -> list[Change]:
    """What differs from the review: `pins` are all earlier observations, the first of a URL the reviewed one."""
    earlier: dict[str, list[Seen]] = {}
    for one in pins:
        earlier.setdefault(one.url, []).append(one)
    latest: dict[str, list[Seen]] = {}
    for one in now:
        latest.setdefault(one.url, []).append(one)
    found = []
    for url, before in earlier.items():
        change = _change(before, latest.get(url, []))
        if change is not None:
            found.append(Change(url, *change))
    return found


def _change(before: Sequence[Seen], now: Sequence[Seen]) -> tuple[Kind, str] | None:
    reviewed = before[0]
    answers = {one.sha256 for one in now if one.sha256}
    if not answers:
        return "missing", "no answer"
    if len(answers) > 1:
        return "split view", f"{len(answers)} different answers to {len(now)} clients at {now[0].time}"
    if answers != {reviewed.sha256}:
        return "altered", f"SHA-256 {answers.pop()[:16]}…, reviewed was {reviewed.sha256[:16]}…"
    others = [one for one in before if one.sha256 and one.sha256 != reviewed.sha256]
    if others:
        return "changed and back", f"something else was there at {others[0].time}"
    hosts = {urlsplit(one.final).hostname for one in now if one.sha256} - {urlsplit(reviewed.final).hostname}
    return ("moved", f"now answered by {hosts.pop()}") if hosts else None


def write(path: Path, seen: Sequence[Seen]) -> None:
    """Append observations."""
    with path.open("a", encoding="utf-8") as file:
        file.writelines(json.dumps(asdict(one)) + "\n" for one in seen)


def read(path: Path) -> list[Seen]:
    """Raises DataError where a line is no observation."""
    seen = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines()):
        try:
            seen.append(Seen(**json.loads(line)))
        except (ValueError, TypeError) as error:
            raise DataError("not an observation of the schema assay.pins/1", path=path, row=number, remedy="bring the file back") from error
    return seen
