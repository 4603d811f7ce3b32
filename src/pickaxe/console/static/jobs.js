// Jobs are cancelled through the API, which writes the audit log. The panel is live: it is asked anew for every click.
document.addEventListener("click", async (event) => {
  const button = event.target.closest("button[data-cancel]");
  if (!button || !confirm(button.dataset.sure)) return;
  button.disabled = true;
  const answer = await fetch(button.dataset.cancel, { method: "POST" }).catch(() => null);
  if (answer?.ok) { location.reload(); return; }
  const said = await answer?.json().catch(() => null);
  const problem = document.querySelector("#jobs [data-problem]");
  button.disabled = false;
  if (!problem) return;
  problem.textContent = said?.error ? [said.error.message, said.error.remedy].filter(Boolean).join(" · ") : document.getElementById("away").textContent;
  problem.hidden = false;
});
