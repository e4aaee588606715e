"""Answers under guidance schedules: which path, the right numbers on each, and constant schedules as before."""

from fractions import Fraction

import flint
import pytest
from strategies import HARD, hypercubes
from windows_by_hand import law_after

from symguide.answers import in_time as schedule_answers
from symguide.answers.answer import answer
from symguide.answers.results import FUNCTIONALS
from symguide.errors import ChainTooLargeError, DataError, NotExactError, StrengthError
from symguide.instances.datasets import load
from symguide.schedules.guidance_schedule import GuidanceSchedule
from symguide.schedules.guidance_spec import parse_guidance_schedule
from symguide.symbols import symbol

HALF = Fraction(1, 2)


def spec(text: str) -> GuidanceSchedule:
    return parse_guidance_schedule(text)


@pytest.mark.parametrize("rule", ["rate", "normalised"])
@pytest.mark.parametrize("path", ["exact", "symbolic", "array"])
@pytest.mark.parametrize("name", ["squares", "slower sampling", "a tie at w = 1"])
def test_a_constant_schedule_is_its_strength(name: str, path: str, rule: str) -> None:
    problem = HARD[name].problem
    parted = GuidanceSchedule.of([(2, 1, "1/3"), (2, "1/3", 0)])
    (found,) = answer(problem, [parted], [HALF], rule, True, path).results
    (plain,) = answer(problem, [Fraction(2)], [HALF], rule, True).results
    assert found.w == parted
    assert found.tv is not None and plain.tv is not None
    assert found.tv.value == pytest.approx(plain.tv.value, rel=1e-13)
    assert (found.log_tv, found.log_minus_log_tv) == pytest.approx((plain.log_tv, plain.log_minus_log_tv), rel=1e-12)
    assert found.states is not None and plain.states is not None
    for ours, theirs in ((found.terminal, plain.terminal), (found.states, plain.states)):
        assert {x: q.value for x, q in ours.items() if q.value} == pytest.approx(
            {x: q.value for x, q in theirs.items() if q.value}, rel=1e-12
        )
    for name_ in FUNCTIONALS:
        left, right = found.functionals[name_], plain.functionals[name_]
        assert left is not None and right is not None
        assert left.value == pytest.approx(right.value, rel=1e-11, abs=1e-14)


@pytest.mark.parametrize("rule", ["rate", "normalised"])
def test_paths_agree_and_are_those_expected(rule: str) -> None:
    problem, schedule = load("squares-overlap"), spec("3@1:2/3,0@2/3:1/3,1@1/3:0")
    free = answer(problem, [schedule], [HALF, Fraction(0), Fraction(1)], rule)
    assert free.path == {"rate": "symbolic", "normalised": "exact"}[rule]
    doubles = answer(problem, [schedule], [HALF, Fraction(0), Fraction(1)], rule, path="array")
    forced = answer(problem, [schedule], [HALF, Fraction(0), Fraction(1)], rule, path="exact")
    assert forced == free
    for left, right in zip(free.results, doubles.results, strict=True):
        assert left.tv is not None and right.tv is not None
        assert left.tv.value == pytest.approx(right.tv.value, rel=1e-13, abs=1e-15)
        for x, q in left.terminal.items():
            assert q.exact is not None and float(q.exact) == pytest.approx(q.value, rel=1e-14)
            assert q.value == pytest.approx(right.terminal[x].value, rel=1e-12)
    assert [r.tv.value for r in free.results if r.tv][1:] == [0.0, 1.0]


def test_against_exponentials_by_hand() -> None:
    windows = [(Fraction(3), Fraction(1), HALF), (Fraction(0), HALF, Fraction(1, 10))]
    with flint.ctx.workprec(200):
        law = law_after(HARD["squares"], "rate", windows)
    schedule = GuidanceSchedule.of([*windows, (5, "1/10", 0)])
    (found,) = answer(HARD["squares"].problem, [schedule], [Fraction(1, 10)], states=True).results
    assert found.states is not None and found.tv is not None
    for x, q in found.states.items():
        assert q.value == pytest.approx(float(law[x]), rel=1e-14)
    left = sum((p for x, p in law.items() if None in x), flint.arb(0))
    assert found.tv.value == pytest.approx(float(left), rel=1e-14)


def test_varying_strengths_are_enclosed_or_refined(monkeypatch: pytest.MonkeyPatch) -> None:
    problem, schedule = load("slower-sampling"), spec("ramp-up:3")
    enclosed = answer(problem, [schedule], [HALF])
    assert enclosed.path == "array"
    assert any("enclosed by Taylor steps" in note for note in enclosed.notes)
    monkeypatch.setattr(schedule_answers, "MAX_ENCLOSED_CONTEXTS", 3)
    refined = answer(problem, [schedule], [HALF])
    (note,) = [note for note in refined.notes if "half as many parts" in note]
    promised = float(note.rpartition(" ")[2])
    apart = (
        sum(abs(q.value - refined.results[0].terminal[x].value) for x, q in enclosed.results[0].terminal.items()) / 2
    )
    assert 0.5 * promised < apart < 1.5 * promised  # the estimate is one


