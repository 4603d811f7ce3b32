"""Findings are worded from their names and numbers, in English as the room itself says them and in 中文."""

from __future__ import annotations

import re
from typing import Any

import pytest

from pickaxe.console import findings
from pickaxe.console.words import catalogue, translator
from pickaxe.evaluate.config import GateConfig
from pickaxe.evaluate.gate import require_passed
from pickaxe.evaluate.rules import REMEDIES, decide
from pickaxe.kernel.errors import BadInput, GateFailed
from pickaxe.monitor.drift import METHOD

EN, ZH = translator("en"), translator("zh")


def measured(value: float, low: float, high: float) -> dict[str, float]:
    return {"value": value, "low": low, "high": high}


@pytest.fixture
def rules() -> list[dict[str, Any]]:
    """Every rule of the gate, decided; three of them failed."""
    config = GateConfig(
        min_accuracy=0.99, min_recall_per_class=0.5, max_ece=0.1, min_gain_over_baseline=0.01, max_loss_to_incumbent=0.02
    )
    candidate = {
        "accuracy": measured(0.9, 0.85, 0.95),
        "ece": measured(0.2, 0.15, 0.25),
        "per_class": [{"label": "good", "support": 9, "recall": measured(0.8, 0.7, 0.9)}],
    }
    difference = {"difference": measured(0.04, 0.02, 0.06)}
    comparisons = {"baseline": difference, "incumbent": difference, "teacher": {"ratio": measured(1.0, 0.9, 1.1)}}
    decided = decide(config, data="test", candidate=candidate, comparisons=comparisons, majority=0.5, rows=12, overlap=0)
    return [rule.as_dict() for rule in decided]


def test_every_rule_is_said_as_the_gate_says_it(rules: list[dict[str, Any]]) -> None:
    assert {rule["name"] for rule in rules} == set(REMEDIES)
    assert [findings.rule(rule, EN) for rule in rules] == [rule["explanation"] for rule in rules]
    assert not any(re.search("[a-z]", findings.rule(rule, ZH)) for rule in rules)


def test_a_share_of_nothing_is_said_so() -> None:
    candidate = {"accuracy": measured(0.9, 0.85, 0.95)}
    nothing = {"teacher": {"ratio": {"value": None, "low": None, "high": None}}}
    config = GateConfig(min_accuracy=None, min_recall_per_class=None, max_ece=None)
    decided = decide(config, data="test", candidate=candidate, comparisons=nothing, majority=0.5, rows=500, overlap=None)
    (rule,) = [rule for rule in decided if rule.name == "min_share_of_teacher"]
    assert findings.rule(rule.as_dict(), EN) == rule.explanation


def test_a_failed_gate_is_said_with_what_to_do(rules: list[dict[str, Any]]) -> None:
    with pytest.raises(GateFailed) as caught:
        require_passed({"rules": rules})
    error = caught.value.as_dict()
    assert findings.failure(error, ZH, "zh").startswith("模型未通过关卡：")
    assert "Accurate enough" in findings.failure(error, EN, "en")
    assert "label more rows, or lower gate.min_accuracy" in findings.remedy(error, "en")
    assert "降低 gate.min_accuracy" in findings.remedy(error, "zh")
    for name, english in REMEDIES.items():
        assert catalogue("en")[f"rule.remedy_{name}"] == english


def test_what_a_program_said_is_marked_as_english_and_escaped() -> None:
    error = BadInput("<b> is not a name", remedy="choose <another>").as_dict()
    assert findings.failure(error, EN, "en") == '<span lang="en">&lt;b&gt; is not a name</span>'
    assert findings.failure(error, ZH, "zh").startswith('所给内容无法使用。 <span lang="en">')
    assert findings.remedy(error, "zh") == '<span lang="en">choose &lt;another&gt;</span>'
    assert findings.remedy({"code": "bad_input"}, "zh") == ""


def test_every_test_of_drift_has_words() -> None:
    for test in METHOD:
        assert f"endpoints.test_{test}" in catalogue("zh")
