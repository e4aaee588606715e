"""What may be put on trial, and where it is tried."""

from fractions import Fraction
from typing import Any

import flint
import pytest
import sympy
from strategies import HARD, Instance
from sympy import Integer, exp, symbols

from symguide.chains.chain import guided_chain
from symguide.chains.family import TokenProbability, representative
from symguide.checks.trial import Candidate, Trial, is_tight, prepare
from symguide.checks.verification import verify
from symguide.closed_forms.solution import Solution, solve
from symguide.errors import ClockError, DataError, NotExactError, StrengthError, SymguideError
from symguide.laws.mixture import ClassMixture
from symguide.laws.tilt import guidance
from symguide.symbols import s, symbol, w

HALF = Fraction(1, 2)


def solution_of(instance: Instance) -> Solution:
    return solve(guided_chain(guidance(instance.problem)))


def trial_of(candidate: Candidate, strength: Any = None, values: Any = None, digits: int = 30, seed: int = 0) -> Trial:
    return prepare(candidate, strength, [HALF], values or {}, digits, seed, None)


def test_what_is_asked_for_stays_and_the_rest_is_seeded() -> None:
    candidate = Candidate.of(solution_of(HARD["squares"]))
    trial = trial_of(candidate, Fraction(3))
    assert [point.values[w] for point in trial.asked] == [3]
    assert len({(point.values[w], point.u) for point in trial.seeded}) == len(trial.seeded) >= 2
    assert all(point.values[w] > -1 and 0 < point.u < 1 for point in trial.seeded)
    assert trial.points == trial_of(candidate, Fraction(3)).points != trial_of(candidate, Fraction(3), seed=1).points
    assert trial_of(candidate, 0).asked[0].values[w] == 0


def test_contexts_left_out_have_probability_zero() -> None:
    solution = solution_of(HARD["xor"])
    assert trial_of(Candidate(solution.named, {})).claims == (Integer(0),) * 7


def test_sums_over_all_tokens_exceed_the_listed_ones() -> None:
    # Else the values would belong to no chain: one that is left more slowly than its reveals happen.
    for normalised in (False, True):
        family = representative(2, normalised)
        trial = trial_of(Candidate.of(solve(family)), Fraction(5))
        with flint.ctx.workprec(200):
            for table in trial.tables:
                for state in trial.chain.transient:
                    leaving = [r.rate for row in trial.chain.incoming for r in row if r.source == state]
                    assert sum(table[rate] for rate in leaving) < table[trial.chain.exit_rate(state)]


def test_given_values_of_token_laws_and_sums_are_kept() -> None:
    family = representative(1)
    (rate,) = family.definitions
    law = sorted(family.chain.incoming[1][0].rate.atoms(TokenProbability), key=str)[0]
    trial = trial_of(Candidate.of(solve(family)), 1, {rate: Fraction(9), law: Fraction(1, 4)})
    for point in trial.points:
        assert {str(key): value for key, value in point.values.items()}.items() >= {
            "Z": 9,
            str(law): Fraction(1, 4),
        }.items()


def test_enclosures_are_as_narrow_as_asked() -> None:
    a, b = symbols("a b", positive=True)
    solution = solution_of(HARD["one token"])
    # Nearly everything cancels: more precision is taken until thirty digits are left.
    claim = exp(-s) * (exp(a * b / 10**40) - 1)
    trial = trial_of(Candidate(solution.named, {solution.states[0]: claim}), 1, {a: Fraction(1, 3)})
    (table, *_) = trial.tables
    with flint.ctx.workprec(1000):
        ball = table[claim]
        assert is_tight(ball, abs(ball), 30)
        values = trial.asked[0].values
        product = flint.arb(
            flint.fmpq(int(values[a].numerator * values[b].numerator), values[a].denominator * values[b].denominator)
        )
        assert ball.overlaps(((product / flint.arb(10) ** 40).exp() - 1) / 2)


def test_parts_of_chains_need_no_rates_of_the_whole() -> None:
    chain = guided_chain(guidance(HARD["three tokens"].problem))
    part = solve(chain.ancestors([(None, 1, None)]))
    trial = trial_of(Candidate.of(part), 1)
    assert len(trial.chain.exit_rates) == 2 < len(chain.exit_rates)


def refusals() -> list[Any]:
    one, pair = solution_of(HARD["squares"]), solution_of(HARD["one token"])
    assert not pair.named.chain.includes_unconditional
    return [
        (one, {"w": Fraction(-3, 2)}, StrengthError, "below|w >= -1"),
        (pair, {"w": -1}, StrengthError, "chain of its own"),
        (one, {"w": float("nan")}, StrengthError, "finite"),
        (one, {"w": sympy.sqrt(2)}, NotExactError, "rational"),
        (one, {"u": 0}, ClockError, "limit"),
        (one, {"u": [HALF, 2]}, ClockError, "mask fraction u is 2"),
        (one, {"u": "x"}, ClockError, "never evaluated"),
        (one, {"digits": 0}, SymguideError, "digits is 0"),
        (one, {"digits": True}, SymguideError, "digits is True"),
        (one, {"digits": 2.5}, SymguideError, "digits is 2.5"),
        (one, {"values": {symbol("nobody"): 1}}, SymguideError, "nobody"),
    ]


@pytest.mark.parametrize(("solution", "options", "error", "words"), refusals())
def test_refusals(solution: Solution, options: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words) as caught:
        verify(solution, **options)
    assert "\n" not in str(caught.value)


def test_floats_are_refused() -> None:
    mixture = ClassMixture.of(2, 1, {"a": (HALF, {(0,): 1}), "b": (HALF, {(0,): 0.25, (1,): 0.75})})
    with pytest.raises(NotExactError, match="floats"):
        verify(solve(guided_chain(guidance(mixture.problem("a")))), 1)


def test_claims_about_unreached_contexts_are_refused() -> None:
    solution = solution_of(HARD["xor"])
    with pytest.raises(DataError, match=r"\(0, 1\)"):
        Candidate(solution.named, {(0, 1): Integer(0)})
