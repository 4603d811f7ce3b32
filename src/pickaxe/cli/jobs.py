"""`pickaxe jobs`, `pickaxe cancel`: what a server carries out in the background, and how it is stopped."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from pickaxe.cli.screen import Opened
    from pickaxe.flows.job_view import JobView
    from pickaxe.kernel.nouns import Run

_LOOKED_THROUGH = 200


@click.command()
@click.option("--limit", default=20, show_default=True, help="Newest first.")
@click.pass_obj
def jobs(workspace: str | None, limit: int) -> None:
    """List jobs, newest first: lines that a server carries out, or will when it is started again."""
    from pickaxe.cli.screen import print_table, reading

    with reading(workspace) as ws:
        found = ws.jobs.list(limit=limit)
    print_table(
        ["job", "task", "state", "by", "queued", "seconds", "said"],
        [
            [
                job.id,
                job.name,
                job.state,
                job.by,
                f"{job.queued_at:%Y-%m-%d %H:%M:%S}",
                f"{(job.ended_at - job.started_at).total_seconds():.1f}" if job.ended_at and job.started_at else "",
                _said(job),
            ]
            for job in found
        ],
        right={5},
        empty="no jobs yet: a server carries them out (pickaxe up), started in its console or with pickaxe --url ADDRESS produce",
    )


@click.command()
@click.argument("what", metavar="JOB|RUN")
@click.pass_obj
def cancel(workspace: str | None, what: str) -> None:
    """Stop a job or a run: by its id, or by the name of a task or a run for what of it is under way.

    What is done stays in the cache. A line that a command carries out is stopped where that runs, with Ctrl-C.
    """
    from pickaxe.cli.screen import writing
    from pickaxe.kernel.errors import WriterBusy

    try:
        with writing(workspace) as ws:
            if job := _job_meant(ws, what):
                _cancel_job(ws, job)
            else:
                _cancel_run(ws, what)
    except WriterBusy as busy:
        busy.message = f"{what} is not a server's to stop: another command has this workspace"
        busy.remedy = "press Ctrl-C where that runs, or end its process"
        raise


def _cancel_job(ws: Opened, job: JobView) -> None:
    now = ws.jobs.cancel(job.id)
    how = "is cancelled" if now.state == "cancelled" else "stops within a second"
    click.echo(f"{job.name} ({job.id}) {how}; what it has done is kept")


def _cancel_run(ws: Opened, what: str) -> None:
    run = _run_meant(ws, what)
    ws.cancel(run.id)
    click.echo(f"{run.name} ({run.id}) stops within a second")


def _job_meant(ws: Opened, what: str) -> JobView | None:
    """The job of that id, or the newest of that task, one under way first; None when it is not a job that is meant."""
    if what.startswith("job-"):
        return ws.jobs.get(what)
    named = [job for job in ws.jobs.list(limit=_LOOKED_THROUGH) if job.name == what]
    return next((job for job in named if not job.ended_at), named[0] if named else None)


def _run_meant(ws: Opened, what: str) -> Run:
    """Raises `NotFound`."""
    from pickaxe.kernel.errors import NotFound

    if what.startswith("run-"):
        return ws.runs.get(what)
    named, _ = ws.runs.page(name=what, limit=1)
    if not named:
        raise NotFound(f"no job and no run {what!r:.80}", remedy="list them: pickaxe jobs, pickaxe runs")
    return named[0]


def _said(job: JobView) -> str:
    """What somebody should know of it."""
    if job.state == "waiting":
        return f"{job.missing} answers wanted at {job.waits_at}"
    return str((job.error or {}).get("message", ""))[:80]
