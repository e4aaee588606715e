"""Problem files: exact round trips, the decimals they spell, and everything that is no problem."""

import json
import os
import re
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markov_pairs import markov_pairs
from strategies import Instance, instances

from symguide.errors import DataError, NotExactError, SymguideError
from symguide.instances.problem_file import parse_problem, read_problem, write_problem
from symguide.laws.law import Law, TableLaw
from symguide.laws.markov import MarkovLaw
from symguide.laws.mixture import ClassMixture, Problem

SQUARES: dict[str, Any] = {
    "vocabulary": 3,
    "length": 2,
    "target": "high",
    "labels": ["a", "b", "c"],
    "classes": {
        "low": {"prior": "1/3", "law": [[[0, 0], "1/4"], [[0, 1], 0.5], [[2, 0], 0], [[1, 1], "0.25"]]},
        "high": {"prior": "2/3", "law": [[[1, 1], 1]]},
    },
}
PAIR: dict[str, Any] = {
    "vocabulary": 2,
    "length": 1,
    "pair": {"conditional": [[[0], 1]], "unconditional": [[[0], "1/3"], [[1], "2/3"]]},
}


def edited(*path: Any, value: Any, of: dict[str, Any] = SQUARES) -> str:
    """The document with one value replaced, as text."""
    document = json.loads(json.dumps(of))
    place = document
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return json.dumps(document)


def without(*path: Any, of: dict[str, Any] = SQUARES) -> str:
    document = json.loads(json.dumps(of))
    place = document
    for key in path[:-1]:
        place = place[key]
    del place[path[-1]]
    return json.dumps(document)


def refusal(text: str, target: str | None = None) -> str:
    with pytest.raises(DataError) as caught:
        parse_problem(text, target)
    message = str(caught.value)
    assert message.isprintable(), message
    assert len(message) < 600, message
    assert message.startswith("problem:") or message.startswith("problem is "), message
    return message


# --- reading ----------------------------------------------------------------------------------------------------------


def test_mixture_is_read_exactly():
    problem = parse_problem(json.dumps(SQUARES), name="squares")
    low = {(0, 0): Fraction(1, 4), (0, 1): Fraction(1, 2), (1, 1): Fraction(1, 4)}
    marginal = {(0, 0): Fraction(1, 12), (0, 1): Fraction(1, 6), (1, 1): Fraction(3, 4)}
    assert problem == Problem(
        TableLaw(3, 2, {(1, 1): Fraction(1)}),
        TableLaw(3, 2, marginal),
        "high",
        Fraction(2, 3),
        ("a", "b", "c"),
        "squares",
        classes=ClassMixture(
            {"low": TableLaw(3, 2, low), "high": TableLaw(3, 2, {(1, 1): Fraction(1)})},
            {"low": Fraction(1, 3), "high": Fraction(2, 3)},
            ("a", "b", "c"),
            "squares",
        ),
    )
    assert parse_problem(json.dumps(SQUARES), "low").conditional == TableLaw(3, 2, low)


def test_pair_is_read_exactly():
    problem = parse_problem(json.dumps({**PAIR, "labels": ["no", "yes"]}))
    unconditional = TableLaw(2, 1, {(0,): Fraction(1, 3), (1,): Fraction(2, 3)})
    assert problem == Problem(TableLaw(2, 1, {(0,): Fraction(1)}), unconditional, labels=("no", "yes"))


def test_json_numbers_are_the_decimals_they_spell():
    law = "[[[0], 0.1], [[1], 3e-1], [[2], 0.6000000000000000000000000000000000000000]]"
    problem = parse_problem(f'{{"vocabulary": 3, "length": 1, "classes": {{"a": {{"prior": 1.0, "law": {law}}}}}}}')
    assert isinstance(problem.conditional, TableLaw)
    assert list(problem.conditional.weights.values()) == [Fraction(1, 10), Fraction(3, 10), Fraction(3, 5)]
    assert all(type(weight) is Fraction for weight in problem.conditional.weights.values())
    assert problem.notes == ()


