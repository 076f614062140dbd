"""What a pickle would run if somebody loaded it, read off its opcodes. Nothing is executed and nothing is imported.

A pickle is a program for a small stack machine. It can fetch any importable object (GLOBAL, STACK_GLOBAL, INST) and call what it fetched
(REDUCE, NEWOBJ, OBJ, BUILD). The walk follows strings through the stack and the memo, so that a name put together from remembered strings
is still read; a name that cannot be followed is reported as unknown, which is suspicious in itself.

It cannot say what an innocent-looking class does in its own `__setstate__`. Sources: Python's pickletools; Sultanik, "Never a dill
moment", 2021.
"""

from __future__ import annotations

import pickletools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

MOST_OPCODES = 20_000_000  # of one pickle: a few hundred million weights in lists; beyond, the rest is reported as unread
UNKNOWN = "?"

_STRINGS = frozenset({"SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8", "UNICODE", "STRING", "BINSTRING", "SHORT_BINSTRING"})
_CALLS = frozenset({"REDUCE", "NEWOBJ", "NEWOBJ_EX", "OBJ", "INST", "BUILD"})


@dataclass(frozen=True)
class Fetched:
    """An object that the pickle fetches by name, the byte where it does, and whether anything is called in this pickle at all."""

    module: str
    name: str
    position: int

    @property
    def path(self) -> str:
        return f"{self.module}.{self.name}"


@dataclass(frozen=True)
class Program:
    """One pickle: what it fetches, whether it calls anything, how many bytes it has, and why the walk ended early, if it did."""

    fetched: tuple[Fetched, ...]
    calls: bool
    length: int
    broken: str | None = None


def walk(data: bytes) -> Program:
    """The program in `data` from its first byte to its STOP.

    >>> import pickle, collections
    >>> walk(pickle.dumps(collections.OrderedDict(a=1))).fetched[0].path
    'collections.OrderedDict'
    >>> walk(b"cos\\nsystem\\n(S'ls'\\ntR.").fetched[0].path
    'os.system'
    """
    fetched: list[Fetched] = []
    calls, last = False, 0
    recent: list[str] = []  # strings in the order in which they were pushed; other values push UNKNOWN
    memo: dict[Any, str] = {}
    count = 0
    try:
        for opcode, argument, position in pickletools.genops(data):
            last = position or 0
            count += 1
            if count > MOST_OPCODES:
                return Program(tuple(fetched), calls, len(data), f"more than {MOST_OPCODES:,} opcodes")
            name = opcode.name
            calls |= name in _CALLS
            if name in ("GLOBAL", "INST"):
                module, _, attribute = str(argument).partition(" ")
                fetched.append(Fetched(module, attribute, last))
                recent.append(UNKNOWN)
            elif name == "STACK_GLOBAL":
                module, attribute = (recent[-2], recent[-1]) if len(recent) > 1 else (UNKNOWN, UNKNOWN)
                fetched.append(Fetched(module, attribute, last))
                recent.append(UNKNOWN)
            elif name in ("EXT1", "EXT2", "EXT4"):
                fetched.append(Fetched("copyreg extension", str(argument), last))
                recent.append(UNKNOWN)
            elif name in _STRINGS:
                recent.append(argument if isinstance(argument, str) else UNKNOWN)
            elif name == "MEMOIZE":
                memo[len(memo)] = recent[-1] if recent else UNKNOWN
            elif name in ("PUT", "BINPUT", "LONG_BINPUT"):
                memo[argument] = recent[-1] if recent else UNKNOWN
            elif name in ("GET", "BINGET", "LONG_BINGET"):
                recent.append(memo.get(argument, UNKNOWN))
            elif opcode.stack_after and name not in ("MARK", "FRAME", "PROTO"):
                recent.append(UNKNOWN)
            del recent[:-4]
            if name == "STOP":
                return Program(tuple(fetched), calls, last + 1)
    except (ValueError, IndexError, KeyError, UnicodeDecodeError, OverflowError, NotImplementedError) as error:
        return Program(tuple(fetched), calls, len(data), f"{type(error).__name__}: {error}")
    return Program(tuple(fetched), calls, len(data), "no STOP")


def programs(data: bytes) -> Iterator[tuple[int, Program]]:
    """Every pickle that stands one after another from the start of `data` (old torch files hold five), with its first byte."""
    start = 0
    while start < len(data) and data[start] in _BEGINNINGS:
        program = walk(data[start:])
        yield start, program
        if program.broken is not None:
            return
        start += program.length


_BEGINNINGS = frozenset(opcode.code.encode("latin-1")[0] for opcode in pickletools.opcodes)
