// Keys and people are changed through the API, which writes the audit log; a new key's secret is shown once and never fetched again.
import { told } from "./said.js";

const problem = document.getElementById("problem"), secret = document.getElementById("secret");

async function call(method, at, body) {
  problem.hidden = true;
  const answer = await fetch(at, { method, headers: body ? { "Content-Type": "application/json" } : {}, body: body && JSON.stringify(body) });
  const said = await answer.json();
  if (answer.ok) return said.data;
  const short = document.createElement("strong"), long = document.createElement("span");
  short.textContent = JSON.parse(problem.dataset.codes)[said.error.code] ?? "";
  long.lang = "en"; // the API's own words
  long.textContent = told(said.error);
  problem.replaceChildren(short, " ", long);
  problem.hidden = false;
  problem.scrollIntoView({ block: "center" });
  return undefined;
}

// The page as it is now. While a secret is shown, which nobody can show again, only the lists around it are fetched.
async function renew() {
  if (secret.hidden) { location.reload(); return; }
  const answer = await fetch(location.href, { headers: { Accept: "text/html" } }).catch(() => null);
  if (!answer?.ok) return;
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  for (const list of document.querySelectorAll("[data-list]")) {
    const next = fresh.querySelector(`section[aria-labelledby="${list.parentElement.getAttribute("aria-labelledby")}"] > [data-list]`);
    if (next) list.replaceWith(document.adoptNode(next));
  }
}

// What a form's fields say; of a change only what differs from what is there.
function filledIn(form) {
  const body = {};
  for (const field of form.querySelectorAll("[name]")) {
    if (field.type === "checkbox") { if (field.checked) (body[field.name] ??= []).push(field.value); }
    else if ("changedOnly" in form.dataset && field.selectedOptions?.[0].defaultSelected) continue;
    else if (field.value !== "") body[field.name] = "number" in field.dataset ? Number(field.value) : field.value;
  }
  return body;
}

// Buttons and forms come and go with their list, so the page listens for them.
document.addEventListener("click", async (event) => {
  const button = event.target.closest("button[data-call]");
  if (!button || !confirm(button.dataset.sure)) return;
  const done = await call(button.dataset.call, button.dataset.at, button.dataset.body && JSON.parse(button.dataset.body));
  if (done !== undefined) renew();
});

document.addEventListener("submit", async (event) => {
  const form = event.target;
  if (!form.dataset.call) return;
  event.preventDefault();
  const body = filledIn(form);
  if (!Object.keys(body).length) return;
  const made = await call(form.dataset.call, form.dataset.at, body);
  if (made === undefined) return;
  form.reset();
  if (!made.secret) { renew(); return; }
  secret.querySelector("code").textContent = made.secret;
  secret.hidden = false;
  await renew();
  secret.scrollIntoView({ block: "center" });
});
