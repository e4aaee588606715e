"""Verdicts are ordered, combine to the weakest, and are never taken for a truth value."""

from itertools import pairwise

import pytest

from symguide.evidence import Evidence, Verdict, weakest


def test_order_and_names() -> None:
    names = ["refuted", "unknown", "agrees numerically", "enclosed", "proved"]
    assert [str(verdict) for verdict in Verdict] == names
    assert all(weaker < stronger for weaker, stronger in pairwise(Verdict))


def test_unknown_never_passes() -> None:
    assert [verdict.passes for verdict in Verdict] == [False, False, True, True, True]


def test_the_whole_is_as_strong_as_its_weakest_part() -> None:
    parts = [Evidence("a", Verdict.PROVED, ""), Evidence("b", Verdict.AGREES, ""), Evidence("c", Verdict.ENCLOSED, "")]
    assert weakest(parts) is Verdict.AGREES
    assert weakest([]) is Verdict.UNKNOWN


def test_evidence_is_no_truth_value() -> None:
    with pytest.raises(TypeError, match="'mass' has no truth value"):
        bool(Evidence("mass", Verdict.PROVED, ""))
