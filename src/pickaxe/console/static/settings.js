// Keys and people are changed through the API, which writes the audit log; a new key's secret is shown once and never fetched again.
import { call, told } from "./api.js";
import { leave, once } from "./once.js";
import { pageAt } from "./pages.js";

const problem = document.getElementById("problem"), secret = document.getElementById("secret");

async function change(method, at, body) {
  problem.hidden = true;
  const { data, error } = await call(at, body, { method });
  if (!error) return data;
  const short = document.createElement("strong"), long = document.createElement("span");
  short.textContent = JSON.parse(problem.dataset.codes)[error.code] ?? "";
  if (error.language) long.lang = error.language; // the server's own words
  long.textContent = told(error);
  problem.replaceChildren(short, " ", long);
  problem.hidden = false;
  problem.scrollIntoView({ block: "center" });
  return undefined;
}

// The page as it is now. While a secret is shown, which nobody can show again, only the lists around it are fetched.
async function renew() {
  if (secret.hidden) { await leave(() => location.reload()); return; }
  const fresh = await pageAt(location.href);
  for (const list of document.querySelectorAll("[data-list]")) {
    const next = fresh?.page.querySelector(`section[aria-labelledby="${list.parentElement.getAttribute("aria-labelledby")}"] > [data-list]`);
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
document.addEventListener("click", (event) => {
  const button = event.target.closest("button[data-call]");
  if (!button || button.ariaBusy === "true" || !confirm(button.dataset.sure)) return;
  once(button, async () => {
    const done = await change(button.dataset.call, button.dataset.at, button.dataset.body && JSON.parse(button.dataset.body));
    if (done !== undefined) await renew();
  });
});

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (!form.dataset.call) return;
  event.preventDefault();
  const body = filledIn(form);
  if (Object.keys(body).length) once(event.submitter ?? form.querySelector("button"), () => send(form, body));
});

async function send(form, body) {
  const made = await change(form.dataset.call, form.dataset.at, body);
  if (made === undefined) return;
  form.reset();
  if (made.secret) {
    secret.querySelector("code").textContent = made.secret;
    secret.hidden = false;
  }
  await renew();
  secret.scrollIntoView({ block: "center" });
}
