// Jobs are started and cancelled through the API, which writes the audit log. Panels are live: they are asked anew for every click.
import { call, told } from "./api.js";
import { leave, once } from "./once.js";

export function problemIn(place, text) {
  const problem = place?.querySelector("[data-problem]");
  if (!problem) return;
  problem.textContent = text;
  problem.hidden = !text;
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("button[data-cancel], button[data-start]");
  if (!button || button.ariaBusy === "true" || (button.dataset.sure && !confirm(button.dataset.sure))) return;
  once(button, () => press(button.dataset, button.closest("section")));
});

async function press({ cancel, start, then }, place) {
  problemIn(place, "");
  const { error } = await call(cancel ?? "/v1/jobs", start && JSON.parse(start));
  if (error) problemIn(place, told(error));
  else await leave(() => (then && then !== location.pathname ? location.assign(then) : location.reload()));
}
