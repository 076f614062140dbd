"""A text model in a folder as Hugging Face keeps them, put together without running, fetching or unpickling anything that the folder names.

**Only three kinds of its files are opened**: configurations, of which the fields that the architecture itself knows are kept (so that no
kernel, adapter, quantiser or module is named to transformers), the weights in safetensors, read by `assay.model.weights`, and
tokenizer.json, read by the Rust library tokenizers, which runs no Python. transformers is handed values, never a path. A folder whose
configuration asks for code of its own (auto_map), or that holds its weights in pickles alone, is refused.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from assay.dataset.errors import DAMAGE, DataError
from assay.model.weights import read_weights

Floats = NDArray[np.float64]
Kind = Literal["classifier", "language model"]

NEEDED = ("torch", "transformers", "tokenizers")
INSTALL = "pip install 'assay[language]'"
WEIGHTS, INDEX, CONFIG, TOKENIZER = "model.safetensors", "model.safetensors.index.json", "config.json", "tokenizer.json"
PICKLES = ("pytorch_model*.bin", "*.pt", "*.pth", "*.ckpt")
KINDS: dict[str, Kind] = {"ForSequenceClassification": "classifier", "ForCausalLM": "language model", "LMHeadModel": "language model"}
ALWAYS_KEPT = {"id2label", "label2id"}  # of every architecture, and not among its defaults where they are two classes
NOT_KEPT = ("_config", "_implementation")  # endings: parts of other models, and ways to compute, which may name code
LONGEST = 512  # tokens of a text that are read: what most encoders were trained on; less where the model says so
MOST_POSITIONS_TAKEN = 2  # of a Roberta's positions, which begin after its padding's number
AT_ONCE = 64  # texts in one pass
NO_TOKEN = -1  # the number of no token


def kind_of(folder: Path) -> Kind | None:
    """What a folder's configuration says it holds; None: no text model that is known here, or no configuration."""
    try:
        config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        names = config.get("architectures") or []
        return next((kind for name in names for ending, kind in KINDS.items() if str(name).endswith(ending)), None)
    except (OSError, ValueError, RecursionError, AttributeError, TypeError):
        return None


def missing() -> list[str]:
    """The packages that reading such a folder needs and that are not installed."""
    return [name for name in NEEDED if find_spec(name) is None]


@dataclass(frozen=True)
class Loaded:
    """`module`: the network, a torch module in evaluation mode; `tokens`: the tokeniser; `longest`: tokens that the network may read."""

    module: Any
    tokens: Any
    longest: int
    classes: tuple[str, ...]


def load(folder: Path, kind: Kind) -> Loaded:
    """The network and the tokeniser of a folder. DataError: code of its own, no safetensors, weights that do not fit, a broken file."""
    if lacking := missing():
        raise DataError(f"{', '.join(lacking)} must be installed to run a text model", path=folder, remedy=INSTALL)
    told = _json(folder / CONFIG)
    for name in (CONFIG, "tokenizer_config.json"):
        if (folder / name).is_file() and _json(folder / name).get("auto_map"):
            raise DataError(
                f"{name} names code of its own (auto_map), and none is run", path=folder, remedy="ask for a model of a known architecture"
            )
    if told.get("quantization_config"):
        raise DataError("its weights are quantised", path=folder, remedy="ask for the weights as they were before")
    weights = _weights(folder)
    tokens = _tokens(folder)
    with _alone():
        module, config = _network(folder, told, weights, kind)
    if tokens.get_vocab_size() > config.vocab_size:
        raise DataError(
            f"the tokeniser knows {tokens.get_vocab_size():,} tokens and the network {config.vocab_size:,}",
            path=folder,
            remedy="give the tokenizer.json that the model was trained with",
        )
    classes = tuple(str(config.id2label[i]) for i in range(config.num_labels)) if kind == "classifier" else ()
    return Loaded(module, tokens, _longest(config), classes)


