"""Planning: what training, serving, a pool or an application will cost, with bands, what moves them most, and claims to check."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any
from urllib.parse import parse_qsl

from fastapi import APIRouter, Depends, Request
from starlette.responses import RedirectResponse, Response

from pickaxe.compute.planner.catalogue import hardware, models
from pickaxe.compute.planner.claims.claims import shipped_claims
from pickaxe.compute.planner.here.history import METERS
from pickaxe.compute.planner.here.kept import median_error, pairs, within
from pickaxe.compute.planner.here.serving import METERS as SERVING_METERS
from pickaxe.compute.planner.here.serving import STEP as SERVING
from pickaxe.compute.planner.quantities.currency import Rates
from pickaxe.compute.planner.scenario import FORECASTS, FORMS, open_saved, plan, save
from pickaxe.compute.planner.training.work import METHODS
from pickaxe.compute.planner.words import word
from pickaxe.console.forms import fields_of
from pickaxe.console.planned import cases_shown, pairs_drawn
from pickaxe.console.site import Site, link
from pickaxe.kernel.errors import PickaxeError
from pickaxe.serve.access import caller_of
from pickaxe.serve.auditing import note

KINDS = ("train", "serve", "pool", "app", "payback", "own")

START: Mapping[str, Mapping[str, str]] = {
    "train": {"model": "llama-3.1-8b", "device": "H100", "devices": "64", "tokens": "100B tokens"},
    "serve": {"model": "llama-3.1-8b", "device": "H100", "tokens_in": "1000", "tokens_out": "300", "requests_day": "1000000"},
    "pool": {"device": "H100", "devices": "64"},
    "app": {
        "users": "100000",
        "calls": "5 – 15",
        "tokens_in": "800 – 2500",
        "tokens_out": "200 – 500",
        "user_price": "$20",
        "paying": "3% – 8%",
        "mix.0.name": "gpt-4o-mini",
    },
    "payback": {"distil_cost": "$500", "calls_day": "5000 – 50000", "large_call": "$0.002 – $0.006", "small_call": "$0.0001"},
    "own": {
        "model": "llama-3.1-8b",
        "device": "H100",
        "tokens_in": "1000",
        "tokens_out": "300",
        "api_price_in": "$0.15/M tokens",
        "api_price_out": "$0.60/M tokens",
    },
}
"""Where a form begins. What it does not name has the calculator's default, often a range."""

CURRENCIES = {"en": "USD", "zh": "CNY"}
"""What money is shown in unless the scenario says: the one that readers of the language count in, by dated rates."""
_TRAINING = {"method": ("", list(METHODS)), "dtype": ("", list(hardware.DTYPES)), "sequence": ("", []), "deadline": ("", [])}
_RANGE = re.compile(r"\s*(?:–|\.\.|\bto\b)\s*")
_LARGEST = 200
MOST_PAIRS = 1_000
SHOWN_PAIRS = 60


async def _posted(request: Request) -> dict[str, str]:
    return await fields_of(request, largest=10_000)


def router(site: Site) -> APIRouter:
    routes, reading, writing = APIRouter(), site.router(), site.router("write")

    @reading.get("/plan")
    def begin(request: Request) -> Response:
        return RedirectResponse("/plan/train", status_code=303)

    @reading.get("/plan/claims")
    def claims(request: Request) -> Response:
        found = [(name, plan("claim", {"id": name}, site.language_of(request))) for name in shipped_claims()]
        return site.page(request, "plan_claims.html", kinds=KINDS, claims=found)

    @reading.get("/plan/forecasts")
    def forecasts(request: Request) -> Response:
        """What runs were forecast to take and what the meters then read."""
        t = site.words_of(request)
        found = pairs(site.workspace_of(request), limit=MOST_PAIRS)
        shown = [
            (
                meter,
                median_error(found, meter),
                within(found, meter),
                pairs_drawn([pair for pair in found if pair.meter == meter], t),
            )
            for meter in (*METERS, *SERVING_METERS)
            if any(pair.meter == meter for pair in found)
        ]
        return site.page(
            request,
            "plan_forecasts.html",
            kinds=KINDS,
            shown=shown,
            newest=found[:SHOWN_PAIRS],
            runs=len({p.run_id for p in found}),
            serving=SERVING,
        )

    @reading.get("/plan/saved/{ref:path}")
    def saved(request: Request, ref: str) -> Response:
        """A saved scenario, open in its form."""
        kind, scenario, _ = open_saved(site.workspace_of(request), ref)
        return RedirectResponse(link("plan", kind, **_flat(scenario)), status_code=303)

    @reading.get("/plan/{kind}")
    def form(request: Request, kind: str) -> Response:
        language = site.language_of(request)
        asked = {name: value[:_LARGEST] for name, value in request.query_params.items() if value.strip()}
        start = {**START.get(kind, {}), "currency": CURRENCIES[language]}
        found, error = _planned(kind, start | asked, language)
        return site.page(
            request,
            "plan.html",
            status=error.status if error else 200,
            kinds=KINDS,
            kind=kind,
            error=error,
            entries=_entries(kind, start | asked, set(start), found, language),
            cases=cases_shown(kind, found, site.words_of(request), language),
            may_write=caller_of(request).may("write"),
            asked=asked,
        )

    @writing.post("/plan/{kind}")
    def keep(request: Request, kind: str, fields: Annotated[dict[str, str], Depends(_posted)]) -> Response:
        start = {**START.get(kind, {}), "currency": CURRENCIES[site.language_of(request)]}
        asked = start | dict(parse_qsl(fields.get("scenario", "").lstrip("?")))
        artifact = save(site.workspace_of(request), fields.get("name", "").strip(), kind, _scenario(asked))
        note(request, artifact.id, artifact=artifact.ref)
        return RedirectResponse(link("artifacts", artifact.id), status_code=303)

    for part in (reading, writing):
        routes.routes.extend(part.routes)
    return routes


