"""Derivations: what is right is proved, what is wrong is refuted by its step, and what was not run is said."""

import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from math_core import LatexToMathML
from sympy import (
    Abs,
    Derivative,
    Eq,
    Function,
    Ge,
    Integer,
    Lambda,
    Limit,
    Rational,
    Sum,
    Symbol,
    Tuple,
    exp,
    log,
    oo,
)
from sympy.core.function import AppliedUndef
from typesetting import needs_pdflatex, overfull, typeset

from symguide.asymptotics.brackets import Bracket
from symguide.chains.family import representative, vocabulary_size
from symguide.chains.ode import kolmogorov, unknown
from symguide.errors import DataError, SymguideError
from symguide.evidence import Evidence, Verdict
from symguide.latex.formulas import equations
from symguide.numbers.exp_dd import exp_dd
from symguide.proofs import derivation as machinery
from symguide.proofs.counterexamples import tried
from symguide.proofs.derivation import (
    REFERENCES,
    Claim,
    Derivation,
    Instance,
    Outcome,
    Proof,
    Step,
    catalogue,
    run,
    select,
)
from symguide.proofs.identities import Formulas, Meaning, equal, equations_of, identities, solves, times
from symguide.proofs.papers import proof_document
from symguide.symbols import s, symbol, u, w

DERIVATIONS = catalogue()
TRAJECTORIES = ("any number of tokens", "single token", "two tokens")
SQUARE = (equal((1 + u) ** 2, 1 + 2 * u + u**2),)
NOT_SQUARE = (equal((1 + u) ** 2, 1 + u**2),)
v = symbol("v", integer=True, nonnegative=True)
n = vocabulary_size - 1
f: Any = Function("f", positive=True)
a, b = symbol("a", positive=True), symbol("b", positive=True)


def step(content: tuple[Any, ...], name: str = "square") -> Step:
    return Step(name, "A square.", content, "Multiplying out.", identities())


def small(*steps: Step, claim: tuple[Any, ...] = SQUARE, instances: tuple[Instance, ...] = ()) -> Derivation:
    return Derivation("small", "A square", Claim("A square.", claim), (), steps, (), instances)


def meaning_of(item: Step) -> Meaning | None:
    """What the names in a step stand for."""
    return item.check.meaning if isinstance(item.check, Formulas) else None


def verdict(*content: Any, meaning: Meaning | None = None) -> Verdict:
    return identities(meaning or Meaning())(content)[0]


@pytest.fixture(scope="module")
def proofs() -> Mapping[str, Proof]:
    return {name: run(derivation) for name, derivation in DERIVATIONS.items()}


# --- the derivations that come with the package -----------------------------------------------------------------------


def test_catalogue() -> None:
    assert list(DERIVATIONS) == [
        "any number of tokens",
        "composed",
        "domination",
        "drift",
        "early or late",
        "joint normalisation",
        "large guidance",
        "monotonicity",
        "not monotone",
        "posterior bounds",
        "published row",
        "regions",
        "renyi divergence",
        "shared and private",
        "single token",
        "small guidance",
        "tau leaping",
        "two tokens",
    ]


FORMULAS = tuple(
    name for name in DERIVATIONS if name not in ("composed", "early or late", "joint normalisation", "tau leaping")
)
"""Derivations whose steps are formulas with a meaning; the others have tests of their own."""


@pytest.mark.parametrize("name", FORMULAS)
def test_every_step_is_proved_and_every_instance_agrees(name: str, proofs: Mapping[str, Proof]) -> None:
    proof = proofs[name]
    assert [str(outcome) for outcome in proof.failed] == []
    assert {item.verdict for item in proof.evidence} == {Verdict.PROVED}
    assert proof.verdict is Verdict.PROVED
    ran = [outcome for outcome in proof.instances if not outcome.not_run]
    assert ran
    for outcome in ran:
        assert outcome.verdict.passes
        if name in TRAJECTORIES:
            checks = {item.check: item.verdict for item in outcome.evidence}
            assert checks["initial value"] is checks["residual"] is checks["mass"] is Verdict.PROVED
            assert checks["integration"] is Verdict.AGREES
            assert checks["balls"] is Verdict.ENCLOSED
    for outcome in proof.instances:
        assert not outcome.not_run or "pip install" in outcome.not_run


