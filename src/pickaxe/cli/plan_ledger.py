"""What the workspace's own ledger says: why its pools were idle, what its models cost and the next one should."""

from __future__ import annotations

from dataclasses import asdict

import click

from pickaxe.cli.plan_screen import print_json


def print_idle(workspace: str | None, *, as_json: bool) -> None:
    """Each pool of the workspace: the share in use, and the rest by its cause."""
    from pickaxe.cli.screen import print_table, refuse_address
    from pickaxe.compute.planner.here.idle import CAUSES, idle_of
    from pickaxe.kernel.ledger.cost import as_money
    from pickaxe.kernel.workspace import Workspace

    refuse_address(workspace)
    with Workspace(workspace, mode="r") as ws:
        found = idle_of(ws)
    if as_json:
        print_json([asdict(item) | {"utilisation": item.utilisation} for item in found])
        return
    lines = [
        [
            item.pool_id[:17],
            item.resource,
            f"{item.utilisation:.1%}",
            *(f"{item.unit_ns[cause] / 3.6e12:,.2f} h, {as_money(item.nano[cause])}" for cause in CAUSES),
        ]
        for item in found
    ]
    head = ["pool", "resource", "in use", *(f"idle: {cause}" for cause in CAUSES)]
    print_table(head, lines, right={2, 3, 4, 5}, empty="no pool was opened yet")


def print_models(workspace: str | None, *, as_json: bool) -> None:
    """What each model that was published cost, and the forecast of the next."""
    from pickaxe.cli.screen import print_table, refuse_address
    from pickaxe.compute.planner.here.model_curve import model_curve, published_models
    from pickaxe.kernel.ledger.cost import as_money
    from pickaxe.kernel.workspace import Workspace

    refuse_address(workspace)
    with Workspace(workspace, mode="r") as ws:
        found = model_curve(published_models(ws)).as_dict()
    if as_json:
        print_json(found)
        return
    lines = [
        [str(row["n"]), row["ref"], *(as_money(round(row[key] * 1e9)) for key in ("full", "marginal", "mean"))]
        for row in found["models"]
    ]
    print_table(
        ["n", "model", "full cost", "marginal", "mean so far"], lines, right={0, 2, 3, 4}, empty="no model was published yet"
    )
    if found["next"]:
        low, middle, high = (as_money(round(found["next"][key] * 1e9)) for key in ("p5", "p50", "p95"))
        click.echo(f"model {len(lines) + 1}: {middle} ({low} – {high}); each doubling keeps {found['learning']:.0%} of the cost")
    elif lines:
        click.echo("a forecast of the next one needs three models that cost something")


def cost_in_ledger(workspace: str | None, reference: str) -> str:
    """Everything that was spent on an artifact, as an amount of dollars to plan with."""
    from pickaxe.cli.screen import reading

    with reading(workspace) as ws:
        return f"${ws.cost(ws.artifact(reference)).full / 1e9:.9f}"
