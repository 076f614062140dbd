"""A model behind an HTTP address: inputs go there as JSON, scores or labels come back.

What it is sent: {"inputs": [...]}, texts as they are, pictures as base64 of a PNG, rows of a table as objects. What it gives back:
{"scores": [[..], ..]}, a row an input, or {"labels": [..]}, whole numbers from 0.
"""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass, field
from http.client import HTTPException
from typing import Any
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray

from assay.artefact.encode import png_text
from assay.dataset.errors import DataError

Floats = NDArray[np.float64]

SECONDS = 60.0  # an endpoint may take for one answer
LARGEST = 64 << 20  # bytes of one answer
BUSY = frozenset({429, 502, 503, 504})  # answers that mean "not now"
WAITS = (1.0, 4.0, 15.0)  # seconds before each further try: a search of thousands of questions meets a restart
SHAPES = 'give {"scores": [[..], ..]} or {"labels": [..]}'


@dataclass(frozen=True)
class Endpoint:
    """Posts {"inputs": [...]} as JSON and gives (n, classes) back: scores, as probabilities, or 0 and 1 where it tells labels alone.

    Redirects are not followed, and headers, which may hold secrets, appear in no message. DataError for anything but an answer of one
    of the two forms, with what came.
    """

    url: str
    classes: int
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)

    def __post_init__(self) -> None:
        _checked(self.url)

    def __call__(self, inputs: Sequence[Any]) -> Floats:
        return probabilities(scores_of(answer_of(self.url, inputs, self.headers), len(inputs), self.classes))

    def pictures(self, images: NDArray[np.uint8]) -> Floats:
        """Asks about pictures (n, h, w, c), c of 1, 3 or 4, each sent as base64 of a PNG."""
        return self([png_text(image) for image in images])


def shown(url: str) -> str:
    """The address without what may be a secret in it.

    >>> shown("https://models.example:8443/classify?key=secret")
    'https://models.example:8443/classify'
    """
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def is_address(named: str) -> bool:
    """Whether an http address is named, and no file."""
    return named.lower().startswith(("http://", "https://"))


def _checked(url: str) -> None:
    if not is_address(url):
        raise DataError(f"{url} is no http address", remedy="give http:// or https://")
    if "@" in urlsplit(url).netloc:
        raise DataError(f"{shown(url)} is given with a name or password", remedy="send them as a header")


class _Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any, **__: Any) -> None:
        """None: what is sent, secrets among it, goes to the address that was named and nowhere else."""


_OPENER = urllib.request.build_opener(_Stay)


def answer_of(url: str, inputs: Sequence[Any], headers: Sequence[tuple[str, str]] = ()) -> Any:
    """What the address answers to these inputs, any JSON. DataError where it does not answer, is busy for long, or answers no JSON."""
    _checked(url)
    body = json.dumps({"inputs": list(inputs)}).encode()
    for wait in (*WAITS, None):
        try:
            request = urllib.request.Request(url, body, {"Content-Type": "application/json", **dict(headers)})
            with _OPENER.open(request, timeout=SECONDS) as answer:
                got = answer.read(LARGEST + 1)
            break
        except urllib.error.HTTPError as error:
            with error:
                if wait is not None and error.code in BUSY:
                    time.sleep(wait)
                    continue
                raise DataError(f"{shown(url)} answers {error.code} {error.reason}", remedy=_remedy(error.code)) from None
        except (OSError, HTTPException, ValueError) as error:
            # the error itself may hold the request's headers
            raise DataError(f"{shown(url)} does not answer ({_reason(error)})", remedy="try the address by hand") from None
    if len(got) > LARGEST:
        raise DataError(f"{shown(url)} answers with more than {LARGEST >> 20} MiB", remedy=SHAPES)
    try:
        return json.loads(got)
    except (ValueError, RecursionError) as error:
        start = got[:60].decode("utf-8", "replace")
        raise DataError(f"{shown(url)} does not answer in JSON: {start!r}", remedy=SHAPES) from error


def _reason(error: Exception) -> str:
    if isinstance(error, ValueError):
        return "a header or the address holds what HTTP does not take"
    return str(getattr(error, "reason", error)) or type(error).__name__


def _remedy(code: int) -> str:
    if code in (401, 403):
        return 'give what it asks for, as --header "Authorization: Bearer ..."'
    if code in (301, 302, 303, 307, 308):
        return "redirects are not followed: give the address that it leads to"
    return "try the address by hand" if code not in BUSY else "ask again later, or ask it for more"


def classes_of(told: Any) -> int | None:
    """How many classes an answer's scores tell apart; None where it holds labels alone, or is not understood.

    >>> classes_of({"scores": [[0.1, 0.2, 0.7]]}), classes_of({"labels": [2]})
    (3, None)
    """
    try:
        scores = np.asarray(told["scores"], np.float64)
    except (KeyError, TypeError, ValueError):
        return None
    return scores.shape[1] if scores.ndim == 2 else None


def scores_of(told: Any, rows: int, classes: int) -> Floats:
    """(rows, classes) from an answer; labels become 0 and 1.

    >>> scores_of({"labels": [1, 0]}, 2, 2).tolist()
    [[0.0, 1.0], [1.0, 0.0]]
    """
    try:
        if "labels" in told:
            named = np.asarray(told["labels"])
            labels = named.astype(np.int64)
            if labels.shape != (rows,) or (labels != named).any():
                raise DataError(f"the model's answer holds {labels.shape} labels for {rows} inputs", remedy=SHAPES)
            if (labels < 0).any() or (labels >= classes).any():
                odd = int(labels[(labels < 0) | (labels >= classes)][0])
                raise DataError(f"the model says class {odd}, and {classes} classes are expected", remedy="say how many there are")
            return np.eye(classes)[labels]
        scores = np.asarray(told["scores"], np.float64)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise DataError(f"the model's answer is not understood ({error!r})", remedy=SHAPES) from error
    if scores.ndim == 2 and len(scores) == rows and scores.shape[1] != classes:
        raise DataError(f"the model tells {scores.shape[1]} classes apart, and {classes} are expected", remedy="say how many there are")
    if scores.shape != (rows, classes) or not np.isfinite(scores).all():
        raise DataError(f"the model's answer does not fit {rows} inputs and {classes} classes", remedy=SHAPES)
    return scores


def probabilities(scores: Floats) -> Floats:
    """Scores (n, classes) as they are where all lie in 0 .. 1; else, as logits, by softmax.

    >>> probabilities(np.array([[0.0, 1.0]])).tolist(), probabilities(np.array([[5.0, 5.0]])).tolist()
    ([[0.0, 1.0]], [[0.5, 0.5]])
    """
    if scores.size == 0 or (scores.min() >= 0 and scores.max() <= 1):
        return scores
    raised = np.exp(scores - scores.max(1, keepdims=True))
    return np.asarray(raised / raised.sum(1, keepdims=True))