def test_steps_lean_on_what_was_shown_before() -> None:
    """A step that uses a formula is not run where no earlier step shows it."""
    leaning = 0
    for derivation in DERIVATIONS.values():
        for number, item in enumerate(derivation.steps):
            if not item.given:
                continue
            leaning += 1
            shown = {formula for other in derivation.steps[:number] for formula in other.content}
            assert set(item.given) <= shown
            alone = replace(derivation, steps=(item,), instances=(), claim=Claim("It.", item.content))
            (outcome, _) = run(alone).steps
            assert outcome.verdict is Verdict.UNKNOWN
            assert "no earlier step shows it" in outcome.evidence[0].detail
            assert replace(item, given=()).examine().verdict is not Verdict.PROVED
    assert leaning >= 20


@pytest.mark.parametrize("name", DERIVATIONS)
def test_assumptions_hold_on_what_formulas_are_tried_on(name: str) -> None:
    """Named sums and differential equations are true of the example: so a formula that is false there is false."""
    for item in DERIVATIONS[name].steps:
        meaning = meaning_of(item)
        if meaning is None or not meaning.example:
            continue
        closed = replace(meaning, rules={}, sums={}, totals=())
        named = [(total, value) for value, total in meaning.sums.items()]
        for left, right in [*named, *meaning.totals, *meaning.rules.items()]:
            if isinstance(left, Symbol) or (isinstance(left, AppliedUndef) and left.func not in meaning.example):
                continue  # a definition
            sides = tried(equal(left, right), closed).sides
            assert sides is not None, left
            assert abs(sides[0] - sides[1]) < 1e-30, (item.name, left)
        for fact in (*meaning.facts, *item.given):
            sides = tried(fact, meaning.knowing(item.given)).sides
            assert sides is not None, fact
            gap = sides[0] - sides[1]
            assert gap >= -1e-30 if isinstance(fact, Ge) else abs(gap) < 1e-30, (item.name, fact, sides)


def test_real_data_are_among_the_instances() -> None:
    two = {instance.name: instance.needs for instance in DERIVATIONS["two tokens"].instances}
    assert [needs for name, needs in two.items() if name.startswith("words")] == [("wordfreq",)] * 2
    assert [needs for name, needs in two.items() if name.startswith("digits")] == [("sklearn",)]


@pytest.mark.parametrize("name", DERIVATIONS)
def test_every_citation_resolves_and_is_made(name: str) -> None:
    derivation = DERIVATIONS[name]
    assert derivation.citations
    assert all(REFERENCES[key].authors for key in derivation.citations)


def test_references_are_complete() -> None:
    for key, source in REFERENCES.items():
        assert key[-4:].isdigit()
        assert key[-4:] in source.where
        assert str(source).startswith(source.authors)


def mutations() -> list[Any]:
    """Every formula of every step, spoilt in one of several ways in turn."""
    spoil = {
        "doubled": lambda form: 2 * form,
        "sign flipped": lambda form: -form,
        "term added": lambda form: form + Rational(1, 7),
        "strength shifted": lambda form: form.subs(w, w + 1),
        "clock doubled": lambda form: form.subs(u, u**2).subs(s, 2 * s),
    }
    kinds = list(spoil)
    spoilt: list[Any] = []
    for name, derivation in DERIVATIONS.items():
        for number, item in enumerate(derivation.steps):
            for place, relation in enumerate(item.content):
                if not isinstance(relation, Eq):
                    continue
                for offset in range(len(kinds)):
                    kind = kinds[(len(spoilt) + offset) % len(kinds)]
                    wrong = relation.rhs if relation.has(Limit) and "clock" in kind else spoil[kind](relation.rhs)
                    if wrong != relation.rhs:
                        case = f"{name}-{item.name}-{place}-{kind}"
                        spoilt.append(pytest.param(name, number, place, wrong, id=case))
                        break
    return spoilt


