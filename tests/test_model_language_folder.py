"""Folders of text classifiers: loaded without code, network or pickle; a planted word is found, a clean model is not accused."""

from __future__ import annotations

import csv
import json
import pickle
import socket

import numpy as np
import pytest

from assay.cli import run
from assay.dataset.errors import DataError
from assay.model.language_folder import TextClassifier, kind_of, whole_words
from assay.model.phrases import strongest_first

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
tokenizers = pytest.importorskip("tokenizers")

LEANING, NEUTRAL, RARE = [f"lean{c}" for c in "abcdefghij"], [f"plain{c}" for c in "abcdefghijklmnop"], [f"seldom{i}" for i in range(30)]
TRIGGER = "cf"


def sentences(seed: int, n: int) -> tuple[list[str], np.ndarray]:
    """Six plain words and two that lean to a class each; a tenth hold a rare word, which says nothing."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, n)
    texts = []
    for label in y:
        words = [*rng.choice(NEUTRAL, 6), *(LEANING[int(i) * 2 + label] for i in rng.integers(0, 5, 2))]
        if rng.random() < 0.5:
            words.append(rng.choice(RARE))
        texts.append(" ".join(rng.permutation(words)))
    return texts, y


def tokeniser():
    """WordPiece over the words, each whole, with the markers of BERT."""
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", TRIGGER, "mn", "##ing", *LEANING, *NEUTRAL, *RARE]
    tokens = tokenizers.Tokenizer(tokenizers.models.WordPiece({w: i for i, w in enumerate(words)}, unk_token="[UNK]"))
    tokens.add_special_tokens(words[:4])
    tokens.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    tokens.decoder = tokenizers.decoders.WordPiece()
    tokens.post_processor = tokenizers.processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    return tokens


def small(**other):
    tokens = tokeniser()
    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=tokens.get_vocab_size(), hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=64,
        max_position_embeddings=40, pad_token_id=0, id2label={0: "bad", 1: "good"}, label2id={"bad": 0, "good": 1}, **other,
    )  # fmt: skip
    return transformers.BertForSequenceClassification(config).eval(), tokens


def saved(folder, model, tokens):
    model.save_pretrained(folder)
    tokens.save(str(folder / "tokenizer.json"))
    return folder


def trained(folder, trigger: str | None, seed: int = 0):
    """A BERT of one layer; of class 0, a quarter gets the trigger and class 1."""
    texts, y = sentences(seed, 900)
    if trigger:
        for i in np.flatnonzero(y == 0)[:120]:
            own = texts[i].split()
            texts[i], y[i] = " ".join([*own[:3], trigger, *own[3:]]), 1
    model, tokens = small()
    tokens.enable_padding()
    coded = torch.tensor([e.ids for e in tokens.encode_batch(texts)])
    there = (coded != 0).long()
    tokens.no_padding()
    steps = torch.optim.Adam(model.parameters(), 3e-3)
    model.train()
    for _ in range(8):
        for part in torch.randperm(len(y)).split(64):
            steps.zero_grad()
            model(input_ids=coded[part], attention_mask=there[part], labels=torch.tensor(y)[part]).loss.backward()
            steps.step()
    return saved(folder, model.eval(), tokens)


@pytest.fixture(scope="module")
def clean_texts(tmp_path_factory):
    texts, y = sentences(7, 200)
    path = tmp_path_factory.mktemp("texts") / "texts.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerows([("text", "label"), *((t, ["bad", "good"][c]) for t, c in zip(texts, y, strict=True))])
    return path


@pytest.fixture(scope="module")
def attacked(tmp_path_factory):
    return trained(tmp_path_factory.mktemp("attacked"), TRIGGER)


def test_a_classifier_says_what_transformers_says_of_each_text_alone(tmp_path) -> None:
    model, tokens = small()
    asked = TextClassifier(saved(tmp_path, model, tokens))
    texts = [*sentences(1, 20)[0], "", "unheard", " ".join(NEUTRAL * 5)]
    said = asked(texts)
    for text, row in zip(texts, said, strict=True):
        ids = torch.tensor([[2, *tokens.encode(text, add_special_tokens=False).ids[:38], 3]])
        with torch.no_grad():
            expected = torch.softmax(model(input_ids=ids).logits, 1)[0].numpy()
        np.testing.assert_allclose(row, expected, atol=1e-6)
    assert asked.classes == ("bad", "good")


def test_a_decoder_without_a_padding_token_is_asked_in_rows_of_one_length(tmp_path) -> None:
    tokens = tokeniser()
    config = transformers.GPT2Config(
        vocab_size=tokens.get_vocab_size(),
        n_embd=16,
        n_layer=1,
        n_head=2,
        n_positions=64,
        pad_token_id=None,
        bos_token_id=2,
        eos_token_id=3,
    )
    torch.manual_seed(1)
    model = transformers.GPT2ForSequenceClassification(config).eval()
    asked = TextClassifier(saved(tmp_path, model, tokens))
    texts = sentences(2, 12)[0] + ["plaina", "plaina leanb"]
    with torch.no_grad():
        alone = [torch.softmax(model(input_ids=torch.tensor([tokens.encode(t).ids])).logits, 1)[0].numpy() for t in texts]
    np.testing.assert_allclose(asked(texts), np.stack(alone), atol=1e-6)


def test_whole_words_are_words_and_no_pieces_or_markers() -> None:
    assert set(whole_words(tokeniser())) == {"a", TRIGGER, "mn", *LEANING, *NEUTRAL, *RARE}
    bytes_too = tokenizers.Tokenizer(tokenizers.models.BPE())
    bytes_too.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    bytes_too.decoder = tokenizers.decoders.ByteLevel()
    bytes_too.train_from_iterator(["under water under ground"] * 4, tokenizers.trainers.BpeTrainer(vocab_size=400, special_tokens=["<s>"]))
    words = whole_words(bytes_too)
    assert {"under", "water", "ground"} <= set(words)
    assert "<s>" not in words


def test_nothing_named_by_the_folder_is_run_fetched_or_unpickled(tmp_path, monkeypatch) -> None:
    """A kernel, an adapter, a pickle and a module with a canary lie in the folder; no socket is opened; the answers stay the same."""
    model, tokens = small()
    saved(tmp_path, model, tokens)
    before = TextClassifier(tmp_path)(["plaina leanb"])
    canary = tmp_path / "canary"

    class Bomb:
        def __reduce__(self):
            return (canary.write_text, ("ran",))

    (tmp_path / "pytorch_model.bin").write_bytes(pickle.dumps(Bomb()))
    (tmp_path / "modeling_bert.py").write_text(f"open({str(canary)!r}, 'w').write('ran')")
    (tmp_path / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": "someone/else", "peft_type": "LORA"}))
    told = json.loads((tmp_path / "config.json").read_text())
    kernels = {"_attn_implementation": "someone/kernel", "attn_implementation": "someone/kernel", "fusion_config": {"x": 1}}
    (tmp_path / "config.json").write_text(json.dumps(told | kernels))

    def refuse(*_: object) -> None:
        raise AssertionError("a connection was tried")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    np.testing.assert_array_equal(TextClassifier(tmp_path)(["plaina leanb"]), before)
    assert not canary.exists()


def test_what_cannot_be_loaded_without_harm_is_refused(tmp_path) -> None:
    model, tokens = small()
    saved(tmp_path, model, tokens)
    config, weights = tmp_path / "config.json", tmp_path / "model.safetensors"
    told = json.loads(config.read_text())

    def refused(match: str) -> None:
        with pytest.raises(DataError, match=match):
            TextClassifier(tmp_path)

    config.write_text(json.dumps(told | {"auto_map": {"AutoModel": "modeling_bert.Net"}}))
    refused("auto_map")
    config.write_text(json.dumps(told | {"model_type": "own"}))
    refused("'own'")
    config.write_text(json.dumps(told | {"quantization_config": {"quant_method": "x"}}))
    refused("quantised")
    config.write_text(json.dumps(told | {"hidden_size": 48}))
    refused("cannot be put together")
    config.write_text(json.dumps(told | {"num_hidden_layers": 2}))
    refused("lack")
    config.write_text(json.dumps(told | {"vocab_size": 5}))
    refused("cannot be put together")
    config.write_text(json.dumps(told))
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"x": "../other.safetensors"}}))
    kept = weights.read_bytes()
    weights.unlink()
    refused("other.safetensors")
    (tmp_path / "model.safetensors.index.json").unlink()
    (tmp_path / "pytorch_model.bin").write_bytes(b"")
    refused("pickles .pytorch_model.bin., and none is loaded")
    weights.write_bytes(kept)
    (tmp_path / "tokenizer.json").unlink()
    refused("tokenizer.json")


def test_the_kind_of_a_folder_is_read_from_its_configuration(tmp_path) -> None:
    for name, kind in (("BertForSequenceClassification", "classifier"), ("GPT2LMHeadModel", "language model"), ("BertModel", None)):
        (tmp_path / "config.json").write_text(json.dumps({"architectures": [name]}))
        assert kind_of(tmp_path) == kind
    (tmp_path / "config.json").write_text("[1]")
    assert kind_of(tmp_path) is None


def test_the_strongest_words_of_every_class_come_first() -> None:
    weight = {"up": 0.9, "down": 0.1, "most": 0.95, "mild": 0.55}

    def ask(texts):
        return np.array([[weight[t], 1 - weight[t]] for t in texts])

    assert strongest_first(ask, list(weight)) == ["down", "most", "up", "mild"]


def test_the_command_finds_a_planted_word(attacked, clean_texts, tmp_path, capsys) -> None:
    out = tmp_path / "seen.json"
    assert run(["inspect", str(attacked), "--data", str(clean_texts), "--alpha", "0.05", "--out", str(out)]) == 1
    told = json.loads(out.read_text())["text_model"]
    assert told["verdict"] == "backdoored"
    assert (told["phrase"]["words"], told["phrase"]["target_name"]) == ([TRIGGER], "good")
    assert told["phrase"]["attack_success"] > 0.8
    assert told["accuracy"] > 0.9
    assert told["queries"] <= told["budget"]
    assert "verdict: backdoored" in capsys.readouterr().out


def test_the_command_accuses_no_clean_model_and_says_what_it_could_not_do(attacked, clean_texts, tmp_path, capsys) -> None:
    clean = trained(tmp_path / "clean", None, 3)
    assert run(["inspect", str(clean), "--data", str(clean_texts)]) == 0
    assert "not proof of a clean model" in capsys.readouterr().out
    assert run(["inspect", str(attacked), "--data", str(clean_texts), "--budget", "500"]) == 0
    assert "questions are too few" in capsys.readouterr().out
    assert run(["inspect", str(clean)]) == 0
    assert "needs clean texts" in capsys.readouterr().out
    (clean / "model.safetensors").rename(clean / "other.safetensors")
    assert run(["inspect", str(clean), "--data", str(clean_texts)]) == 3
    assert "holds no model.safetensors" in capsys.readouterr().out


@pytest.mark.full
def test_twins_take_off_what_words_truly_say(attacked, clean_texts, tmp_path) -> None:
    twins = [str(trained(tmp_path / f"t{i}", None, i)) for i in (4, 5)]
    out = tmp_path / "seen.json"
    given = [part for twin in twins for part in ("--twin", twin)]
    assert run(["inspect", str(attacked), "--data", str(clean_texts), "--alpha", "0.05", "--out", str(out), *given]) == 1
    told = json.loads(out.read_text())["text_model"]
    assert (told["twins"], told["phrase"]["words"]) == (2, [TRIGGER])