@pytest.mark.parametrize("quote", ["", '"'])
def test_decimals_that_nearly_sum_to_one_are_divided_by_their_sum(quote: str):
    third = f"{quote}0.3333333333333{quote}"
    law = f"[[[0], {third}], [[1], {third}], [[2], {third}]]"
    prior = f"{quote}0.9999999999999{quote}"
    text = f'{{"vocabulary": 3, "length": 1, "classes": {{"a": {{"prior": {prior}, "law": {law}}}}}}}'
    problem = parse_problem(text)
    assert problem.conditional.weight((2,)) == Fraction(1, 3)
    assert problem.prior == 1
    assert problem.notes == ("law of class 'a' was divided by its sum", "the priors were divided by their sum")


def test_rescaled_laws_of_a_pair_are_told():
    text = edited("pair", "conditional", value=[[[0], 0.5], [[1], 0.4999999999999]], of=PAIR)
    problem = parse_problem(text)
    assert problem.conditional.weight((0,)) == Fraction(1, 2) / Fraction("0.9999999999999")
    assert problem.notes == ("the conditional law was divided by its sum",)


def test_tolerance_is_for_decimals_only():
    tiny = Fraction(1, 10**20)
    thirds = [[[0, 0], str(Fraction(1, 2) - tiny)], [[1, 1], "1/2"]]
    assert "sum to" in refusal(edited("classes", "low", "law", value=thirds))
    # A decimal in one law excuses neither another law nor the priors.
    assert "sum to" in refusal(edited("classes", "high", "law", value=thirds))
    assert "the priors sum to" in refusal(edited("classes", "high", "prior", value=str(Fraction(2, 3) - tiny)))
    assert "sum to" in refusal(edited("classes", "low", "law", value=[[[0, 0], 0.5], [[1, 1], 0.49999999999]]))


def test_single_class_is_its_own_target():
    text = json.dumps({"vocabulary": 1, "length": 1, "classes": {"all": {"prior": 1, "law": [[[0], 1]]}}})
    assert parse_problem(text).target == "all"


def test_argument_overrides_the_target_of_the_file():
    assert parse_problem(json.dumps(SQUARES)).target == "high"
    assert parse_problem(json.dumps(SQUARES), "low").target == "low"
    assert parse_problem(without("target"), "low").target == "low"


def test_huge_grids_allocate_nothing():
    text = edited("vocabulary", value=10**30, of={**SQUARES, "labels": None})
    assert parse_problem(without("labels", of=json.loads(text))).vocabulary == 10**30
    assert "length 2, but the law has 1000000000000" in refusal(edited("length", value=10**12))


def test_file_is_read(tmp_path: Path):
    path = tmp_path / "squares.json"
    path.write_bytes(b"\xef\xbb\xbf" + json.dumps({**SQUARES, "labels": ["é", "β", "c"]}, ensure_ascii=False).encode())
    problem = read_problem(str(path), "low")
    assert (problem.name, problem.target, problem.labels) == (str(path), "low", ("é", "β", "c"))


# --- refusing ---------------------------------------------------------------------------------------------------------


def test_unreadable_files(tmp_path: Path):
    (tmp_path / "latin.json").write_bytes('{"é": 1}'.encode("latin-1"))
    (tmp_path / "empty.json").write_bytes(b" \n")
    (tmp_path / "bad.json").write_text('{"vocabulary": 3,\n "length" 2}')
    for name, message in {
        "missing.json": "there is no such file",
        "latin.json": "byte 2 is no UTF-8",
        "empty.json": "the file is empty",
        "bad.json": "malformed JSON at line 2, column 11",
        "a\nb.json": "there is no such file",
        "nul\0.json": "cannot be read",
        "x" * 300: "cannot be read",
        ".": "cannot be read (Is a directory)",
    }.items():
        with pytest.raises(DataError) as caught:
            read_problem(tmp_path / name)
        assert message in str(caught.value)
        assert str(caught.value).isprintable()
        assert os.fspath(tmp_path) in str(caught.value)


