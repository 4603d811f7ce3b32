"""The navigation: what there is, where, and with which icon."""

from __future__ import annotations

from typing import NamedTuple


class Item(NamedTuple):
    """A page of the navigation. `icon` is the path data of a 16 × 16 drawing in one stroke."""

    name: str
    path: str
    icon: str


MENU = (
    Item("overview", "/", "M2 7.5 8 2.5l6 5V13.5H9.8V9.5H6.2v4H2z"),
    Item("tasks", "/tasks", "M2.5 4h2M7 4h6.5M2.5 8h2M7 8h6.5M2.5 12h2M7 12h6.5"),
    Item("runs", "/runs", "M4 2.8 13 8 4 13.2z"),
    Item("artifacts", "/artifacts", "M8 1.8 13.8 5v6L8 14.2 2.2 11V5zM2.2 5 8 8.2 13.8 5M8 8.2v6"),
    Item("data", "/data", "M2.5 3h11v10h-11zM2.5 6.4h11M2.5 9.7h11M6.4 6.4V13"),
    Item("label", "/label", "M2.2 2.2h5.6l6 6-5.6 5.6-6-6zM5.2 5.2h.01"),
    Item(
        "review", "/review", "M2 8s2.2-4.2 6-4.2S14 8 14 8s-2.2 4.2-6 4.2S2 8 2 8zM8 6.3a1.7 1.7 0 1 1 0 3.4 1.7 1.7 0 0 1 0-3.4z"
    ),
    Item("endpoints", "/endpoints", "M8 2v5M4.4 4.2a5.2 5.2 0 1 0 7.2 0"),
    Item("traces", "/traces", "M2 4h6M5 8h7M8.5 12H14"),
    Item("bill", "/bill", "M3.5 1.8h9v12.4l-2.2-1.4L8 14.2l-2.3-1.4-2.2 1.4zM6 5.4h4M6 8.4h4"),
    Item("plan", "/plan", "M2.5 13.5V2.5M2.5 13.5h11M5 10.5l3-3.2 2 1.9 3.5-4.4"),
    Item("settings", "/settings", "M2 5h7M12 5h2M2 11h2M7 11h7M10.5 3.2v3.6M5.5 9.2v3.6"),
)
