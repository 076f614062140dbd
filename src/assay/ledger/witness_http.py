"""Witnesses over HTTP (c2sp.org/tlog-witness v1.0.0): a log asks for cosignatures, a witness gives them.

POST PREFIX/add-checkpoint
  old 20852014                         the size the witness signed last for this log
  PlRNCrwHpqhGrupue0L7gxbjbMiKA9t...   the consistency proof from there, a hash a line

  example.com/ledger                   the checkpoint
  ...

200  the witness's signature lines      400  malformed, or old is larger than the checkpoint
403  not signed by a known key          404  a log that this witness does not watch
409  old is not the size signed last; the body says which is (text/x.tlog.size)          422  the proof does not hold
"""

from __future__ import annotations

import re
import threading
import time
import urllib.error
import urllib.request
from base64 import b64encode
from collections.abc import Callable, Sequence
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from assay.dataset.errors import DataError
from assay.ledger import proofs
from assay.ledger.checkpoint import open_checkpoint, parse
from assay.ledger.errors import Refused, Tampered
from assay.ledger.log import Log, Memo
from assay.ledger.note import DASH, LARGEST, Key, base64, split_note
from assay.ledger.storage import Folder
from assay.ledger.witness import Cosigner, Witness, cosign, cosigned

CALL, SIZE = "/add-checkpoint", "text/x.tlog.size"
MOST = 63  # lines of a proof: a tree of 2**63 leaves
TIMEOUT = 30.0  # seconds for a witness to answer
_OLD = re.compile(r"old (0|[1-9][0-9]{0,18})")

Answer = tuple[int, str, str]  # status, content type, body
TEXT = "text/plain; charset=utf-8"


class Watcher:
    """The witness: what it has signed for each log lies in `folder`, a file a log, durable before the signature is given.

    Safe with several processes on one folder. `clock` gives the seconds since 1970.
    """

    def __init__(self, folder: Path, logs: Sequence[Key], signer: Cosigner, clock: Callable[[], float] = time.time) -> None:
        self._folder = folder
        self._logs: dict[str, list[Key]] = {}  # by origin: a log that changed its key has several
        for key in logs:
            self._logs.setdefault(key.name, []).append(key)
        self._signer = signer
        self._clock = clock
        folder.mkdir(parents=True, exist_ok=True)

    def add_checkpoint(self, body: bytes) -> Answer:
        """The answer to one request."""
        try:
            old, proof, note = _request(body)
            origin = parse(split_note(note)[0]).origin
        except (Tampered, ValueError) as error:
            return 400, TEXT, f"{error}\n"
        keys = self._logs.get(origin)
        if keys is None:
            return 404, TEXT, f"this witness does not watch {origin!r}\n"
        try:
            head = open_checkpoint(note, keys)
        except Tampered as error:
            return 403, TEXT, f"{error}\n"
        if old > head.size:
            return 400, TEXT, f"old is {old}, the checkpoint's size {head.size}\n"
        memo = Memo(self._folder / sha256(origin.encode()).hexdigest())
        with Folder(self._folder).lock():  # checked and remembered as one: of two requests at once, one comes later
            seen = memo.read(*keys)
            size, root = (0, proofs.EMPTY) if seen is None else (seen.size, seen.root)
            if old != size:
                return 409, SIZE, f"{size}\n"
            if seen is not None and size == head.size and root != head.root:
                return 409, TEXT, "this witness has signed another root at this size\n"
            try:
                proofs.check_consistency(size, root, head.size, head.root, proof)
            except Tampered as error:
                return 422, TEXT, f"{error}\n"
            memo.write(note)
            return 200, TEXT, cosign(note, self._signer, int(self._clock())).removeprefix(note)