@pytest.mark.parametrize(("name", "number", "place", "wrong"), mutations())
def test_a_spoilt_formula_is_refuted_by_its_step(name: str, number: int, place: int, wrong: Any) -> None:
    item = DERIVATIONS[name].steps[number]
    relation: Any = item.content[place]
    content = (*item.content[:place], equal(relation.lhs, wrong), *item.content[place + 1 :])
    found = replace(item, content=content).examine()
    assert found.verdict is Verdict.REFUTED, found
    assert found.check == item.name


def test_swapped_rates_are_told_from_true_ones() -> None:
    """``c`` and ``d`` changed places: wrong, except where both orders of revealing are summed.

    There it is true, by the chain rule, which those steps do not assume: so it is neither proved nor refuted.
    """
    derivation = DERIVATIONS["two tokens"]
    c, d = list(representative(2).definitions)[2:]
    found = {}
    for item in derivation.steps:
        swapped = tuple(
            relation.func(relation.lhs, relation.rhs.xreplace({c: d, d: c}), evaluate=False)
            for relation in item.content
        )
        if swapped != item.content:
            found[item.name] = replace(item, content=swapped).examine().verdict
    assert found.pop("solver") is found.pop("end of the trajectory") is Verdict.UNKNOWN
    assert len(found) >= 7
    assert set(found.values()) == {Verdict.REFUTED}


def test_one_wrong_step_brings_the_derivation_down_by_its_name() -> None:
    derivation = replace(DERIVATIONS["single token"], instances=())
    steps = list(derivation.steps)
    place = [item.name for item in steps].index("mass")
    steps[place] = replace(steps[place], content=(equal(steps[place].content[0].lhs, 1 + u),))
    proof = run(replace(derivation, steps=tuple(steps)))
    assert proof.verdict is Verdict.REFUTED
    assert [outcome.name for outcome in proof.failed] == ["mass"]


def test_a_claim_that_no_step_shows_is_not_proved() -> None:
    derivation = replace(DERIVATIONS["single token"], instances=())
    first: Any = derivation.claim.content[0]
    false = replace(derivation.claim, content=(equal(first.lhs, first.rhs**2), *derivation.claim.content[1:]))
    proof = run(replace(derivation, claim=false))
    assert proof.verdict is Verdict.UNKNOWN
    assert [outcome.name for outcome in proof.failed] == ["claim"]
    assert "is claimed, but no step shows it" in proof.failed[0].evidence[0].detail


def test_a_wrong_formula_for_the_data_is_caught_by_the_instance(monkeypatch: pytest.MonkeyPatch) -> None:
    """The instances are tried with the formulas of the file, not with what the solver found."""
    instance = DERIVATIONS["single token"].instances[0]
    scope = instance.verify.__globals__  # pyright: ignore[reportFunctionMemberAccess]
    monkeypatch.setitem(scope, "exp", lambda power: exp(2 * power))
    found = {item.check: item.verdict for item in instance.verify(20)}
    assert Verdict.REFUTED in (found["residual"], found["integration"], found["balls"])


@pytest.mark.parametrize("name", (*FORMULAS, "composed", "early or late"))
def test_proved_formulas_hold_at_an_instance(name: str) -> None:
    """A second route: both sides in numbers, for concrete laws."""
    counted = 0
    for item in DERIVATIONS[name].steps:
        meaning = meaning_of(item)
        if meaning is None:
            continue
        for relation in item.content:
            if relation.lhs == divergence_of(meaning):
                continue
            sides = tried(relation, meaning.knowing(item.given)).sides
            assert sides is not None, relation
            if isinstance(relation, Eq):
                assert abs(sides[0] - sides[1]) < 1e-30, relation
            else:
                assert sides[0] >= sides[1], relation
            counted += 1
    assert counted >= 1 or name == "published row"


