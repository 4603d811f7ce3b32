// Charts: Vega-Lite specifications in `data-chart`, drawn without eval by Vega's expression interpreter.
// Vega itself is fetched when a page has a chart, and kept by the browser from then on.
const { vega: address, away } = document.querySelector("script[data-vega]").dataset;
let library = null, turn = Promise.resolve();

function vega() {
  library ??= new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.type = "module"; // the bundle's top-level names stay its own
    script.src = address;
    script.onload = () => resolve(window.vegaEmbed);
    script.onerror = () => { library = null; reject(new Error("the charts' script did not come")); };
    document.head.append(script);
  });
  return library;
}

const undrawn = (root) => [...root.querySelectorAll("[data-chart]")].filter((place) => place.dataset.drawn !== place.dataset.chart);

// One after the other: figures that come while a chart is being drawn are drawn after it.
export function drawCharts(root) {
  const next = () => drawn(root);
  turn = turn.then(next, next);
  return turn;
}

async function drawn(root) {
  const places = undrawn(root);
  if (!places.length) return;
  for (const place of places) if (!place.view) place.ariaBusy = "true";
  const embed = await vega().catch(() => null);
  for (const place of places) {
    place.ariaBusy = null;
    if (embed && place.isConnected) await draw(embed, place);
    else if (!embed && !place.view) place.textContent = away;
  }
}

async function draw(embed, place) {
  const wanted = place.dataset.chart;
  const spec = JSON.parse(wanted);
  place.dataset.drawn = wanted;
  const before = place.view;
  if (before && onlyFigures(spec) === place.shape) { // the same chart with new figures
    for (const [name, values] of Object.entries(spec.datasets)) before.data(name, values);
    await before.runAsync();
    return;
  }
  before?.finalize();
  const made = await embed(place, spec, {
    ast: true, actions: false, renderer: "svg", defaultStyle: false, tooltip: { disableDefaultStyle: true },
  });
  place.querySelector("svg").setAttribute("aria-hidden", "true"); // the place around it has the role and the words
  place.view = made.view;
  place.shape = onlyFigures(spec);
}

// What a specification is apart from its figures.
const onlyFigures = (spec) => JSON.stringify({ ...spec, datasets: Object.keys(spec.datasets ?? {}) });
