"""Where alerts go: a file, a webhook, Slack, e-mail, an OpenTelemetry collector.

A webhook's body is signed: header `X-Assay-Signature: v1=HEX`, HMAC-SHA256 under the shared secret of the header `X-Assay-Timestamp`
(seconds since 1970), a full stop, and the body. A receiver recomputes it, compares in constant time, and refuses old timestamps
(`verify` does all three).

No alert can be used to reach into a private network: the host is resolved once, every address must be a public one, the connection goes to
the address that was checked, and redirects are not followed. Private addresses have to be allowed expressly.
"""

from __future__ import annotations

import hmac
import http.client
import ipaddress
import json
import os
import smtplib
import socket
import ssl
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.message import EmailMessage
from hashlib import sha256
from pathlib import Path
from urllib.parse import urlsplit

from assay.dataset.errors import DataError
from assay.watch.alerts import Alert
from assay.watch.otlp import alert_body

Send = Callable[[Alert], None]

TIMEOUT = 10.0  # seconds for a connection and an answer
WAITS = (0.5, 2.0)  # seconds before the second and the third try; what still fails is tried again with the next delivery
FRESH = 300  # seconds for which a signature is taken, as others do it
NAT64 = ipaddress.ip_network("64:ff9b::/96")
SECRET, SMTP = "ASSAY_WATCH_SECRET", "ASSAY_WATCH_SMTP"  # environment: the shared secret; host:port of the mail server


def sink(said: str, allow_private: bool = False, environment: Mapping[str, str] = os.environ, model: str = "watch") -> Send:
    """The sink that `file:PATH`, `https://...`, `slack:https://...`, `mailto:a@b.org` or `otlp:https://HOST:4318` names.

    `model` is whose alerts a collector is told they are. Raises DataError for anything else.
    """
    kind, _, rest = said.partition(":")
    if kind == "file":
        return lambda alert: append(Path(rest), alert)
    if kind in ("http", "https"):
        secret = environment.get(SECRET)
        if not secret:
            raise DataError("a webhook is signed, and there is no secret", remedy=f"set {SECRET} to what the receiver knows as well")
        return lambda alert: post(said, body(alert), secret.encode(), allow_private)
    if kind == "slack":
        return lambda alert: post(rest, slack_body(alert), None, allow_private)
    if kind == "mailto":
        server = environment.get(SMTP)
        if not server:
            raise DataError("no mail server is known", remedy=f"set {SMTP} to host:port")
        return lambda alert: mail(server, rest, alert)
    if kind == "otlp":
        return lambda alert: post(collector(said, "logs"), alert_body(alert, model, time.time()), None, allow_private)
    raise DataError(f"{said!r} names no sink", remedy="give file:PATH, https://..., slack:https://..., mailto:a@b.org or otlp:https://...")


def collector(said: str, what: str) -> str:
    """Where an OpenTelemetry collector takes "metrics" or "logs".

    >>> collector("otlp:http://localhost:4318/", "logs")
    'http://localhost:4318/v1/logs'
    """
    kind, _, rest = said.partition(":")
    if kind != "otlp":
        raise DataError(f"{said!r} names no collector", remedy="give otlp:https://HOST:4318")
    return f"{rest.rstrip('/')}/v1/{what}"


def append(path: Path, alert: Alert) -> None:
    """One line of JSON, on disk when this returns."""
    with path.open("ab") as file:
        file.write(body(alert) + b"\n")
        file.flush()
        os.fsync(file.fileno())


def body(alert: Alert) -> bytes:
    """The alert as JSON."""
    return json.dumps({"schema": "assay.watch.alert/1", **alert.to_json()}, sort_keys=True).encode()


def slack_body(alert: Alert) -> bytes:
    """What Slack's incoming webhooks take. Content of an alert is escaped, so that no input can mention or link."""
    lines = [f"*{alert.severity}*: {_escaped(alert.title)}", *(f"{_escaped(k)}: {_escaped(str(v))}" for k, v in alert.evidence.items())]
    text = "\n".join(lines)[:2900]  # a section holds 3,000 characters
    return json.dumps({"text": text, "blocks": [{"type": "section", "text": {"type": "mrkdwn", "text": text}}]}).encode()


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def signature(secret: bytes, timestamp: str, content: bytes) -> str:
    """`v1=HEX` of this body at this time.

    >>> signature(b"s", "0", b"{}")[:11]
    'v1=e79b1f68'
    """
    return "v1=" + hmac.new(secret, timestamp.encode() + b"." + content, sha256).hexdigest()


def verify(secret: bytes, timestamp: str, content: bytes, given: str, now: float | None = None) -> bool:
    """Whether a webhook is ours, and fresh: for receivers."""
    if not timestamp.isdigit() or abs((time.time() if now is None else now) - int(timestamp)) > FRESH:
        return False
    return hmac.compare_digest(signature(secret, timestamp, content), given)


