"""Texts as the numbers of word pieces, as BERT's uncased models take them (Devlin et al. 2019; Wu et al. 2016, section 4.1)."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Mapping
from pathlib import Path

from assay.dataset.errors import DAMAGE, DataError

FIRST, LAST, UNKNOWN = "[CLS]", "[SEP]", "[UNK]"
INNER = "##"  # before a piece that goes on with a word
LONGEST_WORD = 100  # characters; longer words are unknown, as in BERT's own code
CHINESE = (  # each of these characters is a word, as in BERT's own code
    (0x4E00, 0x9FFF), (0x3400, 0x4DBF), (0x20000, 0x2A6DF), (0x2A700, 0x2B73F),
    (0x2B740, 0x2B81F), (0x2B820, 0x2CEAF), (0xF900, 0xFAFF), (0x2F800, 0x2FA1F),
)  # fmt: skip


def read_vocabulary(folder: Path) -> dict[str, int]:
    """The pieces and their numbers, from tokenizer.json or vocab.txt. DataError where the folder holds neither, or it is no WordPiece."""
    told, plain = folder / "tokenizer.json", folder / "vocab.txt"
    try:
        if told.exists():
            model = json.loads(told.read_text(encoding="utf-8"))["model"]
            if model.get("type", "WordPiece") != "WordPiece":
                raise DataError(f"cuts words by {model['type']}, and WordPiece is read here", path=told, remedy="use a BERT model")
            pieces = {str(piece): int(number) for piece, number in model["vocab"].items()}
        else:
            pieces = {piece: number for number, piece in enumerate(plain.read_text(encoding="utf-8").splitlines())}
    except FileNotFoundError as error:
        raise DataError("holds no tokenizer.json and no vocab.txt", path=folder, remedy="give the whole folder of the model") from error
    except DAMAGE as error:
        raise DataError(f"cannot be read ({type(error).__name__}: {error})", path=told, remedy="get the file again") from error
    for piece in (FIRST, LAST, UNKNOWN):
        if piece not in pieces:
            raise DataError(f"has no piece {piece}", path=folder, remedy="use a BERT model")
    return pieces


def pieces_of(text: str, vocabulary: Mapping[str, int], longest: int) -> list[int]:
    """The numbers of a text's pieces, `[CLS]` before and `[SEP]` behind, `longest` of them at the most.

    >>> known = {"[CLS]": 0, "[SEP]": 1, "[UNK]": 2, "un": 3, "##aff": 4, "##able": 5, "!": 6}
    >>> pieces_of("Unaffable, unaffable!", known, 9)
    [0, 3, 4, 5, 2, 3, 4, 5, 1]
    """
    made = [vocabulary[FIRST]]
    for word in words(text):
        if len(made) >= longest - 1:
            break
        made += _cut(word, vocabulary)
    return [*made[: longest - 1], vocabulary[LAST]]


def words(text: str) -> list[str]:
    """Words and single marks of a text, in lower case, without accents and control characters.

    >>> words("Café-crème is 3€ (or so)\\x00!")
    ['cafe', '-', 'creme', 'is', '3€', '(', 'or', 'so', ')', '!']
    """
    spaced = []
    for mark in text:
        code = ord(mark)
        if mark in "\t\n\r":
            spaced.append(" ")
        elif code in (0, 0xFFFD) or unicodedata.category(mark).startswith("C"):
            continue
        else:
            spaced.append(f" {mark} " if any(low <= code <= high for low, high in CHINESE) else mark)
    bare = (mark for mark in unicodedata.normalize("NFD", "".join(spaced)) if unicodedata.category(mark) != "Mn")
    folded = "".join(mark.lower() for mark in bare)  # mark by mark, as the published tokeniser: a Greek word's last sigma stays a sigma
    return "".join(f" {mark} " if _punctuates(mark) else mark for mark in folded).split()


def _punctuates(mark: str) -> bool:
    """Also marks of ASCII that Unicode calls symbols, as in BERT's own code."""
    code = ord(mark)
    ascii_mark = 33 <= code <= 47 or 58 <= code <= 64 or 91 <= code <= 96 or 123 <= code <= 126
    return ascii_mark or unicodedata.category(mark).startswith("P")


def _cut(word: str, vocabulary: Mapping[str, int]) -> list[int]:
    """The longest pieces from the left; the whole word is unknown where one is missing."""
    if len(word) > LONGEST_WORD:
        return [vocabulary[UNKNOWN]]
    made, start = [], 0
    while start < len(word):
        for end in range(len(word), start, -1):
            number = vocabulary.get((INNER if start else "") + word[start:end])
            if number is not None:
                break
        else:
            return [vocabulary[UNKNOWN]]
        made.append(number)
        start = end
    return made
