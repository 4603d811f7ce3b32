// A new task: the file goes up as one stream with its progress; the form asks the server anew at every change; Start posts the job.
import { told } from "./said.js";
import { post, problemIn } from "./jobs.js";

const upload = document.getElementById("upload"), form = document.getElementById("task-form");
if (upload) takeFile(upload);
if (form) keepDraft(form);

function takeFile(form) {
  const field = form.elements.file, underWay = form.querySelector("[data-under-way]"), bar = underWay.querySelector("progress");
  const said = underWay.querySelector("[data-said]"), stop = underWay.querySelector("[data-stop]"), place = form.querySelector(".drop");
  let sending = null;

  form.addEventListener("submit", (event) => event.preventDefault());
  field.addEventListener("change", () => { if (field.files[0]) send(field.files[0]); });
  stop.addEventListener("click", () => sending?.abort());
  for (const moment of ["dragenter", "dragover"]) place.addEventListener(moment, (event) => { event.preventDefault(); place.classList.add("over"); });
  for (const moment of ["dragleave", "drop"]) place.addEventListener(moment, () => place.classList.remove("over"));
  place.addEventListener("drop", (event) => { event.preventDefault(); if (event.dataTransfer.files[0] && !sending) send(event.dataTransfer.files[0]); });

  function send(file) {
    problemIn(form, "");
    if (file.size > Number(form.dataset.most)) return refused(form.dataset.tooLarge);
    if (!file.size) return refused(form.dataset.empty);
    const request = new XMLHttpRequest(); // fetch does not tell how much of a body has gone
    sending = request;
    request.upload.onprogress = (event) => tell(event.loaded, event.total);
    request.onload = () => {
      ended();
      const answer = parsed(request.responseText);
      if (answer?.data) location.assign(`${form.dataset.next}?source=${encodeURIComponent(answer.data.id)}`);
      else refused(answer?.error ? told(answer.error) : form.dataset.away);
    };
    request.onerror = () => { ended(); refused(form.dataset.away); };
    request.onabort = () => { ended(); field.value = ""; field.focus(); };
    const about = new URLSearchParams({ name: `uploads/${plain(file.name)}`, kind: "source", filename: file.name.slice(-200), texts: "true" });
    request.open("POST", `/v1/imports?${about}`);
    request.setRequestHeader("Content-Type", "application/octet-stream");
    request.send(file);
    underWay.hidden = false;
    field.disabled = true;
    tell(0, file.size);
  }

  function tell(sent, all) {
    bar.max = all || 1;
    bar.value = sent;
    said.textContent = sent >= all ? said.dataset.reading : said.dataset.text.replace("{percent}", `${Math.floor((100 * sent) / (all || 1))}%`);
  }
  function ended() { sending = null; underWay.hidden = true; field.disabled = false; }
  function refused(text) { problemIn(form, text); field.value = ""; field.focus(); }
}

// What an artifact may be called; the file keeps its own name beside it.
const plain = (name) => name.toLowerCase().replace(/\.[^.]*$/, "").replace(/[^a-z0-9_-]+/g, "-").replace(/^[-_]+|[-_]+$/g, "").slice(0, 80) || "file";
const parsed = (text) => { try { return JSON.parse(text); } catch { return null; } };

function keepDraft(form) {
  let waiting = null, turn = 0, asking = null;
  const address = () => `${location.pathname}?${new URLSearchParams(new FormData(form))}`;

  function ask() {
    clearTimeout(waiting);
    const mine = ++turn, here = address();
    asking = fetch(here, { headers: { Accept: "text/html" } }).then(async (answer) => {
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("draft");
      if (mine !== turn || !fresh) return;
      history.replaceState(null, "", here);
      const old = document.getElementById("draft"), open = old.querySelector("details")?.open;
      const next = document.adoptNode(fresh);
      if (next.querySelector("details")) next.querySelector("details").open = open ?? false;
      old.replaceWith(next);
    }).catch(() => {});
    return asking;
  }

  form.addEventListener("input", () => { clearTimeout(waiting); waiting = setTimeout(ask, 250); });
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const button = document.getElementById("start");
    if (button.disabled) return;
    button.disabled = true;
    problemIn(form, "");
    await ask();
    const draft = document.getElementById("draft");
    if (draft.dataset.task) {
      const task = JSON.parse(draft.dataset.task);
      if (await post("/v1/jobs", { kind: "produce", task }, form)) { location.assign(`${form.dataset.then}/${encodeURIComponent(task.name)}`); return; }
    } else draft.querySelector("[data-wrong]")?.focus();
    button.disabled = false;
  });
}
