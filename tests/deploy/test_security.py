"""SECURITY.md covers all risks, and every test that it references exists."""

import ast
import re

import pytest

from tests.deploy.manifests import ROOT

SECURITY = (ROOT / "SECURITY.md").read_text()
REFERENCES = re.findall(r"`([a-z_/]+\.py)::(\w+)`", SECURITY)
RISKS = re.findall(r"^### (API\d+) .+\n\n((?:(?!^#).*\n)+)", SECURITY, re.MULTILINE)


@pytest.mark.parametrize(("file", "name"), REFERENCES)
def test_every_referenced_test_exists(file: str, name: str) -> None:
    tree = ast.parse((ROOT / "tests" / file).read_text())
    assert name.startswith("test_")
    assert name in {each.name for each in tree.body if isinstance(each, ast.FunctionDef)}


def test_every_test_reference_can_be_parsed() -> None:
    assert SECURITY.count("::") == len(REFERENCES)


def test_all_ten_owasp_risks_are_covered() -> None:
    assert [risk for risk, _ in RISKS] == [f"API{number}" for number in range(1, 11)]


@pytest.mark.parametrize(("risk", "answer"), RISKS)
def test_each_risk_lists_its_tests_and_the_operator_tasks(risk: str, answer: str) -> None:
    assert "\n- `" in answer, risk
    assert "\n*Left to the operator*: " in answer, risk
