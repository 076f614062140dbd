"""What every page has: the frame it is rendered in, and errors told as pages instead of as JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Coroutine, Mapping
from datetime import datetime
from functools import cache
from importlib.resources import files
from typing import Any
from urllib.parse import quote

import jinja2
from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, RedirectResponse
from fastapi.routing import APIRoute
from markupsafe import Markup, escape
from pydantic import ValidationError

from assay.dataset.errors import DataError
from assay.dataset.printable import HIDDEN, printable
from assay.report import words
from assay.serve.access import Who
from assay.serve.errors import ServiceError, Unauthenticated, relative

CELL = 300  # characters of a cell in a list; the row's own page has all of it
Handler = Callable[[Request], Coroutine[Any, Any, Response]]


@cache
def _templates() -> jinja2.Environment:
    loader = jinja2.FunctionLoader(lambda name: (files("assay.serve.pages") / "templates" / name).read_text(encoding="utf-8"))
    env = jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    env.filters.update(when=when, shown=shown, exact=exact, percent=words.percent, size=size, p_words=words.p_words)
    env.globals.update(count=words.count, interval=words.interval)
    return env


def render(name: str, who: Who | None, code: int = 200, **values: Any) -> HTMLResponse:
    """A page from its template. Everything is escaped there; the front's content security policy forbids the rest.

    Whatever data says, nothing in a page is hidden or turns the direction of a line: such characters are shown as escapes, even where
    a template forgot to ask for it. What a form sends back as it came goes through `exact`.
    """
    text = _templates().get_template(name).render(who=who, csrf=None if who is None else who.csrf, **values)
    return HTMLResponse(printable(text), code)


def failed(code: int, problem: str, remedy: str | None = None, headers: Mapping[str, str] | None = None) -> HTMLResponse:
    """The page of an error."""
    page = render("error.html.j2", None, code, title="Not found" if code == 404 else "Not done", problem=problem, remedy=remedy)
    page.headers.update(headers or {})
    return page


def see(path: str) -> RedirectResponse:
    """After a form: look there (303), so that a reload does not send it again."""
    return RedirectResponse(path, 303)


def local(path: str | None) -> str:
    """A path of ours to go on to after a log-in; the overview for anything that could lead elsewhere.

    >>> local("/scans/1"), local("//evil.example"), local("https://evil.example"), local("/\\\\evil.example")
    ('/scans/1', '/', '/', '/')
    """
    safe = bool(path) and path is not None and path.startswith("/") and not path.startswith("//") and "\\" not in path
    return path if safe and path is not None and path.isprintable() else "/"


def when(moment: datetime | None) -> str:
    """A moment in UTC, to the minute."""
    return "–" if moment is None else f"{moment:%Y-%m-%d %H:%M} UTC"


def shown(value: Any, longest: int | None = CELL) -> str:
    """A cell for people: hidden and controlling characters visible, other types as JSON."""
    if value is None:
        return ""
    return printable(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False), longest)


def exact(value: str) -> Markup:
    r"""The value of a form's field, which a browser sends back to the character, hidden ones too.

    >>> exact('<a\u200bb>')
    Markup('&lt;a&#8203;b&gt;')
    """
    return Markup(HIDDEN.sub(lambda found: f"&#{ord(found.group())};", str(escape(value))))


def size(value: float) -> str:
    """Bytes for people.

    >>> size(900), size(2_500_000)
    ('900 bytes', '2.5 MB')
    """
    for unit in ("bytes", "kB", "MB", "GB"):
        if value < 1000 or unit == "GB":
            return f"{value:.0f} bytes" if unit == "bytes" else f"{value:.1f} {unit}"
        value /= 1000
    raise AssertionError("not reached")


class PageRoute(APIRoute):
    """A route whose errors are pages: whoever is not logged in is led to the form, and back to where they wanted to go."""

    def get_route_handler(self) -> Handler:
        answer = super().get_route_handler()

        async def handler(request: Request) -> Response:
            try:
                return await answer(request)
            except Unauthenticated:
                wanted = request.url.path + (f"?{request.url.query}" if request.url.query else "")
                return see(f"/login?next={quote(wanted)}" if request.method == "GET" else "/login")
            except ServiceError as error:
                return failed(error.status, error.problem, error.remedy)
            except DataError as error:
                return failed(422, relative(str(error), request.app.state.service.settings.data))
            except (RequestValidationError, ValidationError) as error:
                if any(e["loc"][:1] == ("path",) for e in error.errors()):  # no form: a link that leads nowhere
                    return failed(404, "there is nothing at this address")
                said = "; ".join(f"{e['loc'][-1] if e['loc'] else 'form'}: {e['msg']}" for e in error.errors()[:5])
                return failed(422, said, "correct the address" if request.method == "GET" else "go back and correct the form")

        return handler