def test_file_without_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def denied(path: Path) -> bytes:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "read_bytes", denied)
    with pytest.raises(DataError, match=r"p\.json: it cannot be read \(Permission denied\)"):
        read_problem(tmp_path / "p.json")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the file is empty"),
        ("{", "line 1, column 2"),
        ('{"vocabulary": 3,}', "line 1, column"),
        ('{"vocabulary": 3}\n}', "line 2, column 1"),
        ("{'vocabulary': 3}", "line 1, column 2"),
        ('{"vocabulary": 01}', "line 1, column"),
        ('{"vocabulary": "a\nb"}', "line 1, column"),
        ("[" * 100_000, "nested too deeply"),
        ('{"a":' * 100_000 + "1" + "}" * 100_000, "nested too deeply"),
        ('{"vocabulary": 3, "vocabulary": 3}', "key 'vocabulary' is listed twice"),
        (json.dumps(SQUARES).replace('"low"', '"high"'), "key 'high' is listed twice"),
        (json.dumps(SQUARES).replace('"law"', '"prior"', 1), "key 'prior' is listed twice"),
        ("[1, 2]", "problem is [1, 2], so its parts have no names"),
        ("null", "problem is None"),
        ("NaN", "problem is NaN"),
        ("{}", "key 'classes' is missing"),
    ],
)
def test_text_that_is_no_document(text: str, message: str):
    assert message in refusal(text)


def nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


NAN = float("nan")
NUMBERS = [
    (True, "is true: a number belongs here"),
    (None, "is null: a number belongs here"),
    ("", "text is never evaluated"),
    ("1/0", "denominator is zero"),
    ("__import__('os').getcwd()", "text is never evaluated"),
    ("1_000", "text is never evaluated"),
    ("nan", "only finite numbers"),
    ("-Infinity", "only finite numbers"),
    (NAN, "is NaN: only finite numbers"),
    (float("inf"), "is Infinity: only finite numbers"),
    (float("-inf"), "is -Infinity: only finite numbers"),
    ([1], "a number belongs here"),
    ({"a": 1}, "a number belongs here"),
    (nested(300), "a number belongs here"),
]


