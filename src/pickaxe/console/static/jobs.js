// Jobs are started and cancelled through the API, which writes the audit log. Panels are live: they are asked anew for every click.
import { told } from "./said.js";

export function problemIn(place, text) {
  const problem = place?.querySelector("[data-problem]");
  if (!problem) return;
  problem.textContent = text;
  problem.hidden = !text;
}

// What the API answered; on a refusal null, and the reason stands in `place`.
export async function post(address, body, place) {
  const headers = body ? { "Content-Type": "application/json" } : {};
  const answer = await fetch(address, { method: "POST", headers, body: body && JSON.stringify(body) }).catch(() => null);
  const said = await answer?.json().catch(() => null);
  if (answer?.ok) return said.data;
  const error = said?.error;
  problemIn(place, error ? told(error) : document.getElementById("away").textContent);
  return null;
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest("button[data-cancel], button[data-start]");
  if (!button || (button.dataset.sure && !confirm(button.dataset.sure))) return;
  const place = button.closest("section"), { cancel, start, then } = button.dataset;
  button.disabled = true;
  problemIn(place, "");
  if (await post(cancel ?? "/v1/jobs", start && JSON.parse(start), place)) { if (then && then !== location.pathname) location.assign(then); else location.reload(); return; }
  button.disabled = false;
});
