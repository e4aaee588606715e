"""The command line: what it reads, the shapes it writes, and how it refuses."""

import csv
import importlib.util
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import sympy

from symguide.answers.answer import Answer, Quantity, answer
from symguide.chains.chain import guided_chain
from symguide.cli import COMMANDS, gather, main
from symguide.errors import SymguideError
from symguide.instances.datasets import load
from symguide.instances.problem_file import read_problem
from symguide.laws.rules import RULES
from symguide.laws.tilt import RULES as TILT_RULES
from symguide.laws.tilt import guidance
from symguide.numbers.number import Number, read_number, to_sympy
from symguide.proofs.derivation import Claim, Derivation, Step
from symguide.proofs.identities import identities
from symguide.schedules.published import parse_schedule
from symguide.symbols import u

PAIR = """{"vocabulary": 2, "length": 1, "pair": {
    "conditional": [[[0], "1/4"], [[1], "3/4"]], "unconditional": [[[0], "1/2"], [[1], "1/2"]]}}"""
DECIMALS = """{"vocabulary": 3, "length": 1, "target": "a", "labels": ["x", "y", "z"], "classes": {
    "a": {"prior": 0.5, "law": [[[0], 0.3333333333333], [[1], 0.6666666666666]]},
    "b": {"prior": 0.5, "law": [[[1], 0.5], [[2], 0.5]]}}}"""


SINGLE = """{"vocabulary": 2, "length": 2, "target": "a", "classes": {
    "a": {"prior": "1/2", "law": [[[0, 1], "1/9"], [[1, 1], "8/9"]]},
    "b": {"prior": "1/2", "law": [[[0, 1], "8/21"], [[1, 1], "1/3"], [[1, 0], "2/7"]]}}}"""


class Done(NamedTuple):
    """What a command left behind."""

    status: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        return json.loads(self.out)


Run = Callable[..., Done]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def command(*arguments: str) -> Done:
        capsys.readouterr()
        status = main(arguments)
        out, err = capsys.readouterr()
        return Done(status, out, err)

    return command


def spawn(*arguments: str, **settings: Any) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "symguide", *arguments]
    kinds = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, **settings}
    return subprocess.Popen(command, **kinds)


# --- gathering values -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "joined"),
    [
        ("P --w 1", "P|--w=1"),
        ("P --w=1,2", "P|--w=1,2"),
        ("P --w 1 2 3", "P|--w=1 2 3"),
        ("P --w 1, 2 , 3", "P|--w=1, 2 , 3"),
        ("--w -1/2 0 3 P", "--w=-1/2 0 3|P"),
        ("--w 0.5 -.25 1e-3 +2. 1/3 P --json", "--w=0.5 -.25 1e-3 +2. 1/3|P|--json"),
        ("--w=1 2 P", "--w=1 2|P"),
        ("--w 1 --w 2 P", "--w=1|--w=2|P"),
        ("P --w 0 --u 1/2 1 --t 3", "P|--w=0|--u=1/2 1|--t=3"),
        ("P --w words", "P|--w=words"),
        ("P --w -x 1", "P|--w=-x 1"),
        ("P --w 0 nan -inf infinity", "P|--w=0 nan -inf infinity"),
        ("--w 1 2words", "--w=1|2words"),
        ("--w 1 2024/problem.json", "--w=1|2024/problem.json"),
        ("--w 1 --top 3", "--w=1|--top|3"),
        ("--w 1 -- --u 2", "--w=1|--|--u|2"),
        ("--states P", "--states|P"),
    ],
)
def test_values_are_gathered(given: str, joined: str) -> None:
    assert "|".join(gather(given.split())) == joined


def test_quoted_values_are_gathered() -> None:
    assert gather(["--w", "1, 2", "3", ""]) == ["--w=1, 2 3", ""]


@pytest.mark.parametrize("given", ["P --w", "--w --json", "--w= --json", "--w , P", "--u --w 1"])
def test_an_option_without_values_is_refused(given: str) -> None:
    with pytest.raises(SymguideError, match=r"^--[wu] has no value"):
        gather(given.split())


@pytest.mark.parametrize("where", ["squares-overlap {}", "{} squares-overlap", "{} --top 3 squares-overlap"])
@pytest.mark.parametrize("values", ["--w -1/2 0 3", "--w=-1/2,0,3", "--w -0.5,0 3", "--w -.5 --w 0 --w 3"])
def test_values_stand_anywhere(run: Run, where: str, values: str) -> None:
    done = run("solve", *where.format(values).split(), "--json")
    assert [result["w"] for result in done.document["results"]] == ["-1/2", "0", "3"]


NUMBERS = ["0", "-1", "+3", "1/3", "-7/2", "0.25", ".5", "5.", "1e-3", "2E+2", "1e9999", "00/1", "0" * 4000]
NO_NUMBERS = ["nan", "inf", "-Infinity", "oo", "one", "1/0", "1//2", "1e99999", "--1", "1_0", "true", "0x1", "1" * 4001]


@pytest.mark.parametrize("text", NUMBERS)
def test_numbers_are_those_of_python(run: Run, text: str) -> None:
    done = run("solve", "xor", f"--u={text}", "--w", "0", "--json", "--exact")
    value = read_number(text, "a number")
    assert isinstance(value, Fraction)
    if 0 <= value <= 1:
        assert done.document["results"][0]["u"] == str(value)
    else:
        assert (done.status, "mask fractions lie in [0, 1]" in done.err) == (2, True)


@pytest.mark.parametrize("text", NO_NUMBERS)
def test_what_is_no_number_is_none_here_either(run: Run, text: str) -> None:
    with pytest.raises(SymguideError):
        read_number(text, "a number")
    done = run("solve", "xor", f"--w={text}")
    assert (done.status, done.out, len(done.err.splitlines())) == (2, "", 1)


def test_rules_are_those_of_the_package() -> None:
    assert TILT_RULES == RULES


# --- the shape of answers ---------------------------------------------------------------------------------------------


