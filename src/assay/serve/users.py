"""Users, their tokens and their sessions."""

from __future__ import annotations

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from assay.serve import audit
from assay.serve.access import ROLES, SCOPES, SYSTEM, Role, Scope, Who, check_password, digest, new_secret, seal_password
from assay.serve.errors import Conflict, Forbidden, NotFound, Unauthenticated
from assay.serve.records import ProjectRecord, SessionRecord, TokenRecord, UserRecord, now
from assay.serve.shapes import MadeToken, Me, NewToken, NewUser, Token, User, UserChange

FIRST = "admin"
FIRST_DAYS = 7  # the first token lives so long: enough to make users and tokens of their own
MINUTE, DAY = 60_000, 86_400_000  # milliseconds


def first_token(db: Session) -> str | None:
    """The token of the first admin, where nobody is known yet; else None. It is shown once and kept nowhere."""
    if db.scalar(select(UserRecord.id).limit(1)) is not None:
        return None
    user = UserRecord(name=FIRST, role="admin", password=None)
    db.add(user)
    db.flush()
    token, kept = new_secret()
    db.add(_token(user.id, "first run", list(SCOPES), None, kept, FIRST_DAYS))
    audit.note(db, SYSTEM, "user.created", user.id, name=FIRST, role="admin")
    return token


def new_token_for(db: Session, name: str, days: int) -> str:
    """A new token with every scope for a user, from the machine itself: the way back in. NotFound where there is no such user."""
    user = db.scalar(select(UserRecord).where(UserRecord.name == name))
    if user is None:
        raise NotFound(f"there is no user {name!r}")
    token, kept = new_secret()
    db.add(_token(user.id, "made on the server", list(SCOPES), None, kept, days))
    audit.note(db, SYSTEM, "token.created", user.id, name="made on the server")
    return token


def _token(user: str, name: str, scopes: list[Scope], project: str | None, kept: str, days: int) -> TokenRecord:
    expires = now() + days * DAY
    return TokenRecord(user_id=user, name=name, hash=kept, scopes=scopes, project_id=project, expires=expires, used=None)


def by_token(db: Session, token: str) -> Who:
    """Whose it is. Raises Unauthenticated where it is unknown, expired or revoked, or its owner disabled."""
    found = db.execute(
        select(TokenRecord, UserRecord).join(UserRecord, UserRecord.id == TokenRecord.user_id).where(TokenRecord.hash == digest(token))
    ).first()
    if found is None or found[0].revoked or found[0].expires <= now() or found[1].disabled:
        raise Unauthenticated("this token is not known, has expired or was revoked", "make another one")
    held, user = found
    return Who(user.id, user.name, _role(user.role), frozenset(held.scopes), held.project_id, until=held.expires)


def touch(db: Session, token: str) -> None:
    """Remember that a token was used; to the minute, so that not every request writes."""
    moment = now()
    db.execute(
        update(TokenRecord)
        .where(TokenRecord.hash == digest(token), TokenRecord.used.is_(None) | (TokenRecord.used < moment - MINUTE))
        .values(used=moment)
    )


def by_session(db: Session, cookie: str) -> Who:
    """Whose browser it is. Raises Unauthenticated where its session is unknown or over."""
    found = db.execute(
        select(SessionRecord, UserRecord).join(UserRecord, UserRecord.id == SessionRecord.user_id).where(SessionRecord.id == digest(cookie))
    ).first()
    if found is None or found[0].expires <= now() or found[1].disabled:
        raise Unauthenticated("not logged in, or no longer", "log in")
    held, user = found
    return Who(user.id, user.name, _role(user.role), frozenset(SCOPES), None, held.id, held.csrf)


def log_in(db: Session, name: str | None, password: str | None, token: str | None, seconds: int) -> tuple[str, Me]:
    """(what the cookie holds, who it is). A token opens a session only with every scope and for every project: a session has them."""
    if token:
        who = by_token(db, token)
        if who.project is not None or who.scopes != frozenset(SCOPES):
            raise Forbidden("this token is for programs: it has not every scope", "log in with a password, or a token that has them all")
        user = db.get_one(UserRecord, who.id)
    else:
        found = db.scalar(select(UserRecord).where(UserRecord.name == (name or "")))
        known = check_password(password or "", found.password if found else None)
        if found is None or not known or found.disabled:
            raise Unauthenticated("the name or the password is wrong")
        user = found
    cookie, kept = new_secret()
    csrf, _ = new_secret()
    db.add(SessionRecord(id=kept, user_id=user.id, csrf=csrf, expires=now() + seconds * 1000))
    who = Who(user.id, user.name, _role(user.role), frozenset(SCOPES), None, kept, csrf)
    audit.note(db, who, "session.opened", user.id, by="token" if token else "password")
    return cookie, me(who)


