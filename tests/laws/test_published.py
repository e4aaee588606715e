"""Numbers that are published, or worked out by other means, on the instances they belong to."""

from collections import Counter
from fractions import Fraction
from itertools import product
from math import comb

import flint
import numpy as np
import pytest
from laws.second_route import guided
from strategies import HARD, RULE_NAMES, Instance, hypercubes, mixture, uniform

from symguide.answers.samples import sample_answer
from symguide.chains.chain import guided_chain
from symguide.chains.functionals import terminal_law
from symguide.closed_forms.compiled import compile_solution
from symguide.closed_forms.solution import solve
from symguide.instances.datasets import load
from symguide.laws.tilt import guidance
from symguide.numbers.arithmetic import RATIONAL
from symguide.schedules.published import log_linear


def _tv(instance: Instance, strengths: list[float], rule: str = "rate") -> list[float]:
    solution = solve(guided_chain(guidance(instance.problem, rule)))
    return list(compile_solution(solution, solution.tv)(np.array(strengths), 0.5))


def test_more_guidance_may_sample_more_slowly() -> None:
    """TV at ``u = 1/2`` is not monotone in ``w``: two tokens, target ``{01: 8/9, 11: 1/9}``, other ``{10, 11}``."""
    found = _tv(HARD["slower sampling"], [0, 1, 2, 4, 8])
    assert [round(value, 3) for value in found] == [0.75, 0.645, 0.534, 0.445, 0.481]
    assert found[3] < found[4]
    with flint.ctx.workprec(200):
        for strength, value in zip((0, 1, 2, 4, 8), found, strict=True):
            reference = guided(HARD["slower sampling"], "rate", Fraction(strength))
            law = reference.at(Fraction(1, 2))
            exact = sum((law[x] for x in reference.transient), flint.arb(0))
            assert value == pytest.approx(float(exact), rel=1e-14)


def test_overlapping_squares_saturate() -> None:
    """TV at ``u = 1/2`` tends to ``u``, the survival of the contexts whose revealed token settles the class."""
    found = _tv(HARD["squares"], [0, 1, 2, 4, 8, 16, 100])
    assert [round(value, 6) for value in found] == [0.75, 0.643562, 0.556597, 0.507966, 0.500489, 0.500002, 0.5]


def test_one_token_ends_doubly_exponentially_fast() -> None:
    """``−ln TV = Z ln(1/u)`` and ``Z`` grows like ``2^w``: the overlap halves the conditional's ratio."""
    overlap = mixture(
        10,
        1,
        [(Fraction(1, 2), uniform((v,) for v in range(4, 10))), (Fraction(1, 2), uniform((v,) for v in range(6)))],
    )
    found = _tv(overlap, [0, 1, 3])
    assert found == pytest.approx([0.5 ** (2**w * 2 / 3 + 1 / 3) for w in (0, 1, 3)], rel=1e-14)


def _row(shared: int) -> Fraction:
    """Terminal density of a sequence with some coordinates in the overlap, for five tokens and ``w = 1``, by orders.

    Until a token outside the overlap is revealed, a position shows the overlap's token at the rate 1/3 and each of the
    two others at ``(1/3)·2``; afterwards the class is settled and every token has the rate 1/3. The order is uniform:
    the first ``before`` positions lie in the overlap, and the next one does not, with probability
    ``C(shared, before)/C(5, before) · (5 − shared)/(5 − before)``.
    """
    unsettled = Fraction(1, 3) + 2 * Fraction(2, 3)
    inside, outside = Fraction(1, 3) / unsettled, Fraction(2, 3) / unsettled
    if shared == 5:
        return inside**5
    density = Fraction(0)
    for before in range(shared + 1):
        chance = Fraction(comb(shared, before), comb(5, before)) * Fraction(5 - shared, 5 - before)
        density += chance * inside**before * outside * Fraction(1, 3) ** (4 - before)
    return density