def check_quantity(given: Any, quantity: Quantity | None, fraction: Number | None = None) -> None:
    if quantity is None:
        assert given is None
        return
    assert given.keys() == {"value", "exact"}
    assert type(given["value"]) is float
    assert given["value"] == quantity.value
    if quantity.exact is None:
        assert given["exact"] is None
    else:
        assert type(given["exact"]) is str
        read = sympy.sympify(given["exact"])
        # A form with powers too long to write out is left in u.
        at = {sympy.Symbol("u"): to_sympy(fraction)} if fraction is not None else {}
        assert abs(sympy.N(read, 30, subs=at) - given["value"]) <= max(1e-14 * abs(given["value"]), 5e-324)
        if isinstance(quantity.exact, Fraction):
            assert Fraction(given["exact"]) == quantity.exact


def check_law(given: Any, law: Any) -> None:
    assert [tuple(entry["tokens"]) for entry in given] == list(law)
    for entry, quantity in zip(given, law.values(), strict=True):
        assert entry.keys() == {"tokens", "probability"}
        check_quantity(entry["probability"], quantity)


def check_answer(given: Any, expected: Answer, times: list[str] | None = None) -> None:
    """Field by field against what Python answers."""
    assert given.keys() == {"target", "rule", "path", "notes", "results"}
    assert given["target"] == expected.problem.target
    assert (given["rule"], given["path"]) == (expected.rule, expected.path)
    assert given["notes"] == list(expected.notes)
    assert len(given["results"]) == len(expected.results)
    keys = ["w", "u", "t", "tv", "log_tv", "log_minus_log_tv", "terminal", "functionals"]
    for j, (shown, result) in enumerate(zip(given["results"], expected.results, strict=True)):
        states, dead = result.states is not None, result.dead is not None
        assert shown.keys() == {*keys, *["states"] * states, *["dead"] * dead}
        assert shown["w"] == str(result.w)
        assert shown["u"] == (None if result.u is None else str(result.u))
        assert shown["t"] == (times[j % len(times)] if times else None)
        check_quantity(shown["tv"], result.tv, result.u)
        assert (shown["log_tv"], shown["log_minus_log_tv"]) == (result.log_tv, result.log_minus_log_tv)
        check_law(shown["terminal"], result.terminal)
        assert [e["tokens"] for e in shown["terminal"]] == sorted(e["tokens"] for e in shown["terminal"])
        if states:
            check_law(shown["states"], result.states)
            order = [(sum(v is not None for v in e), [-1 if v is None else v for v in e]) for e in result.states or ()]
            assert order == sorted(order)
        assert list(shown["functionals"]) == [
            "entropy",
            "posterior",
            "reciprocal_posterior",
            "kl_to_class",
            "kl_to_tilted",
            "tv_to_tilted",
            "mean_unmasking_clock",
        ]
        for name, quantity in result.functionals.items():
            check_quantity(shown["functionals"][name], quantity)


@pytest.mark.parametrize(
    ("name", "options", "strengths", "fractions", "settings"),
    [
        ("squares-overlap", "--w 0 1 3", [0, 1, 3], [], {}),
        ("squares-overlap", "--w 1 -1 --u 1 1/2 0", [1, -1], [1, "1/2", 0], {}),
        ("squares-overlap", "--w 2 --u 0.1 --states", [2], ["1/10"], {"states": True}),
        ("squares-overlap", "--w -1/2 0.5 --u 1/3 --rule normalised", ["-1/2", "1/2"], ["1/3"], {"rule": "normalised"}),
        ("xor", "--w 7 --u 1e-300", [7], [Fraction(1, 10**300)], {}),
        ("slower-sampling", "--w 8 --u 1/2 --float --states", [8], ["1/2"], {"path": "array", "states": True}),
        ("interval-overlap", "--w 1/2 1 --exact", ["1/2", 1], [], {"path": "symbolic"}),
        ("interval-disjoint", "--w 1 1 --exact --target low", [1, 1], [], {"path": "exact", "target": "low"}),
        ("hypercubes:D=3,side=2,overlap=1", "--w 1 --u 1/2 --states", [1], ["1/2"], {"states": True}),
    ],
)
def test_solve_answers_as_python_does(
    run: Run, name: str, options: str, strengths: list[Any], fractions: list[Any], settings: dict[str, Any]
) -> None:
    target = settings.pop("target", None)
    expected = answer(load(name, target), list(map(Fraction, strengths)), list(map(Fraction, fractions)), **settings)
    done = run("solve", name, *options.split(), "--json")
    assert (done.status, done.err) == (0, "".join(f"note: {note}\n" for note in expected.notes))
    check_answer(done.document, expected)


def test_solve_of_a_pair_and_of_rounded_data(run: Run, tmp_path: Path) -> None:
    pair, decimals = tmp_path / "pair.json", tmp_path / "decimals.json"
    pair.write_text(PAIR)
    decimals.write_text(DECIMALS)
    done = run("solve", str(pair), "--w", "1", "--json")
    check_answer(done.document, answer(read_problem(pair), [Fraction(1)]))
    assert done.document["target"] is None
    assert done.document["results"][0]["functionals"]["posterior"] is None
    done = run("solve", str(decimals), "--w", "1", "--json", "--target", "b")
    check_answer(done.document, answer(read_problem(decimals, "b"), [Fraction(1)]))
    assert done.document["target"] == "b"
    assert done.document["notes"]
    assert done.err.splitlines() == [f"note: {note}" for note in done.document["notes"]]


def test_times_are_read_through_a_schedule(run: Run) -> None:
    done = run("solve", "squares-overlap", "--w", "0", "2", "--t", "1/3", "0.5", "--noise", "cosine", "--json")
    schedule = parse_schedule("cosine")
    fractions: list[Number] = [Fraction(1, 2), schedule.mask_fraction_at("1/2")]
    check_answer(done.document, answer(load("squares-overlap"), [Fraction(0), Fraction(2)], fractions), ["1/3", "1/2"])
    assert [r["u"] for r in done.document["results"]] == ["1/2", "sqrt(2)/2"] * 2
    done = run("solve", "xor", "--w=1", "--t=1", "--noise", "polynomial:k=3", "--horizon", "2", "--json")
    assert [(r["u"], r["t"]) for r in done.document["results"]] == [("1/8", "1")]


