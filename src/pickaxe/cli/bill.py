"""Commands about money."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rich.tree import Tree

    from pickaxe.cli.screen import Opened
    from pickaxe.kernel.ledger.cost import Cost, RunCost
    from pickaxe.kernel.ledger.ledger import Charge
    from pickaxe.kernel.lineage import Edges


@click.command()
@click.argument("artifact")
@click.option("--grid", default="world", show_default=True, help="Whose electricity was drawn, for the CO2: a country or region.")
@click.pass_obj
def cost(workspace: str | None, artifact: str, grid: str) -> None:
    """Print what ARTIFACT (name, name:3, name@alias or id) cost: the tree of runs it was made from, in full, and what it added; and what
    energy all of them took, where a meter or an estimate says so.
    """
    from pickaxe.cli.screen import console, reading
    from pickaxe.compute.planner import energy
    from pickaxe.kernel.ledger.cost import as_money

    intensity = energy.grid(grid)
    with reading(workspace) as ws:
        found = ws.cost(ws.artifact(artifact))
        tree = _tree(ws, ws.lineage(found.artifact), found)
    console().print(tree)
    click.echo(f"full cost      {as_money(found.full)}")
    click.echo(f"marginal cost  {as_money(found.marginal)}")
    click.echo(f"rule           {found.rule}")
    footprint = energy.metered((charge for run in found.runs for charge in run.charges), intensity)
    if footprint.basis != "unknown":
        click.echo(f"energy         {footprint}")


@click.command()
@click.pass_obj
def bill(workspace: str | None) -> None:
    """Print the whole bill by meter, idle time included; then each pool: charges + idle = cost, exactly."""
    from pickaxe.cli.screen import print_table, reading
    from pickaxe.kernel.ledger.cost import as_money

    with reading(workspace) as ws:
        statements = ws.ledger.statements()
        charges = ws.ledger.charges()
    print_table(
        ["for", "basis", "quantity", "money"],
        [*_by_meter(charges), *_sums(charges, sum(item.idle for item in statements))],
        right={2, 3},
    )
    print_table(
        ["pool", "resource", "cost", "charged", "idle", "adds up"],
        [
            [
                item.pool_id[:17],
                item.resource,
                as_money(item.cost),
                as_money(item.charged),
                as_money(item.idle),
                "yes" if item.charged + item.idle == item.cost else f"NO: off by {item.cost - item.charged - item.idle} nano",
            ]
            for item in statements
        ],
        right={2, 3, 4},
        empty="no pool was opened yet",
    )


def _by_meter(charges: list[Charge]) -> list[list[str]]:
    """One line for each priced meter and basis."""
    from pickaxe.kernel.ledger.cost import as_money

    sums: dict[tuple[str, str], tuple[int, int]] = {}
    for charge in charges:
        if charge.nano is not None:
            quantity, nano = sums.get((charge.meter, charge.basis), (0, 0))
            sums[charge.meter, charge.basis] = quantity + charge.quantity, nano + charge.nano
    return [
        [meter, basis, quantity_of(meter, quantity), as_money(nano)] for (meter, basis), (quantity, nano) in sorted(sums.items())
    ]


def _sums(charges: list[Charge], idle: int) -> list[list[str]]:
    from pickaxe.kernel.ledger.cost import as_money

    total = sum(charge.nano or 0 for charge in charges)
    return [["idle", "measured", "", as_money(idle)], ["total", "", "", as_money(total + idle)]]


@click.command()
@click.argument("meter", required=False)
@click.option("--set", "amount", type=float, help="New price in dollars for --per units, from now on.")
@click.option("--per", type=click.IntRange(min=1), help="Units that the price is for.  [default: as before]")
@click.option("--source", default="set by hand", show_default=True, help="Where the price is from.")
@click.pass_obj
def price(workspace: str | None, meter: str | None, amount: float | None, per: int | None, source: str) -> None:
    """Show the prices; or set that of METER from now on. What was charged before stays as it was.

    Meters: cpu (core-nanoseconds held, an hour is 3600000000000), human_ms (milliseconds of labelling), stored_bytes,
    tokens (that models read; none until you set one, as the cores that read them are charged).
    """
    from pickaxe.cli.screen import print_table, reading, writing
    from pickaxe.kernel.errors import BadInput
    from pickaxe.kernel.ledger.cost import as_money
    from pickaxe.kernel.ledger.tariff import priceable

    if amount is not None:
        with writing(workspace) as ws:
            known = priceable(ws.ledger.tariffs())
            if meter not in known:
                raise BadInput(f"no meter {meter!r} has a price", expected=f"one of {', '.join(known)}")
            ws.ledger.set_price(meter, round(amount * 1e9), per or known[meter], source=source)
    with reading(workspace) as ws:
        rows = [row for tariff in ws.ledger.tariffs().values() for row in tariff.rows if meter in (None, row.meter)]
    from pickaxe.kernel.system.clock import as_datetime

    print_table(
        ["meter", "from", "price", "per units", "source"],
        [
            [
                row.meter,
                "the beginning" if row.valid_from_ns == 0 else f"{as_datetime(row.valid_from_ns):%Y-%m-%d %H:%M}",
                as_money(row.nano),
                f"{row.per:,}",
                row.source,
            ]
            for row in rows
        ],
        right={2, 3},
        empty="no such meter",
    )


def _tree(ws: Opened, graph: Edges, found: Cost) -> Tree:
    """The upstream runs as a tree; a run met again is named, not unfolded twice."""
    from rich.markup import escape
    from rich.tree import Tree

    costs = {run.run_id: run for run in found.runs}
    inputs = (id for ids in graph.inputs_of.values() for id in ids)
    refs = {id: item.ref for id, item in ws.artifacts.many([found.artifact.id, *graph.made_by, *inputs]).items()}
    seen: set[str] = set()

    def unfold(node: Tree, artifact_id: str) -> None:
        run_id = graph.made_by.get(artifact_id)
        if run_id is None:
            node.add(f"[dim]{escape(refs[artifact_id])}  imported[/dim]")
            return
        if run_id in seen:
            node.add(f"[dim]{escape(costs[run_id].name)}  (above)[/dim]")
            return
        seen.add(run_id)
        branch = node.add(_label(costs[run_id]))
        for input_id in graph.inputs_of.get(run_id, []):
            unfold(branch, input_id)

    root = Tree(f"[bold]{escape(found.artifact.ref)}[/bold]")
    unfold(root, found.artifact.id)
    return root


def _label(run: RunCost) -> str:
    from rich.markup import escape

    from pickaxe.kernel.ledger.cost import as_money

    parts = ", ".join(text for charge in run.charges if (text := _part(charge)))
    shared = f" [yellow]shared with {escape(run.shared_with)}[/yellow]" if run.shared_with else ""
    return f"{escape(run.name)}  [bold]{as_money(run.nano)}[/bold] [dim]{escape(parts)}[/dim]{shared}"


def _part(charge: Charge) -> str:
    """One meter for people; a meter without a price is left to the run's page."""
    if charge.nano is None:
        return ""
    mark = "" if charge.basis == "measured" else f" ({charge.basis})"
    return quantity_of(charge.meter, charge.quantity) + mark


def quantity_of(meter: str, quantity: int) -> str:
    """What a meter read, in the unit that people use."""
    match meter:
        case "cpu":
            return f"{quantity / 1e9:,.1f} core-seconds"
        case "human_ms":
            return f"{quantity / 1000:,.0f} s of people"
        case "stored_bytes":
            return f"{quantity / 1e6:,.1f} MB kept"
        case _:
            return f"{quantity:,} {meter}"
