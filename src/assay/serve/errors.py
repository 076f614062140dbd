"""What a request may be told: a status, a sentence, and what to do. What the data got wrong is `assay.dataset.errors.DataError` (422)."""

from __future__ import annotations

from pathlib import Path


def relative(said: str, root: Path) -> str:
    """A sentence whose paths begin in the service's folder: where that lies on its machine is not for whoever asks.

    >>> relative("/srv/assay/files/p/x.csv: is not there", Path("/srv/assay"))
    'files/p/x.csv: is not there'
    """
    return said.replace(f"{root}/", "")


class ServiceError(Exception):
    """A request that cannot be granted. `status` is the HTTP status; `kind` a word that programs may rely on."""

    status = 400
    kind = "bad_request"

    def __init__(self, problem: str, remedy: str | None = None) -> None:
        self.problem, self.remedy = problem, remedy
        super().__init__(problem + (f". Remedy: {remedy}" if remedy else ""))


class Unauthenticated(ServiceError):
    """Nobody is known by what was shown."""

    status, kind = 401, "unauthenticated"


class Forbidden(ServiceError):
    """Somebody is, and may not."""

    status, kind = 403, "forbidden"


class NotFound(ServiceError):
    """It is not there, or not for this caller: the two look alike."""

    status, kind = 404, "not_found"


class Conflict(ServiceError):
    """What is there already stands against it."""

    status, kind = 409, "conflict"


class TooLarge(ServiceError):
    """More than the limits allow."""

    status, kind = 413, "too_large"


class TooMany(ServiceError):
    """Too soon after the last."""

    status, kind = 429, "too_many_requests"

    def __init__(self, problem: str, after: float) -> None:
        super().__init__(problem, f"wait {max(1, round(after))} s")
        self.after = after


class Full(ServiceError):
    """The disk is all but full: nothing is taken in that could not be kept."""

    status, kind = 507, "insufficient_storage"