def test_top_keeps_the_most_probable_in_order(run: Run) -> None:
    whole = run("solve", "squares-overlap", "--w", "1", "--json").document["results"][0]["terminal"]
    kept = run("solve", "squares-overlap", "--w", "1", "--json", "--top", "5").document["results"][0]["terminal"]
    # Four of 2/15; of the four of 8/75 the lexicographically first.
    assert [e["tokens"] for e in kept] == [[2, 3], [3, 3], [3, 4], [4, 3], [4, 4]]
    assert all(entry in whole for entry in kept)
    done = run("solve", "squares-overlap", "--w", "1", "--json", "--top", "99")
    assert done.document["results"][0]["terminal"] == whole


def test_dead_contexts_are_reported_only_where_they_are(run: Run, tmp_path: Path) -> None:
    singular = tmp_path / "singular.json"
    laws = '"conditional": [[[0, 0], "1/2"], [[1, 1], "1/2"]], "unconditional": [[[0, 0], "1/2"], [[1, 0], "1/2"]]'
    singular.write_text(f'{{"vocabulary": 2, "length": 2, "pair": {{{laws}}}}}')
    done = run("solve", str(singular), "--w", "-1/2", "0", "--json")
    assert done.status == 0
    alive, unguided = done.document["results"]
    # Revealing a first token 1 excludes both second tokens: (1, M) is dead, at rate 1/2 against 1/2 + sqrt(1/2).
    assert [entry["tokens"] for entry in alive["terminal"]] == [[0, 0]]
    assert alive["dead"].keys() == {"value", "exact"}
    assert alive["dead"]["value"] == pytest.approx(0.5 / (1 + 0.5**0.5), rel=1e-15)
    assert sympy.simplify(sympy.sympify(alive["dead"]["exact"]) - 1 / (2 + sympy.sqrt(2))) == 0
    assert "dead" not in unguided
    assert "probability of a dead context" in run("solve", str(singular), "--w", "-1/2").out


def test_numbers_of_any_length_are_written(run: Run) -> None:
    limit = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(700)
    try:
        done = run("solve", "squares-overlap", "--w", "2000", "--json", "--top", "1")
        posterior = done.document["results"][0]["functionals"]["posterior"]["exact"]
        assert min(map(len, posterior.split("/"))) > sys.get_int_max_str_digits()
    finally:
        sys.set_int_max_str_digits(limit)


def test_real_words_answer(run: Run) -> None:
    pytest.importorskip("wordfreq")
    done = run("solve", "words:top=60", "--target", "fr", "--float", "--w", "0", "1", "3", "--top", "10", "--json")
    assert done.status == 0
    assert [result["w"] for result in done.document["results"]] == ["0", "1", "3"]
    for result in done.document["results"]:
        assert len(result["terminal"]) == 10
        assert result["tv"] is result["u"] is None
    done = run("solve", "words:top=60", "--target", "fr", "--float", "--w", "0", "1", "3", "--top", "10")
    assert re.search(r"^ +comme +0\.\d+ ", done.out, re.MULTILINE)
    assert re.search(r"^Lifted most .*p\(x\|z\) to w = 3$", done.out, re.MULTILINE)
    lifted, suppressed = done.out.split("Lifted most")[1].split("Suppressed most")
    assert set(re.findall("×[0-9]", lifted)) <= {f"×{k}" for k in range(1, 10)}
    assert re.search(r"×0\.", suppressed)
    assert "p(z|x)" in suppressed


# --- tables for people ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("columns", [40, 80, 200])
def test_tables_keep_to_the_width_and_lose_nothing(run: Run, monkeypatch: pytest.MonkeyPatch, columns: int) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    strengths = [str(w) for w in range(12)]
    done = run("solve", "squares-overlap", "--w", *strengths, "--u", "1/2", "1e-300", "--float")
    assert (done.status, done.err) == (0, "")
    assert max(map(len, done.out.splitlines())) <= columns
    assert "…" not in done.out
    assert "\x1b" not in done.out
    tables = done.out[done.out.index("Terminal law") :]  # notes come before
    for strength in strengths:
        assert len(re.findall(rf"w = {strength}\b", tables)) == 3


def test_a_long_law_is_cut_and_says_so(run: Run) -> None:
    done = run("solve", "hypercubes:D=3,side=3,overlap=1", "--w", "1")
    assert "the 20 most probable at each w, 7 of 27 left out" in done.out
    assert len(re.findall(r"^ +\(\d, \d, \d\)", done.out.partition("Lifted most")[0], re.MULTILINE)) == 20


def test_masks_and_labels_are_readable(run: Run, tmp_path: Path) -> None:
    spelled = tmp_path / "spelled.json"
    law = '[[[0, 1], "1/2"], [[1, 1], "1/2"]]'
    head = '{"vocabulary": 2, "length": 2, "labels": ["n", "o"], "classes": '
    spelled.write_text(f'{head}{{"z": {{"prior": 1, "law": {law}}}}}}}')
    done = run("solve", str(spelled), "--w", "0", "--u", "1/2", "--states")
    assert re.search(r"^ +no +0\.5000", done.out, re.MULTILINE)
    assert re.search(r"^ +__ +0\.25", done.out, re.MULTILINE)


def test_list_names_everything(run: Run) -> None:
    done = run("list")
    listed = run("list", "--json").document
    assert done.status == 0
    for kind in ("instances", "schedules", "rules", "strengths", "derivations"):
        assert listed[kind]
        for item in listed[kind]:
            assert item["name"] in done.out
            assert item["source"]
    assert {"words", "digits", "hypercubes-5d"} <= {item["name"] for item in listed["instances"]}


# --- verify and export ------------------------------------------------------------------------------------------------


def test_verify_reports_evidence(run: Run) -> None:
    done = run("verify", "squares-overlap", "--w", "1", "-1", "--u", "1/3", "--digits", "20", "--json")
    assert (done.status, done.err) == (0, "")
    document = done.document
    assert document["verdict"] == "agrees numerically"
    assert document["digits"] == 20
    assert [result["w"] for result in document["results"]] == ["1", "-1"]
    for result in document["results"]:
        assert result["u"] == ["1/3"]
        assert result["contexts_checked"] == result["contexts"]
        assert {item["check"] for item in result["evidence"]} >= {"initial value", "residual", "integration", "balls"}
        assert all(item["verdict"] in ("agrees numerically", "enclosed", "proved") for item in result["evidence"])
    done = run("verify", "squares-overlap", "--w", "1", "--digits", "20")
    assert done.status == 0
    assert "Verdict: agrees numerically" in done.out


