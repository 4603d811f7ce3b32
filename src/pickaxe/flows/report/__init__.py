"""The HTML report of a production line: one file, no requests, light and dark."""

from pickaxe.flows.report.model import Report
from pickaxe.flows.report.page import render

__all__ = ["Report", "render"]
