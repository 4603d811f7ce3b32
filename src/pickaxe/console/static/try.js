// Try an endpoint: ask it through the API, show the answer with its probabilities, say what would have been right.
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

    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      if (button.disabled) return; // Ctrl+Enter while the answer before is awaited
      if (!text.value.trim()) { text.setCustomValidity(form.dataset.blank); text.reportValidity(); return; }
      forget();
      button.disabled = true;
      const { data, error } = await post(`/v1/endpoints/${encodeURIComponent(form.dataset.try)}/predict`, { text: text.value });
      button.disabled = false;
      place.hidden = false;
      if (data) said(data);
      else find("label").textContent = error?.message ?? form.dataset.failed;
    });

    text.addEventListener("input", () => text.setCustomValidity(""));
    text.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
    });

    find("correct")?.addEventListener("submit", async (event) => {
      event.preventDefault();
      const about = trace, fields = event.target.elements;
      if (!about) return;
      const { data, error } = await post(`/v1/traces/${about}/feedback`, { label: fields.label.value, by: fields.by.value });
      if (about === trace) find("said").textContent = data ? event.target.dataset.thanks : error?.message ?? form.dataset.failed;
    });
  }
}

async function post(address, body) {
  const answer = await fetch(address, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) }).catch(() => null);
  return (await answer?.json().catch(() => null)) ?? {};
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