class TextClassifier:
    """A loaded classifier as a function from texts to probabilities (n, classes). Texts are cut after `longest` tokens."""

    def __init__(self, folder: Path) -> None:
        loaded = load(folder, "classifier")
        self.module, self.tokens, self.classes = loaded.module, loaded.tokens, loaded.classes
        if len(self.classes) < 2:
            raise DataError("gives one number and no classes", path=folder, remedy="only classifiers are inspected")
        self.tokens.enable_truncation(loaded.longest)
        self.tokens.no_padding()
        padding = self.module.config.pad_token_id
        self.mixed = padding is not None
        self.padding = 0 if padding is None else int(padding)
        if padding is None:  # a decoder takes what is no padding for the text's end: rows of one length go together, and none is padded
            self.module.config.pad_token_id = NO_TOKEN

    def __call__(self, texts: Sequence[str]) -> Floats:
        import torch

        coded = [e.ids or [self.padding] for e in self.tokens.encode_batch(list(texts))]
        found = np.empty((len(coded), len(self.classes)))
        for rows in _batches([len(ids) for ids in coded], self.mixed):
            width = max(len(coded[i]) for i in rows)
            ids = torch.tensor([coded[i] + [self.padding] * (width - len(coded[i])) for i in rows])
            there = torch.tensor([[1] * len(coded[i]) + [0] * (width - len(coded[i])) for i in rows])
            with torch.inference_mode():
                scores = self.module(input_ids=ids, attention_mask=there).logits.double()
            found[rows] = torch.softmax(scores, 1).numpy()
        return found


class LanguageModel:
    """A loaded causal model as a function from rows of tokens to the log probabilities (n, vocabulary) of what follows each."""

    def __init__(self, folder: Path) -> None:
        loaded = load(folder, "language model")
        self.module, self.tokens, self.longest = loaded.module, loaded.tokens, loaded.longest
        self.tokens.no_padding()
        self.tokens.no_truncation()
        self.size = self.tokens.get_vocab_size()
        self.markers = frozenset(n for n, added in self.tokens.get_added_tokens_decoder().items() if added.special)

    def __call__(self, rows: Sequence[Sequence[int]]) -> Floats:
        import torch

        found = np.empty((len(rows), self.size))
        kept = [list(row)[-self.longest :] for row in rows]
        for part in _batches([len(row) for row in kept], True):
            width = max(len(kept[i]) for i in part)
            ids = torch.tensor([kept[i] + [0] * (width - len(kept[i])) for i in part])  # behind the text, where nothing looks back at it
            there = torch.tensor([[1] * len(kept[i]) + [0] * (width - len(kept[i])) for i in part])
            last = torch.tensor([len(kept[i]) - 1 for i in part])
            with torch.inference_mode():
                scores = self.module(input_ids=ids, attention_mask=there, use_cache=False).logits[torch.arange(len(part)), last]
            found[part] = torch.log_softmax(scores[:, : self.size].double(), 1).numpy()
        return found

    def code(self, text: str) -> tuple[int, ...]:
        """The tokens of a text, markers in it read as markers, none added."""
        return tuple(self.tokens.encode(text, add_special_tokens=False).ids)

    def text(self, tokens: Sequence[int]) -> str:
        return str(self.tokens.decode(list(tokens), skip_special_tokens=False))


def whole_words(tokens: Any) -> list[str]:
    """The words that the tokeniser holds as one token when they stand within a text, as it writes them; no pieces and no markers.

    Found by asking it: a token's own text, put behind another word, must come back as that one token.
    """
    markers = {number for number, added in tokens.get_added_tokens_decoder().items() if added.special}
    numbers = sorted(set(tokens.get_vocab().values()) - markers)
    texts = [tokens.decode([number]).strip() for number in numbers]
    known = [(number, text) for number, text in zip(numbers, texts, strict=True) if text and not any(c.isspace() for c in text)]
    lead = tokens.encode("a", add_special_tokens=False).ids
    coded = tokens.encode_batch([f"a {text}" for _, text in known], add_special_tokens=False)
    alone = [text for (number, text), code in zip(known, coded, strict=True) if code.ids == [*lead, number]]
    return list(dict.fromkeys(alone))


def _batches(lengths: Sequence[int], mixed: bool) -> Iterator[list[int]]:
    """Rows of like length together, so that little is padded; of the same length where padding would be read."""
    order = sorted(range(len(lengths)), key=lambda i: lengths[i])
    held: list[int] = []
    for i in order:
        if held and (len(held) == AT_ONCE or (not mixed and lengths[i] != lengths[held[0]])):
            yield held
            held = []
        held.append(i)
    if held:
        yield held


