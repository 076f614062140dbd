"""What a scan concluded, in plain words: said once here, and used by every renderer."""

from __future__ import annotations

import math

from assay.finding import Availability, Check, Conclusion, Damage, Finding, Sensitivity, TrialResult

VERDICTS = {  # verdict -> what it means, after its name
    "poisoned": "Poison was found and proven.",
    "suspect": "Something looks like poison, but it is not proven. A person should look.",
    "incomplete": "Nothing was found, but a planned check did not complete.",
    "clean": "No poison was found. What this scan would have caught is stated below; it is not proof of more.",
}

STATES = {
    "ran": "ran",
    "not_applicable": "does not apply",
    "not_planned": "not planned",
    "not_installed": "not installed",
    "failed": "failed",
}

RAISED = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")

TRIALS = {  # name -> (the question, how it was put)
    "surprise": (
        "Do the labels surprise?",
        "The artefact was taken out of its rows, and a model that never saw them said which label the rest supports.",
    ),
    "contradiction": (
        "Does the rest of the row argue against its label?",
        "Among rows with the same label, the rest of the carriers was compared with the rest of the others, each "
        "without its most telling part. Only relabelled rows argue against their label; a natural word or value does "
        "not do that.",
    ),
    "multiplicity": (
        "Does it recur more often than chance makes likely?",
        "How often it occurs was compared with what its parts, each as common as it is, would give by chance.",
    ),
    "removal": (
        "Does a model trained without these rows disagree with them?",
        "The carriers were left out, a model was trained again, and it was asked for their labels.",
    ),
    "insertion": (
        "Does putting it into other rows change the answer?",
        "The artefact was put into rows that never carried it, and a model trained on this data was asked again. "
        "Natural artefacts of the same kind and size were put in for comparison. This measures the effect; it does "
        "not convict.",
    ),
    "placement": (
        "Does it keep the company that a natural phrase keeps?",
        "A natural phrase has its own neighbours; one that was dropped in has those that random places have. Labels are not "
        "read. This carries no error guarantee, and nothing is confirmed by it.",
    ),
    "belonging": (
        "Do its rows belong among the rows of their label?",
        "Each carrier's support for its label was compared with that of rows with other labels. Relabelled rows are like "
        "any rows of other labels: a tenth of them lie in the top tenth.",
    ),
    "beside other labels": (
        "Are rows found in the same way in other labels at home there?",
        "The same was done for every label. What a label holds by nature looks like its label all the same; relabelled rows do not.",
    ),
    "leave-out": (
        "What do models that never saw these rows say of them?",
        "The rows were left out, models were fitted to the others, and these said what the rows' contents support.",
    ),
    "rows alike": (
        "Do other rows that say as much have the label?",
        "A model that reads a row without a part of it may be surer, or less sure, of the label than it should be. So other rows lost "
        "as much, and the model's word on the carriers counts for what it is worth there.",
    ),
    "two kinds": (
        "Are its rows of two kinds?",
        "Most carriers belong to their label by themselves. A natural artefact's stand a little lower in it as a whole; of a trigger "
        "put into rows of any class, some are just like the label's other rows, and the rest like rows of other labels.",
    ),
    "parts": (
        "Is it more than its parts do by themselves?",
        "Other rows hold one of its values, or one beside it, and nothing else of it. Where they have the label too, against all else "
        "that they say, that value goes with it by nature.",
    ),
    "siblings": (
        "Is it one of a natural family?",
        "Whether other values of the same column, or like artefacts, pass the same trials.",
    ),
    "contributors": (
        "Do these rows come from few hands?",
        "Each contributor's share of the carriers was compared with the spread of all contributors.",
    ),
    "relabelling": (
        "Were rows of one class moved into another as a group?",
        "How many rows hold content of another label was compared with what scattered labelling errors would give.",
    ),
    "other findings' rows left out": (
        "Does it stand without the rows of other findings?",
        "A trigger changes what a model takes for a class. So the rows that other findings accuse were left out, a model was fitted to "
        "the rest, and pairs of classes were compared again.",
    ),
}


