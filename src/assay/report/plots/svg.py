"""What every plot is drawn with: a frame that says in words what is to be seen, colours, and a file of its own.

No script and no network: what reacts to a person (a layer switched off, a point that says which row it is) is CSS and SVG titles.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from markupsafe import Markup, escape

from assay.dataset.printable import printable

# Okabe and Ito 2008: told apart by colour-blind readers too; the darker of the set first. Grey is for "all others"
PALETTE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#8c6d31", "#6a51a3", "#999999")
OTHERS = len(PALETTE) - 1
STYLE = Markup("".join(f".s{i}{{stroke:{c}}}.f{i}{{fill:{c};background:{c}}}" for i, c in enumerate(PALETTE)))
# beside the page's own colours, for a file that stands alone
ALONE = (
    "text{fill:#59626f;font:11px system-ui,'Liberation Sans',Arial,sans-serif}.strong{fill:#171c26}.axis{stroke:#c9d0da}"
    ".bar.quarantine,.mark.quarantine{fill:#b3261e;stroke:#b3261e}.bar.review,.mark.review{fill:#965108;stroke:#965108}"
    ".bar.keep{fill:#b7c0cd}.inked{stroke:#171c26}.range{stroke:#2257bd}.dot{fill:#2257bd}.tick{stroke:#171c26}.heat{fill:#2257bd}"
    ".line{fill:none}.dots{fill:none;stroke-width:4;stroke-linecap:round;stroke-opacity:.55}.dots.inked{stroke-width:2.5;stroke-opacity:.9}"
    ".ring circle{fill:none;stroke:#b3261e;stroke-width:1.6}"
)
NO_CONTROLS = Markup("")
ACROSS, LINE = 3, 18  # entries of a legend in a line, and the line's height


@dataclass(frozen=True)
class Plot:
    """`name` for a file, `title` and `caption` for people, `svg` the drawing, `controls` the page's switches for its layers; `legend` what
    they say, (colour's class, name), for a file without them."""

    name: str
    title: str
    caption: str
    svg: Markup
    controls: Markup = NO_CONTROLS
    legend: tuple[tuple[str, str], ...] = ()


def framed(width: float, height: float, said: str, body: str, name: str) -> Markup:
    """`body` holds markup of ours; whatever comes from data in it was escaped. `said` is read out in the drawing's place."""
    box = f"0 0 {width:g} {height:g}"
    return Markup(f'<svg class="plot {name}" viewBox="{box}" role="img" aria-label="{escape(said)}">{body}</svg>')


def words_at(x: float, y: float, text: str, anchor: str = "start", strong: bool = False) -> str:
    """A text, escaped."""
    kind = ' class="strong"' if strong else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{kind}>{escape(text)}</text>'


def cut(text: str, most: int) -> str:
    """
    >>> cut("a long name of a class", 10)
    'a long na…'
    """
    return text if len(text) <= most else text[: most - 1] + "…"


def round_top(most: float) -> float:
    """The least of 1, 1.5, 2, 3, 4, 5, 6, 8 times a power of ten that is not below `most`: the end of an axis.

    >>> round_top(0.0641), round_top(0.2), round_top(0.9)
    (0.08, 0.2, 1.0)
    """
    if most <= 0:
        return 1.0
    unit = 10.0 ** math.floor(math.log10(most))
    return next(float(f"{step * unit:.6g}") for step in (1, 1.5, 2, 3, 4, 5, 6, 8, 10) if step * unit >= most * (1 - 1e-9))


def standalone(plot: Plot) -> str:
    """A file of its own: with its title, colours and a white ground."""
    inside = str(plot.svg)
    start, end = inside.index('viewBox="') + 9, inside.index('" role=')
    _, _, width, height = (float(v) for v in inside[start:end].split())
    body = inside[inside.index(">") + 1 : inside.rindex("</svg>")]
    lines = -(-len(plot.legend) // ACROSS)
    keys = "".join(_key(i, width, height, colour, name) for i, (colour, name) in enumerate(plot.legend))
    tall = height + 30 + LINE * lines
    return printable(
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:g}" height="{tall:g}" viewBox="0 -30 {width:g} {tall:g}" '
        f'role="img"><title>{escape(plot.title)}</title><desc>{escape(plot.caption)}</desc><style>{ALONE}{STYLE}</style>'
        f'<rect x="0" y="-30" width="{width:g}" height="{tall:g}" fill="#ffffff"/>'
        f'<text x="8" y="-11" class="strong" style="font-size:14px;font-weight:600">{escape(plot.title)}</text>{body}{keys}</svg>\n'
    )


def _key(number: int, width: float, height: float, colour: str, name: str) -> str:
    """One entry of the legend under a drawing: a dot in the layer's colour, or a ring, and its name."""
    x, y = 12 + number % ACROSS * (width - 24) / ACROSS, height + LINE * (number // ACROSS) + 10
    kind = f'class="{colour}"' if colour.startswith("f") else 'fill="#171c26"' if colour == "inked" else 'fill="none" stroke="#b3261e"'
    return f'<circle cx="{x + 4:.1f}" cy="{y - 4:.1f}" r="4" {kind}/>' + words_at(x + 14, y, cut(name, 46))
