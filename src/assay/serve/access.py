"""Who may do what.

Two locks on every door. The *role* of a person is a rung of a ladder: a viewer looks; a reviewer uploads, scans and decides on rows;
an approver also approves sources and moves aliases; an admin also keeps users and the service itself. The *scopes* of a token are what
it may be used for, whoever owns it; a browser's session has all of them. A token may be bound to one project besides.

Secrets that we make are random and long (256 bits): their SHA-256 is kept, and nothing slower is needed. Passwords are people's own:
scrypt (RFC 7914) with the parameters below.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from base64 import b64decode, b64encode
from dataclasses import dataclass
from typing import Literal, get_args

from assay.serve.errors import Forbidden, NotFound

Role = Literal["viewer", "reviewer", "approver", "admin"]
Scope = Literal["read", "write", "review", "approve", "events", "admin"]
ROLES: tuple[Role, ...] = get_args(Role)
SCOPES: tuple[Scope, ...] = get_args(Scope)

PREFIX = "assay_"  # of a token: secret scanners know it by this
COST, BLOCK, LANES = 1 << 15, 8, 1  # scrypt: 32 MiB and about 80 ms, as OWASP's table of 2025 has it
SALT = 16  # bytes
PASSWORD_LENGTH = 12  # characters at least (NIST SP 800-63B-4: 15 alone, 8 with more; tokens are the strong way in)


@dataclass(frozen=True)
class Who:
    """The caller. `session` is None for a token; `project` the only one that a token may touch."""

    id: str
    name: str
    role: Role
    scopes: frozenset[Scope]
    project: str | None = None
    session: str | None = None
    csrf: str | None = None
    until: int | None = None  # when what the caller showed expires

    def may(self, role: Role, scope: Scope) -> bool:
        """Whether both locks open.

        >>> Who("1", "ann", "reviewer", frozenset({"read"})).may("viewer", "read")
        True
        >>> Who("1", "ann", "admin", frozenset({"read"})).may("viewer", "write")
        False
        """
        return ROLES.index(self.role) >= ROLES.index(role) and scope in self.scopes

    def need(self, role: Role, scope: Scope) -> None:
        """Raises Forbidden unless both locks open."""
        if ROLES.index(self.role) < ROLES.index(role):
            raise Forbidden(f"this needs the role {role!r}; {self.name} is {self.role}", "ask an admin")
        if scope not in self.scopes:
            raise Forbidden(f"this needs a token with the scope {scope!r}", "make one that has it")

    def within(self, project: str | None, what: str = "project") -> None:
        """Raises NotFound where the caller's token is bound to another project than this."""
        if self.project is not None and self.project != project:
            raise NotFound(f"there is no such {what}")


SYSTEM = Who("", "assay", "admin", frozenset(SCOPES))  # what the service does by itself


def new_secret() -> tuple[str, str]:
    """(a token, what is kept of it)."""
    token = PREFIX + secrets.token_urlsafe(32)
    return token, digest(token)


def digest(secret: str) -> str:
    """What is kept of a secret that we made."""
    return hashlib.sha256(secret.encode()).hexdigest()


def seal_password(password: str) -> str:
    """What is kept of a password.

    >>> check_password("correct horse battery", seal_password("correct horse battery"))
    True
    """
    salt = secrets.token_bytes(SALT)
    return f"scrypt${COST}${BLOCK}${LANES}${b64encode(salt).decode()}${b64encode(scrypt(password, salt, COST, BLOCK, LANES)).decode()}"


def check_password(password: str, sealed: str | None) -> bool:
    """Takes as long for a user without a password, or none at all, as for one with: time does not tell who there is."""
    nobody = f"scrypt${COST}${BLOCK}${LANES}${b64encode(bytes(SALT)).decode()}${b64encode(bytes(32)).decode()}"
    _, cost, block, lanes, salt, key = (sealed or nobody).split("$")
    same = hmac.compare_digest(scrypt(password, b64decode(salt), int(cost), int(block), int(lanes)), b64decode(key))
    return same and sealed is not None


def scrypt(password: str, salt: bytes, cost: int, block: int, lanes: int) -> bytes:
    return hashlib.scrypt(password.encode(), salt=salt, n=cost, r=block, p=lanes, maxmem=256 * cost * block, dklen=32)