def divergence_of(meaning: Meaning) -> Any:
    return next((key for key in meaning.rules if key == symbol("D", real=True)), None)


# --- checks -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "relation",
    [
        equal((1 + u) ** 2, 1 + 2 * u + u**2),
        equal(u ** (a + b), u**a * u**b),
        equal((a / b) ** w * a, a ** (1 + w) * b**-w),
        equal(exp(-a * s), u**a),
        equal(exp_dd(Tuple(a, b), s), (u**a - u**b) / (b - a)),
        equal(exp_dd(Tuple(a, a), s), -log(u) * u**a),
        equal(Sum(2 * f(v) + a, (v, 0, n)), 2 * Sum(f(v), (v, 0, n)) + a * Sum(1, (v, 0, n))),
        equal(Sum(f(v) / (a - f(v)), (v, 0, n)), a * Sum(1 / (a - f(v)), (v, 0, n)) - Sum(1, (v, 0, n))),
        equal(Limit(u**a * b + b, u, 0), b),
        equal(Limit(exp(-a * s), s, oo), 0),
        equal(Limit(exp_dd(Tuple(0, a), s), s, oo), 1 / a),
        equal(Limit(s * u**a, u, 0), 0),
        equal(Limit(u * (a + u) ** -1, u, 0), 0),
        equal(Limit((u**a - u**b) / (b - a), a, b), s * u**b),
        equal(Abs(a / b - (1 - u) * a / b), u * a / b),
        equal(times(Rational(1, 2), a + b), a / 2 + b / 2),
        Ge(a * u**b, 0, evaluate=False),
        Ge(exp_dd(Tuple(a, b, a), s), 0, evaluate=False),
    ],
)
def test_what_is_true_is_proved(relation: Any) -> None:
    assert verdict(relation) is Verdict.PROVED


@pytest.mark.parametrize(
    "relation",
    [
        equal((1 + u) ** 2, 1 + u**2),
        equal(u ** (a + b), u**a + u**b),
        equal((a / b) ** w, (b / a) ** w),
        equal(exp_dd(Tuple(a, b), s), (u**a - u**b) / (a - b)),
        equal(exp_dd(Tuple(a, a), s), log(u) * u**a),
        equal(Sum(a * f(v), (v, 0, n)), Sum(a + f(v), (v, 0, n))),
        equal(Sum(f(v), (v, 0, n)), Sum(f(v), (v, 1, n))),
        equal(Sum(v * a, (v, 0, n)) * a, Sum(v * a, (v, 0, n))),
        equal(Limit(u**a * b + b, u, 0), 0),
        equal(Limit((u**a - u**b) / (b - a), a, b), u**b),
        equal(Abs(a / b - (1 - u) * a / b), -u * a / b),
        Ge(-a, 0, evaluate=False),
        Ge(a * u - a, 0, evaluate=False),
    ],
)
def test_what_is_false_is_refuted(relation: Any) -> None:
    assert verdict(relation) is Verdict.REFUTED


@pytest.mark.parametrize(
    "relation",
    [
        equal(Limit(u**-a, u, 0), 0),
        equal(Limit(u * (a - b + u) ** -1, u, 0), 0),
        Ge(a - a * u, 0, evaluate=False),  # true on (0, 1], but signs alone do not say so
        a > 0,
        Integer(1),
    ],
)
def test_what_is_beyond_the_check_is_unknown(relation: Any) -> None:
    assert verdict(relation) is Verdict.UNKNOWN


def test_nothing_shown_is_nothing_proved() -> None:
    assert verdict() is Verdict.UNKNOWN
    assert solves(kolmogorov(representative(1)))(())[0] is Verdict.UNKNOWN
    assert equations_of(kolmogorov(representative(1)))(())[0] is Verdict.UNKNOWN


