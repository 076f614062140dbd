"""Texts as vectors by a sentence encoder that was trained elsewhere and is left as it is: BERT's forward pass in NumPy.

For small encoders such as all-MiniLM-L6-v2 (Wang et al. 2020; Reimers & Gurevych 2019) and bge-small (Xiao et al. 2023): a folder with
config.json, model.safetensors, tokenizer.json or vocab.txt, and 1_Pooling/config.json as sentence-transformers writes it. A text's vector
is the mean of its pieces' last layer, or where 1_Pooling says so that of its first piece, of length 1. **Each text is encoded by itself**:
in a batch the last bits of a vector would depend on its neighbours, and with them the partition that its row is dealt to.

What it cannot see: poison in the encoder, which is taken on trust like the training that made it (its SHA-256 is in the model); a text
beyond `LONGEST` pieces. Nothing is downloaded.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from functools import lru_cache
from hashlib import blake2b, sha256
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray
from scipy.special import erf

from assay.dataset.errors import DAMAGE, DataError
from assay.dataset.removal import sha256_of
from assay.model.weights import read_weights
from assay.train.wordpiece import pieces_of, read_vocabulary

Floats = NDArray[np.float32]

LONGEST = 256  # pieces: what all-MiniLM-L6-v2 is published with; bge-small takes 512, at four times the cost
REMEMBERED = 200_000  # vectors: 300 MB of 384 numbers each
ROOT_HALF = np.float32(np.sqrt(0.5))
WEIGHTS, SETTINGS, POOLING = "model.safetensors", "config.json", "1_Pooling/config.json"
FILES = (WEIGHTS, SETTINGS, POOLING, "tokenizer.json", "vocab.txt")  # what decides a vector, where it is there
POOLS = {"pooling_mode_mean_tokens": "mean", "pooling_mode_cls_token": "first"}


class Encoder:
    """What a folder holds, ready to encode; `digest` is the SHA-256 of its files, `width` the length of a vector."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        try:
            told = json.loads((folder / SETTINGS).read_text(encoding="utf-8"))
            self.heads, self.layers = int(told["num_attention_heads"]), int(told["num_hidden_layers"])
            self.tiny = np.float32(told.get("layer_norm_eps", 1e-12))
            if told.get("hidden_act", "gelu") != "gelu" or told.get("position_embedding_type", "absolute") != "absolute":
                raise DataError("is of another kind than plain BERT", path=folder / SETTINGS, remedy="use a plain BERT encoder")
            self.pool = _pool(folder)
            said = sha256()
            for name in FILES:
                if name == WEIGHTS or (folder / name).exists():
                    said.update(bytes.fromhex(sha256_of(folder / name)))
            self.digest = said.hexdigest()
        except FileNotFoundError as error:
            raise DataError(f"holds no {Path(error.filename).name}", path=folder, remedy="give the whole folder of the model") from error
        except DAMAGE as error:
            raise DataError(f"cannot be read ({type(error).__name__}: {error})", path=folder, remedy="get the model again") from error
        held = {name.removeprefix("bert."): np.asarray(a) for name, a in read_weights(folder / WEIGHTS).items()}
        self.vocabulary = read_vocabulary(folder)
        try:
            self._settle(held)
        except KeyError as error:
            raise DataError(f"lacks the weights {error.args[0]}", path=folder / WEIGHTS, remedy="use a plain BERT encoder") from error
        self._known: dict[bytes, Floats] = {}

    @property
    def width(self) -> int:
        return int(self.word.shape[1])

    def of(self, texts: Sequence[str]) -> Floats:
        """(n, width) vectors of length 1."""
        made = np.empty((len(texts), self.width), np.float32)
        for row, text in enumerate(texts):
            key = _key(text)
            vector = self._known.get(key)
            if vector is None:
                vector = self.vector(text)
                if len(self._known) < REMEMBERED:
                    self._known[key] = vector
            made[row] = vector
        return made

    def vector(self, text: str) -> Floats:
        """(width,) the vector of one text, of length 1."""
        ids = np.array(pieces_of(text, self.vocabulary, min(LONGEST, len(self.place))))
        x = self._normed(self.word[ids] + self.place[: len(ids)] + self.kind, self.first)
        for layer in self.stack:
            x = self._layer(x, layer)
        said = x.mean(0) if self.pool == "mean" else x[0]
        return np.asarray(said / max(float(np.linalg.norm(said)), 1e-12), np.float32)

    def recall(self, path: Path) -> None:
        """Vectors that `keep` wrote before, where they are of these weights; nothing where there is no file."""
        if not path.exists():
            return
        try:
            with np.load(path, allow_pickle=False) as held:
                if str(held["weights"]) == self.digest:
                    self._known.update(zip((bytes(key) for key in held["key"]), held["vector"], strict=True))
        except (KeyError, ValueError, BadZipFile) as error:
            raise DataError(f"holds no vectors ({error!r})", path=path, remedy="remove it, or name another file") from error

    def keep(self, path: Path) -> None:
        """Write the vectors known so far, in place of what is there. The file tells who has it which texts were seen (by digest)."""
        part = path.with_name(f".{path.name}")
        keys = np.frombuffer(b"".join(self._known), np.uint8).reshape(len(self._known), -1)
        with part.open("wb") as file:
            np.savez(file, allow_pickle=False, weights=np.array(self.digest), key=keys, vector=np.array(list(self._known.values())))
        os.replace(part, path)

    def _settle(self, held: dict[str, NDArray[Any]]) -> None:
        def pair(name: str) -> tuple[Floats, Floats]:
            return np.ascontiguousarray(held[f"{name}.weight"].T, np.float32), np.asarray(held[f"{name}.bias"], np.float32)

        self.word, self.place = (np.asarray(held[f"embeddings.{name}_embeddings.weight"], np.float32) for name in ("word", "position"))
        self.kind = np.asarray(held["embeddings.token_type_embeddings.weight"][0], np.float32)
        self.first = pair("embeddings.LayerNorm")
        self.stack = []
        for number in range(self.layers):
            stem = f"encoder.layer.{number}."
            asked = [pair(f"{stem}attention.self.{name}") for name in ("query", "key", "value")]
            joined = np.concatenate([w for w, _ in asked], 1), np.concatenate([b for _, b in asked])
            rest = ("attention.output.dense", "attention.output.LayerNorm", "intermediate.dense", "output.dense", "output.LayerNorm")
            self.stack.append((joined, *(pair(stem + name) for name in rest)))

    def _layer(self, x: Floats, layer: Any) -> Floats:
        """One layer on the pieces (m, width) of a text."""
        (w, b), mix, mixed, wide, narrow, last = layer
        m = len(x)
        query, key, value = np.moveaxis((x @ w + b).reshape(m, 3, self.heads, -1), 0, 2)  # each (heads, m, width / heads)
        scores = query @ key.transpose(0, 2, 1) / np.float32(np.sqrt(query.shape[2]))
        shares = np.exp(scores - scores.max(2, keepdims=True))
        shares /= shares.sum(2, keepdims=True)
        heard = (shares @ value).transpose(1, 0, 2).reshape(m, -1)
        x = self._normed(x + heard @ mix[0] + mix[1], mixed)
        inner = x @ wide[0] + wide[1]
        inner *= np.float32(0.5) * (1 + erf(inner * ROOT_HALF))
        return self._normed(x + inner @ narrow[0] + narrow[1], last)

    def _normed(self, x: Floats, pair: tuple[Floats, Floats]) -> Floats:
        centred = x - x.mean(1, keepdims=True)
        spread = np.sqrt((centred**2).mean(1, keepdims=True) + self.tiny)
        return np.asarray(centred / spread * pair[0] + pair[1], np.float32)


@lru_cache(maxsize=2)
def encoder(folder: str) -> Encoder:
    """The encoder in a folder, read once."""
    return Encoder(Path(folder))


def _pool(folder: Path) -> str:
    """ "mean" or "first"; DataError where another way is asked for."""
    if not (folder / POOLING).exists():
        return "mean"
    told = json.loads((folder / POOLING).read_text(encoding="utf-8"))
    asked = {name for name, wanted in told.items() if name.startswith("pooling_mode_") and wanted is True}
    if len(asked) != 1 or not asked <= POOLS.keys():
        raise DataError(
            f"pools by {', '.join(sorted(asked)) or 'nothing'}", path=folder / POOLING, remedy="use an encoder of mean or first"
        )
    return POOLS[asked.pop()]


def _key(text: str) -> bytes:
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
