"""How chosen guidance schedules and steps look to people."""

from fractions import Fraction

from rich.console import Group
from rich.text import Text

from symguide.display.tables import plain_table, verdict_text
from symguide.flows.schedule_choice import ChosenSchedule, Target
from symguide.flows.step_choice import ChosenSteps
from symguide.laws.mixture import Problem
from symguide.numbers.number import Number

__all__ = ["choice_tables", "step_tables"]

_NAMES = {"kl": "KL", "tv": "TV"}


def choice_tables(problem: Problem, rule: str, goal: Target, distance: str, found: ChosenSchedule) -> Group:
    """The windows, what they reach, and how that is known.

    >>> from symguide.flows.schedule_choice import choose_schedule
    >>> from symguide.instances.datasets import load
    >>> problem, goal = load("interval-overlap"), Target("tilted", 2)
    >>> found = choose_schedule(problem, goal, "kl", windows=1)
    >>> print(choice_tables(problem, "rate", goal, "kl", found).renderables[0])
    interval-overlap   KL to the tilted law of w = 2, rate rule
    """
    wanted = f"the tilted law of w = {goal.value}" if goal.kind == "tilted" else "the class law"
    heading = Text(problem.name, "bold").append(f"   {_NAMES[distance]} to {wanted}, {rule} rule", "not bold")
    cells = [
        (f"{float(part.high):.6g}", f"{float(part.low):.6g}", _spelled(part.strength))
        for part in found.schedule.windows
    ]
    windows = plain_table("Windows in the mask fraction u", ("from u", "to u", "w"), cells)
    rows = [(_NAMES[distance], f"{found.value.number:.10g}", "the best of all starts, a local optimum")]
    if found.reached is not None:
        words = "E[p(z|X)]" if goal.kind == "posterior" else "entropy, nats"
        rows.append((words, f"{found.reached.number:.10g}", f"asked for {float(goal.value):.10g}"))
    if found.constant is not None:
        rows.append((f"constant w = {float(found.constant[0]):.6g}", f"{found.constant[1]:.10g}", "the best constant"))
    rows.append(("largest derivative", f"{found.gradient:.2g}", "with room to move"))
    reached = sum(value < float("inf") for value in found.starts)
    rows.append(("starts", str(len(found.starts)), f"{reached} of them reached what was asked for"))
    numbers = plain_table("Reached", ("", "value", ""), rows, whole=(0,))
    return Group(heading, Text(""), windows, numbers, *_known(found))


def step_tables(problem: Problem, rule: str, sampler: str, goal: tuple[str, Fraction], found: ChosenSteps) -> Group:
    """The steps, what they reach, and how that is known.

    >>> from symguide.flows.step_choice import choose_steps
    >>> from symguide.instances.datasets import load
    >>> found = choose_steps(load("xor"), "ancestral", 2, 1, strength=1, starts=1)
    >>> print(step_tables(load("xor"), "normalised", "ancestral", ("tilted", Fraction(1)), found).renderables[0])
    xor   2 ancestral steps, TV to the tilted law of w = 1, normalised rule
    """
    kind, value = goal
    wanted = f"the tilted law of w = {value}" if kind == "tilted" else f"the exact chain of w = {value}"
    heading = Text(problem.name, "bold").append(
        f"   {len(found.strengths)} {sampler} steps, TV to {wanted}, {rule} rule", "not bold"
    )
    ends = zip(found.fractions, found.fractions[1:], found.strengths, strict=False)
    steps = plain_table(
        "Steps in the mask fraction u",
        ("from u", "to u", "w"),
        [(f"{float(high):.6g}", f"{float(low):.6g}", _spelled(w)) for high, low, w in ends],
    )
    rows = [
        ("TV", f"{found.value.number:.10g}", "the best of all starts, a local optimum"),
        ("steps of one length", f"{found.uniform:.10g}", "at the strength given, or the best constant found"),
    ]
    return Group(heading, Text(""), steps, plain_table("Reached", ("", "value", ""), rows, whole=(0,)), *_known(found))


def _known(found: ChosenSchedule | ChosenSteps) -> list[Text]:
    return [
        Text(f"{item.check}: ").append_text(verdict_text(item.verdict)).append(f", {item.detail}", "dim")
        for item in found.evidence
    ]


def _spelled(w: Number) -> str:
    return f"{float(w):.6f}".rstrip("0").rstrip(".")
