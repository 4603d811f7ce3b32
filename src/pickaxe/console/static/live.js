// Live parts: when the server says that something changed, the page fetches itself and swaps what is marked `data-live`.
import { drawCharts } from "./charts.js";

const LEAST_MS = 1500; // between two fetches of the page, however busy the workspace is

export function keepLive() {
  if (!document.querySelector("[data-live]")) return;
  let known = null, last = 0, waiting = null;
  const away = document.getElementById("away");
  const stream = new EventSource("/live");
  stream.onmessage = (message) => {
    away.hidden = true;
    if (known !== null && message.data !== known) soon();
    known = message.data;
  };
  // A stream that merely reached its end is opened again at once; only a server that stays away is worth a word.
  let silence = null;
  stream.onopen = () => { clearTimeout(silence); silence = null; away.hidden = true; };
  stream.onerror = () => { silence ??= setTimeout(() => { away.hidden = false; }, 8000); };
  addEventListener("pagehide", () => stream.close());
  document.addEventListener("visibilitychange", () => { if (!document.hidden && waiting === "shown") refresh(); });

  function soon() {
    if (document.hidden) { waiting = "shown"; return; }
    if (waiting === null) waiting = setTimeout(refresh, Math.max(0, last + LEAST_MS - Date.now()));
  }

  async function refresh() {
    waiting = null;
    last = Date.now();
    const answer = await fetch(location.href, { headers: { Accept: "text/html" } }).catch(() => null);
    if (!answer?.ok) return;
    swap(new DOMParser().parseFromString(await answer.text(), "text/html"));
  }
}

// Swap the marked parts that differ. What the reader does meanwhile (a selection, a focus, a scrolled log) is left alone.
export function swap(fresh) {
  for (const old of document.querySelectorAll("[data-live]")) {
    const next = fresh.getElementById(old.id);
    if (!next || next.innerHTML === old.dataset.shown || old.contains(document.activeElement)) continue;
    old.dataset.shown = next.innerHTML;
    const log = old.querySelector(".log");
    const atEnd = log && log.scrollTop + log.clientHeight >= log.scrollHeight - 8;
    keepCharts(old, next);
    old.replaceChildren(...document.adoptNode(next).childNodes);
    const newLog = old.querySelector(".log");
    if (newLog) newLog.scrollTop = atEnd ? newLog.scrollHeight : log.scrollTop;
    drawCharts(old);
  }
}

// A chart that is drawn stays in place and gets the new figures, so that nothing flickers.
function keepCharts(old, next) {
  for (const chart of next.querySelectorAll("[data-chart]")) {
    const drawn = old.querySelector(`#${CSS.escape(chart.id)}`);
    if (!drawn) continue;
    drawn.dataset.chart = chart.dataset.chart;
    chart.replaceWith(drawn);
  }
}
