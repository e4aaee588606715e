"""``symguide sample-law``: its JSON, its tables, and how it refuses."""

import json
from fractions import Fraction
from typing import Any

import pytest

from symguide.answers.samples import sample_answer
from symguide.cli import main
from symguide.flows.samplers import SAMPLERS
from symguide.instances.datasets import load
from symguide.schedules.published import log_linear

BASE = ("sample-law", "xor", "--steps", "3", "--noise", "log-linear", "--w", "1")


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    capsys.readouterr()
    status = main(arguments)
    out, err = capsys.readouterr()
    return status, out, err


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_json_has_the_shape_that_is_promised(capsys: pytest.CaptureFixture[str], sampler: str) -> None:
    status, out, err = run(capsys, *BASE, "--sampler", sampler, "--json")
    assert (status, err) == (0, "")
    document = json.loads(out)
    found = sample_answer(load("xor"), sampler, 3, log_linear(), 1)
    promised = ["sampler", "rule", "steps", "step", "w", "masked", "tv_to_exact", "tv_to_exact_now", "tv_to_tilted"]
    assert set(promised) <= document.keys()
    assert document["sampler"] == sampler
    assert document["rule"] == SAMPLERS[sampler].rule
    assert (document["steps"], document["step"], document["w"], document["t"]) == (3, 3, "1", "0")
    for name in promised[5:]:
        assert document[name]["value"] == getattr(found, name).value
        assert (document[name]["exact"] is None) == (document["path"] == "array")
    mass = sum(item["probability"]["value"] for item in document["terminal"])
    assert mass + document["masked"]["value"] == pytest.approx(1, abs=1e-14)
    assert [item["tokens"] for item in document["terminal"]] == sorted(item["tokens"] for item in document["terminal"])
    assert ("off_support" in document) == (found.off_support.value > 0)


def test_options_reach_the_answer(capsys: pytest.CaptureFixture[str]) -> None:
    given = ("--sampler", "euler", "--rule", "normalised", "--t-end", "1/4", "--final", "unguided", "--json")
    document = json.loads(run(capsys, *BASE, *given)[1])
    found = sample_answer(load("xor"), "euler", 3, log_linear(), 1, "normalised", "1/4", "unguided")
    assert document["final"] == "unguided"
    assert Fraction(document["masked"]["exact"]) == found.masked.exact
    document = json.loads(run(capsys, *BASE, "--sampler", "euler", "--at-step", "2", "--json")[1])
    assert (document["step"], document["t"]) == (2, "1/3")
    slower = run(capsys, "sample-law", "interval-overlap", "--target", "low", "--steps", "2", "--noise", "linear")
    assert slower[0] == 2
    shifted = ("--noise", "linear", "--horizon", "4", "--w", "-1/2", "--sampler", "ancestral", "--steps", "2", "--json")
    status, out, _ = run(capsys, "sample-law", "interval-overlap", "--target", "low", *shifted)
    assert status == 0
    assert [item["tokens"] for item in json.loads(out)["terminal"]] == [[v] for v in range(6)]


def test_tables_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run(capsys, *BASE, "--sampler", "ancestral")
    assert status == 0
    assert "mass off the support" in out
    assert "1/6" in out
    status, out, _ = run(capsys, *("sample-law", "hypercubes:D=3,side=3,overlap=1", *BASE[2:]), "--sampler", "euler")
    assert status == 0
    assert "more; --json lists all" not in out
    status, out, _ = run(capsys, *("sample-law", "hypercubes:D=3,side=4,overlap=1", *BASE[2:]), "--sampler", "euler")
    assert "and 34 more; --json lists all" in out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("xor --steps 3 --noise linear --w 1", "--sampler is missing"),
        ("xor --sampler euler --noise linear --w 1", "--steps is missing"),
        ("xor --sampler euler --steps 3 --w 1", "--noise is missing"),
        ("xor --sampler euler --steps 3 --noise linear", "--w is missing"),
        ("xor --sampler euler --steps 3 --noise linear --w 1 2", "--w gives 2 strengths"),
        ("xor --sampler euler --steps 3 --noise linear --w 1 --guidance-schedule ramp-up:3", "give one of them"),
        ("xor --sampler euler --steps 3 --noise linear --guidance-schedule 3@1:0.5", "its last window ends at u = 1/2"),
        ("xor --sampler euler --steps 0 --noise linear --w 1", "--steps is '0'"),
        ("xor --sampler euler --steps 1000000 --noise linear --w 1", "more than 100000"),
        ("xor --sampler euler --steps 3 --noise linear --w 1 --at-step 4", "step 4 is asked for"),
        ("xor --sampler euler --steps 3 --noise linear --w 1 --at-step x", "--at-step is 'x'"),
        ("xor --sampler euler --steps 3 --noise linear --w 1 --at-step=-1", "--at-step is '-1'"),
        ("xor --sampler leap --steps 3 --noise linear --w 1", "sampler 'leap' is unknown"),
        ("xor --sampler euler --steps 3 --noise linear --w 1 --final x", "final step 'x' is unknown"),
        ("xor --sampler euler --steps 3 --noise linear --w 1 --t-end 1", "outside [0, 1)"),
        ("xor --sampler euler --steps 3 --noise linear --w 1 --t-end x", "--t-end"),
        ("xor --sampler euler --steps 3 --noise slow --w 1", "noise schedule 'slow' is unknown"),
        ("xor --sampler euler --steps 3 --noise constant --horizon oo --w 1", "infinite horizon"),
        ("xor --sampler euler --steps 3 --noise linear --w -2", "below -1"),
        ("xor --sampler euler --steps 3 --noise linear --w 1 --rule x", "--rule"),
        ("words --sampler confidence --steps 3 --noise linear --w 1", "moves"),
        ("characters --sampler ancestral --steps 3 --noise linear --w 1", "moves"),
    ],
)
def test_bad_input_is_one_line_and_status_two(capsys: pytest.CaptureFixture[str], arguments: str, words: str) -> None:
    if arguments.startswith("words"):
        pytest.importorskip("wordfreq")
    status, out, err = run(capsys, "sample-law", *arguments.split())
    assert (status, out) == (2, "")
    assert words in err
    assert len(err.splitlines()) == 1


def test_listed_with_their_sources(capsys: pytest.CaptureFixture[str]) -> None:
    listed: Any = json.loads(run(capsys, "list", "--json")[1])["samplers"]
    assert [item["name"] for item in listed] == list(SAMPLERS)
    assert all("arXiv:" in item["source"] for item in listed)
    assert {item["rule"] for item in listed} == {"rate", "normalised"}
