// Live parts: when the server says that something changed, the page fetches itself and swaps what is marked `data-live`.
import { drawCharts } from "./charts.js";
import { pageAt } from "./pages.js";

const LEAST_MS = 1500; // between two fetches of the page, however busy the workspace is
const FIRST_MS = 1000, MOST_MS = 30000; // before a refused stream is opened again; as long a page is waited for

export function keepLive() {
  const parts = document.querySelectorAll("[data-live]");
  if (!parts.length) return;
  for (const part of parts) shown.set(part, part.innerHTML);
  let known = document.getElementById("away").dataset.stands || null, last = 0, waiting = null, missed = false, stale = false, asking = false, again = false;
  listen((state) => {
    if (stale || (known !== null && state !== known)) soon(); // the first may already tell of something newer than the page
    known = state;
  }, soon);
  document.addEventListener("visibilitychange", () => { if (!document.hidden && waiting === "shown") refresh(); });
  // What was left alone because the reader was in it comes when they leave, or when what they pressed there is done.
  for (const moment of ["focusout", "done"]) document.addEventListener(moment, () => { if (missed) setTimeout(soon); });

  function soon() {
    if (document.hidden) { waiting = "shown"; return; }
    if (asking) { again = true; return; } // one at a time: a slow answer never comes after a newer one
    if (waiting === null) waiting = setTimeout(refresh, Math.max(0, last + LEAST_MS - Date.now()));
  }

  async function refresh() {
    waiting = null;
    last = Date.now();
    asking = true;
    const fresh = await pageAt(location.href, { signal: AbortSignal.timeout(MOST_MS) });
    asking = false;
    stale = !fresh?.ok; // then the next word from the server is reason enough to ask again
    if (!stale) missed = swap(fresh.page);
    if (again) soon();
    again = false;
  }
}

// Hears the server's states for as long as the page is open. A browser opens a stream again that merely ended, and gives one up for
// good that was refused (a server that restarts behind a proxy, a 5xx): that one is opened here, later each time.
function listen(heard, refused) {
  const away = document.getElementById("away");
  let stream = null, silence = null, again = null, tries = 0;

  function open() {
    clearTimeout(again);
    stream?.close();
    stream = new EventSource("/live");
    stream.onmessage = (message) => { tries = 0; heard(message.data); };
    stream.onopen = () => { clearTimeout(silence); silence = null; away.hidden = true; };
    stream.onerror = () => {
      silence ??= setTimeout(() => { away.hidden = false; }, 8000); // only a server that stays away is worth a word
      if (stream.readyState !== EventSource.CLOSED) return;
      refused(); // the page itself is told why, for instance that the session ended
      again = setTimeout(open, Math.min(MOST_MS, FIRST_MS * 2 ** tries++) * (0.5 + Math.random() / 2));
    };
  }

  open();
  addEventListener("pagehide", () => { clearTimeout(again); stream.close(); });
  addEventListener("pageshow", (event) => { if (event.persisted) open(); }); // a page that the browser had kept
  addEventListener("online", open);
}

const shown = new WeakMap(); // part -> what the server last said is in it

// Swap the marked parts that differ. What the reader does meanwhile (a tick, a focus, a scrolled log) is left alone. A part that
// holds parts is swapped when they are not the same ones as before, else each of them by itself. Returns whether one was left out.
export function swap(fresh) {
  let left = false;
  for (const old of document.querySelectorAll("[data-live]")) {
    const next = fresh.getElementById(old.id);
    if (!old.isConnected || !next || next.innerHTML === shown.get(old) || (inner(old) && inner(old) === inner(next))) continue;
    if (old.contains(document.activeElement) || old.ariaBusy === "true" || old.querySelector("button[aria-busy=true]")) { left = true; continue; }
    shown.set(old, next.innerHTML);
    for (const part of next.querySelectorAll("[data-live]")) shown.set(part, part.innerHTML);
    const log = old.querySelector(".log"), at = log?.scrollTop;
    const atEnd = !log || at + log.clientHeight >= log.scrollHeight - 8;
    keepChoices(old, next);
    keepCharts(old, next);
    old.replaceChildren(...document.adoptNode(next).childNodes);
    const newLog = old.querySelector(".log");
    if (newLog) newLog.scrollTop = atEnd ? newLog.scrollHeight : at;
    drawCharts(old);
  }
  document.dispatchEvent(new Event("swapped"));
  return left;
}

const inner = (part) => [...part.querySelectorAll("[data-live]")].map((held) => held.id).join(" ");

// What the reader ticked or opened stays so.
function keepChoices(old, next) {
  const known = (box) => `${box.name} ${box.value}`;
  const boxes = new Map([...old.querySelectorAll("input[type=checkbox]")].map((box) => [known(box), box.checked]));
  for (const box of next.querySelectorAll("input[type=checkbox]")) box.checked = boxes.get(known(box)) ?? box.checked;
  const details = old.querySelectorAll("details");
  next.querySelectorAll("details").forEach((made, place) => { if (details[place]) made.open = details[place].open; });
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