def test_a_named_sum_is_recognised_only_over_its_own_range() -> None:
    total = symbol("T", positive=True)
    meaning = Meaning(sums={total: Sum(f(v), (v, 0, n))})
    assert verdict(equal(Sum(a * f(v), (v, 0, n)), a * total), meaning=meaning) is Verdict.PROVED
    assert verdict(equal(Sum(f(v), (v, 1, n)), total), meaning=meaning) is not Verdict.PROVED
    assert verdict(equal(Sum(f(v) ** 2, (v, 0, n)), total), meaning=meaning) is not Verdict.PROVED


def test_sums_within_sums_keep_their_own_tokens() -> None:
    g: Any = Function("g", positive=True)
    x, y = symbol("x", integer=True, nonnegative=True), symbol("y", integer=True, nonnegative=True)
    one = Sum(Sum(g(x, y) * f(x), (y, 0, n)), (x, 0, n))
    meaning = Meaning(functions={g: Lambda((x, y), x + 2 * y), f: Lambda(x, x + 1)})
    assert verdict(equal(one, one)) is Verdict.PROVED
    for other in (g(x, y) * f(y), g(y, x) * f(x), g(y, y) * f(x)):
        relation = equal(one, Sum(Sum(other, (y, 0, n)), (x, 0, n)))
        assert verdict(relation) is not Verdict.PROVED
        assert verdict(relation, meaning=meaning) is Verdict.REFUTED


def test_a_false_rule_is_found_out_where_it_is_used() -> None:
    """The instance knows the laws, whatever a proof assumes of them."""
    family = representative(1)
    token = next(iter(family.chain.incoming[1])).rate
    assert verdict(equal(token, 2 * token), meaning=Meaning(sums=family.definitions)) is Verdict.REFUTED


def test_wrong_equations_and_solutions_are_refuted_by_name() -> None:
    family = representative(1)
    system = kolmogorov(family)
    (rate,), (start, end) = family.definitions, family.chain.states
    q = family.chain.incoming[1][0].rate
    right = (equal(unknown(start, u), u**rate), equal(unknown(end, u), q * (1 - u**rate) / rate))
    assert solves(system)(right)[0] is Verdict.PROVED
    wrong_start = (right[0], equal(unknown(end, u), q * (2 - u**rate) / rate))
    wrong_rate = (right[0], equal(unknown(end, u), q * (1 - u ** (2 * rate)) / rate))
    for wrong, name in ((wrong_start, "initial value"), (wrong_rate, "residual")):
        found, detail = solves(system)(wrong)
        assert found is Verdict.REFUTED
        assert detail.startswith(name)
    assert solves(system)(right[:1])[0] is Verdict.UNKNOWN
    assert solves(system)((*right, right[0]))[0] is Verdict.UNKNOWN
    slope = equal(Derivative(unknown(end, s), s), 2 * q * unknown(start, s))
    assert equations_of(system)((system.equations[0], slope))[0] is Verdict.REFUTED
    assert equations_of(system)(system.equations[:1])[0] is Verdict.UNKNOWN


# --- running ----------------------------------------------------------------------------------------------------------


def test_progress_is_told_before_each_part_and_at_the_end() -> None:
    told: list[tuple[str, int, int]] = []
    instance = Instance("data", lambda digits: (Evidence("balls", Verdict.ENCLOSED, f"{digits} digits"),))
    derivation = small(step(SQUARE), step(SQUARE, "again"), instances=(instance,))
    proof = run(derivation, 12, lambda name, done, total: told.append((name, done, total)))
    assert told == [("square", 0, 3), ("again", 1, 3), ("data", 2, 3), ("", 3, 3)]
    assert proof.instances[0].evidence[0].detail == "12 digits"
    assert proof.seconds >= 0