def _request(body: bytes) -> tuple[int, list[bytes], str]:
    """(old size, proof, checkpoint). Raises ValueError where the body is malformed."""
    first, gap, note = body.decode().partition("\n\n")
    lines = first.split("\n")
    found = _OLD.fullmatch(lines[0])
    if not gap or found is None or len(lines) > MOST + 1:
        raise ValueError("an old size line, up to 63 proof lines, an empty line and a checkpoint were expected")
    proof = [base64(line) for line in lines[1:]]
    if any(len(one) != 32 for one in proof):
        raise ValueError("a hash has 32 bytes")
    return int(found[1]), proof, note


def server(watcher: Watcher, host: str, port: int) -> ThreadingHTTPServer:
    """An HTTP server for `watcher`; the caller runs it. TLS is the work of a proxy before it."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = TIMEOUT

        def do_POST(self) -> None:
            length = self.headers.get("Content-Length", "")
            if self.path != CALL or not length.isdecimal() or int(length) > LARGEST:
                self.close_connection = True
                self._answer(404 if self.path != CALL else 400, TEXT, "POST a checkpoint to /add-checkpoint\n")
                return
            self._answer(*watcher.add_checkpoint(self.rfile.read(int(length))))

        def _answer(self, status: int, kind: str, text: str) -> None:
            data = text.encode()
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: object) -> None:
            """Silent: what matters is in the files."""

    made = ThreadingHTTPServer((host, port), Handler)
    made.daemon_threads = True
    return made


def ask(log: Log, prefix: str, witness: Witness) -> str:
    """The log's checkpoint with the signature of the witness at `prefix`, to be swapped in by the caller.

    Raises Refused where the witness will not sign, Tampered where what it gave is not its signature, DataError where it does not answer.
    """
    note = _without(log.note().decode(), witness)
    head = open_checkpoint(note, [log.key])
    old = 0
    for _ in range(3):  # the witness tells the size it knows; another writer may come between
        proof = log.prove_consistency(old) if old else []
        body = f"old {old}\n" + "".join(f"{b64encode(one).decode()}\n" for one in proof) + f"\n{note}"
        status, kind, said = _post(prefix.rstrip("/") + CALL, body.encode())
        if status == 409 and kind == SIZE and said.strip().isdecimal() and int(said) != old:
            old = int(said)
            if old > head.size:
                raise Refused(
                    f"the witness has signed {old:,} entries, this log has {head.size:,}: it was rolled back",
                    remedy="bring the newer log back",
                )
            continue
        if status != 200:
            raise Refused(f"the witness at {prefix} does not sign ({status}): {said.strip()[:300]}", remedy="ask who keeps it")
        break
    else:
        raise Refused(f"the witness at {prefix} changes its mind about what it has signed", remedy="run the command again")
    if witness.name not in cosigned(note + said, [witness]):
        raise Tampered(f"the witness at {prefix} gave no signature of {witness.name}")
    return note + said


def _without(note: str, witness: Witness) -> str:
    """The note without what this witness has signed on it before: one signature of each is enough."""
    text, gap, lines = note.rpartition("\n\n")
    return text + gap + "".join(line for line in lines.splitlines(keepends=True) if not line.startswith(f"{DASH}{witness.name} "))


def _post(url: str, body: bytes) -> tuple[int, str, str]:
    if not url.startswith(("https://", "http://")):
        raise DataError(f"{url!r} is no http or https address", remedy="give the witness's submission prefix")
    request = urllib.request.Request(url, body, {"Content-Type": TEXT})
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:
            return answer.status, "", answer.read(LARGEST).decode(errors="replace")
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers.get("Content-Type", ""), error.read(LARGEST).decode(errors="replace")
    except (urllib.error.URLError, OSError) as error:
        raise DataError(f"the witness does not answer ({error})", path=url, remedy="check the address, or try later") from error


def serve(made: ThreadingHTTPServer) -> threading.Thread:
    """Run it in a thread of its own; `made.shutdown()` ends it."""
    thread = threading.Thread(target=made.serve_forever, daemon=True)
    thread.start()
    return thread