def count(n: int, noun: str, plural: str | None = None) -> str:
    """
    >>> count(1, "row"), count(5574, "row"), count(2, "class", "classes")
    ('1 row', '5,574 rows', '2 classes')
    """
    return f"{n:,} {noun if n == 1 else plural or noun + 's'}"


def percent(share: float) -> str:
    """A share for people, with as many digits as tell it from 0 and 1.

    >>> percent(1.0), percent(0.4782), percent(0.9996), percent(0.002)
    ('100 %', '48 %', '99.96 %', '0.2 %')
    """
    value = 100 * share
    if 0 < value < 1 or 99 < value < 100:
        return f"{value:.2f}".rstrip("0").rstrip(".") + " %"
    return f"{value:.0f} %"


def interval(low: float, high: float) -> str:
    """
    >>> interval(0.478, 1.0)
    '48-100 %'
    """
    return f"{100 * low:.0f}-{100 * high:.0f} %"


def p_words(log10_p: float) -> str:
    """A p-value, also one too small for a float.

    >>> p_words(-1.2), p_words(-12.3), p_words(-400.5), p_words(0.0)
    ('0.063', '5e-13', '3e-401', '1')
    """
    if math.isnan(log10_p):
        return "unknown"
    if log10_p > -3:
        return f"{10**log10_p:.2g}"
    if math.isinf(log10_p):
        return "0"
    power = math.floor(log10_p)
    digit = round(10 ** (log10_p - power))
    return f"1e{power + 1}" if digit == 10 else f"{digit}e{power}"


def odds(log_e: float) -> str:
    """An e-value (natural log) as a bet: what one unit staked on chance being the explanation would have paid.

    Minus infinity: nothing was staked, as for what is suspected by another experiment than bets.

    >>> odds(0.0), odds(9.3), odds(45.0), odds(-3.0), odds(-math.inf)
    ('1 to 1', '11,000 to 1', '10¹⁹ to 1', 'less than 1 to 1', 'not told in odds')
    """
    if math.isnan(log_e):
        return "unknown"
    if log_e == -math.inf:
        return "not told in odds"
    if log_e < 0:
        return "less than 1 to 1"
    if math.isinf(log_e):
        return "without bound"
    power = log_e / math.log(10)
    if power >= 6:
        return f"10{str(math.floor(power)).translate(RAISED)} to 1"
    value = math.exp(log_e)
    return f"{float(f'{value:.2g}'):,.0f} to 1"


def headline(conclusion: Conclusion) -> str:
    """The verdict, the first line of everything."""
    quarantined = sum(a == "quarantine" for a in conclusion.action)
    of_status = {s: sum(f.status == s for f in conclusion.findings) for s in ("confirmed", "suspected")}
    if conclusion.verdict == "poisoned":
        return (
            f"Poisoned: {count(of_status['confirmed'], 'artefact')} confirmed, "
            f"{count(quarantined, 'row')} of {len(conclusion.action):,} to quarantine."
        )
    if conclusion.verdict == "suspect":
        return f"Suspect: nothing is confirmed, {count(of_status['suspected'], 'artefact')} suspected."
    if conclusion.verdict == "incomplete":
        broken = sum(c.state in ("failed", "not_installed") for c in conclusion.checks)
        return f"Incomplete: nothing was found, but {count(broken, 'planned check')} did not complete."
    if not conclusion.hypotheses:
        return "Clean: but nothing here could be put on trial; what did not run, and why, stands below."
    return f"Clean: nothing found among {count(conclusion.hypotheses, 'artefact')} tried."


def sensitivity_line(item: Sensitivity) -> str:
    """
    >>> sensitivity_line(Sensitivity("phrase", "one rare word", 20, 5, 5, 0.478, 1.0))
    'one rare word in 20 rows: 5 of 5 (48-100 %)'
    """
    share = f"{item.caught} of {item.planted} ({interval(item.low, item.high)})"
    return f"{item.size} in {count(item.carriers, 'row')}: {share}"


