// The scenario as one moves it: a slider scales its field's numbers, every change asks the server anew and swaps the results.
import { drawCharts } from "./charts.js";
import { pageAt } from "./pages.js";

const form = document.getElementById("scenario");
let waiting = null, asking = new AbortController();

const address = () => {
  const fields = [...form.querySelectorAll("[name]")].filter((field) => !("untouched" in field.dataset));
  return `${location.pathname}?${new URLSearchParams(fields.map((field) => [field.name, field.value]))}`;
};

async function ask() {
  const here = address(), results = document.getElementById("results");
  asking.abort(); // a later change is on its way
  const { signal } = (asking = new AbortController());
  results.ariaBusy = "true";
  const answer = await pageAt(here, { signal }), fresh = answer?.page.getElementById("results");
  if (signal.aborted) return;
  results.ariaBusy = null;
  if (!fresh) { results.querySelector("[data-away]").hidden = false; return; }
  history.replaceState(null, "", here);
  const swapped = document.adoptNode(fresh), back = keepName(results, swapped);
  results.replaceWith(swapped);
  back();
  drawCharts(swapped);
}

// Whoever writes a name for the scenario meanwhile goes on writing it. Returns what gives the field its focus back.
function keepName(old, next) {
  const form = old.querySelector("[data-scenario]"), place = next.querySelector("[data-scenario]"), inIt = document.activeElement;
  const had = form?.contains(inIt);
  if (form && place) place.replaceWith(form);
  return () => { if (had) inIt.focus(); };
}

const soon = () => { clearTimeout(waiting); waiting = setTimeout(ask, 180); };

// 2 significant digits more than the slider's step can tell; "$1.35/GPU-h – $2.09/GPU-h" keeps its units.
const scaled = (text, factor) => text.replace(/\d[\d,]*(\.\d+)?(e[+-]?\d+)?/gi, (number) => {
  const value = Number(number.replaceAll(",", "")) * factor;
  return value >= 1e6 ? value.toPrecision(4).replace("e+", "e") : String(Number(value.toPrecision(4)));
});

form.addEventListener("input", (event) => {
  const field = event.target;
  if (field.dataset.scales) {
    const text = document.getElementById(field.dataset.scales);
    const factor = 2 ** (2 * Number(field.value));
    text.value = scaled(text.dataset.default, factor);
    document.querySelector(`output[for="${field.id}"]`).textContent = factor === 1 ? "" : `× ${Number(factor.toPrecision(2))}`;
    delete text.dataset.untouched;
  } else {
    field.dataset.default = field.value;
    delete field.dataset.untouched;
  }
  soon();
});
form.addEventListener("submit", (event) => { event.preventDefault(); ask(); });
document.addEventListener("submit", (event) => {
  if ("scenario" in event.target.dataset) event.target.elements.scenario.value = address().split("?")[1];
}, true);