def test_instances_corroborate_and_a_failing_one_refutes() -> None:
    agreeing = Instance("agrees", lambda digits: (Evidence("integration", Verdict.AGREES, ""),))
    failing = Instance("fails", lambda digits: (Evidence("balls", Verdict.REFUTED, "off"),))
    assert run(small(step(SQUARE), instances=(agreeing,))).verdict is Verdict.PROVED
    proof = run(small(step(SQUARE), instances=(agreeing, failing)))
    assert proof.verdict is Verdict.REFUTED
    assert [outcome.name for outcome in proof.failed] == ["fails"]


def test_what_was_not_run_is_said_and_counts_for_nothing() -> None:
    def never(digits: int) -> tuple[Evidence, ...]:
        raise AssertionError

    instance = Instance("data", never, ("no_such_package",))
    proof = run(small(step(SQUARE), instances=(instance,)))
    (outcome,) = proof.instances
    assert outcome.evidence == ()
    assert outcome.not_run == 'no_such_package is missing; pip install "symguide[examples]"'
    assert not outcome.verdict.passes
    assert proof.failed == ()
    assert proof.verdict is Verdict.PROVED
    assert "not run & no\\_such\\_package is missing" in proof_document([proof])


def test_errors_are_unknown_never_proved() -> None:
    def broken(content: Any) -> tuple[Verdict, str]:
        raise DataError("the table is torn")

    def torn(digits: int) -> tuple[Evidence, ...]:
        raise DataError("the table is torn")

    proof = run(small(replace(step(SQUARE), check=broken), instances=(Instance("data", torn),)))
    assert proof.verdict is Verdict.UNKNOWN
    assert [(outcome.name, outcome.evidence[0].detail) for outcome in proof.failed] == [
        ("square", "the table is torn"),
        ("data", "the table is torn"),
    ]
    empty = run(small(step(SQUARE), instances=(Instance("data", lambda digits: ()),)))
    assert empty.verdict is Verdict.UNKNOWN  # an instance that checked nothing agrees with nothing


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"citations": ("Nobody1900",)}, "cites 'Nobody1900', which no reference resolves"),
        ({"steps": ()}, "has no steps"),
        ({"steps": (step(SQUARE), step(SQUARE))}, "two steps are called 'square'"),
        ({"claim": Claim("All is well.", ())}, "claims no formula"),
    ],
)
def test_a_derivation_that_cannot_be_one_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(SymguideError, match=message):
        replace(small(step(SQUARE)), **change)


def test_selection() -> None:
    assert [x.name for x in select()] == list(DERIVATIONS)
    assert [x.name for x in select(["two-tokens", "single_token", "two tokens"])] == ["two tokens", "single token"]
    with pytest.raises(SymguideError, match="derivation 'three tokens' is unknown; choose one of 'any number of"):
        select(["three tokens"])


def test_files_without_a_derivation_and_doubles_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machinery, "_folder", lambda: tmp_path)
    assert catalogue() == {}
    original = Path(__file__).parents[2] / "derivations" / "single_token.py"
    shutil.copy(original, tmp_path / "b_token.py")
    (tmp_path / "_notes.py").write_text("raise RuntimeError\n")
    (tmp_path / "constant.py").write_text(
        "from symguide.proofs.derivation import *\nfrom symguide.proofs.identities import *\n"
        "from symguide.symbols import u\n"
        "shown = (equal(u + u, 2 * u),)\n"
        "DERIVATION = Derivation('twice', 'Twice', Claim('Twice.', shown), (),"
        " (Step('a', 'A.', shown, '', identities()),))\n"
    )
    assert list(catalogue()) == ["single token", "twice"]
    shutil.copy(original, tmp_path / "c_token.py")
    with pytest.raises(SymguideError, match="a derivation called 'single token' exists already"):
        catalogue()
    (tmp_path / "a.py").write_text("x = 1\n")
    with pytest.raises(SymguideError, match="neither derivation"):
        catalogue()


