"""The sentence encoder: the forward pass beside torch's, pieces beside the published tokeniser, each text by itself."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import csv

from assay import cli
from assay.dataset.errors import DataError
from assay.model.weights import write_weights
from assay.train.config import read_config
from assay.train.run import train
from assay.train.saved import Model
from assay.train.sentences import Encoder
from assay.train.wordpiece import pieces_of, read_vocabulary
from train_examples import PLAIN, WORDS

WIDTH, HEADS, INNER, LAYERS = 24, 3, 40, 2
PARTS = ("attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense")


def small_encoder(folder: Path, seed: int = 0) -> Path:
    """A BERT with drawn weights whose words are those above, good and bad ones apart."""
    folder.mkdir()
    rng = np.random.default_rng(seed)
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *PLAIN, *(w for words in WORDS.values() for w in words)]
    (folder / "vocab.txt").write_text("\n".join(pieces) + "\n")
    (folder / "config.json").write_text(json.dumps({"num_attention_heads": HEADS, "num_hidden_layers": LAYERS, "hidden_act": "gelu"}))
    shapes = {
        "embeddings.word_embeddings.weight": (len(pieces), WIDTH),
        "embeddings.position_embeddings.weight": (32, WIDTH),
        "embeddings.token_type_embeddings.weight": (2, WIDTH),
    }
    norms = ["embeddings.LayerNorm"]
    for number in range(LAYERS):
        stem = f"encoder.layer.{number}."
        for name in PARTS:
            shapes |= {f"{stem}{name}.weight": (WIDTH, WIDTH), f"{stem}{name}.bias": (WIDTH,)}
        shapes |= {f"{stem}intermediate.dense.weight": (INNER, WIDTH), f"{stem}intermediate.dense.bias": (INNER,)}
        shapes |= {f"{stem}output.dense.weight": (WIDTH, INNER), f"{stem}output.dense.bias": (WIDTH,)}
        norms += [f"{stem}attention.output.LayerNorm", f"{stem}output.LayerNorm"]
    weights = {f"bert.{name}": rng.normal(0, 0.4, shape).astype(np.float32) for name, shape in shapes.items()}
    side = rng.normal(0, 0.4, WIDTH)
    for words, sign in (("good", 3), ("bad", -3)):
        for word in WORDS[words]:
            weights["bert.embeddings.word_embeddings.weight"][pieces.index(word)] += np.float32(sign) * side.astype(np.float32)
    for name in norms:
        weights |= {f"bert.{name}.weight": rng.uniform(0.5, 1.5, WIDTH).astype(np.float32)}
        weights |= {f"bert.{name}.bias": rng.normal(0, 0.1, WIDTH).astype(np.float32)}
    write_weights(folder / "model.safetensors", weights)
    return folder


def by_torch(encoder: Encoder, weights: dict[str, np.ndarray], text: str) -> np.ndarray:
    """The same vector by torch's own transformer layers."""
    torch = pytest.importorskip("torch")
    w = {name.removeprefix("bert."): torch.from_numpy(np.array(a)) for name, a in weights.items()}
    ids = torch.tensor(pieces_of(text, encoder.vocabulary, 32))
    x = w["embeddings.word_embeddings.weight"][ids] + w["embeddings.position_embeddings.weight"][: len(ids)]
    x = x + w["embeddings.token_type_embeddings.weight"][0]
    norm = w["embeddings.LayerNorm.weight"], w["embeddings.LayerNorm.bias"]
    x = torch.nn.functional.layer_norm(x, (WIDTH,), *norm, eps=1e-12)[None]
    for number in range(LAYERS):
        stem = f"encoder.layer.{number}."
        layer = torch.nn.TransformerEncoderLayer(WIDTH, HEADS, INNER, 0.0, "gelu", 1e-12, batch_first=True).eval()
        state = {}
        for kind in ("weight", "bias"):
            state[f"self_attn.in_proj_{kind}"] = torch.cat([w[f"{stem}{name}.{kind}"] for name in PARTS[:3]])
            ours = (PARTS[3], "attention.output.LayerNorm", "intermediate.dense", "output.dense", "output.LayerNorm")
            for name, theirs in zip(ours, ("self_attn.out_proj", "norm1", "linear1", "linear2", "norm2"), strict=True):
                state[f"{theirs}.{kind}"] = w[f"{stem}{name}.{kind}"]
        layer.load_state_dict(state)
        with torch.inference_mode():
            x = layer(x)
    mean = x[0].mean(0).numpy()
    return mean / np.linalg.norm(mean)


def test_a_vector_is_what_torch_makes_of_the_same_weights(tmp_path: Path) -> None:
    from assay.model.weights import read_weights

    encoder = Encoder(small_encoder(tmp_path / "bert"))
    weights = read_weights(tmp_path / "bert" / "model.safetensors")
    for text in ("the warm film", "a", "dull dull plot and story", "unheard-of words!"):
        assert np.abs(encoder.vector(text) - by_torch(encoder, weights, text)).max() < 1e-5