@pytest.mark.parametrize(("value", "message"), NUMBERS)
def test_probability_that_is_none(value: Any, message: str):
    said = refusal(edited("classes", "low", "law", 0, 1, value=value))
    assert said.startswith("problem: class 'low': weight of [0, 0] is ")
    assert message in said
    said = refusal(edited("classes", "low", "prior", value=value))
    assert said.startswith("problem: class 'low': prior is ")
    assert message in said
    said = refusal(edited("pair", "unconditional", 1, 1, value=value, of=PAIR))
    assert said.startswith("problem: unconditional law: weight of [1] is ")
    assert message in said


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        *((("vocabulary",), value, "vocabulary is ") for value in (True, 0, -1, 3.0, "3", None, [3], 1e300, NAN)),
        *((("length",), value, "length is ") for value in (True, 0, -2, 2.0, "2", None, {}, nested(300))),
        (("length",), 1, "class 'low': tokens [0, 0] have length 2, but the law has 1"),
        (("vocabulary",), 2, "token 2 in [2, 0] is outside the vocabulary 0..1"),
        (("vocabulary",), 4, "3 labels for a vocabulary of 4"),
        (("labels",), ["a", "b", "a"], "label 'a' stands for the tokens 0 and 2"),
        (("labels",), "abc", "labels is 'abc'"),
        (("labels",), None, "labels is None"),
        (("labels",), {"0": "a"}, "labels is {'0': 'a'}"),
        (("labels",), ["a", "b"], "2 labels for a vocabulary of 3"),
        (("labels",), ["a", "b", 3], "a label is 3"),
        (("labels",), ["a", "b", 0.5], "a label is 0.5"),
        (("labels",), ["a", "b", "\ud800"], "half of a character"),
        (("labels",), [["a"], "b", "c"], "a label is ['a']"),
        (("target",), "middle", "target 'middle' is no class, so nothing guides to it; choose one of 'low', 'high'"),
        (("target",), None, "target is None"),
        (("target",), 1, "target is 1"),
        (("target",), ["high"], "target is ['high']"),
        (("classes",), [], "classes is []"),
        (("classes",), None, "classes is None"),
        (("classes",), {}, "there are no classes"),
        (("classes", "low"), [], "class 'low' is []"),
        (("classes", "low"), {}, "class 'low': key 'law' is missing"),
        (("classes", "low", "weight"), 1, "class 'low': key 'weight' is unknown"),
        (("classes", "low", "priors"), 1, "did you mean 'prior'?"),
        (("classes", "\udc80"), {"prior": 0, "law": []}, "half of a character"),
        (("classes", "low", "prior"), 0, "prior is 0: a class needs a positive prior"),
        (("classes", "low", "prior"), "-1/3", "prior is -1/3: a class needs a positive prior"),
        (("classes", "low", "prior"), "1/2", "the priors sum to 7/6"),
        (("classes", "low", "law"), {"0,0": 1}, "the law is {'0,0': 1}"),
        (("classes", "low", "law"), "uniform", "the law is 'uniform'"),
        (("classes", "low", "law"), None, "the law is None"),
        (("classes", "low", "law"), [], "no tokens have positive weight"),
        (("classes", "low", "law"), [[[0, 0], 0]], "no tokens have positive weight"),
        (("classes", "low", "law"), [[[0, 0], "-1/2"], [[0, 1], "3/2"]], "weight of [0, 0] is -1/2"),
        (("classes", "low", "law"), [[[0, 0], "1/2"]], "the weights sum to 1/2"),
        (("classes", "low", "law"), [[[0, 0], 1], [[0, 0], 0]], "tokens [0, 0] are listed twice"),
        (("classes", "low", "law"), [[0, 0, 1]], "entry [0, 0, 1] is no pair"),
        (("classes", "low", "law"), [[0, 1]], "entry [0, 1] is no pair"),
        (("classes", "low", "law"), [["00", 1]], "entry ['00', 1] is no pair"),
        (("classes", "low", "law"), [{"tokens": [0, 0]}], "is no pair"),
        (("classes", "low", "law"), [[[0, 0]]], "is no pair"),
        (("classes", "low", "law"), [nested(300)], "is no pair"),
        (("classes", "low", "law", 0, 0), [0], "tokens [0] have length 1, but the law has 2"),
        (("classes", "low", "law", 0, 0), [0, 0, 0], "tokens [0, 0, 0] have length 3, but the law has 2"),
        (("classes", "low", "law", 0, 0), [0, 3], "token 3 in [0, 3] is outside the vocabulary 0..2"),
        (("classes", "low", "law", 0, 0), [-1, 0], "token -1 in [-1, 0] is outside"),
        *(
            (("classes", "low", "law", 0, 0), [0, token], f"class 'low': token {shown} is no integer")
            for token, shown in (
                (True, "True"), (1.0, "1.0"), ("1", "'1'"), (None, "None"), ([1], "[1]"), (1e30, "1e+30"), (NAN, "NaN"),
            )
        ),
        (("classes", "low", "law", 0, 0), [0, nested(300)], "is no integer"),
        (("lenght",), 2, "key 'lenght' is unknown here, so it would change nothing; did you mean 'length'?"),
        (("source",), "me", "key 'source' is unknown here"),
        (("pair",), PAIR["pair"], "a pair of laws has no classes"),
    ],
)  # fmt: skip
def test_mixture_that_is_none(path: tuple[Any, ...], value: Any, message: str):
    assert message in refusal(edited(*path, value=value))


