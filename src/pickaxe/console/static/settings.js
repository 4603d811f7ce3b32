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

for (const button of document.querySelectorAll("button[data-call]")) {
  button.addEventListener("click", async () => {
    if (!confirm(button.dataset.sure)) return;
    const done = await call(button.dataset.call, button.dataset.at, button.dataset.body && JSON.parse(button.dataset.body));
    if (done !== undefined) location.reload();
  });
}

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
    if (!made.secret) { location.reload(); return; }
    secret.querySelector("code").textContent = made.secret;
    secret.hidden = false;
    form.reset();
    secret.scrollIntoView({ block: "center" });
  });
}