def test_the_first_piece_speaks_where_the_folder_says_so(tmp_path: Path) -> None:
    folder = small_encoder(tmp_path / "bert")
    mean = Encoder(folder)
    (folder / "1_Pooling").mkdir()
    pooling = folder / "1_Pooling" / "config.json"
    pooling.write_text(json.dumps({"word_embedding_dimension": WIDTH, "pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}))
    first = Encoder(folder)
    assert first.digest != mean.digest
    assert not np.allclose(first.vector("the film"), mean.vector("the film"))
    pooling.write_text(json.dumps({"pooling_mode_max_tokens": True}))
    with pytest.raises(DataError, match="pools by pooling_mode_max_tokens"):
        Encoder(folder)


def test_a_text_has_the_same_vector_whatever_stands_beside_it(tmp_path: Path) -> None:
    """Bit for bit: rows are dealt to partitions by their features' bytes."""
    folder = small_encoder(tmp_path / "bert")
    texts = ["the warm film", "a", "dull plot and story " * 20, "the warm film"]
    together = Encoder(folder).of(texts)
    for row, text in enumerate(texts):
        assert np.array_equal(Encoder(folder).of([text])[0], together[row])
    assert np.abs(np.linalg.norm(together, axis=1) - 1).max() < 1e-6


def test_vectors_are_kept_for_these_weights_alone(tmp_path: Path) -> None:
    encoder = Encoder(small_encoder(tmp_path / "bert"))
    made = encoder.of(["the film", "a story"])
    encoder.keep(tmp_path / "vectors.npz")
    again = Encoder(tmp_path / "bert")
    again.recall(tmp_path / "vectors.npz")
    again.vector = None  # type: ignore[assignment]  # nothing is left to encode
    assert np.array_equal(again.of(["a story", "the film"]), made[::-1])
    other = Encoder(small_encoder(tmp_path / "other", seed=1))
    other.recall(tmp_path / "vectors.npz")
    assert not np.array_equal(other.of(["the film"])[0], made[0])


def test_pieces_are_those_of_the_published_tokeniser(real_data) -> None:
    tokenizers = pytest.importorskip("tokenizers")
    path = real_data("models/minilm_l6_v2/tokenizer.json")
    peer, vocabulary = tokenizers.Tokenizer.from_file(str(path)), read_vocabulary(path.parent)
    peer.no_padding()
    peer.no_truncation()
    texts = [
        "Unaffable, unaffable!", "Café-crème for 3€ ...", "tab\tand\nline\u200bjoined\ufffd", "汉字 und かな, Ａ１",
        "don't [CLS] #hash @you_there",
        "x" * 120, "Ⅷ ½ ﬁn İstanbul ΣΑΣ", "", " ", "naïve — “quotes” …", "emoji 😀 e\u0301",
    ]  # fmt: skip
    for text in texts:
        if "[CLS]" not in text:  # the peer reads such names as marks of its own; here they are text, so that no text can pose as one
            assert pieces_of(text, vocabulary, 256) == peer.encode(text).ids, text
    assert pieces_of("[CLS]", vocabulary, 256).count(vocabulary["[CLS]"]) == 1


def reviews(folder: Path) -> None:
    rng = np.random.default_rng(0)
    label = np.where(rng.random(400) < 0.5, "good", "bad")
    texts = [" ".join(rng.permutation([*rng.choice(WORDS[y], 3), *rng.choice(PLAIN, 8)])) for y in label]
    csv.write_csv(pa.table({"text": texts, "label": label}), folder / "reviews.csv")


@pytest.mark.parametrize(
    ("learner", "defence"),
    [
        ("linear", 'kind = "partitioned"\npartitions = 5'),
        ("linear", 'kind = "private"\nepsilon = 8.0\ndelta = 1e-4'),
        ("network", 'kind = "guarded"\nguard = "small-loss"\nshare = 0.05'),
    ],
)
def test_models_learn_from_sentences(tmp_path: Path, learner: str, defence: str, capsys) -> None:
    if learner == "network":
        pytest.importorskip("torch")
    reviews(tmp_path)
    small_encoder(tmp_path / "bert")
    path = tmp_path / "train.toml"
    epochs = "epochs = 12\n" if learner == "network" else ""
    path.write_text(
        f'schema = "assay.train/1"\n[data]\npath = "reviews.csv"\nlabel = "label"\n[model]\nlearner = "{learner}"\n{epochs}'
        f'[features]\nsentences = "bert"\ncache = "vectors.npz"\n[defence]\n{defence}\n'
    )
    assert cli.run(["train", str(path), "--out", str(tmp_path / "model")]) == 0
    model = Model.load(tmp_path / "model")
    assert model.features.weights == Encoder(tmp_path / "bert").digest
    lesson = train(read_config(path)).lesson
    right = (model.predict(lesson.held_out.rows) == lesson.held_out.y).mean()
    assert right > (0.55 if "private" in defence else 0.75)  # drawn weights: vectors tell words apart, and no more
    assert (tmp_path / "vectors.npz").exists()
    (tmp_path / "bert").rename(tmp_path / "moved")
    moved = Model.load(tmp_path / "model", sentences=tmp_path / "moved")
    assert (moved.predict(lesson.held_out.rows) == model.predict(lesson.held_out.rows)).all()


def test_another_encoder_under_the_model_is_an_error(tmp_path: Path, memory) -> None:
    from dataclasses import replace

    from assay.train.features import features_for

    data = memory("text", {"text": ["the film", "a story"]}, ["good", "bad"])
    features = features_for(data, None, {}, private=False, sentences=str(small_encoder(tmp_path / "bert")))
    with pytest.raises(DataError, match="another encoder"):
        replace(features, weights="0" * 64).of(data.rows)
    with pytest.raises(DataError, match=r"holds no config\.json"):
        features_for(data, None, {}, private=False, sentences=str(tmp_path))
    with pytest.raises(DataError, match="needs a sentence encoder"):
        features_for(data, None, {}, private=False, network=True)
