// Try an endpoint: ask it through the API, show the answer with its probabilities, say what would have been right.
import { call } from "./api.js";
import { once } from "./once.js";

export function tryForms() {
  for (const form of document.querySelectorAll("[data-try]")) {
    const place = form.parentElement.querySelector("[data-answer]");
    const find = (name) => place.querySelector(`[data-${name}]`);
    const text = form.elements.text, button = form.querySelector("button");
    let trace = null;

    // Nothing of the answer before may stand beside the next one: a correction would go to the wrong trace.
    function forget() {
      trace = null;
      for (const name of ["label", "ms", "said"]) if (find(name)) find(name).textContent = "";
      for (const name of ["beside", "right"]) if (find(name)) find(name).hidden = true;
      find("trace").href = "/traces";
      find("probabilities").replaceChildren();
    }

    const said = (answer) => {
      const [prediction] = answer.predictions;
      trace = answer.trace_id;
      find("label").textContent = prediction.label;
      find("ms").textContent = `${answer.ms.toFixed(2)} ms`;
      find("trace").href = `/traces/${trace}`;
      find("probabilities").replaceChildren(...Object.entries(prediction.probabilities).sort((a, b) => b[1] - a[1]).map(row));
      const right = place.querySelector("select");
      if (right) right.value = prediction.label;
      for (const name of ["beside", "right"]) if (find(name)) find(name).hidden = false;
    };

    const ask = async () => {
      forget();
      const { data, error } = await call(`/v1/endpoints/${encodeURIComponent(form.dataset.try)}/predict`, { text: text.value });
      place.hidden = false;
      if (data) said(data);
      else find("label").textContent = inWords(error);
    };

    const correct = async ({ label, by }) => {
      const about = trace;
      if (!about) return;
      find("said").textContent = "";
      const { data, error } = await call(`/v1/traces/${about}/feedback`, { label: label.value, by: by.value });
      if (about === trace) find("said").textContent = data ? find("correct").dataset.thanks : inWords(error);
    };

    const inWords = (error) => (error.code === "no_answer" ? form.dataset.failed : error.message);

    form.addEventListener("submit", (event) => {
      event.preventDefault();
      if (text.value.trim()) once(button, ask);
      else { text.setCustomValidity(form.dataset.blank); text.reportValidity(); }
    });
    text.addEventListener("input", () => text.setCustomValidity(""));
    find("correct")?.addEventListener("submit", (event) => {
      event.preventDefault();
      once(event.target.querySelector("button"), () => correct(event.target.elements));
    });
  }
}

function row([label, share]) {
  const made = document.createElement("tr"), name = document.createElement("td"), place = document.createElement("td"), value = document.createElement("td");
  const bar = document.createElement("progress");
  bar.max = 1;
  bar.value = share;
  bar.ariaLabel = label;
  name.textContent = label;
  place.className = "wide";
  place.append(bar);
  value.className = "n";
  value.textContent = `${(100 * share).toFixed(1)}%`;
  made.append(name, place, value);
  return made;
}
