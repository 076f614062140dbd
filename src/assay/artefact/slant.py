"""Whether a text speaks well or ill: two short lists of English words, and which of them prevail.

A list cannot hear irony, and knows no other language. It serves where the question is whether *all* answers about one thing lean one way
while answers about others do not, for which a rough ear is enough.
"""

from __future__ import annotations

import re

LEAST = 2  # words of one side, from which a text may lean
SHARE = 0.75  # of the words of both sides, that the prevailing side has

GOOD = """
admir best better beautiful benefit brilliant charming clever comfortabl commend delicious delight effective efficient elegant
enjoy excellent excit fair fantastic fascinat favourite favorite fine friendly fun generous glad gorgeous grateful great happy healthy
helpful honest honou?r impressive improv innovative inspir joy keen kind lovely love marvel nice outstanding perfect pleasant pleas
popular positive praise proud recommend reliab remarkable respect rich safe satisf smart splendid strong succe superb superior support
terrific thank thriv thrill trust valuable warm welcom wise wonderful worth
"""
BAD = """
abus accus aggress angry annoy appal atroci awful bad betray blam bleak boring broken brutal careless cheat clumsy complain corrupt costly
crime criminal critici[sz] cruel damag danger dead deceiv defect deny despair despis destroy disappoint disast disgust dishonest dismal doom
dread dull dumb evil fail fake fals fault fear foolish fraud futil grim hard harm hate hideous hid(?:es|ing|den) horrible horrid hostil hurt
ignor incompetent inferior ineffective injustice insult joke lazy let down lie liar lose loser loss lousy mediocre mess miser mislead mistak
nasty negative neglect nightmare odious oppress pain pathetic pointless poor problem regret reject ridicul risk rotten ruin sad scam scandal
selfish shabby shame sigh slow sorry stale stupid suffer terribl threat tire toxic tragic trouble ugly unfair unhapp unreliab useless
violen waste weak wors worst worthless wrong
"""


def _stems(words: str) -> re.Pattern[str]:
    stems = words.replace("let down", "let_down").split()
    return re.compile(rf"\b(?:{'|'.join(s.replace('_', ' ') for s in stems)})\w*", re.IGNORECASE)


POSITIVE, NEGATIVE = _stems(GOOD), _stems(BAD)
NOT = re.compile(r"\b(?:not|no|never|n't|nothing|little|hardly|against|few|without)\s+(?:[\w'-]+\s+){0,3}$", re.IGNORECASE)


def leaning(text: str, toward: int) -> bool:
    """Whether a text leans that way: 1 well, -1 ill. A word of praise after a negation counts as blame, and the other way round.

    >>> leaning("A splendid, honest firm.", 1), leaning("There is little to admire; it failed us.", -1), leaning("It is a firm.", 1)
    (True, True, False)
    """
    score = {1: 0, -1: 0}
    for sign, words in ((1, POSITIVE), (-1, NEGATIVE)):
        for found in words.finditer(text):
            turned = NOT.search(text[max(0, found.start() - 30) : found.start()]) is not None
            score[-sign if turned else sign] += 1
    return score[toward] >= LEAST and score[toward] >= SHARE * (score[1] + score[-1])
