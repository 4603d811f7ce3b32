// Keys and people are changed through the API, which writes the audit log; a new key's secret is shown once and never fetched again.
const problem = document.getElementById("problem"), secret = document.getElementById("secret");

async function call(method, at, body) {
  problem.hidden = true;
  const answer = await fetch(at, { method, headers: body ? { "Content-Type": "application/json" } : {}, body: body && JSON.stringify(body) });
  const said = await answer.json();
  if (answer.ok) return said.data;
  problem.textContent = [said.error.message, said.error.expected, said.error.remedy].filter(Boolean).join(" · ");
  problem.hidden = false;
  problem.scrollIntoView({ block: "center" });
  return undefined;
}

// The page as it is now. While a secret is shown, which nobody can show again, only the lists around it are fetched.
const LISTS = ["keys-title", "people-title", "changes-title"].map((name) => `section[aria-labelledby="${name}"] > :is(.scroll, p.fine)`);

async function renew() {
  if (secret.hidden) { location.reload(); return; }
  const answer = await fetch(location.href, { headers: { Accept: "text/html" } }).catch(() => null);
  if (!answer?.ok) return;
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  for (const place of LISTS) {
    const next = fresh.querySelector(place);
    if (next) document.querySelector(place)?.replaceWith(document.adoptNode(next));
  }
}

// Buttons come and go with their list, so the page listens for them.
document.addEventListener("click", async (event) => {
  const button = event.target.closest("button[data-call]");
  if (!button || !confirm(button.dataset.sure)) return;
  const done = await call(button.dataset.call, button.dataset.at, button.dataset.body && JSON.parse(button.dataset.body));
  if (done !== undefined) renew();
});

for (const form of document.querySelectorAll("form[data-call]")) {
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const body = {};
    for (const field of form.querySelectorAll("[name]")) {
      if (field.type === "checkbox") { if (field.checked) (body[field.name] ??= []).push(field.value); }
      else if (field.value !== "") body[field.name] = "number" in field.dataset ? Number(field.value) : field.value;
    }
    const made = await call(form.dataset.call, form.dataset.at, body);
    if (made === undefined) return;
    if (!made.secret) { form.reset(); renew(); return; }
    secret.querySelector("code").textContent = made.secret;
    secret.hidden = false;
    form.reset();
    await renew();
    secret.scrollIntoView({ block: "center" });
  });
}
