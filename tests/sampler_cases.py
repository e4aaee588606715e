"""What tests of samplers share: an instance that parallel updates leave, and laws after given steps."""

from fractions import Fraction
from typing import Any

from strategies import Instance, mixture

from symguide.chains.functionals import Distribution
from symguide.flows.flow import run
from symguide.flows.sampler_flows import sampler_flow
from symguide.flows.samplers import SAMPLERS
from symguide.flows.steps import steps_between
from symguide.numbers.arithmetic import FLOATS
from symguide.schedules.published import log_linear

__all__ = ["ONE_STEP", "UNEVEN", "charged", "law_of"]

ONE_STEP = [name for name, sampler in SAMPLERS.items() if sampler.law is not None]
UNEVEN = mixture(
    3,
    3,
    [
        (Fraction(1, 3), {(0, 1, 2): Fraction(1, 2), (1, 1, 0): Fraction(1, 3), (2, 0, 0): Fraction(1, 6)}),
        (Fraction(2, 3), {(0, 1, 2): Fraction(1, 8), (1, 0, 0): Fraction(3, 8), (2, 2, 2): Fraction(1, 2)}),
    ],
)
"""Three positions whose tokens are possible one by one but not together: updates leave the support."""


def law_of(instance: Instance, sampler: str, w: Any, times: list[Any], arithmetic: Any = FLOATS, **more: Any) -> Any:
    steps = steps_between(log_linear(), times)
    return run(sampler_flow(instance.problem, sampler, w, steps, arithmetic, **more))


def charged(law: Distribution) -> dict[Any, Any]:
    return {x: p for x, p in law.table.items() if p != 0}
