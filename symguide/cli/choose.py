"""``symguide choose``: the guidance schedule whose terminal law comes closest to a target."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from symguide.cli.arguments import at_least_one, problem_of
from symguide.cli.machine import evidence_document
from symguide.cli.outputs import busy, write_json
from symguide.cli.parameters import DONE, FAILED, JSON, PROBLEM, RULE, TARGET, command, option
from symguide.errors import ClockError, SymguideError
from symguide.numbers.numeral import read_numeral, shortened

if TYPE_CHECKING:
    from fractions import Fraction

    from symguide.flows.schedule_choice import ChosenSchedule, Measured, Target

__all__ = ["choose_command"]

MOST_WINDOWS, MOST_STARTS = 200, 1000
"""Windows that are searched over, and starts of the search."""


@command(
    "choose",
    PROBLEM,
    TARGET,
    RULE,
    option("--tilted", metavar="W", help="Come close to the tilted law of this strength."),
    option("--posterior", metavar="P", help="Come close to the class law, with this mean posterior E[p(z|X)]."),
    option("--entropy", metavar="H", help="Come close to the class law, with this entropy in nats."),
    option("--distance", metavar="kl|tv", choices=("kl", "tv"), default="kl", help="What is minimised  [kl]."),
    option("--windows", metavar="J", help="How many windows of one strength each, equal in u  [4]."),
    option("--boundaries", metavar="U,...", help="Where the windows meet instead, decreasing between 1 and 0."),
    option("--free", is_flag=True, help="Choose the boundaries as well."),
    option("--bounds", metavar="LOW:HIGH", default="-9/10:10", help="Least and largest strength  [-9/10:10]."),
    option("--starts", metavar="N", default="4", help="Starts of the search, the first the best constant  [4]."),
    option("--seed", metavar="N", default="0", help="Seed of the other starts  [0]."),
    JSON,
)
def choose_command(
    problem: str,
    target: str | None,
    rule: str,
    tilted: str | None,
    posterior: str | None,
    entropy: str | None,
    distance: str,
    windows: str | None,
    boundaries: str | None,
    free: bool,
    bounds: str,
    starts: str,
    seed: str,
    as_json: bool,
) -> int:
    """The guidance schedule whose terminal law comes closest to a target.

    Strengths of windows in u, by exact derivatives and SciPy's optimisers from several starts: a local optimum, the
    best that was found. What it reaches is enclosed in ball arithmetic, and compared with the best constant strength.
    """
    goals = {"tilted": tilted, "posterior": posterior, "entropy": entropy}
    given = {
        kind: read_numeral(value, f"--{kind}", SymguideError) for kind, value in goals.items() if value is not None
    }
    if len(given) != 1:
        many = "none of them is" if not given else f"{' and '.join(f'--{kind}' for kind in given)} are"
        raise SymguideError(
            f"one of --tilted, --posterior, --entropy says what to come close to, but {many} given; give one"
        )
    if windows is not None and boundaries is not None:
        raise ClockError("--windows and --boundaries both say where windows meet; give one of them")
    cuts: int | list[Fraction] = at_least_one("--windows", windows or "4", MOST_WINDOWS)
    if boundaries is not None:
        cuts = [read_numeral(part, "--boundaries", ClockError) for part in re.split(r"[\s,]+", boundaries) if part]
    low, colon, high = bounds.partition(":")
    if not colon:
        raise SymguideError(f"--bounds is {shortened(bounds)!r}, which is no range; write LOW:HIGH, such as 0:5")
    box = tuple(read_numeral(end, "--bounds", SymguideError) for end in (low, high))
    if not re.fullmatch("[0-9]{1,10}", seed):
        raise SymguideError(f"--seed is {shortened(seed)!r}, which seeds nothing; give a whole number")
    count = at_least_one("--starts", starts, MOST_STARTS)
    from symguide.flows.schedule_choice import Target, choose_schedule

    goal = Target(*next(iter(given.items())))
    with busy(f"choosing a schedule for {problem}"):
        loaded = problem_of(problem, target)
        found = choose_schedule(loaded, goal, distance, cuts, rule, free, (box[0], box[1]), count, int(seed))
    if as_json:
        write_json({"target": loaded.target, "rule": rule, **_document(goal, distance, found)})
    else:
        from symguide.display.choices import choice_tables
        from symguide.display.tables import screen

        screen().print(choice_tables(loaded, rule, goal, distance, found))
    return DONE if found.evidence[0].verdict.passes else FAILED


def _document(goal: Target, distance: str, found: ChosenSchedule) -> dict[str, Any]:
    def number(found: Measured | None) -> dict[str, float | None] | None:
        if found is None:
            return None
        low, high = found.interval or (None, None)
        return {"value": found.number, "low": low, "high": high}

    return {
        "goal": {goal.kind: str(goal.value)},
        "distance": distance,
        "guidance_schedule": str(found.schedule),
        "windows": [
            {"w": str(window.strength), "high": str(window.high), "low": str(window.low)}
            for window in found.schedule.windows
        ],
        "value": number(found.value),
        "reached": number(found.reached),
        "gradient": found.gradient,
        "starts": [value if value < float("inf") else None for value in found.starts],
        "constant": None if found.constant is None else {"w": str(found.constant[0]), "value": found.constant[1]},
        "evidence": evidence_document(found.evidence),
    }
