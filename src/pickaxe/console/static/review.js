// Review: a press decides what holds for an item; spans can be marked anew. The item is then fetched as the server has it.
import { call, told } from "./api.js";
import { once } from "./once.js";
import { pageAt } from "./pages.js";
import { spanForm } from "./spans.js";

const place = document.getElementById("divided"), words = place.dataset, labels = JSON.parse(words.labels);
const problem = document.getElementById("problem");
let since = performance.now(), away = 0, hiddenAt = 0;

// One decision about an item after the other, or the server might keep the first as the last.
const decide = (item, value) => once(item, () => send(item, value));

async function send(item, value) {
  const seconds = Math.max(0, (performance.now() - since - away) / 1000);
  problem.hidden = true;
  const { error } = await call(words.address, { row_key: item.dataset.key, value, seconds });
  if (error) {
    problem.textContent = `${words.failed} ${told(error)}`;
    problem.hidden = false;
    problem.scrollIntoView({ block: "center" });
    return;
  }
  [since, away] = [performance.now(), 0];
  await renew(item);
}

// Whoever decides by keyboard goes on with the next item; who is somewhere else by now stays there.
async function renew(item) {
  const answer = await pageAt(location.href), fresh = answer?.page.getElementById(item.id);
  if (!answer) return; // it is kept, and shown when the server answers again
  if (!fresh) { location.reload(); return; }
  const stayed = item.contains(document.activeElement), next = item.nextElementSibling?.querySelector("button");
  const made = document.adoptNode(fresh);
  item.replaceWith(made);
  if (stayed) (next ?? made.querySelector("button")).focus();
}

function markAnew(button) {
  const item = button.closest(".divided"), editor = document.createElement("div"), row = document.createElement("div");
  editor.className = "stack";
  row.className = "row";
  row.setAttribute("role", "group");
  row.setAttribute("aria-label", words.choices);
  const spans = spanForm(editor, button.dataset.text, labels, words.remove, JSON.parse(button.dataset.mark));
  for (const [index, label] of labels.entries()) row.append(made("do", index < 9 ? `${index + 1} ${label}` : label, () => spans.mark(label)));
  row.append(made("do main", words.done, () => decide(item, spans.value())), made("do", words.leave, () => { editor.remove(); button.disabled = false; button.focus(); }));
  editor.append(row);
  editor.addEventListener("keydown", (event) => {
    const digit = Number(event.key) - 1;
    if (labels[digit] !== undefined && !event.ctrlKey && !event.metaKey && !event.altKey) spans.mark(labels[digit]);
    else if (!event.target.closest(".spans") || !spans.key(event)) return;
    event.preventDefault();
  });
  button.disabled = true;
  button.closest(".row").after(editor);
  editor.querySelector(".spans").focus();
}

function made(kind, text, press) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = kind;
  button.textContent = text;
  button.addEventListener("click", press);
  return button;
}

place.addEventListener("click", (event) => {
  const button = event.target.closest("button"), item = event.target.closest(".divided");
  if (button?.dataset.value !== undefined) decide(item, JSON.parse(button.dataset.value));
  else if (button?.dataset.mark !== undefined) markAnew(button);
  else if (button?.dataset.chosen !== undefined && button.previousElementSibling.value) decide(item, button.previousElementSibling.value);
});
document.addEventListener("visibilitychange", () => {
  if (document.hidden) hiddenAt = performance.now();
  else away += performance.now() - hiddenAt;
});