def test_five_tokens_have_the_densities_behind_the_published_row() -> None:
    """Classes uniform on ``{0,1,2}^5`` and ``{2,3,4}^5``, ``w = 1``: He, Rojas, Tao, arXiv:2506.10971.

    The published cells come from 10 000 samples of a trained model. Each is within one standard error of the exact law;
    together they sum to 1.0022, so they are no frequencies of one run, and more is not claimed of them.
    """
    law = terminal_law(guided_chain(guidance(hypercubes(5).problem)).over(RATIONAL, 1))
    assert len(law.states) == 3**5
    exact = [_row(shared) for shared in range(6)]
    assert exact == [
        Fraction(2, 405),
        Fraction(46, 10125),
        Fraction(68, 16875),
        Fraction(842, 253125),
        Fraction(2882, 1265625),
        Fraction(1, 3125),
    ]
    for tokens, probability in law.table.items():
        assert probability == exact[tokens.count(2)]
    sizes = Counter(tokens.count(2) for tokens in product((2, 3, 4), repeat=5))
    assert [sizes[k] for k in range(6)] == [32, 80, 80, 40, 10, 1]
    assert sum(sizes[k] * exact[k] for k in range(6)) == 1
    published = [4.984, 4.541, 4.020, 3.386, 2.208, 0.280]
    assert sorted(published, reverse=True) == published
    assert sorted(exact, reverse=True) == exact
    for k, cell in enumerate(published):
        mass = sizes[k] * float(exact[k])
        error = (mass * (1 - mass) / 10_000) ** 0.5 / sizes[k]
        assert abs(cell / 1000 - float(exact[k])) <= error


@pytest.mark.parametrize("length", [1, 2, 3])
def test_disjoint_projections_settle_the_class_at_once(length: int) -> None:
    """The first reveal runs at ``2^w`` a position, the others unguided: the law is a sum over one early jump."""
    cubes = [uniform(product(values, repeat=length)) for values in ((2, 3), (0, 1))]
    instance = mixture(4, length, [(Fraction(1, 2), cube) for cube in cubes])
    for strength in (0, 1, 5):
        for rule in RULE_NAMES:
            law = terminal_law(guided_chain(guidance(instance.problem, rule)).over(RATIONAL, strength))
            assert law.table == instance.conditional
    reference = guided(instance, "rate", Fraction(5))
    with flint.ctx.workprec(300):
        law = reference.at(Fraction(1, 2))
        first = flint.arb("0.5") ** (32 * length)
        assert law[(None,) * length].overlaps(first)
    solution = solve(guided_chain(guidance(instance.problem)))
    start = compile_solution(solution, solution[(None,) * length])
    assert start(5.0, 0.5) == pytest.approx(0.5 ** (32 * length), rel=1e-13)


def test_squares_terminal_law_by_hand() -> None:
    """``P_x(0) = p(x|z)^{1+w} p(x)^{−w} (1/c + 1/d)/(Z_1 + Z_2)`` at ``w = 1``: 1/25 at the shared corner."""
    law = terminal_law(guided_chain(guidance(HARD["squares"].problem)).over(RATIONAL, 1))
    z, shared, settled = Fraction(5, 3), Fraction(5, 3), Fraction(1)
    ratio = {True: Fraction(1), False: Fraction(2)}
    for tokens, probability in law.table.items():
        c, d = (shared if token == 2 else settled for token in tokens)
        corner = tokens == (2, 2)
        assert probability == Fraction(1, 9) * ratio[corner] * (1 / c + 1 / d) / (2 * z)
    assert law[2, 2] == Fraction(1, 25)


def test_fifty_leaps_on_cubes_were_finished_by_a_draw() -> None:
    """Density per state by the number of coordinates equal to 2, from 10 000 samples of 50 τ-leaping steps, ``w = 1``.

    He, Rojas, Tao, arXiv:2506.10971, in five dimensions. The steps alone leave a mask in one run of nine, so a final
    step was taken; one that draws is nearer to the row than one that takes the most probable tokens. The row sums to
    1.0022 and is no count of one run, so nothing finer is read off it.
    """
    published, samples = [4.984, 4.541, 4.020, 3.386, 2.208, 0.280], 10_000
    states = [comb(5, k) * 2 ** (5 - k) for k in range(6)]

    def surprises(final: str | None) -> list[float]:
        found = sample_answer(load("hypercubes-5d"), "tau-leaping", 50, log_linear(), 1, final=final)
        masses = [sum(q.value for x, q in found.terminal.items() if x.count(2) == k) for k in range(6)]
        seen = [density * number / 1000 for density, number in zip(published, states, strict=True)]
        return [abs(a - p) / (p * (1 - p) / samples) ** 0.5 for a, p in zip(seen, masses, strict=True)]

    assert sample_answer(load("hypercubes-5d"), "tau-leaping", 50, log_linear(), 1).masked.value == pytest.approx(
        0.112, abs=0.0005
    )
    assert max(surprises("ancestral")) < 3
    assert max(surprises("argmax")) > 4
    assert max(surprises(None)) > 4