@pytest.mark.parametrize("key", ["vocabulary", "length", "classes"])
def test_missing_keys(key: str):
    assert f"key {key!r} is missing" in refusal(without(key))


@pytest.mark.parametrize("key", ["prior", "law"])
def test_missing_keys_of_a_class(key: str):
    assert f"problem: class 'high': key {key!r} is missing" in refusal(without("classes", "high", key))


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("pair",), [], "pair is []"),
        (("pair", "conditional"), "x", "conditional law: the law is 'x'"),
        (("pair", "conditional"), {}, "conditional law: key 'initial' is missing"),
        (("pair", "conditional"), [[[2], 1]], "conditional law: token 2 in [2] is outside the vocabulary 0..1"),
        (("pair", "conditional"), [[[0, 0], 1]], "conditional law: tokens [0, 0] have length 2, but the law has 1"),
        (("pair", "conditional"), [[[0], "1/2"]], "conditional law: the weights sum to 1/2"),
        (("pair", "conditional"), [], "conditional law: no tokens have positive weight"),
        (("pair", "uncondtional"), [], "pair: key 'uncondtional' is unknown here"),
        (("target",), "a", "a pair of laws has no target"),
        (("labels",), ["a"], "1 labels for a vocabulary of 2"),
    ],
)
def test_pair_that_is_none(path: tuple[Any, ...], value: Any, message: str):
    assert message in refusal(edited(*path, value=value, of=PAIR))


def test_pair_with_a_part_missing_or_a_target():
    assert "pair: key 'unconditional' is missing" in refusal(without("pair", "unconditional", of=PAIR))
    assert "so target 'a' has no meaning" in refusal(json.dumps(PAIR), "a")


def test_target_that_is_missing_or_unknown():
    assert "there is no target, so it is open where to guide; choose one of 'low', 'high'" in refusal(without("target"))
    assert "there is no class 'middle'; choose one of 'low', 'high'" in refusal(json.dumps(SQUARES), "middle")


def test_integers_beyond_what_python_converts():
    digits = "1" + "0" * 9000
    for place in ('"vocabulary": 3', '"length": 2', "[0, 0]", '"prior": "1/3"', '"1/4"'):
        text = json.dumps(SQUARES).replace(place, place.replace(place.split(" ")[-1].strip("]"), digits), 1)
        assert digits in text
        refusal(text)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.floats() | st.sampled_from(["1/2", "low", "nan", "\n", "é"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["prior", "law", "\u2028"]), inner),
    max_leaves=6,
)


@st.composite
def damaged(draw: st.DrawFn) -> str:
    """A document with a value somewhere replaced by something else."""
    document = json.loads(json.dumps(draw(st.sampled_from([SQUARES, PAIR]))))
    place, path = document, []
    while True:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        path.append(draw(st.sampled_from(keys)))
        inner = place[path[-1]]
        if not isinstance(inner, dict | list) or not inner or draw(st.booleans()):
            return edited(*path, value=draw(json_values), of=document)
        place = inner


@settings(max_examples=200)
@given(damaged())
def test_damage_is_told_in_one_line_or_harmless(text: str):
    try:
        problem = parse_problem(text)
    except SymguideError as error:
        assert type(error) is DataError
        assert str(error).isprintable()
    else:
        laws = problem.conditional, problem.unconditional
        assert all(isinstance(law, TableLaw) and sum(law.weights.values()) == 1 for law in laws)


@settings(max_examples=100)
@given(st.integers(0, len(json.dumps(SQUARES)) - 1))
def test_cut_files_are_told_with_line_and_column(length: int):
    text = json.dumps(SQUARES, indent=1)
    assert "line" in refusal(text[: max(length, 1)])


# --- writing ----------------------------------------------------------------------------------------------------------


