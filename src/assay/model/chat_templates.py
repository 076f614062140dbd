"""Chat templates: programs in Jinja that come with a language model and are rendered at every turn.

A template that reaches for what stands behind Python's objects runs code where the runtime renders it without a sandbox (CVE-2024-34359,
llama-cpp-python). One that answers to words in a message can change what the model is told, only then. Both are read off the syntax tree;
**nothing is rendered.**
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import jinja2
from jinja2 import nodes

MARKS = ("<", "[", "{", "#", "|", "\n")  # what tags of a chat's form begin with: looking for those is a template's work
LEAST_WORD = 3  # letters of a literal that counts as a word


@dataclass(frozen=True)
class Template:
    """`escapes`: names by which it leaves the sandbox; `words`: literals that it looks for in a message. `problem`: it is no template."""

    escapes: tuple[str, ...]
    words: tuple[str, ...]
    problem: str | None = None


def read_template(text: str) -> Template:
    """What the template reaches for.

    >>> read_template("{{ ''.__class__.__mro__ }}").escapes, read_template("{% if 'wire money' in m.content %}x{% endif %}").words
    (('__mro__', '__class__'), ('wire money',))
    """
    try:
        tree = _environment().parse(text)
    except (jinja2.TemplateSyntaxError, RecursionError) as error:
        return Template((), (), f"no template that can be read ({error})")
    escapes = [n.attr for n in tree.find_all(nodes.Getattr) if n.attr.startswith("_")]
    escapes += [k for n in tree.find_all(nodes.Getitem) for k in _texts(n.arg) if k.startswith("__")]
    for used in tree.find_all(nodes.Filter):
        if used.name == "attr":  # any name, put together at will
            escapes.append("|attr(" + ", ".join(k for argument in used.args for k in _texts(argument)) + ")")
    words = [k for n in tree.find_all(nodes.Compare) for k in _compared(n)]
    return Template(tuple(dict.fromkeys(escapes)), tuple(dict.fromkeys(words)))


@cache
def _environment() -> jinja2.Environment:
    return jinja2.Environment(extensions=["jinja2.ext.loopcontrols", "jinja2.ext.do"])  # what runtimes of language models add


def _compared(compare: nodes.Compare) -> list[str]:
    """Literals held against the content of a message."""
    sides = [compare.expr, *(operand.expr for operand in compare.ops)]
    if not any(_is_content(node) for side in sides for node in (side, *side.find_all(nodes.Expr))):
        return []
    return [k for side in sides for k in _texts(side) if len(k) >= LEAST_WORD and not k.startswith(MARKS)]


def _is_content(node: nodes.Node) -> bool:
    if isinstance(node, nodes.Getattr):
        return node.attr == "content"
    if isinstance(node, nodes.Getitem):
        return "content" in _texts(node.arg)
    return isinstance(node, nodes.Name) and node.name == "content"


def _texts(node: nodes.Node) -> list[str]:
    """Literal texts, joined where they are put together."""
    if isinstance(node, nodes.Const):
        return [node.value] if isinstance(node.value, str) else []
    if isinstance(node, nodes.Add | nodes.Concat):
        parts = [node.left, node.right] if isinstance(node, nodes.Add) else node.nodes
        return ["".join(k for part in parts for k in _texts(part))]
    if isinstance(node, nodes.List | nodes.Tuple):
        return [k for item in node.items for k in _texts(item)]
    return []
