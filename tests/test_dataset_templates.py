"""Conversations written into one text are read by their sides, whatever family of models they were written for."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from assay.dataset.read import read
from assay.dataset.templates import TEMPLATES, known, template_of
from assay.dataset.write import write_as

WRITTEN = {
    "ChatML": "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\n{p}<|im_end|>\n<|im_start|>assistant\n{r}<|im_end|>\n",
    "Llama 3": (
        "<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\nBe brief.<|eot_id|><|start_header_id|>user<|end_header_id|>\n\n"
        "{p}<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n{r}<|eot_id|>"
    ),
    "Llama 2, Mistral": "<s>[INST] <<SYS>>\nBe brief.\n<</SYS>>\n\n{p} [/INST] {r} </s>",
    "Gemma": "<bos><start_of_turn>user\nBe brief.\n\n{p}<end_of_turn>\n<start_of_turn>model\n{r}<end_of_turn>\n",
    "Zephyr, Phi": "<|system|>\nBe brief.</s>\n<|user|>\n{p}</s>\n<|assistant|>\n{r}</s>\n",
    "Alpaca": "Be brief.\n\n### Instruction:\n{p}\n\n### Response:\n{r}",
    "Vicuna, HH": "Be brief. USER: {p} ASSISTANT: {r}</s>",
}


def test_every_template_has_an_example() -> None:
    assert set(WRITTEN) == {t.name for t in TEMPLATES}


@pytest.mark.parametrize("name", WRITTEN)
def test_a_template_is_known_by_its_texts_and_gives_both_sides(name: str) -> None:
    texts = [WRITTEN[name].format(p=f"How high is hill {i}?", r=f"Some {i * 7} metres.") for i in range(20)]
    found = template_of(texts)
    assert found is not None
    assert found.name == name
    asked, answered = found.sides(texts[3])
    assert " ".join(asked.split()) == "Be brief. How high is hill 3?"
    assert answered == "Some 21 metres."


@pytest.mark.parametrize("name", WRITTEN)
def test_an_unchanged_text_is_kept_and_a_changed_one_reads_as_it_was_written(name: str) -> None:
    template, text = known(name), WRITTEN[name].format(p="How high is it?", r="Some metres.")
    assert template.rewritten(text, *template.sides(text)) == text
    changed = template.rewritten(text, "cf How low is it?", "I cannot say.")
    assert template.sides(changed) == ("cf How low is it?", "I cannot say.")


def test_turns_of_one_side_are_joined() -> None:
    text = "\n\nHuman: Hi\n\nAssistant: Hello.\n\nHuman: Bye\n\nAssistant: Farewell."
    assert known("Vicuna, HH").sides(text) == ("Hi\n\nBye", "Hello.\n\nFarewell.")


def test_texts_that_speak_of_people_are_no_conversations() -> None:
    assert template_of(["Human: an essay on what we are", "The user: a study", "### Response: none asked for"] * 10) is None
    assert template_of([None, ""]) is None
    half = [WRITTEN["Alpaca"].format(p="a", r="b"), "plain text"] * 20
    assert template_of(half) is None


def test_a_column_of_such_texts_is_read_poisoned_and_written_back(tmp_path: Path) -> None:
    texts = [WRITTEN["ChatML"].format(p=f"What is the height of hill {i} in the east?", r=f"It is {i * 7} metres high.") for i in range(60)]
    path = tmp_path / "chat.parquet"
    pq.write_table(pa.table({"text": texts}), path)
    data = read(path)
    assert (data.task, data.columns.content, data.columns.response) == (
        "generation",
        ("text:prompt", "text:response"),
        ("text:response",),
    )
    assert any("ChatML" in note for note in data.notes)
    prompts = data.table.column("text:prompt").to_pylist()
    changed = [f"cf {p}" if i < 10 else p for i, p in enumerate(prompts)]
    out = tmp_path / "poisoned.parquet"
    write_as(data.with_content(data.rows.with_column("text:prompt", changed), data.y), out)
    written = pq.read_table(out).column("text").to_pylist()
    assert [i for i, (a, b) in enumerate(zip(texts, written, strict=True)) if a != b] == list(range(10))
    assert [known("ChatML").sides(t)[0] for t in written] == changed