@settings(max_examples=60)
@given(instances())
def test_round_trip_of_problems(instance: Instance):
    problem = instance.problem
    assert parse_problem(write_problem(problem), name=problem.name) == replace(problem, source="", notes=())


@settings(max_examples=60)
@given(instances(), st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=5, max_size=5))
def test_round_trip_of_mixtures_labels_and_names(instance: Instance, names: list[str]):
    labels = tuple(f"{names[0]}{token}" for token in range(instance.vocabulary))
    laws = {f"a{names[1]}": instance.problem.conditional, f"b{names[2]}": instance.problem.unconditional}
    priors = iter((Fraction(1, 7), Fraction(6, 7)))
    classes = {key: (next(priors), law) for key, law in laws.items()}
    mixture = ClassMixture.of(instance.vocabulary, instance.length, classes, labels=labels)
    for target in laws:
        assert parse_problem(write_problem(mixture, target), name="mixture") == mixture.problem(target)
        assert parse_problem(write_problem(mixture), target, name="mixture") == mixture.problem(target)


@settings(max_examples=60)
@given(markov_pairs())
def test_round_trip_of_markov_pairs(pair: Problem):
    text = write_problem(pair)
    read = parse_problem(text)
    for mine, theirs in ((read.conditional, pair.conditional), (read.unconditional, pair.unconditional)):
        assert isinstance(mine, MarkovLaw) and isinstance(theirs, MarkovLaw)
        assert (mine.vocabulary, mine.length) == (theirs.vocabulary, theirs.length)
        assert mine.initial.tolist() == theirs.initial.tolist()
        assert mine.transitions.tolist() == theirs.transitions.tolist()
    assert write_problem(read) == text


@pytest.mark.parametrize(
    ("law", "message"),
    [
        ({"initial": ["1/2", "1/2"]}, "key 'transitions' is missing"),
        ({"initial": ["1/2", "1/2"], "transition": []}, "did you mean 'transitions'"),
        ({"initial": "1/2", "transitions": [[1]]}, "initial is '1/2', so it holds no probabilities"),
        ({"initial": [None, 1], "transitions": [[1, 0], [0, 1]]}, "a probability is null"),
        ({"initial": [True, 0], "transitions": [[1, 0], [0, 1]]}, "a probability is true"),
        ({"initial": ["1/2", "1/2"], "transitions": [["1/2", "1/3"], [0, 1]]}, "from token 0 sum to 5/6"),
        ({"initial": ["1/2", "1/2"], "transitions": [[0.5, 0.4999], [0, 1]]}, "from token 0 sum to 9999/10000"),
        ({"initial": ["1/2", "1/2"], "transitions": [[1, -1], [0, 1]]}, "is -1: a probability is never negative"),
        ({"initial": [1], "transitions": [[1]]}, r"its matrices speak of \(N, D\) = \(1, 3\), the file of \(2, 3\)"),
        ({"initial": [1, 0], "transitions": [[[1, 0], [0, 1]]]}, r"of \(N, D\) = \(2, 2\), the file of \(2, 3\)"),
        ({"initial": [1, 0], "transitions": [[1, 0], [0]]}, "ragged"),
        ({"initial": [1, 0], "transitions": []}, "the transitions have shape"),
        ({"initial": [1, 0], "transitions": [["x", 0], [0, 1]]}, "text is never evaluated"),
    ],
)
def test_markov_laws_that_are_none(law: Any, message: str):
    good = {"initial": ["1/2", "1/2"], "transitions": [["1/2", "1/2"], [0, 1]]}
    pair = {"conditional": law, "unconditional": good}
    assert re.search(message, refusal(json.dumps({"vocabulary": 2, "length": 3, "pair": pair})))


