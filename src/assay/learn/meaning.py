"""What texts mean, as vectors of a small sentence encoder that runs offline.

Words tell a label where the corpus has shown them; an encoder that has read a billion sentences also knows that "tedious" and "a slog"
say the same. MiniLM (Wang, Wei, Dong, Bao, Yang, Zhou 2020; fine-tuned by the sentence-transformers project) in ONNX, eight bits a weight,
or any other encoder of that form. Nothing is downloaded: the model lies in the folder that ASSAY_TEXT_MODEL names, one `.onnx` file and its
`tokenizer.json`; what runs it comes with `pip install 'assay[meaning]'`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assay.dataset.errors import DataError
from assay.learn.threads import workers

Float32 = NDArray[np.float32]
Embed = Callable[[Sequence[str]], Float32]  # (m, d) of m texts, of unit length

FOLDER = "ASSAY_TEXT_MODEL"
RUNTIME = ("onnxruntime", "tokenizers")
MOST_TOKENS = 128  # of a text, what the encoder was trained to read
BATCH = 32  # texts at a time, of about one length: little is padded


def available() -> bool:
    """Whether a sentence encoder is named. DataError where one is named and cannot be used: its owner counts on it."""
    return bool(os.environ.get(FOLDER)) and _files() is not None


def _files() -> tuple[Path, Path]:
    """(model, tokenizer) in the folder that is named. DataError where they, or what runs them, are missing."""
    named = os.environ.get(FOLDER)
    remedy = f"name a folder with one .onnx file and its tokenizer.json by the variable {FOLDER}, or leave it empty"
    if not named:
        raise DataError("there is no sentence encoder", remedy=remedy)
    missing = [name for name in RUNTIME if find_spec(name) is None]
    if missing:
        raise DataError(f"{FOLDER} names a sentence encoder, which needs {' and '.join(missing)}", remedy="pip install 'assay[meaning]'")
    models, tokenizers = sorted(Path(named).glob("*.onnx")), sorted(Path(named).glob("tokenizer.json"))
    if not models or not tokenizers:
        raise DataError(f"no sentence encoder: there is no {'.onnx file' if not models else 'tokenizer.json'}", path=named, remedy=remedy)
    return models[0], tokenizers[0]


def encoder() -> Embed:
    """The encoder at hand. DataError where there is none."""
    return _loaded(*_files())


@lru_cache(maxsize=1)
def _loaded(model: Path, tokenizer: Path) -> _Encoder:
    import onnxruntime
    from tokenizers import Tokenizer

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = workers()
    options.inter_op_num_threads = 1
    reads = Tokenizer.from_file(str(tokenizer))
    reads.no_padding()
    reads.enable_truncation(MOST_TOKENS)
    return _Encoder(onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"]), reads)


@dataclass(frozen=True)
class _Encoder:
    session: Any
    tokenizer: Any

    def __call__(self, texts: Sequence[str]) -> Float32:
        numbers = [e.ids for e in self.tokenizer.encode_batch(list(texts))]
        order = np.argsort([len(n) for n in numbers], kind="stable")
        wanted = {i.name for i in self.session.get_inputs()}
        found: list[Float32] = []
        for start in range(0, len(order), BATCH):
            some = [numbers[i] for i in order[start : start + BATCH]]
            ids = np.zeros((len(some), max(len(n) for n in some)), np.int64)
            mask = np.zeros_like(ids)
            for row, n in enumerate(some):
                ids[row, : len(n)], mask[row, : len(n)] = n, 1
            given = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
            states = self.session.run(None, {name: given[name] for name in wanted})[0]
            found.append(pooled(states, mask))
        result = np.zeros((len(order), found[0].shape[1] if found else 0), np.float32)
        if found:
            result[order] = np.concatenate(found)
        return result


def pooled(states: Float32, mask: NDArray[np.int64]) -> Float32:
    """(m, d) the mean of each text's tokens, of unit length; `states` (m, tokens, d), or (m, d) where the model pools by itself.

    >>> pooled(np.ones((1, 2, 4), np.float32), np.array([[1, 0]])).tolist()
    [[0.5, 0.5, 0.5, 0.5]]
    """
    if states.ndim == 3:
        weight = mask[..., None].astype(np.float32)
        states = (states * weight).sum(1) / np.maximum(weight.sum(1), 1)
    return np.asarray(states / np.maximum(np.linalg.norm(states, axis=1, keepdims=True), 1e-9), np.float32)