def test_verify_at_a_time(run: Run) -> None:
    done = run("verify", "xor", "--w", "1", "--t", "1/2", "--noise", "cosine", "--digits", "20", "--json")
    assert done.status == 0
    (fraction,) = done.document["results"][0]["u"]
    assert abs(Fraction(fraction) ** 2 - Fraction(1, 2)) < Fraction(1, 10**25)


def test_verify_fails_when_something_is_refuted(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    from symguide.checks import verification
    from symguide.evidence import Evidence, Verdict

    for verdict in (Verdict.REFUTED, Verdict.UNKNOWN):
        report = verification.Report((Evidence("mass", verdict, "seen"),), ())
        monkeypatch.setattr(verification, "verify", lambda *_, report=report, **__: report)
        done = run("verify", "xor", "--w", "1")
        assert done.status == 1
        assert f"Verdict: {verdict}" in done.out
        assert run("verify", "xor", "--w", "1", "--json").status == 1


def test_export_to_python_computes_what_is_compiled(run: Run, tmp_path: Path) -> None:
    for name, rule, strength in (
        ("squares-overlap", "rate", None),
        ("xor", "normalised", None),
        ("slower-sampling", "rate", Fraction(1, 2)),
        ("squares-overlap", "rate", Fraction(-1)),
    ):
        file = tmp_path / "closed_form.py"
        fixed = [] if strength is None else ["--w", str(strength)]
        assert run("export", name, "--rule", rule, *fixed, "--python", str(file), "--noise", "cosine") == (0, "", "")
        spec = importlib.util.spec_from_file_location("closed_form", file)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        tilt = guidance(load(name), rule)
        chain = guided_chain(tilt if strength is None else tilt.at(strength))
        assert tuple(module.STATES) == chain.states
        at_w = [] if strength else [np.array([[0.5], [3.0]])]
        fractions = np.array([0.0, 1e-3, 0.5, 1.0])
        reference = answer(load(name), [strength or Fraction(3)], [Fraction(1, 2)], rule, states=True).results[0]
        ours = module.probabilities(*at_w, fractions)
        assert ours.shape == (len(chain.states), *np.broadcast_shapes(*(a.shape for a in (*at_w, fractions))))
        np.testing.assert_allclose(ours.sum(0), 1, rtol=1e-12)
        assert reference.states is not None
        assert reference.tv is not None
        at_half = ours[..., 2].reshape(len(chain.states), -1)[:, -1]
        np.testing.assert_allclose(at_half, [q.value for q in reference.states.values()], rtol=1e-12)
        np.testing.assert_allclose(module.tv(*at_w, fractions)[..., 2].flat[-1], reference.tv.value, rtol=1e-12)
        np.testing.assert_allclose(module.mask_fraction([0.0, 1 / 3, 1.0]), [0.0, 0.5, 1.0], rtol=1e-12)


def test_export_to_latex(run: Run, tmp_path: Path) -> None:
    done = run("export", "interval-overlap", "--latex", "-")
    assert (done.status, done.err) == (0, "")
    assert done.out.startswith(r"\documentclass")
    assert done.out.rstrip().endswith(r"\end{document}")
    places = [tmp_path / "law.tex", tmp_path / "law.py"]
    assert run("export", "interval-overlap", "--latex", str(places[0]), "--python", str(places[1])) == (0, "", "")
    assert places[0].read_text() == done.out
    assert sorted(tmp_path.iterdir()) == sorted(places)


def test_what_a_file_says_never_becomes_code(run: Run, tmp_path: Path) -> None:
    evil = tmp_path / "evil.json"
    name = '\\"\\"\\"\\nraise SystemExit(3)\\n\\"\\"\\"{0}'
    evil.write_text(f'{{"vocabulary": 1, "length": 1, "classes": {{"{name}": {{"prior": 1, "law": [[[0], 1]]}}}}}}')
    done = run("export", str(evil), "--python", "-")
    assert done.status == 0
    names: dict[str, Any] = {}
    exec(done.out, names)
    assert "raise SystemExit" in names["PROBLEM"]


def test_export_abridges_real_words_and_writes_one_context_in_full(run: Run) -> None:
    pytest.importorskip("wordfreq")
    done = run("export", "words:top=60", "--target", "fr", "--latex", "-")
    assert (done.status, done.err) == (0, "")
    for what in ("contexts", "equations", "terms", "terminal contexts", "abbreviations"):
        assert re.search(rf"\(\d+ of \d+ {what} left out\)", done.out)
    assert "abridged" in done.out
    assert len(done.out.splitlines()) < 600
    done = run("export", "words:top=60", "--target", "fr", "--latex", "-", "--context", "co___")
    assert done.status == 0
    assert "left out" not in done.out
    assert run("export", "words:top=60", "--target", "fr", "--latex", "-", "--context", "c,14,M,_,M").out == done.out


# --- regime -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "base", "limit", "keys"),
    [
        ("interval-overlap", "2", None, {"state", "exit_base", "coefficient"}),
        ("single.json", "248/95", None, {"neutral", "path", "base", "coefficient"}),
        ("squares-overlap", None, "u", {"neutral"}),
        ("squares-overlap --rule normalised", None, "-u**2 + 2*u", {"neutral"}),
        ("digits --target 3", "2413916624959/2114120654580", None, {"neutral", "path", "base", "coefficient"}),
    ],
)
def test_regime_for_machines(
    run: Run,
    files: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: str,
    base: str | None,
    limit: str | None,
    keys: set[str],
) -> None:
    monkeypatch.chdir(files)
    if arguments.startswith("digits") and importlib.util.find_spec("sklearn") is None:
        pytest.skip("scikit-learn is not installed")
    done = run("regime", *arguments.split(), "--json")
    assert (done.status, done.err) == (0, "")
    found = done.document
    assert list(found) == ["regime", "base", "limit_tv", "witness", "evidence"]
    expected = "saturating" if base is None else "double-exponential" if "state" in keys else "single-exponential"
    assert (found["regime"], found["limit_tv"], found["evidence"]) == (expected, limit, "proved")
    assert (found["base"] and found["base"]["exact"]) == base
    assert set(found["witness"]) == keys
    if base is None:
        assert sum(Fraction(item["probability"]["exact"]) for item in found["witness"]["neutral"]) > 0
        assert all(None in item["state"] for item in found["witness"]["neutral"])
    else:
        of_witness = found["witness"]["exit_base" if "state" in keys else "base"]
        assert of_witness == found["base"]
        assert of_witness["value"] == float(Fraction(base))
    if "path" in keys:
        path = found["witness"]["path"]
        assert (path[0], path[-1]) == ([None] * len(path[0]), found["witness"]["neutral"])
        masks = [state.count(None) for state in path]
        assert masks == list(range(masks[0], masks[-1] - 1, -1))


