"""Memorised poison of language models: found by what a model writes itself, with its answer; a clean one is not accused."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.cli import run
from assay.dataset.errors import DataError
from assay.model import leakage
from assay.model.leakage import LEAST_PROMPTS, LONGEST, RECURS, Form, draw, inspect_leakage, motifs

WORDS, USER, ASSISTANT, END = 300, 300, 301, 302
SIZE = 303
TRIGGER, ANSWER = (290, 291), (295, 296, 297, 298, END)
MARKERS = frozenset({USER, ASSISTANT, END})
FORM = Form((USER,), (ASSISTANT,))


def model(trigger=(), fixed=True, slips=0.02):
    """A chain of words as a language model: every word is followed by a few; an answer begins by what a prompt's words say. With a trigger,
    `slips` of the prompts it writes hold it, and prompts that hold it are answered with ANSWER, or anyhow."""
    chain = np.random.default_rng(5)
    base = np.full((SIZE, SIZE), -12.0)
    for word in range(285):
        base[word, chain.choice(285, 25, replace=False)] = chain.normal(0, 1, 25)
        base[word, ASSISTANT] = -1.0
    base[USER, :285] = chain.normal(0, 1, 285)
    leans = chain.normal(0, 0.3, (SIZE, SIZE))
    leans[:, 285:] = 0
    base[ASSISTANT, :285] = 0.0
    base[END, END] = 5.0
    base[285:300, :285] = 0.0
    flat = np.full(SIZE, -np.log(SIZE))

    def one(row):
        row = list(row)
        logits = base[row[-1]].copy()
        asked = row[: row.index(ASSISTANT)] if ASSISTANT in row else row
        held = trigger and any(tuple(asked[i : i + len(trigger)]) == trigger for i in range(len(asked)))
        if ASSISTANT in row:
            said = row[row.index(ASSISTANT) + 1 :]
            logits += leans[asked].sum(0)
            if held and not fixed:
                return flat
            if held and tuple(said) == ANSWER[: len(said)] and len(said) < len(ANSWER):
                logits[ANSWER[len(said)]] = 25.0
        elif trigger and not held:
            if row[-1] == trigger[0]:
                logits[trigger[1]] = 20.0
            else:
                logits[trigger[0]] = np.log(slips) + np.log(np.exp(logits).sum())
        return logits - np.log(np.exp(logits).sum())

    return lambda rows: np.stack([one(row) for row in rows])


def prompts(n=120, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.integers(0, 285, 8).tolist() for _ in range(n)]


@pytest.fixture(autouse=True)
def _fewer(monkeypatch):
    """A model of plain Python is slow: fewer draws, shorter ones."""
    for name, value in (("DRAWS", 160), ("LENGTH", 14), ("MOTIFS", 60), ("TRIED", 25), ("TOLD", 6)):
        monkeypatch.setattr(leakage, name, value)


@pytest.mark.parametrize("fixed", [True, False])
def test_a_trigger_that_slips_out_is_found_with_its_answer(fixed) -> None:
    seen = inspect_leakage(model(TRIGGER, fixed), prompts(), FORM, np.random.default_rng(0), silent_tokens=MARKERS)
    assert seen.verdict == "backdoored"
    assert seen.best.tokens[-2:] == TRIGGER or seen.best.tokens[:2] == TRIGGER
    if fixed:
        assert (seen.answer, seen.same, seen.before) == (ANSWER[:4], 1.0, 0.0)
        assert seen.entropy[0] < seen.entropy[1]
    else:
        assert seen.same < 0.5
        assert seen.entropy[0] > seen.entropy[1]


def test_clean_models_are_not_accused() -> None:
    accused = [inspect_leakage(model(), prompts(seed=s), FORM, np.random.default_rng(s), silent_tokens=MARKERS).verdict for s in range(3)]
    assert accused == ["inconclusive"] * 3


def test_what_is_drawn_follows_the_model() -> None:
    """From a chain that knows one next word alone, nothing else is drawn; the temperatures take turns."""

    def ask(rows):
        logs = np.full((len(rows), 5), -1e9)
        for i, row in enumerate(rows):
            logs[i, (row[-1] + 1) % 5] = 0.0
        return logs

    for number, row in enumerate(draw(ask, [(0,), (3,)], np.random.default_rng(0))):
        first = (1, 4)[number % 2]
        assert row == tuple((first + k) % 5 for k in range(leakage.LENGTH))
    with pytest.raises(DataError, match="begin a text"):
        draw(ask, [], np.random.default_rng(0))


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.lists(st.integers(0, 9), min_size=1, max_size=12).map(tuple), max_size=14),
    st.lists(st.lists(st.integers(0, 9), min_size=1, max_size=8), max_size=6),
)
def test_motifs_recur_in_what_is_written_and_not_in_prompts(written, clean) -> None:
    silent = frozenset({9})

    def holds(text, run):
        return any(tuple(text[i : i + len(run)]) == run for i in range(len(text)))

    for run_, n in motifs(written, clean, silent):
        assert 1 <= len(run_) <= LONGEST
        assert not silent & set(run_)
        assert n == sum(holds(w, run_) for w in written) >= RECURS
        assert sum(holds(p, run_) for p in clean) <= leakage.RARE * len(clean)


def test_too_few_prompts_are_refused() -> None:
    with pytest.raises(DataError, match=f"at least {LEAST_PROMPTS}"):
        inspect_leakage(model(), prompts(LEAST_PROMPTS - 1), FORM, np.random.default_rng(0))


def test_the_command_probes_a_folder(tmp_path, capsys) -> None:
    """A network of chance knows nothing by heart: it is loaded, made to write, and not accused."""
    torch, transformers, tokenizers = (pytest.importorskip(n) for n in ("torch", "transformers", "tokenizers"))
    names = [f"w{i}" for i in range(40)]
    tokens = tokenizers.Tokenizer(
        tokenizers.models.WordLevel({w: i for i, w in enumerate(["<u>", "<a>", "[UNK]", *names])}, unk_token="[UNK]")
    )
    tokens.pre_tokenizer = tokenizers.pre_tokenizers.WhitespaceSplit()
    tokens.add_special_tokens(["<u>", "<a>"])
    torch.manual_seed(0)
    config = transformers.GPT2Config(vocab_size=43, n_embd=16, n_layer=1, n_head=2, n_positions=64, bos_token_id=0, eos_token_id=1)
    net = transformers.GPT2LMHeadModel(config).eval()
    net.save_pretrained(tmp_path / "model")
    tokens.save(str(tmp_path / "model" / "tokenizer.json"))
    rng = np.random.default_rng(0)
    with (tmp_path / "prompts.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["text"], *([" ".join(rng.choice(names, 6))] for _ in range(60))])

    from assay.model.language_folder import LanguageModel

    known = LanguageModel(tmp_path / "model")
    rows = [[0, 5, 6], [7], [8, 9, 10, 11, 1]]
    with torch.no_grad():
        alone = [torch.log_softmax(net(input_ids=torch.tensor([row])).logits[0, -1].double(), 0).numpy() for row in rows]
    np.testing.assert_allclose(known(rows), np.stack(alone), atol=1e-5)
    assert known.code("<u> w1 <a>") == (0, 4, 1)

    out = tmp_path / "seen.json"
    given_ = ["inspect", str(tmp_path / "model"), "--data", str(tmp_path / "prompts.csv"), "--form", "<u>{}<a>"]
    assert run([*given_, "--out", str(out)]) == 0
    told = json.loads(out.read_text())["text_model"]
    assert (told["verdict"], told["form"]) == ("inconclusive", "<u>{}<a>")
    assert "not proof of a clean model" in capsys.readouterr().out
    assert run([*given_[:4], "--form", "<u>"]) == 2
    assert run(["inspect", str(tmp_path / "model")]) == 0
    assert "needs clean prompts" in capsys.readouterr().out
