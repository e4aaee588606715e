"""How the law of a sampler looks to people."""

from fractions import Fraction

from rich.console import Group, RenderableType
from rich.text import Text

from symguide.answers.results import Quantity
from symguide.answers.samples import SampleAnswer
from symguide.display.tables import plain_table, token_text
from symguide.laws.mixture import Problem

__all__ = ["sample_tables"]

MOST_ROWS = 30
"""Token tuples that are shown; the others are counted."""


def sample_tables(problem: Problem, found: SampleAnswer, width: int = 80) -> Group:
    """What ``sample-law`` found: how far the law is from the laws it is meant for, and its most probable tokens.

    >>> from symguide.instances.datasets import load
    >>> from symguide.answers.samples import sample_answer
    >>> from symguide.schedules.published import log_linear
    >>> found = sample_answer(load("xor"), "ancestral", 2, log_linear(), 1)
    >>> print(sample_tables(load("xor"), found).renderables[0])
    xor   ancestral, step 2 of 2 (t = 0), w = 1, normalised rule
    """
    final = f", then {found.final}" if found.final else ""
    heading = Text(problem.name, "bold").append(
        f"   {found.sampler}, step {found.step} of {found.steps} (t = {found.time}){final}, w = {found.w}, "
        f"{found.rule} rule",
        "not bold",
    )
    rows = [
        ("P(some token masked)", found.masked),
        ("TV to the exact terminal law", found.tv_to_exact),
        ("TV to the exact law now", found.tv_to_exact_now),
        ("TV to the tilted law", found.tv_to_tilted),
    ]
    if found.off_support.value > 0:
        rows.append(("mass off the support", found.off_support))
    numbers = plain_table("Distances", ("", "value", "exact"), [(name, *_shown(q)) for name, q in rows], whole=(0, 1))
    best = sorted(found.terminal.items(), key=lambda item: -item[1].value)[:MOST_ROWS]
    law = plain_table(
        "Complete contexts, the most probable first",
        ("tokens", "probability", "exact"),
        [(token_text(problem, x), *_shown(q)) for x, q in best],
        whole=(0, 1),
    )
    parts: list[RenderableType] = [heading, Text(""), numbers, law]
    if len(found.terminal) > len(best):
        parts.append(Text(f"  and {len(found.terminal) - len(best)} more; --json lists all", "dim"))
    parts += [Text(f"note: {note}", "dim") for note in found.notes]
    return Group(*parts)


def _shown(quantity: Quantity) -> tuple[str, str]:
    exact = str(quantity.exact) if isinstance(quantity.exact, Fraction) else ""
    return f"{quantity.value:.6g}", exact if len(exact) <= 24 else ""