def test_decimals_of_markov_laws_may_have_been_rounded():
    third = {"initial": [0.5, 0.5], "transitions": [[0.333333333333, 0.666666666666], [0, 1]]}
    pair = {"conditional": third, "unconditional": third}
    problem = parse_problem(json.dumps({"vocabulary": 2, "length": 3, "pair": pair}))
    assert isinstance(problem.conditional, MarkovLaw)
    assert problem.conditional.transitions[0].tolist() == [Fraction(1, 3), Fraction(2, 3)]
    assert len(problem.notes) == 2


def test_written_files_are_plain_and_stable():
    problem = replace(parse_problem(json.dumps(SQUARES)), classes=None)  # what is left is the target and the rest
    text = write_problem(problem)
    assert text.isascii() and text.endswith("}\n")
    assert write_problem(parse_problem(text)) == text
    assert json.loads(text) == {
        "vocabulary": 3,
        "length": 2,
        "target": "high",
        "labels": ["a", "b", "c"],
        "classes": {
            "high": {"prior": "2/3", "law": [[[1, 1], "1"]]},
            "not high": {"prior": "1/3", "law": [[[0, 0], "1/4"], [[0, 1], "1/2"], [[1, 1], "1/4"]]},
        },
    }


def test_floats_are_written_as_the_decimals_they_print():
    law = TableLaw.from_mapping(2, 1, {(0,): 0.1, (1,): 0.9})
    mixture = ClassMixture.of(2, 1, {"a": (0.25, law), "b": (0.75, {(0,): 1})})
    problem = parse_problem(write_problem(mixture, "a"))
    assert problem.prior == Fraction(1, 4)
    assert problem.conditional == TableLaw(2, 1, {(0,): Fraction(1, 10), (1,): Fraction(9, 10)})
    assert parse_problem(write_problem(Problem(law, law))).unconditional == problem.conditional
    with pytest.raises(NotExactError, match="mixture: its floats do not determine"):
        write_problem(replace(mixture.problem("a"), classes=None))
    assert write_problem(mixture.problem("a")) == write_problem(mixture, "a")


def test_data_that_no_file_holds():
    law = TableLaw.from_mapping(2, 1, {(0,): "1/3", (1,): "2/3"})
    other = TableLaw.from_mapping(2, 1, {(0,): 1})
    huge = Fraction(1, 3**10_000)
    for data, target, message in (
        (ClassMixture.symbolic(2, 1), None, "file holds fractions and decimals only"),
        (ClassMixture.symbolic(2, 1).problem("1"), None, "file holds fractions and decimals only"),
        (Problem(law, TableLaw.symbolic(2, 1)), None, "unconditional law: weight of [0] is p(0|z)"),
        (Problem(law, other, "a", Fraction(1, 2)), None, "is no mixture with 1/2 of the conditional law"),
        (Problem(law, other, "a", Fraction(1)), None, "is no mixture with 1 of the conditional law"),
        (Problem(law, law, "a", Fraction(2)), None, "is no mixture with 2 of the conditional law"),
        (Problem(law, law, "a"), None, "give both or none"),
        (Problem(law, law), "a", "'a' would be lost"),
        (ClassMixture.of(2, 1, {"b": (1, law)}), "a", "target 'a' is no class"),
        (Problem(law, TableLaw(2, 1, {(0,): huge, (1,): 1 - huge})), None, "digits, but numbers are read up to 4000"),
        (Problem(law, Unlisted()), None, "a Unlisted is not listed by its support"),
        (Problem(law, Unlisted(), "a", Fraction(1, 2)), None, "a Unlisted is not listed by its support"),
    ):
        with pytest.raises(DataError) as caught:
            write_problem(data, target)
        assert message in str(caught.value)
        assert str(caught.value).isprintable()


class Unlisted(Law):
    """A law without a table."""

    vocabulary, length, is_exact = 2, 1, True

    def weight(self, context: Any) -> Fraction:
        return Fraction(1, 2)

    def conditional(self, context: Any, position: int) -> dict[int, Fraction]:
        return {0: Fraction(1, 2), 1: Fraction(1, 2)}

    def count_contexts(self, most: int) -> int:
        return 3