# --- the document -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", DERIVATIONS)
def test_every_formula_parses(name: str) -> None:
    parser = LatexToMathML(fancy_error=False)
    derivation = DERIVATIONS[name]
    for content in (derivation.claim.content, *(item.content for item in derivation.steps)):
        parser.convert_with_local_state(str(equations(content)), displaystyle=True)
    texts = [derivation.claim.statement, *derivation.assumptions]
    texts += [text for item in derivation.steps for text in (item.statement, item.justification)]
    for text in texts:
        pieces = text.split("$")
        assert len(pieces) % 2 == 1, text
        for mathematics in pieces[1::2]:
            parser.convert_with_local_state(mathematics, displaystyle=False)


def test_document_tells_theorem_proof_checks_and_sources(proofs: Mapping[str, Proof]) -> None:
    proof = proofs["two tokens"]
    source = proof_document([proof])
    for part in (
        r"\begin{claim}",
        "Assumptions",
        "What was checked",
        r"\bibitem{He2025}",
        "Notation",
        r"\emph{proved}",
    ):
        assert source.count(part) == 1, part
    assert source.count(r"\begin{step}") == len(proof.derivation.steps)
    for key in proof.derivation.citations:
        assert rf"\bibitem{{{key}}}" in source
    assert "squares-overlap" in source
    assert "enclosed: balls" in source


def test_a_refuted_proof_says_so_in_its_document() -> None:
    proof = run(small(step(NOT_SQUARE), claim=NOT_SQUARE))
    source = proof_document([proof])
    assert r"\verdict{refuted}" in source
    assert "square & refuted & " in source
    assert r"\emph{refuted}" in source


@needs_pdflatex
def test_documents_compile_and_nothing_runs_off_the_page(proofs: Mapping[str, Proof], tmp_path: Path) -> None:
    wrong = run(small(step(NOT_SQUARE), claim=NOT_SQUARE))
    unrun = Proof(
        proofs["two tokens"].derivation,
        proofs["two tokens"].steps,
        (Outcome("a long name " * 4, (), 0.0, "why " * 40),),
    )
    for group in (*([proof] for proof in proofs.values()), [wrong], [unrun], [*proofs.values(), wrong]):
        source = proof_document(group)
        for _ in range(2):
            log_ = typeset(source, tmp_path)
        assert not overfull(log_)
        assert "undefined" not in log_
        assert "Missing character" not in log_


@pytest.mark.parametrize("digits", [3, 15])
@pytest.mark.parametrize("name", ["large guidance", "domination"])
def test_few_digits_refute_nothing(name: str, digits: int) -> None:
    """What balls cannot tell at a low precision is looked at again at a higher one."""
    pytest.importorskip("sklearn")
    (derivation,) = select([name])
    verdicts = {outcome.verdict for outcome in run(derivation, digits).instances}
    assert verdicts <= {Verdict.ENCLOSED, Verdict.PROVED}


def test_brackets_are_tested_relative_to_what_they_bracket(monkeypatch: pytest.MonkeyPatch) -> None:
    """TV of one token is 1e-400 here: an absolute tolerance would let any bound pass."""
    (derivation,) = select(["large guidance"])
    (instance,) = [instance for instance in derivation.instances if instance.name == "interval-overlap"]
    right = Bracket.upper
    monkeypatch.setattr(Bracket, "upper", lambda self, field, w, s: right(self, field, w, s) / 2)
    assert any(item.verdict is Verdict.REFUTED for item in instance.verify(20))


def test_what_was_shown_of_another_function_of_that_name_serves_nobody() -> None:
    f, g = Function("f"), Function("g")
    first = Step("one", "One.", (equal(f(u), u),), "By definition.", identities(Meaning({f: Lambda(u, u)})))
    given = (equal(f(u), u),)
    other = Meaning({f: Lambda(u, 2 * u), g: Lambda(u, f(u))})
    second = Step("two", "Two.", (equal(g(u), u),), "It was shown.", identities(other), given)
    proof = run(Derivation("mixed", "Mixed", Claim("Mixed.", second.content), (), (first, second)))
    assert proof.verdict is Verdict.UNKNOWN
    assert "another range" in proof.steps[1].evidence[0].detail
