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
_RECALLS = frozenset({"GET", "BINGET", "LONG_BINGET"})
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
    stack: list[str] = []  # strings as they are, all other values UNKNOWN, as the machine would hold them
    marks: list[int] = []  # its height at each mark that is open
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
            if name == "MARK":
                marks.append(len(stack))
            elif name == "MEMOIZE":
                memo[len(memo)] = stack[-1]
            elif name in ("PUT", "BINPUT", "LONG_BINPUT"):
                memo[argument] = stack[-1]
            elif name == "POP" and marks and marks[-1] == len(stack):
                marks.pop()
            else:
                taken = _taken(opcode, stack, marks)
                stack += _given(opcode, argument, taken, memo)
                if (path := _fetched(name, argument, taken)) is not None:
                    fetched.append(Fetched(*path, last))
            if name == "STOP":
                return Program(tuple(fetched), calls, last + 1)
    except (ValueError, IndexError, KeyError, UnicodeDecodeError, OverflowError, NotImplementedError) as error:
        return Program(tuple(fetched), calls, len(data), f"{type(error).__name__}: {error}")
    return Program(tuple(fetched), calls, len(data), "no STOP")


def _taken(opcode: pickletools.OpcodeInfo, stack: list[str], marks: list[int]) -> list[str]:
    """What an opcode takes off the stack, all down to the last mark where it wants one. Raises ValueError where that is not there."""
    wanted = opcode.stack_before
    if pickletools.markobject in wanted:
        if not marks:
            raise ValueError(f"{opcode.name} without a mark")
        del stack[marks.pop() :]
        wanted = wanted[: wanted.index(pickletools.markobject)]
    height = len(stack) - len(wanted)
    if height < (marks[-1] if marks else 0):
        raise ValueError(f"{opcode.name} takes more than there is")
    taken = stack[height:]
    del stack[height:]
    return taken


def _given(opcode: pickletools.OpcodeInfo, argument: Any, taken: list[str], memo: dict[Any, str]) -> list[str]:
    """What it puts there."""
    if opcode.name == "DUP":
        return taken * 2
    if opcode.name in _RECALLS:
        return [memo[argument]]
    if opcode.name in _STRINGS and isinstance(argument, str):
        return [argument]
    return [UNKNOWN] * len(opcode.stack_after)


def _fetched(name: str, argument: Any, taken: list[str]) -> tuple[str, str] | None:
    """The module and the attribute that it fetches."""
    if name in ("GLOBAL", "INST"):
        module, _, attribute = str(argument).partition(" ")
        return module, attribute
    if name == "STACK_GLOBAL":
        return taken[0], taken[1]
    return ("copyreg extension", str(argument)) if name in ("EXT1", "EXT2", "EXT4") else None


def programs(data: bytes) -> Iterator[tuple[int, Program]]:
    """Every pickle that stands one after another from the start of `data` (old torch files hold five), with its first byte."""
    start = 0
    while may_begin(data[start : start + 1]):
        program = walk(data[start:])
        yield start, program
        if program.broken is not None:
            return
        start += program.length


def may_begin(data: bytes) -> bool:
    """Whether the first byte is an opcode."""
    return data[:1] in _OPCODES


_OPCODES = frozenset(opcode.code.encode("latin-1") for opcode in pickletools.opcodes)