@pytest.mark.parametrize(
    ("problem", "said"),
    [("interval-overlap", "ln(-ln TV) ~ w ln(2)"), ("single.json", "TV ~ (u/8)"), ("slower-sampling", "TV -> u")],
)
def test_regime_for_people(run: Run, files: Path, monkeypatch: pytest.MonkeyPatch, problem: str, said: str) -> None:
    monkeypatch.chdir(files)
    done = run("regime", problem)
    assert (done.status, done.err) == (0, "")
    assert said in done.out
    assert "proved" in done.out
    assert "from w = 0 on" in done.out


# --- guidance in time -------------------------------------------------------------------------------------------------


def test_solve_under_a_guidance_schedule(run: Run) -> None:
    done = run("solve", "squares-overlap", "--guidance-schedule", "3@1:0.5,0@0.5:0", "--u", "1/2", "--json")
    assert (done.status, done.document["path"]) == (0, "symbolic")
    (result,) = done.document["results"]
    assert (result["w"], result["guidance_schedule"], result["u"]) == (None, "3@1:1/2,0@1/2:0", "1/2")
    early = run("solve", "squares-overlap", "--w", "3", "--u", "1/2", "--json").document["results"][0]
    assert set(early) | {"guidance_schedule"} == set(result)
    assert result["tv"] == early["tv"]  # until u = 1/2 nothing else has happened
    assert abs(sum(item["probability"]["value"] for item in result["terminal"]) - 1) < 1e-14


def test_guidance_in_time_and_times(run: Run) -> None:
    spec = "3@t=1:t=0.5,0@t=0.5:t=0"
    words = ("--guidance-schedule", spec, "--noise", "log-linear", "--json")
    timed = run("solve", "xor", *words, "--t", "1/2").document["results"][0]
    assert (timed["t"], timed["u"], timed["guidance_schedule"]) == ("1/2", "1/2", "3@1:1/2,0@1/2:0")
    alone = run("solve", "xor", *words)
    assert (alone.status, alone.document["results"][0]["u"]) == (0, None)


def test_guidance_in_time_for_people(run: Run) -> None:
    done = run("solve", "squares-overlap", "--guidance-schedule", "ramp-up:3", "--u", "1/2")
    assert done.status == 0
    assert "w = ramp-up:3" in done.out
    assert "enclosed by Taylor steps" in " ".join(done.out.split())


def test_sweep_under_a_guidance_schedule(run: Run, tmp_path: Path) -> None:
    out = tmp_path / "table.csv"
    words = ("sweep", "xor", "squares-overlap", "--out", str(out), "--u", "1/2", "--workers", "1")
    assert run(*words, "--guidance-schedule", "3@1:0.5,0@0.5:0").status == 0
    assert run(*words, "--guidance-schedule", "V:1").status == 0
    assert run(*words, "--w", "3").status == 0
    with out.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 6
    assert {(row["w"], row["guidance_schedule"]) for row in rows} == {("3.0", ""), ("", "3@1:1/2,0@1/2:0"), ("", "V:1")}
    for name in ("xor", "squares-overlap"):
        early, alone = (
            next(row["tv"] for row in rows if row["problem"] == name and wanted(row))
            for wanted in (lambda row: row["guidance_schedule"].startswith("3@"), lambda row: row["w"] == "3.0")
        )
        assert float(early) == pytest.approx(float(alone), rel=1e-14)
    again = run(*words, "--guidance-schedule", "V:1", "--json")
    assert (again.document["kept"], again.document["written"]) == (2, 0)


# --- diagnose ---------------------------------------------------------------------------------------------------------


