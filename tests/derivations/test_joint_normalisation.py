"""The limit of joint normalisation: every step is proved, and wrong ones are not."""

from dataclasses import replace
from typing import Any

import pytest
from sympy import Eq, Integer

from symguide.evidence import Verdict
from symguide.proofs.derivation import Step, catalogue, run

DERIVATION = catalogue()["joint normalisation"]


def test_every_step_is_proved_and_every_instance_agrees() -> None:
    proof = run(DERIVATION)
    assert [str(outcome) for outcome in proof.failed] == []
    assert proof.verdict is Verdict.PROVED
    assert {outcome.verdict for outcome in proof.instances} == {Verdict.AGREES}


@pytest.mark.parametrize("step", DERIVATION.steps, ids=lambda step: step.name)
def test_a_wrong_formula_does_not_pass(step: Step) -> None:
    for item in step.content:
        wrong: Any = Eq(item.args[0], item.args[1] + Integer(1), evaluate=False)
        content = tuple(wrong if other == item else other for other in step.content)
        assert replace(step, content=content).examine().verdict is Verdict.REFUTED
    assert replace(step, content=()).examine().verdict is Verdict.UNKNOWN