def post(url: str, content: bytes, secret: bytes | None, allow_private: bool, waits: tuple[float, ...] = WAITS) -> None:
    """POST it, tried again where the other side is ill. Raises OSError where it did not take it, DataError where it may not be sent."""
    for wait in (*waits, None):
        headers = {"Content-Type": "application/json", "User-Agent": "assay-watch"}
        if secret is not None:
            stamp = str(int(time.time()))
            headers |= {"X-Assay-Timestamp": stamp, "X-Assay-Signature": signature(secret, stamp, content)}
        try:
            status = _post(url, content, headers, allow_private)
        except OSError:
            if wait is None:
                raise
        else:
            if 200 <= status < 300:
                return
            if wait is None or (status < 500 and status != 429):
                raise OSError(f"{_place(url)} answered {status}")
        if wait is not None:
            time.sleep(wait)


def _post(url: str, content: bytes, headers: Mapping[str, str], allow_private: bool) -> int:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username is not None:
        raise DataError("a webhook is an http or https URL with a host and without a user", remedy="give https://host/path")
    port = parts.port or (443 if parts.scheme == "https" else 80)
    address = public_address(parts.hostname, port, allow_private)
    connection = _Pinned(parts.hostname, port, address, parts.scheme == "https")
    try:
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection.request("POST", target, content, dict(headers))
        return connection.getresponse().status
    except http.client.HTTPException as error:
        raise OSError(f"{_place(url)} gave no HTTP answer: {error}") from error
    finally:
        connection.close()


def public_address(host: str, port: int, allow_private: bool = False) -> str:
    """The address to connect to. Raises DataError where any address of the host is private, and these are not allowed."""
    found = [str(info[4][0]) for info in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
    for text in found:
        meant = _meant(text.split("%")[0])
        if not allow_private and any(not address.is_global or address.is_multicast for address in meant):
            raise DataError(
                f"{host} is at {text}, which is no public address", remedy="allow private addresses expressly, if this is meant"
            )
    return found[0]


def _meant(text: str) -> list[ipaddress.IPv4Address | ipaddress.IPv6Address]:
    """An address, and the IPv4 address that it stands for where a gateway would translate it (RFC 4291, 3056, 4380, 6052).

    >>> [str(address) for address in _meant("64:ff9b::a00:1")]
    ['64:ff9b::a00:1', '10.0.0.1']
    """
    address = ipaddress.ip_address(text)
    if isinstance(address, ipaddress.IPv4Address):
        return [address]
    if address.ipv4_mapped is not None:
        return [address.ipv4_mapped]
    inner = [address.sixtofour, *(address.teredo or ())]
    if address in NAT64:
        inner.append(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    return [address, *(found for found in inner if found is not None)]


def _place(url: str) -> str:
    """A URL without its path, which for Slack is the secret."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname}"


class _Pinned(http.client.HTTPConnection):
    """A connection to an address that was checked, with the name that it was checked for."""

    def __init__(self, host: str, port: int, address: str, tls: bool) -> None:
        super().__init__(host, port, timeout=TIMEOUT)
        self._address, self._tls = address, tls

    def connect(self) -> None:
        self.sock = socket.create_connection((self._address, self.port), TIMEOUT)
        if self._tls:
            self.sock = ssl.create_default_context().wrap_socket(self.sock, server_hostname=self.host)


def mail(server: str, to: str, alert: Alert) -> None:
    """Send it by SMTP, with STARTTLS where the server offers it."""
    host, _, port = server.partition(":")
    message = message_of(alert, to)
    try:
        with smtplib.SMTP(host, int(port or 25), timeout=TIMEOUT) as smtp:
            smtp.ehlo()
            if smtp.has_extn("starttls"):
                smtp.starttls(context=ssl.create_default_context())
            smtp.send_message(message)
    except smtplib.SMTPException as error:
        raise OSError(f"the mail server did not take it: {error}") from error


def message_of(alert: Alert, to: str) -> EmailMessage:
    """The alert as a message in plain text; its title holds no line breaks, whatever an input held."""
    message = EmailMessage()
    message["Subject"] = f"[{alert.severity}] {' '.join(alert.title.split())}"[:200]
    message["From"], message["To"] = "assay-watch@localhost", to
    when = "" if alert.time is None else f"Time: {datetime.fromtimestamp(alert.time, UTC):%Y-%m-%d %H:%M:%SZ}\n"
    evidence = "".join(f"{k}: {v}\n" for k, v in alert.evidence.items())
    message.set_content(f"{alert.title}\n\nAlert {alert.id}, prediction {alert.clock:,}, fired {alert.count} times\n{when}\n{evidence}")
    return message