def log_out(db: Session, who: Who) -> None:
    held = db.get(SessionRecord, who.session) if who.session else None
    if held is not None:
        db.delete(held)
        audit.note(db, who, "session.closed", who.id)


def me(who: Who) -> Me:
    return Me(id=who.id, name=who.name, role=who.role, scopes=[s for s in SCOPES if s in who.scopes], project=who.project, csrf=who.csrf)


def listing(db: Session) -> list[User]:
    return [User.model_validate(user) for user in db.scalars(select(UserRecord).order_by(UserRecord.name))]


def create(db: Session, who: Who, new: NewUser) -> User:
    if db.scalar(select(UserRecord.id).where(UserRecord.name == new.name)) is not None:
        raise Conflict(f"there is a user {new.name!r} already", "give another name")
    user = UserRecord(name=new.name, role=new.role, password=None if new.password is None else seal_password(new.password))
    db.add(user)
    db.flush()
    audit.note(db, who, "user.created", user.id, name=new.name, role=new.role)
    return User.model_validate(user)


def change(db: Session, who: Who, id: str, asked: UserChange) -> User:
    """Another role, password or state. What stood open for them is closed. The last admin stays one."""
    user = db.get(UserRecord, id)
    if user is None:
        raise NotFound("there is no such user")
    role = user.role if asked.role is None else asked.role
    disabled = user.disabled if asked.disabled is None else asked.disabled
    others = select(UserRecord.id).where(UserRecord.role == "admin", UserRecord.disabled.is_(False), UserRecord.id != id)
    if (role != "admin" or disabled) and user.role == "admin" and db.scalar(others.limit(1)) is None:
        raise Conflict("this is the last admin", "make another one first")
    user.role, user.disabled = role, disabled
    if asked.password is not None:
        user.password = seal_password(asked.password)
    _close_sessions(db, id)
    audit.note(db, who, "user.changed", id, role=role, disabled=disabled, password=asked.password is not None)
    return User.model_validate(user)


def set_password(db: Session, who: Who, password: str) -> None:
    """One's own. Other browsers are logged out."""
    db.get_one(UserRecord, who.id).password = seal_password(password)
    _close_sessions(db, who.id, but=who.session)
    audit.note(db, who, "user.password", who.id)


def _close_sessions(db: Session, user: str, but: str | None = None) -> None:
    for held in db.scalars(select(SessionRecord).where(SessionRecord.user_id == user)):
        if held.id != but:
            db.delete(held)


def tokens(db: Session, who: Who) -> list[Token]:
    """One's own."""
    found = db.scalars(select(TokenRecord).where(TokenRecord.user_id == who.id).order_by(TokenRecord.id.desc()))
    return [Token.model_validate(token) for token in found]


def create_token(db: Session, who: Who, new: NewToken) -> MadeToken:
    """For oneself; it can do no more than what made it."""
    if who.project is not None and new.project_id != who.project:
        raise Forbidden("this token is bound to a project, and can only make tokens that are", "name its project_id")
    beyond = [scope for scope in new.scopes if scope not in who.scopes]
    if beyond:
        raise Forbidden(f"the scope {beyond[0]!r} is more than this caller has")
    if new.project_id is not None and db.get(ProjectRecord, new.project_id) is None:
        raise NotFound("there is no such project")
    secret, kept = new_secret()
    token = _token(who.id, new.name, list(dict.fromkeys(new.scopes)), new.project_id, kept, new.days)
    if who.session is None and who.until is not None:
        token.expires = min(token.expires, who.until)
    db.add(token)
    db.flush()
    audit.note(db, who, "token.created", token.id, name=new.name, scopes=token.scopes, project=new.project_id)
    return MadeToken(**Token.model_validate(token).model_dump(), secret=secret)


def revoke_token(db: Session, who: Who, id: str) -> None:
    """One's own, or anybody's for an admin."""
    token = db.get(TokenRecord, id)
    if token is None or (token.user_id != who.id and not who.may("admin", "admin")):
        raise NotFound("there is no such token")
    token.revoked = True
    audit.note(db, who, "token.revoked", id, name=token.name)


def _role(name: str) -> Role:
    return ROLES[ROLES.index(name)]  # ValueError for a name that is none
