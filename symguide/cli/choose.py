"""``symguide choose``: the guidance schedule whose terminal law comes closest to a target."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from symguide.cli.arguments import at_least_one, problem_of
from symguide.cli.machine import evidence_document
from symguide.cli.outputs import busy, write_json
from symguide.cli.parameters import DONE, FAILED, JSON, PROBLEM, TARGET, command, option
from symguide.errors import ClockError, StrengthError, SymguideError
from symguide.laws.rules import RULES
from symguide.numbers.numeral import read_numeral, shortened

if TYPE_CHECKING:
    from fractions import Fraction

    from symguide.flows.schedule_choice import ChosenSchedule, Target
    from symguide.flows.search import Measured

__all__ = ["choose_command"]

MOST_WINDOWS, MOST_STARTS = 200, 1000
"""Windows that are searched over, and starts of the search."""


@command(
    "choose",
    PROBLEM,
    TARGET,
    option("--rule", metavar="|".join(RULES), choices=tuple(RULES), help="Guidance rule  [rate, or the sampler's]."),
    option("--tilted", metavar="W", help="Come close to the tilted law of this strength."),
    option("--posterior", metavar="P", help="Come close to the class law, with this mean posterior E[p(z|X)]."),
    option("--entropy", metavar="H", help="Come close to the class law, with this entropy in nats."),
    option("--guided", metavar="W", help="With --sampler: come close to the exact chain of this strength."),
    option("--distance", metavar="kl|tv", choices=("kl", "tv"), help="What is minimised  [kl; tv with --sampler]."),
    option("--windows", metavar="J", help="How many windows of one strength each, equal in u  [4]."),
    option("--boundaries", metavar="U,...", help="Where the windows meet instead, decreasing between 1 and 0."),
    option("--free", is_flag=True, help="Choose the boundaries as well."),
    option("--bounds", metavar="LOW:HIGH", help="Least and largest strength  [-9/10:10]."),
    option("--sampler", metavar="NAME", help="Choose the steps of a sampler: ancestral or joint, by TV."),
    option("--steps", metavar="K", help="How many steps, with --sampler."),
    option("--w", metavar="W", help="The strength of all steps, with --sampler; chosen for each if left out."),
    option("--starts", metavar="N", default="4", help="Starts of the search, the first the best constant  [4]."),
    option("--seed", metavar="N", default="0", help="Seed of the other starts  [0]."),
    JSON,
)
def choose_command(
    problem: str,
    target: str | None,
    rule: str | None,
    tilted: str | None,
    posterior: str | None,
    entropy: str | None,
    guided: str | None,
    distance: str | None,
    windows: str | None,
    boundaries: str | None,
    free: bool,
    bounds: str | None,
    sampler: str | None,
    steps: str | None,
    w: str | None,
    starts: str,
    seed: str,
    as_json: bool,
) -> int:
    """The guidance schedule whose terminal law comes closest to a target.

    Strengths of windows in u, by exact derivatives and SciPy's optimisers from several starts: a local optimum, the
    best that was found. What it reaches is enclosed in ball arithmetic, and compared with the best constant strength.
    With --sampler: the grid of its steps, and their strengths, compared with steps of one length.
    """
    goals = {"tilted": tilted, "posterior": posterior, "entropy": entropy, "guided": guided}
    given = {
        kind: read_numeral(value, f"--{kind}", SymguideError) for kind, value in goals.items() if value is not None
    }
    if len(given) != 1:
        many = "none of them is" if not given else f"{' and '.join(f'--{kind}' for kind in given)} are"
        raise SymguideError(
            f"one of --tilted, --posterior, --entropy, --guided says what to come close to, but {many} given; give one"
        )
    spelled = "-9/10:10" if bounds is None else bounds
    low, colon, high = spelled.partition(":")
    if not colon:
        raise SymguideError(f"--bounds is {shortened(spelled)!r}, which is no range; write LOW:HIGH, such as 0:5")
    box = (read_numeral(low, "--bounds", SymguideError), read_numeral(high, "--bounds", SymguideError))
    if not re.fullmatch("[0-9]{1,10}", seed):
        raise SymguideError(
            f"--seed is {shortened(seed)!r}, which seeds nothing; give a whole number of up to ten digits"
        )
    count = at_least_one("--starts", starts, MOST_STARTS)
    (kind, value), *_ = given.items()
    if sampler is not None:
        _refuse("--sampler", kind in ("posterior", "entropy"), f"--{kind}", "give --tilted or --guided")
        _refuse("--sampler", windows is not None or boundaries is not None or free, "windows", "give --steps")
        _refuse("--sampler", distance == "kl", "--distance kl", "steps leave the support; leave it out")
        if steps is None:
            raise ClockError("--steps is missing, so the sampler takes none; add --steps K")
        number = at_least_one("--steps", steps, MOST_WINDOWS)
        strength = None if w is None else read_numeral(w, "--w", StrengthError)
        if strength is not None and strength <= -1:
            raise StrengthError(
                f"--w is {shortened(str(strength))}: steps are chosen for strengths above -1; use w > -1"
            )
        _refuse("--w", strength is not None and bounds is not None, "--bounds", "give one of them")
        return _choose_steps(problem, target, rule, sampler, number, (kind, value), strength, box, count, seed, as_json)
    _refuse("a guidance schedule", kind == "guided", "--guided", "add --sampler, or give --tilted")
    _refuse("a guidance schedule", steps is not None, "--steps", "add --sampler")
    _refuse("a guidance schedule", w is not None, "--w", "add --sampler")
    if windows is not None and boundaries is not None:
        raise ClockError("--windows and --boundaries both say where windows meet; give one of them")
    cuts: int | list[Fraction] = at_least_one("--windows", windows or "4", MOST_WINDOWS)
    if boundaries is not None:
        cuts = [read_numeral(part, "--boundaries", ClockError) for part in re.split(r"[\s,]+", boundaries) if part]
        if not cuts:
            raise ClockError("--boundaries has no value, so no windows meet; give mask fractions, or --windows 1")
    from symguide.evidence import Verdict
    from symguide.flows.schedule_choice import Target, choose_schedule

    goal, measure = Target(kind, value), distance or "kl"
    with busy(f"choosing a schedule for {problem}"):
        loaded = problem_of(problem, target)
        found = choose_schedule(loaded, goal, measure, cuts, rule or "rate", free, box, count, int(seed))
    if as_json:
        write_json({"target": loaded.target, "rule": rule or "rate", **_document(goal, measure, found)})
    else:
        from symguide.display.choices import choice_tables
        from symguide.display.tables import screen

        screen().print(choice_tables(loaded, rule or "rate", goal, measure, found))
    return FAILED if any(item.verdict is Verdict.REFUTED for item in found.evidence) else DONE


def _refuse(what: str, given: bool, option: str, remedy: str) -> None:
    if given:
        raise SymguideError(f"{what} has no use for {option}, so nothing is chosen; {remedy}")


def _choose_steps(
    problem: str,
    target: str | None,
    rule: str | None,
    sampler: str,
    steps: int,
    goal: tuple[str, Fraction],
    strength: Fraction | None,
    box: tuple[Fraction, Fraction],
    starts: int,
    seed: str,
    as_json: bool,
) -> int:
    from symguide.evidence import Verdict
    from symguide.flows.samplers import SAMPLERS
    from symguide.flows.step_choice import choose_steps

    kind, value = goal
    with busy(f"choosing steps for {problem}"):
        loaded = problem_of(problem, target)
        found = choose_steps(loaded, sampler, steps, value, strength, kind, rule, box, starts, int(seed))
    used = rule or SAMPLERS[sampler].rule
    if as_json:
        document = {
            "target": loaded.target,
            "rule": used,
            "sampler": sampler,
            "goal": {kind: str(value)},
            "distance": "tv",
            "fractions": list(map(str, found.fractions)),
            "strengths": list(map(str, found.strengths)),
            "value": _number(found.value),
            "uniform": found.uniform,
            "starts": list(found.starts),
            "evidence": evidence_document(found.evidence),
        }
        write_json(document)
    else:
        from symguide.display.choices import step_tables
        from symguide.display.tables import screen

        screen().print(step_tables(loaded, used, sampler, goal, found))
    return FAILED if any(item.verdict is Verdict.REFUTED for item in found.evidence) else DONE


def _number(found: Measured | None) -> dict[str, float | None] | None:
    if found is None:
        return None
    low, high = found.interval or (None, None)
    return {"value": found.number, "low": low, "high": high}


def _document(goal: Target, distance: str, found: ChosenSchedule) -> dict[str, Any]:
    return {
        "goal": {goal.kind: str(goal.value)},
        "distance": distance,
        "guidance_schedule": str(found.schedule),
        "windows": [
            {"w": str(window.strength), "high": str(window.high), "low": str(window.low)}
            for window in found.schedule.windows
        ],
        "value": _number(found.value),
        "reached": _number(found.reached),
        "gradient": found.gradient,
        "starts": [value if value < float("inf") else None for value in found.starts],
        "constant": None if found.constant is None else {"w": str(found.constant[0]), "value": found.constant[1]},
        "evidence": evidence_document(found.evidence),
    }
