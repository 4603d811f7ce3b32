"""Commands about lineage."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pickaxe.kernel.system.terminal import visible

if TYPE_CHECKING:
    from rich.tree import Tree

    from pickaxe.cli.screen import Opened
    from pickaxe.flows.blast import Blast
    from pickaxe.flows.explain import Explanation


@click.command()
@click.argument("target")
@click.option("--evidence", default=5, show_default=True, help="Nearest training rows shown for an answer.")
@click.pass_obj
def lineage(workspace: str | None, target: str, evidence: int) -> None:
    """Show what TARGET was made from: an artifact, or an answer by its trace id, with the training rows nearest to it.

    Every answer of the server carries its trace id; `GET /v1/traces` lists them.
    """
    import re

    from pickaxe.cli.screen import console, reading

    with reading(workspace) as ws:
        if re.fullmatch(r"[0-9a-f]{32}", target):
            explanation = ws.explain(target, count=evidence)
            _print_explanation(explanation)
            artifact = explanation.model
        else:
            artifact = ws.artifact(target)
        console().print(_tree(ws, artifact.id))


@click.command()
@click.argument("target", required=False, default="")
@click.option("--by", "annotator", help="Labels that this person gave: of the row TARGET, or all of them.")
@click.pass_obj
def blast(workspace: str | None, target: str, annotator: str | None) -> None:
    """Show everything that TARGET touched: a row key (see `pickaxe rows`), an artifact, or with --by a person's labels.

    It ends with the price of a rebuild and with what to run for it.
    """
    from pickaxe.cli.screen import reading

    if not target and not annotator:
        raise click.UsageError("expected a row key, an artifact, or --by PERSON")
    with reading(workspace) as ws:
        _print_blast(ws, ws.blast(target, annotator=annotator))


_REMEDIES = {
    "row": "take the row out of the data, or correct it there, and run the same `pickaxe produce` again",
    "answers": "run the same `pickaxe produce` (or demo) again with `--without {}`: what they did not touch comes from the cache",
    "artifact": "replace what was wrong and run the same `pickaxe produce` again: what it did not touch comes from the cache",
}
"""What rebuilds a target, by what it is."""


def _tree(ws: Opened, artifact_id: str) -> Tree:
    """Artifacts and the runs that made them, down to who answered; what was shown once is named, not unfolded again."""
    from rich.markup import escape
    from rich.tree import Tree

    from pickaxe.flows.explain import annotators_of
    from pickaxe.kernel.ledger.human import KIND
    from pickaxe.kernel.wording import counted

    graph = ws.lineage(ws.artifact(artifact_id))
    known = ws.artifacts.many([artifact_id, *graph.made_by, *(id for ids in graph.inputs_of.values() for id in ids)])
    seen: set[str] = set()

    def unfold(node: Tree, id: str) -> None:
        artifact = known[id]
        rows = f", {counted(artifact.meta['rows'], 'row')}" if "rows" in artifact.meta else ""
        maker = graph.made_by.get(id)
        text = f"{escape(artifact.ref)} [dim]{artifact.kind}{rows}, {artifact.digest[7:15]}, {maker or 'imported'}[/dim]"
        if id in seen:
            node.add(f"{escape(artifact.ref)} [dim](above)[/dim]")
            return
        seen.add(id)
        branch = node.add(text)
        if artifact.kind == KIND:
            for name, count, simulated in annotators_of(ws, artifact):
                branch.add(
                    f"[bold]{escape(name)}[/bold] [dim]{counted(count, 'answer')}{', simulated' if simulated else ''}[/dim]"
                )
        for input_id in dict.fromkeys(graph.inputs_of.get(maker or "", [])):
            unfold(branch, input_id)

    root = Tree("[bold]made from[/bold]")
    unfold(root, artifact_id)
    return root


def _print_explanation(found: Explanation) -> None:
    from pickaxe.cli.screen import print_table

    best = max(found.answer["probs"])
    click.echo(f"answer    {visible(str(found.answer['label']))}  ({best:.0%})  at {found.answer['at']:%Y-%m-%d %H:%M:%S}")
    click.echo(f"text      {visible(found.text[:200])}")
    click.echo(f"model     {found.model.ref}  {found.model.id}")
    tables = {"the training rows nearest to the text, and who labelled them": found.evidence}
    if any(item.row.origin == "model" for item in found.evidence):
        tables["the nearest of those that people labelled"] = found.people
    for title, rows in tables.items():
        click.echo(f"evidence  {title}")
        print_table(
            ["similarity", "row", "label", "labelled by", "text"],
            [
                [f"{item.row.similarity:.2f}", item.row.row_key, item.row.label, ", ".join(item.labelled_by), item.row.text[:80]]
                for item in rows
            ],
            right={0},
            empty="no such row shares a word with the text, or the model was not trained in this workspace",
        )


def _print_blast(ws: Opened, found: Blast) -> None:
    from pickaxe.cli.screen import print_table
    from pickaxe.kernel.ledger.cost import as_money

    print_table(
        ["artifact", "kind", "made by"],
        [[item.ref, item.kind, item.run_id or "import"] for item in found.artifacts],
    )
    for endpoint in found.endpoints:
        click.echo(f"endpoint  {endpoint.name}")
    for model in found.models:
        if model.id in found.answers:
            click.echo(f"answers   {found.answers[model.id]:,} by {model.ref}")
    click.echo(f"touched   {len(found.artifacts)} artifacts, {len(found.models)} of them models, {len(found.run_ids)} runs")
    click.echo(f"rebuild   {as_money(found.rebuild_nano)} estimated: what these runs were charged before, people's time left out")
    click.echo(f"to do     {_REMEDIES[found.what].format(visible(found.target))}")