def test_the_tilted_law_is_that_of_the_mean_strength() -> None:
    problem = load("interval-overlap")
    found = answer(problem, [spec("4@1:1/2,0@1/2:0")], rule="normalised")
    assert found.notes == ("w = 4@1:1/2,0@1/2:0: the tilted law is the one at the mean strength 2",)
    (plain,) = answer(problem, [Fraction(2)]).results
    away = found.results[0].functionals["tv_to_tilted"]
    # One token, revealed in either window with chance 1/2: the mean of the tilted laws at 4 and 0, against that at 2.
    tilted = [answer(problem, [Fraction(w)]).results[0].terminal for w in (4, 0)]
    expected = sum(
        abs((tilted[0][x].exact + tilted[1][x].exact) / 2 - q.exact)  # pyright: ignore[reportOperatorIssue, reportArgumentType]
        for x, q in plain.terminal.items()
    )
    assert away is not None and away.exact == Fraction(expected) / 2


def test_large_chains_in_doubles() -> None:
    problem = hypercubes(5).problem
    (found,) = answer(problem, [spec("3@1:0.5,1@0.5:0")], [HALF]).results
    (early,) = answer(problem, [Fraction(3)], [HALF]).results
    assert found.tv is not None and early.tv is not None
    assert found.tv.value == pytest.approx(early.tv.value, rel=1e-10)
    assert sum(q.value for q in found.terminal.values()) == pytest.approx(1, abs=1e-11)


def test_bad_questions() -> None:
    problem, early = load("xor"), spec("3@1:0.5,0@0.5:0")
    with pytest.raises(StrengthError, match="ask one by one"):
        answer(problem, [early, Fraction(1)])  # pyright: ignore[reportArgumentType]
    with pytest.raises(DataError, match="knows no guidance in time"):
        answer(problem, [early], path="markov")
    with pytest.raises(DataError, match="not independent and alike"):
        answer(problem, [early], path="lumped")
    with pytest.raises(NotExactError, match="constant strength in every window"):
        answer(problem, [spec("ramp-up:1")], path="exact")
    with pytest.raises(StrengthError, match="open symbols"):
        answer(problem, [GuidanceSchedule.of([(symbol("a", positive=True), 1, 0)])])
    with pytest.raises(ChainTooLargeError):
        answer(hypercubes(5).problem, [early], path="symbolic")


@pytest.mark.parametrize("rule", ["rate", "normalised"])
@pytest.mark.parametrize("given", ["3@1:0.5,1@0.5:0", "2@1:0.9,-1/2@0.9:0.2,4@0.2:0"])
def test_lumps_answer_as_contexts_do(given: str, rule: str) -> None:
    problem, fractions = hypercubes(5).problem, [HALF, Fraction(1, 10), Fraction(1)]
    lumped = answer(problem, [spec(given)], fractions, rule, path="lumped")
    listed = answer(problem, [spec(given)], fractions, rule, path="array")
    assert (lumped.path, listed.path) == ("lumped", "array")
    for mine, other in zip(lumped.results, listed.results, strict=True):
        assert mine.tv is not None
        assert other.tv is not None
        assert mine.tv.value == pytest.approx(other.tv.value, rel=1e-10)
        assert (mine.log_minus_log_tv is None) == (other.log_minus_log_tv is None)
        if other.log_minus_log_tv is not None:
            assert mine.log_minus_log_tv == pytest.approx(other.log_minus_log_tv, rel=1e-8)
        assert {x: q.value for x, q in mine.terminal.items()} == pytest.approx(
            {x: q.value for x, q in other.terminal.items()}, rel=1e-9
        )
        for name, q in other.functionals.items():
            found = mine.functionals[name]
            assert (q is None) == (found is None), name
            if q is not None and found is not None:
                assert found.value == pytest.approx(q.value, rel=1e-8, abs=1e-11), name


def test_lumps_of_many_positions_under_a_ramp() -> None:
    found = answer(load("hypercubes:D=40"), [spec("ramp-up:3")], [HALF], top=3)
    assert found.path == "lumped"
    (note,) = [note for note in found.notes if "half as many parts" in note]
    assert "estimated" in note
    (result,) = found.results
    assert not result.whole
    assert len(result.terminal) == 3
    assert result.functionals["kl_to_class"] is not None
    small, parts = hypercubes(5).problem, spec("ramp-up:2")
    (lumped,) = answer(small, [parts], path="lumped").results
    (listed,) = answer(small, [parts], path="array").results
    for x, q in listed.terminal.items():
        assert lumped.terminal[x].value == pytest.approx(q.value, rel=1e-3)
    with pytest.raises(ChainTooLargeError, match="--top"):
        answer(load("hypercubes:D=40"), [spec("ramp-up:3")])
    with pytest.raises(DataError, match="not listed for lumps"):
        answer(load("hypercubes:D=40"), [spec("ramp-up:3")], [HALF], states=True, top=3)
