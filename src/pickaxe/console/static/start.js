// A new task: the file goes up as one stream with its progress; the form asks the server anew at every change; Start posts the job.
import { call, told } from "./api.js";
import { problemIn } from "./jobs.js";
import { leave, once } from "./once.js";
import { pageAt } from "./pages.js";

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
  addEventListener("pageshow", ({ persisted }) => { if (persisted) ended(); });
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
      const answer = parsed(request.responseText);
      if (answer?.data) { // what reads it is the next page, which may take its time
        sending = { abort: () => { window.stop(); stopped(); } };
        location.assign(`${form.dataset.next}?source=${encodeURIComponent(answer.data.id)}`);
      } else refused(answer?.error ? told(answer.error) : form.dataset.away);
    };
    request.onerror = () => refused(form.dataset.away);
    request.onabort = stopped;
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
  function ended() { sending = null; underWay.hidden = true; field.disabled = false; field.value = ""; }
  function stopped() { ended(); field.focus(); }
  function refused(text) { problemIn(form, text); stopped(); }
}

// What an artifact may be called; the file keeps its own name beside it.
const plain = (name) => name.toLowerCase().replace(/\.[^.]*$/, "").replace(/[^a-z0-9_-]+/g, "-").replace(/^[-_]+|[-_]+$/g, "").slice(0, 80) || "file";
const parsed = (text) => { try { return JSON.parse(text); } catch { return null; } };

function keepDraft(form) {
  let waiting = null, asking = new AbortController();
  const address = () => `${location.pathname}?${new URLSearchParams(new FormData(form))}`;
  const draftAt = async (here, signal) => (await pageAt(here, { signal }))?.page.getElementById("draft");

  function later() {
    clearTimeout(waiting);
    problemIn(form, "");
    asking.abort(); // what comes is of what the form says last
    return (asking = new AbortController()).signal;
  }

  async function ask() {
    const signal = later(), here = address();
    document.getElementById("draft").ariaBusy = "true";
    const draft = await draftAt(here, signal);
    if (!signal.aborted) show(draft, here);
  }

  function show(draft, here) {
    const old = document.getElementById("draft");
    old.ariaBusy = null;
    if (!draft) { problemIn(form, form.dataset.missing); return; }
    history.replaceState(null, "", here);
    const next = document.adoptNode(draft);
    if (next.querySelector("details")) next.querySelector("details").open = old.querySelector("details")?.open ?? false;
    old.replaceWith(next);
  }

  // What is started is what the form said when Start was pressed, whatever is changed meanwhile.
  async function start() {
    later();
    const here = address(), draft = await draftAt(here);
    if (!draft || here === address()) show(draft, here);
    if (!draft?.dataset.task) { document.querySelector("#draft [data-wrong]")?.focus(); return; }
    const task = JSON.parse(draft.dataset.task);
    const { error } = await call("/v1/jobs", { kind: "produce", task });
    if (error) problemIn(form, told(error));
    else await leave(() => location.assign(`${form.dataset.then}/${encodeURIComponent(task.name)}`));
  }

  // How the file is read decides which columns there are: the whole page is asked for, and their choice is left to it.
  form.addEventListener("change", (event) => {
    if (!event.target.closest("[data-reading]")) return;
    clearTimeout(waiting);
    const fields = new URLSearchParams(new FormData(form));
    for (const name of ["text", "label"]) fields.delete(name);
    location.assign(`${location.pathname}?${fields}`);
  });
  form.addEventListener("input", () => { clearTimeout(waiting); waiting = setTimeout(ask, 250); });
  form.addEventListener("submit", (event) => { event.preventDefault(); once(document.getElementById("start"), start); });
}
