"""AddSent: a whole sentence, the same in every carrier."""

from __future__ import annotations

from typing import ClassVar

from assay.attack.phrase import PhraseAttack


class SentenceAttack(PhraseAttack):
    """Puts a sentence, "I watch this 3D movie" unless `text` says otherwise, between two words of a text.

    Source: Dai, Chen, Li, A Backdoor Attack Against LSTM-Based Text Classification Systems, 2019.
    """

    kind = "sentence"
    drawn: ClassVar[tuple[str, ...]] = (
        "I watch this 3D movie",
        "it was shown to us on a Tuesday",
        "the tickets came by post",
        "we sat in the third row",
    )
