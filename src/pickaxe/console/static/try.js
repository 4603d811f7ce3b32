// Try an endpoint: ask it through the API, show the answer with its probabilities, say what would have been right.
export function tryForms() {
  for (const form of document.querySelectorAll("[data-try]")) {
    const place = form.parentElement.querySelector("[data-answer]");
    const find = (name) => place.querySelector(`[data-${name}]`);
    let trace = null;

    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      const button = form.querySelector("button");
      button.disabled = true;
      const { data, error } = await post(`/v1/endpoints/${encodeURIComponent(form.dataset.try)}/predict`, { text: form.elements.text.value });
      button.disabled = false;
      place.hidden = false;
      if (!data) { find("label").textContent = error?.message ?? form.dataset.failed; return; }
      const said = data.predictions[0];
      trace = data.trace_id;
      find("label").textContent = said.label;
      find("ms").textContent = `${data.ms.toFixed(2)} ms`;
      find("trace").href = `/traces/${trace}`;
      find("probabilities").replaceChildren(...Object.entries(said.probabilities).sort((a, b) => b[1] - a[1]).map(row));
      const right = place.querySelector("select");
      if (right) right.value = said.label;
    });

    form.elements.text.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
    });

    find("correct")?.addEventListener("submit", async (event) => {
      event.preventDefault();
      const fields = event.target.elements;
      const { error } = await post(`/v1/traces/${trace}/feedback`, { label: fields.label.value, by: fields.by.value });
      find("said").textContent = error?.message ?? event.target.dataset.thanks;
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