def _planned(kind: str, asked: Mapping[str, str], language: str) -> tuple[dict[str, Any], PickaxeError | None]:
    """The forecasts by case, or what is wrong with the scenario."""
    try:
        return plan(kind, _scenario(asked), language)["cases"], None
    except PickaxeError as error:
        if kind not in (*FORECASTS, "app"):
            raise
        return {}, error


def _scenario(asked: Mapping[str, str]) -> dict[str, Any]:
    """The form's texts as a scenario: ranges are lists, ``mix.0.name`` is a field of the first table of `mix`."""
    found: dict[str, Any] = {}
    for name, text in asked.items():
        group, _, rest = name.partition(".")
        index, _, field = rest.partition(".")
        if field and index.isdecimal() and int(index) < 20:
            tables = found.setdefault(group, [])
            while len(tables) <= int(index):
                tables.append({})
            tables[int(index)][field] = _value(text)
        else:
            found[name] = _value(text)
    return found


def _value(text: str) -> Any:
    parts = [_plain(part) for part in _RANGE.split(text.strip()) if part]
    return parts[0] if len(parts) == 1 else parts


def _plain(text: str) -> Any:
    """Whole numbers as such: a count of devices is no quantity with a unit."""
    return int(text) if text.isdecimal() and len(text) < 16 else text


def _flat(scenario: Mapping[str, Any]) -> dict[str, str]:
    """A scenario as the form's texts; `_scenario` is the way back."""
    found: dict[str, str] = {}
    for name, value in scenario.items():
        if isinstance(value, list) and value and isinstance(value[0], Mapping):
            found |= {f"{name}.{at}.{field}": str(item) for at, table in enumerate(value) for field, item in table.items()}
        else:
            found[name] = " – ".join(map(str, value)) if isinstance(value, list) else str(value)
    return found


def _entries(
    kind: str, asked: Mapping[str, str], first: set[str], found: Mapping[str, Any], language: str
) -> list[dict[str, Any]]:
    """The form's fields: what it begins with, then every other number and choice that the calculator takes, with its default."""
    inputs: Mapping[str, Any] = next(iter(found.values()))["inputs"] if found else {}
    known = {"currency": Rates().currencies, "device": sorted(hardware.load()), "model": sorted(models.presets())}
    offered = _offered(kind)
    known |= {name: names for name, (_, names) in offered.items() if names}
    texts = (
        dict(asked)
        | {name: default for name, (default, _) in offered.items() if name not in asked}
        | {name: item["text"] for name, item in inputs.items() if name not in asked and "." not in name}
    )
    return [
        {
            "name": name,
            "title": inputs[name]["title"] if name in inputs else _title(name, language),
            "text": text,
            "more": name not in first,
            "number": name in inputs,
            "known": known.get(name),
        }
        for name, text in texts.items()
    ]


def _offered(kind: str) -> dict[str, tuple[str, list[str]]]:
    """Choices beside the numbers: name -> the default ("": the calculator's own) and what may be chosen, where that is a list."""
    if kind not in FORMS:
        return {}
    choices = {item.name: (item.default or "", sorted(item.known())) for item in FORMS[kind][1] if item.name != "case"}
    return choices | (_TRAINING if kind == "train" else {})


def _title(name: str, language: str) -> str:
    """The planner's words for a field; of a table's (``mix.0.name``) those of its last part."""
    try:
        return word("fields", name.rpartition(".")[2], language)
    except KeyError:
        return name
