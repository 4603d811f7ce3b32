"""What rooms found, in the reader's language: rules of the gate, the drift monitor's windows, why something failed.

A finding is words for its name and the numbers in it; the sentence that a room wrote itself is English, for logs and the command line.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup, escape

from pickaxe.console import problems
from pickaxe.console.words import DEFAULT, Translate, name_of

_AT_MOST, _ABOVE = {"max_ece", "no_test_row_in_training"}, {"beats_majority_class"}


def rule(found: Mapping[str, Any], t: Translate) -> str:
    """One rule of a verdict: what was measured and what was asked for."""
    name, bound = found["name"], found["bound"]
    asked = t("rule.at_most" if name in _AT_MOST else "rule.above" if name in _ABOVE else "rule.at_least")
    if found["low"] is None:
        counts = name in ("enough_test_rows", "no_test_row_in_training")
        # Only a teacher that is never right leaves a share without an interval.
        return (
            t("rule.count", value=f"{found['value']:,.0f}", asked=asked, bound=f"{bound:,.0f}")
            if counts
            else t("rule.of_nothing")
        )
    values = {key: found[key] for key in ("value", "low", "high")}
    if name == "gain_over_baseline":
        signed = {key: f"{value:+.4f}" for key, value in values.items()}
        return t("rule.gain", **signed, bound=f"{bound:+.4f}", lowest=f"{min(0.0, bound):g}")
    shown = {key: f"{value:.4f}" for key, value in values.items()}
    return t("rule.low_end" if found["deciding"] == "low" else "rule.value", **shown, asked=asked, bound=f"{bound:.4f}")


def verdict(found: Mapping[str, Any], t: Translate, language: str) -> str:
    """A gate's verdict in one sentence."""
    accuracy = {key: f"{found['models']['candidate']['accuracy'][key]:.3f}" for key in ("value", "low", "high")}
    failed = [_rule_name(item["name"], language) for item in found["rules"] if not item["passed"]]
    if failed:
        return t("rule.failed", failed=len(failed), rules=len(found["rules"]), names=", ".join(failed), **accuracy)
    return t("rule.passed", rules=len(found["rules"]), **accuracy)


def drift(found: Mapping[str, Any], t: Translate) -> str:
    """What a drift report found, and how often it is wrong."""
    alarms = sum(item["alarms"] for item in found["sources"])
    rate = {"alpha": f"{found['alpha']:.2%}", "horizon": found["horizon"], "size": found["window"]}
    return t("endpoints.drift_said", alarms=alarms, windows=len(found["windows"]), **rate)


def failure(error: Mapping[str, Any], t: Translate, language: str) -> Markup:
    """Why something failed: a gate by its rules, what an error says in the language itself, the rest as the program said it, after
    the kind of error in the reader's language."""
    if failed := _failed_rules(error):
        return escape(t("rule.gate_failed", names=", ".join(_rule_name(name, language) for name in failed)))
    if said := ((error.get("details") or {}).get("said") or {}).get(language):
        return Markup("<br>").join(said.splitlines())
    code = str(error.get("code", ""))
    kind = name_of(language, "error", code)
    untold = language != DEFAULT and kind != code and not problems.in_words(error, language)
    return Markup("{}{}").format(f"{kind} " if untold else "", problems.message(error, language))


def remedy(error: Mapping[str, Any], language: str) -> Markup:
    """What to do about it; nothing where nobody knows."""
    if failed := _failed_rules(error):
        return escape("; ".join(dict.fromkeys(name_of(language, "rule", f"remedy_{name}") for name in failed)))
    return problems.remedy(error, language)


def _failed_rules(error: Mapping[str, Any]) -> list[str]:
    return list((error.get("details") or {}).get("rules", ())) if error.get("code") == "gate_failed" else []


def _rule_name(name: str, language: str) -> str:
    return name_of(language, "rule", name)
