"""Plans in the browser: every kind works out, sliders move the results, mistakes are said beside the form, scenarios are kept."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from pickaxe.compute.planner.here.foresight import Foresight
from pickaxe.compute.planner.here.served import keep_readings
from pickaxe.compute.planner.here.serving import ServingForecast, forecast_server, keep_forecast
from pickaxe.console.pages.plan import KINDS, _flat, _scenario
from pickaxe.flows.line import Line
from pickaxe.kernel.nouns import Route
from pickaxe.kernel.workspace import Workspace
from tests.compute.steps import Spin, spin
from tests.console.browser import Browser
from tests.serve.fakes import write_model


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_works_out_from_its_start(reader: TestClient, kind: str) -> None:
    page = reader.get(f"/plan/{kind}", headers={"accept-language": "zh"})
    assert page.status_code == 200
    assert 'role="alert"' not in page.text
    assert 'class="value"' in page.text


def test_a_mistake_names_its_field(reader: TestClient) -> None:
    page = reader.get("/plan/pool", params={"utilisation": "lots"})
    assert page.status_code == 422
    assert "utilisation" in page.text
    assert reader.get("/plan/nonsense").status_code in (404, 422)
    assert reader.get("/plan/train", params={"device": "H10O"}).status_code in (404, 422)


def test_money_is_in_the_readers_currency_by_a_dated_rate(reader: TestClient) -> None:
    asked = {"on": "2024-06-30"}
    chinese = reader.get("/plan/pool", params=asked, headers={"accept-language": "zh"}).text
    assert "¥" in chinese
    assert "1 美元 = 7.189" in chinese
    assert "2024-01-01" in chinese
    dollars = reader.get("/plan/pool", params=asked | {"currency": "USD"}, headers={"accept-language": "zh"}).text
    assert "¥" not in dollars
    english = reader.get("/plan/pool", params=asked).text
    assert "$" in english
    assert "¥" not in english
    euros = reader.get("/plan/own", params={"currency": "EUR"}).text
    assert "€" in euros
    assert reader.get("/plan/pool", params={"currency": "shells"}).status_code in (404, 422)


def test_layouts_that_fall_out_say_why_in_the_language(reader: TestClient) -> None:
    page = reader.get("/plan/train", params={"deadline": "3 days"}, headers={"accept-language": "zh"}).text
    assert "放得下，但更贵" in page
    assert "为何落选" in page


def test_choices_are_offered_and_every_field_has_its_words(reader: TestClient) -> None:
    chinese = {"accept-language": "zh"}
    page = reader.get("/plan/train", params={"method": "lora", "on": "2024-06-30", "seed": "7"}, headers=chinese).text
    assert "<option selected>lora</option>" in page
    labels = re.findall(r'<label for="f-([\w.]+)">([^<]*)', page)
    assert {"deadline", "sequence", "dtype", "on", "seed"} <= {name for name, _ in labels}
    assert [name for name, said in labels if said.isascii() and not said.isupper()] == []
    serving = reader.get("/plan/serve").text
    assert "<option>int4</option>" in serving
    cheaper = reader.get("/plan/serve", params={"weights": "int4"}).text
    assert "<option selected>int4</option>" in cheaper


@pytest.mark.slow
@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_factors_have_their_whole_names_at_any_width(empty: Workspace, browser: Browser, width: int, theme: str) -> None:
    page = browser.open(empty, "/plan/pool", width=width, theme=theme)
    page.wait_for_selector("#results .chart svg")
    names = page.locator(".tornado .what").evaluate_all(
        "all => all.map(one => [one.innerText, one.scrollWidth <= one.clientWidth, one.getBoundingClientRect().right])"
    )
    assert any("servers and network on top of the device" in name for name, _, _ in names)
    assert all(whole and right <= width for _, whole, right in names)
    drawn = page.locator(".tornado svg").first.bounding_box()
    assert drawn["width"] > 150
    browser.clean(page)


@pytest.mark.slow
def test_on_a_narrow_screen_the_results_stay_in_sight_of_the_sliders(empty: Workspace, browser: Browser) -> None:
    page = browser.open(empty, "/plan/app", width=390)
    slider = page.locator("#s-paying")
    slider.scroll_into_view_if_needed()
    before = page.inner_text(".headlines .value >> nth=1")
    slider.focus()
    for _ in range(6):
        page.keyboard.press("ArrowRight")
    page.wait_for_function("before => document.querySelectorAll('.headlines .value')[1].textContent !== before", arg=before)
    seen = page.locator(".headlines .card").nth(1).bounding_box()
    assert 0 <= seen["y"] < 300
    assert page.locator("output[for=s-paying]").inner_text().startswith("×")


def test_what_fits_nowhere_says_so_in_the_language(reader: TestClient) -> None:
    asked = {"model": "llama-3.1-405b", "devices": "8"}
    chinese = reader.get("/plan/train", params=asked, headers={"accept-language": "zh"}).text
    assert "llama-3.1-405b 放不下" in chinese
    assert "8 张卡：DP1 TP8" in chinese
    assert "does not fit" not in chinese
    assert "llama-3.1-405b does not fit: no layout of" in reader.get("/plan/train", params=asked).text
    serving = {"model": "llama-3.1-405b", "devices_per_replica": "1"}
    assert "放不进 1 × H100" in reader.get("/plan/serve", params=serving, headers={"accept-language": "zh"}).text


def test_ranges_and_tables_survive_the_form() -> None:
    texts = {"utilisation": "40% – 80%", "devices": "8", "mix.0.name": "a", "mix.1.name": "b", "mix.1.share": "0.5"}
    found = _scenario(texts)
    assert found == {"utilisation": ["40%", "80%"], "devices": 8, "mix": [{"name": "a"}, {"name": "b", "share": "0.5"}]}
    assert _scenario(_flat(found)) == found


def test_a_scenario_is_kept_and_opened_again(client: TestClient, empty: Workspace) -> None:
    kept = client.post("/plan/pool", data={"name": "pools/ours", "scenario": "?device=A100-80&devices=8"}, follow_redirects=False)
    assert kept.status_code == 303
    assert empty.artifact("pools/ours").kind == "scenario"
    again = client.get("/plan/saved/pools/ours")
    assert again.status_code == 200
    assert "A100-80" in str(again.url)


@pytest.mark.slow
def test_a_slider_moves_the_results(empty: Workspace, browser: Browser) -> None:
    page = browser.open(empty, "/plan/app")
    page.wait_for_selector("#results .tornado svg")
    before = page.inner_text("#results .value >> nth=0")
    page.locator("#f-users").fill("200000")
    page.wait_for_function("before => document.querySelector('#results .value').textContent !== before", arg=before)
    assert "users=200000" in page.url
    browser.clean(page)


@pytest.mark.slow
def test_forecasts_stand_beside_readings(client: TestClient, empty: Workspace) -> None:
    assert "No forecasts yet" in client.get("/plan/forecasts").text
    line = Line(empty, "t")
    for turn in range(3):
        line.stage(f"spin{turn}", spin, Spin(seconds=0.1 + turn / 100), {}, cores=1)
    page = client.get("/plan/forecasts").text
    assert "data-chart" in page
    assert "spin" in page


@pytest.mark.slow
def test_claims_are_worked_out(empty: Workspace, browser: Browser) -> None:
    page = browser.open(empty, "/plan/claims")
    assert page.locator(".badge").count() > 10
    browser.clean(page)


def test_serving_stands_beside_the_stages(client: TestClient, empty: Workspace, tmp_path: Path) -> None:
    """A server's forecasts on the endpoint's page, and its readings on the page of forecasts."""
    artifact = empty.import_files(write_model(tmp_path / "model"), "headlines/model", kind="model")
    empty.publish("headlines", [Route(artifact.id)])
    assert "Forecast of serving" not in client.get("/endpoints/headlines").text
    answered = ServingForecast(
        "headlines",
        {"answer_us": Foresight(1000, 1500, 2500, 40), "nano_thousand": Foresight(7e6, 8e6, 9e6, 40)},
        800.0,
        ("answer_us",),
    )
    keep_forecast(empty, "server-a:headlines:1", answered)
    keep_forecast(empty, "server-a:1", forecast_server(empty))
    page = client.get("/endpoints/headlines").text
    assert "1.50 ms" in page
    assert "1.00 ms – 2.50 ms" in page
    assert "$0.0400" in page
    assert "800" in page
    assert "服务预测" in client.get("/endpoints/headlines", headers={"accept-language": "zh"}).text
    keep_readings(empty, "server-a:headlines:1", "headlines", {"answers": 40, "answer_us": 1800, "nano_thousand": 9_000_000})
    keep_readings(empty, "server-a:1", "", {"nano_hour": 40_000_000})
    assert "killed" not in client.get("/plan/forecasts").text
    keep_forecast(empty, "server-b:1", forecast_server(empty), "pool-b")
    keep_readings(empty, "server-b:1", "", {"nano_hour": 30_000_000}, killed=True)
    compared = client.get("/plan/forecasts").text
    assert compared.count("ended by a kill") == 1
    assert "被强制终止" in client.get("/plan/forecasts", headers={"accept-language": "zh"}).text
    assert '<a href="/endpoints/headlines">headlines</a>' in compared
    assert "20.0%" in compared, "1,800 read where 1,500 were foreseen"
    assert "$0.009" in compared
    assert "server" in compared


@pytest.mark.slow
def test_the_forecast_of_an_endpoint_reads_well(empty: Workspace, browser: Browser, tmp_path: Path) -> None:
    artifact = empty.import_files(write_model(tmp_path / "model"), "headlines/model", kind="model")
    empty.publish("headlines", [Route(artifact.id)])
    keep_forecast(
        empty, "server-a:headlines:1", ServingForecast("headlines", {"answer_us": Foresight(1000, 1500, 2500, 40)}, 800.0)
    )
    keep_forecast(empty, "server-a:1", forecast_server(empty))
    page = browser.open(empty, "/endpoints/headlines")
    assert page.get_by_text("An answer, median").is_visible()
    browser.clean(page)