def effect_line(finding: Finding) -> str:
    """The measured effect in one line, or why there is none."""
    effect = finding.effect
    if effect is None:
        return "not measured"
    says = "implants" if effect.implants else "did not implant here"
    return f"{percent(effect.rate)} ({interval(effect.low, effect.high)}), {says}"


def contributor_line(finding: Finding, most: int = 2) -> str:
    """Who the rows come from: `w7 (40 of 41 rows)`."""
    shown = [f"{c.name} ({c.rows:,} of {count(c.of, 'row')})" for c in finding.contributors[:most]]
    more = len(finding.contributors) - most
    return ", ".join(shown) + (f" and {more} more" if more > 0 else "")


def question(trial: TrialResult) -> tuple[str, str]:
    """What a trial asked, and how."""
    return TRIALS.get(trial.name, (trial.name.replace("_", " ").capitalize(), ""))


def answer(trial: TrialResult, alpha: float) -> str:
    """What a trial answered, in one line of figures."""
    if trial.state != "ran":
        return STATES[trial.state].capitalize()
    said = []
    if trial.p_value is not None and not math.isnan(trial.p_value):
        said.append(f"p = {p_words(math.log10(trial.p_value) if trial.p_value > 0 else -math.inf)}")
    if trial.log_e is not None and not math.isnan(trial.log_e):
        said.append(f"evidence {odds(trial.log_e)}")
    if not said:
        return "Measured"
    by_p = trial.p_value is not None and trial.p_value <= alpha
    by_e = trial.p_value is None and trial.log_e is not None and trial.log_e >= -math.log(alpha)
    return f"{'Yes' if by_p or by_e else 'Not clearly'} ({', '.join(said)})"


def incomplete(checks: tuple[Check, ...], depth: str) -> tuple[Check, ...]:
    """Planned checks that did not complete: failed at any depth, not installed at full depth. They lead to exit 3."""
    return tuple(c for c in checks if c.state == "failed" or (c.state == "not_installed" and depth == "full"))


def not_run(checks: tuple[Check, ...]) -> tuple[Check, ...]:
    """Every check that did not run, the broken ones first."""
    order = ["failed", "not_installed", "not_planned", "not_applicable"]
    return tuple(sorted((c for c in checks if c.state != "ran"), key=lambda c: order.index(c.state)))


def corruption_line(cost: Availability) -> str:
    """
    >>> corruption_line(Availability(0.051, 0.043, 0.06, 5574, (("ham", "spam", 0.049),)))
    'about 5.1 % of the labels are wrong (4.3 to 6.0 %), most of them ham labelled spam (4.9 %)'
    """
    said = f"about {100 * cost.estimated_fraction:.1f} % of the labels are wrong ({100 * cost.low:.1f} to {100 * cost.high:.1f} %)"
    if cost.turned and cost.turned[0][2] > cost.estimated_fraction / 2:
        source, label, share = cost.turned[0]
        said += f", most of them {source} labelled {label} ({100 * share:.1f} %)"
    return said


def cost_line(cost: Availability) -> str | None:
    """What the suspected rows cost, or None where nothing was measured.

    >>> from assay.finding import CurvePoint
    >>> cost_line(Availability(0.1, 0.08, 0.12, 4000, (), 300, (CurvePoint(3000, 0.12, 0.1),)))
    'learning without the 300 suspected rows, a linear head errs on 10.0 % of held-out rows, with them on 12.0 %'
    """
    if not cost.curve or not cost.suspects:
        return None
    last = cost.curve[-1]
    rows = count(cost.suspects, "suspected row")
    return (
        f"learning without the {rows}, a linear head errs on {100 * last.error_without:.1f} % of held-out rows, "
        f"with them on {100 * last.error_with:.1f} %"
    )


def harmful(cost: Availability, least: float = 0.01) -> tuple[Damage, ...]:
    """Those without whom the rest is better off, at `least` over all that were left out (Holm, Scand. J. Stat. 1979)."""
    by_p = sorted(cost.damage, key=lambda d: d.p_value)
    kept = []
    for i, damage in enumerate(by_p):
        if damage.p_value > least / (len(by_p) - i):
            break
        kept.append(damage)
    return tuple(sorted(kept, key=lambda d: -d.change))