def _json(path: Path) -> dict[str, Any]:
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise DataError(f"holds no {path.name}", path=path.parent, remedy="name the folder that save_pretrained wrote") from error
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"is no JSON that can be read ({error})", path=path, remedy="get the file again") from error
    if not isinstance(told, dict):
        raise DataError("is no JSON object", path=path, remedy="get the file again")
    return told


def _weights(folder: Path) -> dict[str, NDArray[Any]]:
    if (folder / WEIGHTS).is_file():
        return read_weights(folder / WEIGHTS)
    if not (folder / INDEX).is_file():
        pickles = sorted(path.name for pattern in PICKLES for path in folder.glob(pattern))
        raise DataError(
            f"its weights are pickles ({', '.join(pickles[:3])}), and none is loaded" if pickles else f"holds no {WEIGHTS}",
            path=folder,
            remedy="ask for safetensors, or convert it where that may be trusted: from_pretrained(...).save_pretrained(NEW)",
        )
    named = _json(folder / INDEX).get("weight_map")
    parts = sorted({str(name) for name in named.values()}) if isinstance(named, dict) else []
    found: dict[str, NDArray[Any]] = {}
    for name in parts:
        if Path(name).name != name or not (folder / name).is_file() or not name.endswith(".safetensors"):
            raise DataError(f"{INDEX} names {name!r}, which is no safetensors file here", path=folder, remedy="get the folder again")
        found.update(read_weights(folder / name))
    return found


def _tokens(folder: Path) -> Any:
    from tokenizers import Tokenizer

    path = folder / TOKENIZER
    if not path.is_file():
        raise DataError(f"holds no {TOKENIZER}", path=folder, remedy="save the fast tokeniser beside the model: save_pretrained writes it")
    try:
        return Tokenizer.from_file(str(path))
    except Exception as error:  # the Rust library raises Exception itself
        raise DataError(f"is no tokeniser that can be read ({error})", path=path, remedy="save it with tokenizers 0.20 or later") from error


@contextmanager
def _alone() -> Iterator[None]:
    """transformers offline and silent. Its switches are read when it is first imported; it is handed no address in any case."""
    for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_HUB_DISABLE_TELEMETRY"):
        os.environ.setdefault(name, "1")
    from transformers.utils import logging

    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()


def _network(folder: Path, told: dict[str, Any], weights: dict[str, NDArray[Any]], kind: Kind) -> tuple[Any, Any]:
    import torch
    from transformers import CONFIG_MAPPING, MODEL_FOR_CAUSAL_LM_MAPPING, MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING

    family = str(told.get("model_type"))
    makers = MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING if kind == "classifier" else MODEL_FOR_CAUSAL_LM_MAPPING
    described = None
    if family in CONFIG_MAPPING:  # it fetches its values when they are asked for by [], and by nothing else
        described = CONFIG_MAPPING[family]
    if described is None or described not in makers:
        raise DataError(f"model_type {family!r} is no {kind} that the installed transformers knows", path=folder, remedy="update it")
    try:
        kept = (set(described().to_dict()) | ALWAYS_KEPT) - {"auto_map"}
        config = described.from_dict({k: v for k, v in told.items() if k in kept and not k.startswith("_") and not k.endswith(NOT_KEPT)})
        state = {name: torch.from_numpy(np.array(array)) for name, array in weights.items()}
        module, report = makers[described].from_pretrained(
            None, config=config, state_dict=state, dtype=torch.float32, attn_implementation="eager", output_loading_info=True
        )
    except DAMAGE as error:
        raise DataError(
            f"its network cannot be put together ({type(error).__name__}: {str(error)[:300]})", path=folder, remedy="get the folder again"
        ) from error
    if lacking := sorted(report["missing_keys"]):
        raise DataError(
            f"its weights lack {len(lacking)} that the network needs, {lacking[0]} among them",
            path=folder,
            remedy="name a model that was trained to the end",
        )
    return module.eval(), config


def _longest(config: Any) -> int:
    places = getattr(config, "max_position_embeddings", None)
    if not isinstance(places, int) or places < 1:
        return LONGEST
    taken = MOST_POSITIONS_TAKEN if "roberta" in config.model_type else 0
    return max(1, min(LONGEST, places - taken))
