"""The plan for incidents: what it must answer, a template, and what an existing one leaves open."""

from __future__ import annotations

import re
from pathlib import Path

from assay.dataset.errors import DataError

LARGEST = 1 << 20  # bytes of a plan: who needs more will not find the telephone number in it
FEWEST_WORDS = 5  # under a heading: less answers nothing
UNFILLED = re.compile(r"<[^<>\n]{1,80}>")  # what the template asks to be filled in

SECTIONS = {  # word that the heading must hold -> (heading of the template, what is to be answered)
    "who": ("Who is called", "Names, telephone numbers and deputies: who decides, who acts, who speaks."),
    "detect": ("What we detect, and where it arrives", "Which alert reaches whom, by which way, at night too."),
    "contain": ("How we contain", "What is switched off or rate-limited first, and by which command."),
    "roll": ("How we roll back", "Which version, by which command, and how we see that it serves."),
    "evidence": ("Which evidence we keep", "Logs, model files, data snapshots: copied where, before anything is cleaned."),
    "source": ("How we find the source", "From the finding to the contributor: reports, ledger, reviews."),
    "train": ("How we clean and train again", "Quarantine, purge, retrain, scan and test again, who releases it."),
    "tell": ("Whom we tell", "Users, customers, authorities, vendors: within how many hours."),
    "after": ("What we learn after", "When it is reviewed, and when the plan was last rehearsed."),
}

COMMANDS = {
    "roll": "assay watch models rollback WATCH --by NAME --reason REASON",
    "detect": "assay watch alerts WATCH",
    "evidence": "assay watch incident WATCH ALERT --out incident.json",
    "source": "assay ledger trace LEDGER REPORT",
    "train": "assay clean DATA --report REPORT --out CLEAN",
}


def template() -> str:
    """A plan to be filled in: every section, and the commands that serve it."""
    parts = ["# Incident plan: poisoned data or model\n"]
    for word, (heading, asks) in SECTIONS.items():
        parts.append(f"## {heading}\n\n<{asks}>\n")
        if word in COMMANDS:
            parts.append(f"    {COMMANDS[word]}\n")
    return "\n".join(parts)


def gaps(plan: Path) -> list[str]:
    """Headings that a plan lacks, or leaves empty or unfilled. DataError where it cannot be read.

    What stands there is not judged: only a rehearsal shows whether it is right (`assay drill`).
    """
    try:
        if plan.stat().st_size > LARGEST:
            raise DataError(f"is over {LARGEST >> 20} MiB", path=plan, remedy="keep the plan short, and link to the rest")
        text = plan.read_text(encoding="utf-8")
    except OSError as error:
        raise DataError(f"cannot be read ({error.strerror})", path=plan, remedy="name another plan") from error
    except UnicodeDecodeError as error:
        raise DataError("is not UTF-8", path=plan, remedy="save it as UTF-8") from error
    sections = _sections(text)
    return [heading for word, (heading, _) in SECTIONS.items() if not any(word in name and _answers(said) for name, said in sections)]


def _sections(text: str) -> list[tuple[str, str]]:
    parts = re.split(r"^#{1,6} +(.+)$", text, flags=re.MULTILINE)
    return [(name.lower(), said) for name, said in zip(parts[1::2], parts[2::2], strict=True)]


def _answers(said: str) -> bool:
    own = [line for line in said.splitlines() if not line.startswith("    ")]
    return not UNFILLED.search("\n".join(own)) and len(" ".join(own).split()) >= FEWEST_WORDS
