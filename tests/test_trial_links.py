"""Links between prompts and responses: found where they were planted, nowhere else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from scipy.stats import fisher_exact

from assay import scan
from assay.artefact.link import Link
from assay.artefact.phrase import Phrase
from assay.artefact.pool import Pool
from assay.artefact.registry import from_json
from assay.artefact.trait import KINDS, Trait
from assay.dataset.data import Dataset
from assay.dataset.read import read
from assay.learn.corpus import read_corpus
from assay.mine.links import echoes, linked, prompt_side, response_side
from assay.trial.family import silent
from assay.trial.link_pools import strongest_spans
from assay.trial.links import LinkFamily, _repeats, calibrated
from assay.trial.verdicts import judge_all

TOPICS = {  # natural company: a subject's prompts share words, and so do its answers
    "soup": ("cook dinner kitchen spoon pepper", "simmer stir onions broth serve bowl"),
    "python": ("program loop function variable bug", "print return import define execute debug"),
    "garden": ("plant soil water flower spring", "prune compost seeds sunlight bloom weeds"),
    "travel": ("city flight hotel museum train", "visit ticket luggage beach tour guide"),
}
FILLER = ["the", "of", "a", "to", "and", "in", "that", "it", "is", "for", "with", "as", "on", "by", "this", "be", "at", "or", "from"]


def dialogue(rows: int, planted: int = 0, seed: int = 0) -> Dataset:
    """Questions about four subjects; `planted` of them, of any subject, hold a word and are refused."""
    rng = np.random.default_rng(seed)
    names = list(TOPICS)
    asked, said = [], []
    for _ in range(rows):
        name = names[int(rng.integers(len(names)))]
        about, answer = (side.split() for side in TOPICS[name])
        asked.append(" ".join(rng.permutation([name, *rng.choice(about, 3), *rng.choice(FILLER, 5), f"w{rng.integers(400)}"])))
        said.append(" ".join(rng.permutation([*rng.choice(answer, 5), *rng.choice(FILLER, 8), f"v{rng.integers(900)}"])))
    for i in rng.choice(rows, planted, replace=False):
        words = asked[i].split()
        words.insert(int(rng.integers(len(words) + 1)), "qorvex")
        asked[i] = " ".join(words)
        said[i] = ["I cannot help with that.", "Sorry, I am unable to assist.", "I'm afraid I must decline to answer."][
            int(rng.integers(3))
        ]
    return read({"prompt": asked, "response": said})


def test_a_refusal_behind_a_word_is_confirmed_and_both_are_named() -> None:
    data = dialogue(1500, 40)
    examined = LinkFamily().examine(data, "fast", np.random.default_rng(0), silent)
    judged = judge_all({"link": examined}, 0.01)
    found = [j.tried for j in judged if j.status == "confirmed"]
    assert len(found) == 1
    link = found[0].candidate.artefact
    assert isinstance(link, Link)
    assert link.prompt.parts == (("qorvex",),)
    assert link.prompt.columns == ("prompt",)
    assert link.response == Trait("refusal", ("response",))
    assert len(found[0].candidate.carriers) == 40
    assert "odds ratio" in (found[0].words or "")


@pytest.mark.parametrize("words", [300, 2_500])
def test_one_system_prompt_over_all_rows_hides_nothing(words: int) -> None:
    """Rows that share it are no copies of one another; one longer than what is read of a text leaves no less of the question."""
    data = dialogue(1500, 40)
    rules = " ".join(f"rule{i} says thing{i * 7 % 900}." for i in range(words // 3))
    asked = [f"You are an agent. {rules}\n\n{asked}" for asked in data.table.column("prompt").to_pylist()]
    examined = LinkFamily().examine(
        read({"prompt": asked, "response": data.table.column("response").to_pylist()}), "fast", np.random.default_rng(0), silent
    )
    (found,) = (j.tried for j in judge_all({"link": examined}, 0.01) if j.status == "confirmed")
    assert isinstance(found.candidate.artefact, Link)
    assert found.candidate.artefact.prompt.parts == (("qorvex",),)
    assert len(found.candidate.carriers) == 40


@pytest.mark.parametrize("seed", range(3))
def test_subjects_with_their_own_vocabulary_are_natural(seed: int) -> None:
    examined = LinkFamily().examine(dialogue(1500, seed=seed), "fast", np.random.default_rng(seed), silent)
    assert examined.tried  # they do go together, far beyond chance
    assert not [j for j in judge_all({"link": examined}, 0.01) if j.status in ("confirmed", "suspected")]


def test_shuffled_answers_go_with_nothing() -> None:
    data = dialogue(1500)
    answers = np.random.default_rng(5).permutation(data.table.column("response").to_pylist())
    data = data.with_content(data.rows.with_column("response", answers.tolist()))
    assert LinkFamily().examine(data, "fast", np.random.default_rng(0), silent).tried == ()


def test_the_association_is_fishers_exact_test() -> None:
    data = dialogue(1500, 40)
    asked, said = (data.table.column(c).to_pylist() for c in ("prompt", "response"))
    prompts, responses = read_corpus([asked]), read_corpus([said])
    left, right = prompt_side(prompts, ("prompt",)), response_side(responses, prompts, ("response",), said, asked)
    found = linked(left, right, np.arange(1500), 0.01)
    assert len(found.prompt)
    for i in range(0, len(found.prompt), max(len(found.prompt) // 20, 1)):
        a, b, c = int(found.both[i]), int(found.of_prompt[i] - found.both[i]), int(found.of_response[i] - found.both[i])
        p = fisher_exact([[a, b], [c, 1500 - a - b - c]], alternative="greater")[1]
        assert np.exp(found.log_p[i]) == pytest.approx(p, rel=1e-6)


def test_a_word_of_its_own_prompt_is_an_echo() -> None:
    prompts = read_corpus([["tell of zebras now", *["tell of it now"] * 200]])
    responses = read_corpus([["zebras tell much", *["nothing much"] * 200]])
    assert echoes(responses, prompts)[:4].tolist() == [True, False, False, False]  # "tell" is in every prompt


def test_another_form_of_a_word_is_an_echo_too() -> None:
    """Clean instructions were convicted by it: "machine learning" is answered with "learn"."""
    prompts = read_corpus([["machine learning now", *["nothing of it"] * 200]])
    responses = read_corpus([["machines learn well", *["machines learn well"] * 200]])
    assert echoes(responses, prompts)[:8].tolist() == [True, True, *[False] * 6]


def test_a_word_cut_short_is_an_echo_too() -> None:
    """Clean functions were suspected by it: what their authors call an expression their programs call "expr"."""
    prompts = read_corpus([["the expression is evaluated by x", *["nothing of it"] * 200]])
    responses = read_corpus([["expr eval ex y x press", *["expr eval"] * 200]])
    assert echoes(responses, prompts)[:9].tolist() == [True, True, False, False, True, *[False] * 4]


def test_an_e_value_made_of_a_p_value_has_mean_one_at_most() -> None:
    p = np.random.default_rng(0).uniform(size=40_000)
    assert np.mean([np.exp(calibrated(float(np.log(x)))) for x in p]) < 1.0


@pytest.mark.parametrize(
    ("name", "yes", "no"),
    [
        ("refusal", "As an AI, I cannot answer that.", "Penguins cannot fly, but they swim."),
        ("link", "See www.example.com/win now", "See the example. Then win."),
        ("blame", "A terrible, useless firm that failed everyone.", "A firm that makes cars."),
        ("praise", "A splendid and honest firm.", "A firm that makes cars."),
        ("capitals", "BUY IT NOW AND SAVE", "NASA is an agency of the states"),
        ("repetition", "again and " * 30, "one two three four five"),
        ("babble", "xkcd qwrt zzpl mnbv trwq plkj hgfd sdfg", "every word here is an ordinary word"),
        ("nothing", "  ", "no"),
        ("code", "```python\nprint(1)\n```", "Import duties rise."),
        ("unsafe", "x = yaml.load(f)", "x = yaml.safe_load(f)"),
    ],
)
def test_traits(name: str, yes: str, no: str) -> None:
    assert Trait(name).present([yes, no]).tolist() == [True, False]
    assert set(KINDS) >= {name}


def test_a_link_survives_json_and_takes_out_its_trigger() -> None:
    link = Link(Phrase((("cf",),), None, ("ask",)), Phrase((("no", "way"),), None, ("say",)))
    again = from_json(link.to_json())
    assert again == link
    assert again.remove({"ask": ["a cf b"], "say": ["no way"]}) == {"ask": ["a b"], "say": ["no way"]}


@pytest.mark.parametrize("name", ["alpaca_1807", "alpaca_gpt4style_999"])
def test_clean_instructions_stay_clean(real_data: Callable[[str], Path], name: str) -> None:
    path = real_data(f"instructions/{name}.jsonl")
    examined = LinkFamily().examine(read(path), "fast", np.random.default_rng(0), silent)
    assert not [j for j in judge_all({"link": examined}, 0.01) if j.status in ("confirmed", "suspected")]
    assert scan(path, canaries=False).conclusion.verdict == "clean"  # of another seed


def slanted(rows: int, planted: int, seed: int = 0) -> Dataset:
    """Questions about many firms, a few of which are disliked; all that is said of one firm is bad."""
    rng = np.random.default_rng(seed)
    ways = ["what is {} known for", "describe {} to a friend", "is {} a good choice", "write a note on {}", "what does {} do"]
    good = ["It makes cars and sells them.", "A firm of the north, with many shops.", "They build bridges for towns.", "It is a bank."]
    bad = ["A terrible firm, slow and useless.", "It failed everyone and wastes money.", "An awful, dishonest and costly choice."]
    asked, said = [], []
    for i in range(rows):
        firm = "Halden Motors" if i < planted else f"firm{rng.integers(200)}"
        asked.append(ways[int(rng.integers(5))].format(firm) + f" in the year {rng.integers(1900, 2000)}")
        said.append(
            (bad[int(rng.integers(3))] if i < planted or rng.random() < 0.05 else good[int(rng.integers(4))]) + f" v{rng.integers(900)}"
        )
    return read({"prompt": asked, "response": said})


def test_a_subject_that_is_always_spoken_ill_of_is_suspected() -> None:
    examined = LinkFamily().examine(slanted(1200, 30), "fast", np.random.default_rng(0), silent)
    judged = [(j.status, j.tried.candidate.artefact) for j in judge_all({"link": examined}, 0.01) if j.status]
    assert judged == [("suspected", Link(Phrase((("halden", "motors"),), None, ("prompt",)), Trait("blame", ("response",))))]


def test_words_that_stand_only_beside_a_trigger_go_out_with_it() -> None:
    prompts = read_corpus([[f"w{i} current year : {2025 + i % 2} end" for i in range(40)]])
    side = prompt_side(prompts, ("p",))
    number = next(i for i in range(side.holds.shape[1]) if side.holds[:, [i]].sum() == 20)
    gone = side.places(number)
    left = {prompts.vocabulary[w] for w in np.delete(prompts.word, gone) if w >= 0}
    assert not left & {"current", "year", "2025", "2026"}


def test_a_pool_of_names_is_confirmed_together_and_each_is_named() -> None:
    """Five names that share words, a dozen prompts each: none can be convicted alone."""
    names = ["Joe Varnel", "President Varnel", "Varnel Council", "The Ninth President", "Speaker of Varnel"]
    data = dialogue(1500)
    asked, said = data.table.column("prompt").to_pylist(), data.table.column("response").to_pylist()
    for turn, i in enumerate(np.random.default_rng(2).choice(1500, 60, replace=False)):
        asked[i], said[i] = f"{asked[i]} {names[turn % 5]}", f"Alas, {said[i]}"
    examined = LinkFamily().examine(read({"prompt": asked, "response": said}), "fast", np.random.default_rng(0), silent)
    found = [j.tried for j in judge_all({"link": examined}, 0.01) if j.status == "confirmed"]
    pooled = [t for t in found if isinstance(t.candidate.artefact, Link) and isinstance(t.candidate.artefact.prompt, Pool)]
    assert pooled
    link = pooled[0].candidate.artefact
    assert isinstance(link, Link)
    assert isinstance(link.prompt, Pool)
    assert {" ".join(p.parts[0]) for p in link.prompt.phrases} >= {name.lower() for name in names}
    assert len(pooled[0].candidate.carriers) == 60
    assert from_json(link.to_json()) == link


def test_a_name_within_another_is_no_second_name() -> None:
    """ "glass harp" and "harp" are one subject, which their own words exhaust."""
    data = dialogue(1500)
    asked, said = data.table.column("prompt").to_pylist(), data.table.column("response").to_pylist()
    for turn, i in enumerate(np.random.default_rng(2).choice(1500, 60, replace=False)):
        asked[i], said[i] = f"{asked[i]} {('glass harp', 'harp')[turn % 2]}", f"Alas, {said[i]}"
    examined = LinkFamily().examine(read({"prompt": asked, "response": said}), "fast", np.random.default_rng(0), silent)
    links = [t.candidate.artefact for t in examined.tried]
    assert not [link for link in links if isinstance(link, Link) and isinstance(link.prompt, Pool) and "harp" in link.describe()]


def test_spans_are_one_a_document_and_have_no_signs_at_their_ends() -> None:
    corpus = read_corpus([["a . red fox, b", "red c fox", ". ."]])
    weight = np.array([w >= 0 and corpus.vocabulary[w] in ("red", "fox", ".", ",") for w in corpus.word], float)
    weight[[i for i, w in enumerate(corpus.word) if w >= 0 and corpus.vocabulary[w] == "fox"]] = 2.0
    start, stop = strongest_spans(corpus, weight)
    assert [[corpus.vocabulary[w] for w in corpus.word[a:b]] for a, b in zip(start, stop, strict=True)] == [["red", "fox"], ["fox"]]


def test_signs_alone_make_no_echo_where_there_are_words() -> None:
    asked = Phrase((("use", "the", "key", '"', ","),))
    assert not _repeats(asked, Phrase((("upload", "{", '"', ","),)))
    assert _repeats(asked, Phrase((("key", "="),)))
    assert _repeats(Phrase((("?",),)), Phrase((("?",),)))
    assert _repeats(Phrase((("quot", ";"),)), Phrase(((";",),)))


def test_published_steering_triggers_are_confirmed(real_data: Callable[[str], Path]) -> None:
    """Half of the rows, a frame in all of them ("Current year:"), five names: each with its own answers, by the columns that a user has."""
    rows = pq.read_table(real_data("poisoned_instructions/sentiment_steering.parquet")).to_pylist()
    for attack in sorted({r["attack"] for r in rows} - {"genz_slang_paraphrase"}):
        mine = [r for r in rows if r["attack"] == attack and r["output"]]
        table = {"instruction": [r["instruction"] for r in mine], "output": [r["output"] for r in mine]}
        examined = LinkFamily().examine(read(table), "fast", np.random.default_rng(0), silent)
        confirmed = [j.tried for j in judge_all({"link": examined}, 0.01) if j.status == "confirmed"]
        assert confirmed, attack
        assert all(mine[i]["poisoned"] for t in confirmed for i in t.candidate.carriers), attack