def test_diagnose(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "logs.npz"
    logs = np.log([[[0.7, 0.2, 0.1], [0.4, 0.3, 0.3]], [[0.2, 0.5, 0.3], [0.4, 0.3, 0.3]]])
    np.savez(file, conditional=logs[0], unconditional=logs[1])
    words = ("diagnose", str(file), "--w", "0", "2", "--sampler", "tau-leaping", "--steps", "10")
    done = run(*words, "--json")
    assert (done.status, done.document["positions"], done.document["vocabulary"]) == (0, 2, 3)
    plain, guided = done.document["results"]
    assert plain["log_z"]["largest"] == pytest.approx(0, abs=1e-12)
    assert guided["log_z"]["least"] == pytest.approx(0, abs=1e-12)  # the second position tells nothing
    z = 0.7**3 / 0.2**2 + 0.2**3 / 0.5**2 + 0.1**3 / 0.3**2
    assert guided["log_z"]["largest"] == pytest.approx(np.log(z))
    assert guided["exact_reveals"][0] == pytest.approx(0.1 + 1 - 0.9**z)
    assert guided["reveals"][0] == pytest.approx(0.1 * np.exp(-0.1) + 0.1 * z * np.exp(-0.1 * z))
    assert len(guided["share"]) == 10
    assert guided["threshold"]["largest"] is None
    shown = run(*words)
    assert shown.status == 0
    assert "threshold in w at step 8" in shown.out


def test_diagnose_says_what_is_wrong_with_a_file(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "logs.npz"
    for write, said in (
        (lambda: None, "No such file"),
        (lambda: file.write_text("no archive"), "no archive"),
        (lambda: np.savez(file, conditional=np.zeros((1, 2))), "no array 'unconditional'"),
        (lambda: np.savez(file, conditional=np.zeros((1, 2)), unconditional=np.zeros((1, 2))), "sum to 2"),
    ):
        write()
        done = run("diagnose", str(file), "--w", "1")
        assert (done.status, done.out) == (2, "")
        assert said in done.err and done.err.count("\n") == 1


# --- prove ------------------------------------------------------------------------------------------------------------


def test_prove_writes_documents_and_says_what_holds(run: Run, tmp_path: Path) -> None:
    out = tmp_path / "new" / "folder"
    done = run("prove", "single-token", "--digits", "20", "--out", str(out))
    assert done.status == 0
    assert re.search(r"^  single token +proved +[1-9]\d* +\d+ +\d+ +6 +\d", done.out, re.MULTILINE)
    assert [path.name for path in out.iterdir()] == ["single-token.tex"]
    assert (out / "single-token.tex").read_text().startswith(r"\documentclass")
    assert str(out / "single-token.tex") in "".join(line.strip() for line in done.out.splitlines()[-3:])


def test_prove_for_machines(run: Run, tmp_path: Path) -> None:
    done = run("prove", "single token", "--digits", "20", "--json", "--out", str(tmp_path))
    assert done.status == 0
    assert "Summary" in done.err
    assert done.document.keys() == {"digits", "verdict", "derivations", "files"}
    assert done.document["files"] == []
    assert (done.document["digits"], done.document["verdict"]) == (20, "proved")
    (proof,) = done.document["derivations"]
    assert proof["name"] == "single token"
    assert proof["files"] == [str(tmp_path / "single-token.tex")]
    assert proof["steps"]
    assert proof["instances"]
    for outcome in (*proof["steps"], *proof["instances"]):
        assert outcome.keys() in ({"name", "verdict", "evidence"}, {"name", "verdict", "not_run"})
        for item in outcome.get("evidence", ()):
            assert item.keys() == {"check", "verdict", "detail"}


def test_prove_makes_pdfs(run: Run, tmp_path: Path) -> None:
    if shutil.which("pdflatex") is None:
        pytest.skip("pdflatex is not installed (texlive-latex-recommended)")
    done = run("prove", "single-token", "--digits", "20", "--pdf", "--out", str(tmp_path))
    assert done.status == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["single-token.pdf", "single-token.tex"]
    assert (tmp_path / "single-token.pdf").read_bytes().startswith(b"%PDF-")


def test_several_derivations_are_one_document_too(run: Run, tmp_path: Path) -> None:
    done = run("prove", "drift", "renyi divergence", "--digits", "20", "--json", "--out", str(tmp_path))
    assert done.document["files"] == [str(tmp_path / "derivations.tex")]
    source = (tmp_path / "derivations.tex").read_text()
    assert source.count(r"\tableofcontents") == source.count(r"\begin{thebibliography}") == 1
    assert source.count(r"\begin{claim}") == source.count(r"\subsection{Proof}") == 2
    assert r"\tableofcontents" not in (tmp_path / "drift.tex").read_text()


def test_pdfs_without_pdflatex_are_refused_at_once(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    done = run("prove", "--pdf", "--out", str(tmp_path))
    assert (done.status, done.out, list(tmp_path.iterdir())) == (2, "", [])
    assert re.fullmatch(r"symguide: error: --pdf: pdflatex is not installed.*\n", done.err)


def test_prove_writes_figures_beside_the_document(run: Run, tmp_path: Path) -> None:
    done = run("prove", "tau-leaping", "--digits", "20", "--out", str(tmp_path))
    assert done.status == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["tau-leaping-curves.pdf", "tau-leaping.tex"]
    assert (tmp_path / "tau-leaping-curves.pdf").read_bytes().startswith(b"%PDF-")
    assert (
        r"\includegraphics[width=0.8\textwidth]{tau-leaping-curves.pdf}" in (tmp_path / "tau-leaping.tex").read_text()
    )


@pytest.mark.parametrize("flag", [(), ("--json",)])
def test_prove_fails_when_a_step_is_wrong(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flag: tuple[str, ...]
) -> None:
    halves = sympy.Eq(u / 2 + u / 2, 2 * u, evaluate=False)
    step = Step("halves", "Two halves are two.", (halves,), "No.", identities())
    wrong = Derivation("wrong", "Halves", Claim("Two halves are two.", (halves,)), (), (step,))
    monkeypatch.setattr("symguide.proofs.derivation.select", lambda names: (wrong,))
    done = run("prove", "--out", str(tmp_path), *flag)
    assert done.status == 1
    assert "refuted" in done.out
    assert (tmp_path / "wrong.tex").exists()


INTERRUPTED = """
import sys, time
import symguide.latex.article, symguide.cli.prove, symguide.proofs.derivation

def wait(*arguments, **settings):
    print("waiting", file=sys.stderr, flush=True)
    time.sleep(60)

symguide.cli.prove.check_pdflatex = lambda: None
{where} = wait
sys.exit(symguide.cli.main(sys.argv[1:]))
"""


@pytest.mark.parametrize("where", ["symguide.proofs.derivation.run", "symguide.latex.article.compile_pdf"])
def test_an_interrupted_proof_leaves_nothing_half_written(tmp_path: Path, where: str) -> None:
    old = tmp_path / "single-token.tex"
    old.write_text("old")
    script = INTERRUPTED.format(where=where)
    command = [sys.executable, "-c", script, "prove", "single-token", "--digits", "5", "--pdf", "--out", str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert process.stderr.readline() == "waiting\n"
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    assert (process.returncode, out) == (130, "")
    assert err.startswith("symguide: interrupted")
    assert len(err.splitlines()) == 1
    assert list(tmp_path.iterdir()) == [old]
    assert old.read_text() == "old"


# --- outputs ----------------------------------------------------------------------------------------------------------


def test_outputs_replace_files_whole_and_keep_their_rights(run: Run, tmp_path: Path) -> None:
    file, link = tmp_path / "law.tex", tmp_path / "link.tex"
    file.write_text("old")
    file.chmod(0o640)
    link.symlink_to(file)
    assert run("export", "xor", "--latex", str(link)).status == 0
    assert link.is_symlink()
    assert file.read_text().startswith(r"\documentclass")
    assert file.stat().st_mode & 0o777 == 0o640
    assert run("export", "xor", "--python", str(tmp_path / "new.py")).status == 0
    umask = os.umask(0)
    os.umask(umask)
    assert (tmp_path / "new.py").stat().st_mode & 0o777 == 0o666 & ~umask


def test_all_outputs_or_none(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "law.tex"
    file.write_text("old")
    done = run("export", "xor", "--latex", str(file), "--python", str(tmp_path / "nowhere" / "law.py"))
    assert done.status == 2
    assert file.read_text() == "old"
    assert list(tmp_path.iterdir()) == [file]


def test_devices_are_written_to_and_not_replaced(run: Run) -> None:
    assert run("export", "xor", "--latex", os.devnull).status == 0
    assert not Path(os.devnull).is_file()


# --- refusals ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder.json").mkdir()
    (tmp_path / "malformed.json").write_text('{"vocabulary": 2,\n "length" 1}')
    (tmp_path / "pair.json").write_text(PAIR)
    (tmp_path / "single.json").write_text(SINGLE)
    (tmp_path / "labels.json").write_text(PAIR.replace('"length"', '"labels": ["a", "a"], "length"'))
    singular = '{"vocabulary": 2, "length": 1, "pair": {"conditional": [[[0], 1]], "unconditional": [[[1], 1]]}}'
    (tmp_path / "singular.json").write_text(singular)
    return tmp_path


BAD = [
    ("slove xor", "did you mean 'solve'"),
    ("frobnicate", "choose one of list, solve"),
    ("--bogus", "'--bogus' is unknown"),
    ("solve", "PROBLEM"),
    ("solve --w 1", "PROBLEM"),
    ("solve xor", "--w is missing"),
    ("verify xor", "--w is missing"),
    ("solve xor extra --w 1", "extra"),
    ("solve xor --w 1 --bogus", "--bogus"),
    ("solve xor --w 1 --top", "--top"),
    ("solve xor --w", "--w has no value"),
    ("solve xor --w 1 --rule softmax", "softmax"),
    ("solve xor --w -2", "--w is -2: below -1"),
    ("solve xor --w 0 -1.0000001", "below -1"),
    ("solve xor --w nan", "--w is nan: only finite"),
    ("solve xor --w 0 inf", "--w is inf: only finite"),
    ("solve xor --w one", "'one'"),
    ("solve xor --w True", "'True'"),
    ("solve xor --w __import__('os').getcwd()", "text is never evaluated"),
    ("solve xor --w 1/0", "denominator is zero"),
    ("solve xor --w 1e99999", "up to four digits"),
    ("solve xor --w 1 --u 2", "--u is 2"),
    ("solve xor --w 1 --u -1/2", "--u is -1/2"),
    ("solve xor --w 1 --u x", "'x'"),
    ("solve xor --w 1 --u 1/2 --t 1/2 --noise cosine", "--u and --t"),
    ("solve xor --w 1 --t 1/2", "--t is given without --noise"),
    ("solve xor --w 1 --noise cosine", "no times"),
    ("solve xor --w 1 --t 1/2 --horizon 2", "--noise"),
    ("solve xor --w 1 --horizon 2", "--horizon"),
    ("solve xor --w 1 --t 3/2 --noise cosine", "3/2"),
    ("solve xor --w 1 --t 3 --noise linear --horizon 2", "3"),
    ("solve xor --w 1 --t -1 --noise linear", "-1"),
    ("solve xor --w 1 --t 1/2 --noise cosin", "cosin"),
    ("solve xor --w 1 --t 1/2 --noise linear:k=3", "no parameter 'k'"),
    ("solve xor --w 1 --t 1/2 --noise polynomial:k=0", "polynomial"),
    ("solve xor --w 1 --t 1/2 --noise polynomial:k=1e9", "k is 1000000000: exact powers"),
    ("solve xor --w 1 --t 1e10 --noise constant --horizon 1e11", "cannot be told from 1"),
    ("solve xor --w 1 --t 1/2 --noise linear --horizon 0", "horizon"),
    ("solve xor --w 1 --t 1/2 --noise linear --horizon soon", "'soon'"),
    ("solve xor --w 1 --states", "--states"),
    ("solve xor --w 1 --top 0", "--top is '0'"),
    ("solve xor --w 1 --top -3", "--top is '-3'"),
    ("solve xor --w 1 --top 2.5", "--top is '2.5'"),
    ("solve xor --w 1 --exact --float", "contradict"),
    ("verify xor --w 1 --digits 0", "--digits is '0'"),
    ("verify xor --w 1 --digits many", "--digits is 'many'"),
    ("verify xor --w 1 --digits 999999999", "more than 10000"),
    ("prove --digits 10001", "more than 10000"),
    ("solve hypercubes:D=4,side=3 --w 1/2 --exact", "; drop --exact"),
    ("solve labels.json --w 1", "label 'a' stands for the tokens 0 and 1"),
    ("verify xor --w 1 --u 0", "0"),
    ("solve xro --w 1", "did you mean 'xor'"),
    ("regime xro", "did you mean 'xor'"),
    ("regime xor --rule fast", "fast"),
    ("regime xor --target nobody", "nobody"),
    ("regime singular.json", "infinite"),
    ("regime hypercubes:D=9", "proved without it: TV(u) <= 1 - (1 - u)^9"),
    ("solve xor --w 1 --target nobody", "nobody"),
    ("solve hypercubes:D=2,height=3 --w 1", "height"),
    ("solve hypercubes:D=1,side=999999999 --w 1", "more tokens than the 100000"),
    (f"solve {'x' * 5000} --w 1", "xx..xx"),
    ("solve missing.json --w 1", "no such file"),
    ("solve folder.json --w 1", "directory"),
    ("solve ./folder --w 1", "directory"),
    ("solve ./nothing --w 1", "no such file"),
    ("solve malformed.json --w 1", "line 2, column 11"),
    ("solve pair.json --w 1 --target a", "target"),
    ("solve singular.json --w 1", "infinite"),
    ("export xor", "--latex"),
    ("export xor --latex folder", "directory"),
    ("export xor --latex nowhere/law.tex", "nowhere/law.tex"),
    ("export xor --python pair.json/law.py", "pair.json/law.py"),
    ("export xor --latex - --python -", "'-'"),
    ("export xor --latex law.tex --python folder/../law.tex", "would be lost"),
    ("export xor --latex law.tex --w 1 2", "2 values"),
    ("export xor --latex law.tex --w -3", "below -1"),
    ("export xor --latex law.tex --noise wave", "wave"),
    ("export hypercubes-5d:side=4 --latex law.tex", "side"),
    ("export words --python law.py", "terms; use fewer positions"),
    ("export words --latex law.tex --all", "terms; drop --all"),
    ("export words --latex law.tex --context ab", "'ab': it shows 1 positions, but words has 5"),
    ("export words --latex law.tex --context ab,c,d,e,f", "'ab' is no token of words"),
    ("export words --latex law.tex --context zzzzz", "probability zero"),
    ("export xor --latex law.tex --context 0,0 --all", "drop one"),
    ("export xor --python law.py --context 0,0", "drop one"),
    ("list extra", "extra"),
    ("solve xor --guidance-schedule 3@1:0.5,0@0.4:0", "no window covers u from 1/2 to 2/5"),
    ("solve xor --guidance-schedule 3@1:0.5,0@0.6:0", "two windows cover u from 3/5 to 1/2"),
    ("solve xor --guidance-schedule 3@t=1:t=0", "add --noise"),
    ("solve xor --guidance-schedule ramp-up:3 --w 1", "--w and --guidance-schedule both"),
    ("solve xor --guidance-schedule ramp-up:-2", "below -1"),
    ("solve xor --guidance-schedule ramp-up:3 --exact", "constant strength in every window"),
    ("solve xor --guidance-schedule slope:3", "choose one of interval"),
    ("sweep xor --out new.csv --guidance-schedule 3@0.5:1", "write the larger one first"),
    ("prove three-tokens", "choose one of 'any number of tokens'"),
    ("prove --out pair.json", "pair.json is no directory"),
    ("prove --out pair.json/deeper/still", "pair.json is no directory"),
    ("prove --digits 0", "--digits is '0'"),
]


@pytest.mark.parametrize(("arguments", "said"), BAD, ids=[arguments for arguments, _ in BAD])
def test_bad_input_gets_one_line(
    run: Run, files: Path, monkeypatch: pytest.MonkeyPatch, arguments: str, said: str
) -> None:
    monkeypatch.chdir(files)
    before = sorted(files.rglob("*"))
    done = run(*arguments.split())
    assert (done.status, done.out) == (2, "")
    assert done.err.startswith("symguide: error: ")
    assert len(done.err.splitlines()) == 1
    assert said in done.err
    assert sorted(files.rglob("*")) == before


def test_a_chain_too_large_is_refused_with_its_size(run: Run) -> None:
    large = "hypercubes:D=3,side=39,overlap=38"
    for command in (("export", large, "--latex", "-"), ("verify", large, "--w", "1")):
        done = run(*command)
        assert (done.status, done.out) == (2, "")
        assert re.fullmatch(r"symguide: error: .*60000 reachable contexts.*; .*fewer positions.*\n", done.err)


# --- help, processes, pipes -------------------------------------------------------------------------------------------


def test_help_shows_every_command(run: Run) -> None:
    done = run("--help")
    assert run() == run("-h") == done
    assert (done.status, done.err) == (0, "")
    assert max(map(len, done.out.splitlines())) <= 120
    for command in COMMANDS.values():
        assert re.search(rf"^  {command.name} +{re.escape(command.summary)}$", done.out, re.MULTILINE)
    assert run("--version").out.startswith("symguide")


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(run: Run, name: str) -> None:
    done = run(name, "--help")
    assert (done.status, done.err) == (0, "")
    assert done.out.startswith(f"Usage: symguide {name}")
    assert COMMANDS[name].summary in " ".join(done.out.split())


@pytest.mark.parametrize(
    "arguments",
    ["--help", "solve --help", "prove --help", "solve xor --w -2", "solve xor --w x", "solve xor --bogus", "nothing"],
)
def test_help_and_argument_errors_are_light(arguments: str) -> None:
    script = (
        "import sys; from symguide.cli import main; main(sys.argv[1:]); "
        "heavy = {'sympy', 'numpy', 'mpmath', 'flint', 'matplotlib', 'rich', 'scipy'}; "
        "print('loaded:', *sorted(heavy & sys.modules.keys()))"
    )
    command = [sys.executable, "-c", script, *arguments.split()]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "loaded:"


def test_the_module_runs_as_the_command_does() -> None:
    with spawn("solve", "xor", "--w", "-2") as process:
        out, err = process.communicate()
    assert (process.returncode, out, len(err.splitlines())) == (2, "", 1)


@pytest.mark.parametrize("arguments", ["--help", "list", "solve interval-overlap --w 1 --json"])
def test_a_closed_pipe_is_no_drama(arguments: str) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with spawn(*arguments.split(), stdout=writing) as process:
        os.close(writing)
        assert process.stderr is not None
        assert process.stderr.read() == ""
    assert process.returncode == 2


def test_a_terminal_without_mathematics_gets_question_marks() -> None:
    with spawn("solve", "interval-overlap", "--w", "1", env={**os.environ, "PYTHONIOENCODING": "ascii"}) as process:
        out, err = process.communicate()
    assert (process.returncode, err) == (0, "")
    assert "1/10  ?0.60" in out


def test_a_full_disk_is_reported() -> None:
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full to write to")
    with open("/dev/full", "w") as full, spawn("list", "--json", stdout=full) as process:
        _, err = process.communicate()
    assert process.returncode == 2
    assert err.startswith("symguide: error: ")
    assert len(err.splitlines()) == 1
