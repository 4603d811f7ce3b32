"""Planning commands about money: serving, pools, applications, published claims. They print what `compute/planner` says."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from pickaxe.cli.plan_endpoint import print_endpoint
from pickaxe.cli.plan_ledger import cost_in_ledger, print_idle, print_models
from pickaxe.cli.plan_screen import print_claim, print_claims, print_forecasts, print_json

SCENARIOS = click.argument("scenarios", nargs=-1, type=click.Path(dir_okay=False, path_type=Path))


def shared_options(command: Callable[..., None]) -> Callable[..., None]:
    """The options that every forecast has."""
    options = (
        click.option(
            "--set",
            "given",
            multiple=True,
            metavar="FIELD=VALUE",
            help="A field; LOW..HIGH or LOW..MODE..HIGH is a range. Repeat it.",
        ),
        click.option(
            "--prices",
            type=click.Path(dir_okay=False, path_type=Path),
            metavar="FILE",
            help="Your own [[price]] rows (hardware, since, price; kind, seller, source) instead of the market's.",
        ),
        click.option("--json", "as_json", is_flag=True, help="Print plain JSON, in base units."),
        click.option("--lang", type=click.Choice(["en", "zh"]), default="en", show_default=True, help="Language of the words."),
        click.option("--save", metavar="NAME", help="Keep scenario and forecast as an artifact of the workspace."),
        click.option("-w", "--workspace", type=click.Path(file_okay=False), help="Workspace for --save."),
    )
    for option in reversed(options):
        command = option(command)
    return click.pass_obj(command)


@click.command("serve", short_help="Serving a model for a stated traffic: cost, speed, devices.")
@SCENARIOS
@click.option("--model", help="Preset, or a config.json, GGUF or safetensors file.")
@click.option("--device", help="Accelerator of the catalogue.")
@click.option("--endpoint", metavar="NAME", help="An endpoint of the workspace instead, from its own traffic on this machine.")
@shared_options
def serve(
    workspace_: str | None,
    scenarios: tuple[Path, ...],
    model: str | None,
    device: str | None,
    endpoint: str | None,
    **options: Any,
) -> None:
    """Cost, speed and devices of serving a model for a stated traffic.

    \b
    pickaxe plan serve --model llama-3.1-8b --device H100 --set tokens_in=1000 --set tokens_out=300
    pickaxe plan serve a.toml b.toml        side by side
    pickaxe plan serve --endpoint headlines
    """
    if endpoint is not None:
        if scenarios or model or device or options["given"] or options["prices"] or options["save"]:
            raise click.UsageError(
                "--endpoint forecasts what is published as it is: no scenario, --model, --device, --set, --prices or --save"
            )
        print_endpoint(options["workspace"] or workspace_, endpoint, as_json=options["as_json"])
        return
    print_forecast("serve", workspace_, scenarios, {"model": model, "device": device}, **options)


@click.command("pool", short_help="Owning, renting, reserving accelerators: margin, break-even.")
@SCENARIOS
@click.option("--device", help="Accelerator of the catalogue.")
@click.option("--idle", is_flag=True, help="The workspace's own pools instead: how much was used, and why the rest was idle.")
@shared_options
def pool(workspace_: str | None, scenarios: tuple[Path, ...], device: str | None, idle: bool, **options: Any) -> None:
    """Owning, renting and reserving accelerators: margin, break-even, cost of a used hour."""
    if idle:
        print_idle(options["workspace"] or workspace_, as_json=options["as_json"])
        return
    print_forecast("pool", workspace_, scenarios, {"device": device}, **options)


@click.command("app", short_help="An application: cost a day and a user, margin under a price.")
@SCENARIOS
@click.option("--models", is_flag=True, help="The cost of model N and N+1 from the workspace's ledger instead.")
@click.option(
    "--spent", metavar="ARTIFACT", help="For a payback: take what this model cost, labels and teacher included, from the ledger."
)
@shared_options
def app(workspace_: str | None, scenarios: tuple[Path, ...], models: bool, spent: str | None, **options: Any) -> None:
    """Cost a day and a user of an application, and its margin under a price.

    A scenario file may say kind = "payback" (compression) or kind = "own" (an own model against a bought one).
    """
    if models:
        print_models(options["workspace"] or workspace_, as_json=options["as_json"])
        return
    known = {} if spent is None else {"distil_cost": cost_in_ledger(options["workspace"] or workspace_, spent)}
    print_forecast("app", workspace_, scenarios, known, **options)


@click.command("claim", short_help="Under which assumptions a published statement is true.")
@click.argument("claim", required=False)
@click.option(
    "--set",
    "given",
    multiple=True,
    metavar="NAME=VALUE",
    help="Another value, LOW..HIGH to leave it open; result=VALUE for what is said.",
)
@click.option("--json", "as_json", is_flag=True, help="Print plain JSON.")
@click.option("--lang", type=click.Choice(["en", "zh"]), default="en", show_default=True, help="Language of the words.")
def claim(claim: str | None, given: tuple[str, ...], as_json: bool, lang: str) -> None:
    """Under which assumptions a published statement is true: CLAIM is an id or a TOML file; without one, all that ship.

    \b
    pickaxe plan claim gpt3-v100-14m --set result=$20M --set utilisation=10%..50%
    """
    from pickaxe.compute.planner.claims.change import changed
    from pickaxe.compute.planner.claims.claims import claim_named, read_claim, shipped_claims
    from pickaxe.compute.planner.claims.report import report

    if claim is None:
        if given:
            raise click.UsageError("--set changes one claim: name it")
        rows = [report(item, lang) for item in shipped_claims().values()]
        if as_json:
            print_json(rows)
        else:
            print_claims(rows, lang)
        return
    item = read_claim(Path(claim)) if claim.endswith(".toml") else claim_named(claim)
    item = changed(item, dict(_assigned(text) for text in given))
    if as_json:
        print_json(report(item, lang))
        return
    print_claim(item, lang)


def described_model(name: Any, beside: Path | None = None) -> Any:
    """A preset's name as it is; a model's file as the table of its figures, so that the planner itself never opens files.

    A path in a scenario file is meant from where that file lies (`beside`), or from here.
    """
    from pickaxe.compute.planner.catalogue.model_files import SUFFIXES, read_model

    if not isinstance(name, str):
        return name
    places = [path for path in ((beside / name if beside else Path(name)), Path(name)) if path.exists()]
    if not places and Path(name).suffix not in SUFFIXES:
        return name
    return {key: value for key, value in asdict(read_model(str(places[0] if places else name))).items() if value is not None}


def print_forecast(
    kind: str,
    outer: str | None,
    paths: Sequence[Path],
    extra: Mapping[str, Any],
    *,
    given: Sequence[str],
    prices: Path | None,
    as_json: bool,
    lang: str,
    save: str | None,
    workspace: str | None,
) -> None:
    from pickaxe.compute.planner.catalogue.prices import read_prices
    from pickaxe.compute.planner.scenario import forecasts, plan, read_scenario
    from pickaxe.kernel.errors import BadInput

    place = workspace or outer
    read = [(path.stem, path.parent, *read_scenario(path, kind)) for path in paths] or [(kind, None, kind, {})]
    over = {key: value for key, value in extra.items() if value is not None} | dict(_assigned(item) for item in given)
    if prices is not None:
        over["prices"] = read_prices(prices)
    named = [
        (name, of_kind, _with_own_device(_with_own_model(values, beside) | _with_own_model(over), place))
        for name, beside, of_kind, values in read
    ]
    if save is not None and len(named) != 1:
        raise BadInput("--save keeps one scenario", expected="one scenario file, or none", got=f"{len(named)} files")
    if as_json:
        results = {name: plan(of_kind, values, lang) for name, of_kind, values in named}
        print_json(results if len(results) > 1 else next(iter(results.values())))
    else:
        print_forecasts(
            {
                case if len(named) == 1 else name if case == of_kind else f"{name}: {case}": found
                for name, of_kind, values in named
                for case, found in forecasts(of_kind, values).items()
            },
            lang,
        )
    if save is not None:
        from pickaxe.cli.screen import writing

        _, of_kind, values = named[0]
        with writing(place) as ws:
            kept = ws.keep_scenario(save, of_kind, values)
        click.echo(f"saved as {kept.ref}", err=True)


def _with_own_model(values: dict[str, Any], beside: Path | None = None) -> dict[str, Any]:
    return values | {"model": described_model(values["model"], beside)} if "model" in values else values


def _with_own_device(values: dict[str, Any], workspace: str | None) -> dict[str, Any]:
    """A device that `plan probe` or its owner added to the workspace's catalogue, as the table of its figures."""
    import tomllib

    from pickaxe.cli.plan import own_catalogue
    from pickaxe.compute.planner.catalogue.hardware import load_own
    from pickaxe.compute.planner.catalogue.probe import as_toml

    name = values.get("device")
    own = load_own(own_catalogue(workspace)) if isinstance(name, str) else {}
    if not isinstance(name, str) or name not in own:
        return values
    return values | {"device": tomllib.loads(as_toml(own[name]))[name] | {"name": name}}


def _assigned(text: str) -> tuple[str, Any]:
    """FIELD=VALUE, a number where it is one, LOW..HIGH as a range."""
    field, equals, value = text.partition("=")
    if not equals or not field.strip():
        raise click.BadParameter(f"{text!r} is not FIELD=VALUE", param_hint="--set")
    parts: list[Any] = [_number(part.strip()) for part in value.split("..")]
    return field.strip(), parts[0] if len(parts) == 1 else parts


def _number(text: str) -> str | float:
    try:
        return float(text)
    except ValueError:
        return text
