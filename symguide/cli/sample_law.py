"""``symguide sample-law``: the exact law of a sampler that takes finitely many steps."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from symguide.cli.arguments import at_least_one, guidance_of, problem_of, schedule_of
from symguide.cli.machine import law_document, quantity_document, strength_document
from symguide.cli.outputs import busy, write_json
from symguide.cli.parameters import DONE, GUIDANCE, HORIZON, JSON, NOISE, PROBLEM, TARGET, W, command, option
from symguide.errors import ClockError, DataError, StrengthError, SymguideError
from symguide.laws.rules import RULES
from symguide.numbers.numeral import read_numeral, shortened

if TYPE_CHECKING:
    from symguide.answers.samples import SampleAnswer

__all__ = ["sample_law_command"]

MOST_STEPS = 100_000
"""Steps that a sampler may be asked to take."""


@command(
    "sample-law",
    PROBLEM,
    option("--sampler", metavar="NAME", help="How steps are taken, as `symguide list` names it."),
    option("--steps", metavar="K", help="Steps from the horizon to --t-end, uniform in t."),
    NOISE,
    HORIZON,
    W,
    GUIDANCE,
    TARGET,
    option("--rule", metavar="|".join(RULES), choices=tuple(RULES), help="Guidance rule  [that of the sampler]."),
    option("--t-end", metavar="T", default="0", help="Time at which the last step ends  [0]."),
    option("--final", metavar="NAME", help="What masks show after the last step: argmax, ancestral or unguided."),
    option("--at-step", metavar="J", help="After which step the law is read, 0 being the start  [the last]."),
    JSON,
)
def sample_law_command(
    problem: str,
    sampler: str | None,
    steps: str | None,
    noise: str | None,
    horizon: str | None,
    w: Sequence[str],
    guidance_schedule: str | None,
    target: str | None,
    rule: str | None,
    t_end: str,
    final: str | None,
    at_step: str | None,
    as_json: bool,
) -> int:
    """The exact law of a sampler that takes finitely many steps.

    All masked positions move at once in every step, independently given the context, with rates frozen at its start,
    under a guidance schedule at the strength there.
    Distances are those of the law after step J, masks included, to the terminal law of the guided chain, to its law at
    that time, and to the tilted law.
    """
    if sampler is None:
        raise SymguideError("--sampler is missing, so it is open how steps are taken; add one that symguide list names")
    if steps is None:
        raise ClockError("--steps is missing, so the sampler takes none; add --steps K")
    if noise is None:
        raise ClockError("--noise is missing, so steps have no hazard; add --noise NAME")
    strengths = guidance_of(w, guidance_schedule, noise, horizon)
    if len(strengths) > 1:
        raise StrengthError(f"--w gives {len(strengths)} strengths, and a sampler runs at one; give one")
    count = at_least_one("--steps", steps, MOST_STEPS)
    reached = None if at_step is None else _step(at_step)
    end = read_numeral(t_end, "--t-end", ClockError)
    schedule = schedule_of(noise, horizon)
    assert schedule is not None
    from symguide.answers.samples import sample_answer

    with busy(f"sampling {problem}"):
        loaded = problem_of(problem, target)
        found = sample_answer(loaded, sampler, count, schedule, strengths[0], rule, end, final, reached)
    if as_json:
        write_json(_document(found))
        return DONE
    from symguide.display.samples import sample_tables
    from symguide.display.tables import screen

    console = screen()
    console.print(sample_tables(loaded, found, console.width))
    return DONE


def _step(given: str) -> int:
    if not re.fullmatch("[0-9]{1,10}", given):
        raise DataError(f"--at-step is {shortened(given)!r}: that counts no steps; give a whole number")
    return int(given)


def _document(found: SampleAnswer) -> dict[str, Any]:
    document: dict[str, Any] = {
        "sampler": found.sampler,
        "rule": found.rule,
        "path": found.path,
        "steps": found.steps,
        "step": found.step,
        "t": str(found.time),
        **strength_document(found.w),
        "final": found.final,
    }
    for name in ("masked", "tv_to_exact", "tv_to_exact_now", "tv_to_tilted"):
        document[name] = quantity_document(getattr(found, name))
    if found.off_support.value > 0:
        document["off_support"] = quantity_document(found.off_support)
    document["terminal"] = law_document(found.terminal)
    if found.notes:
        document["notes"] = list(found.notes)
    return document
