// The desk: one item in front, the next ones already here. A key is an answer; each is sent at once, in order, and one that could
// not be saved comes back with the reason.
import { told } from "./said.js";
import { spanForm } from "./spans.js";

const desk = document.getElementById("desk");
const [question, choices, said, note] = ["question", "choices", "said", "note"].map((id) => document.getElementById(id));
const words = desk.dataset, labels = JSON.parse(words.labels), names = JSON.parse(words.names), blind = JSON.parse(words.blind);
const AHEAD = 3;
let items = [], shownAt = 0, away = 0, hiddenAt = 0, sending = Promise.resolve(), spans = null, answered = [], counting = 0, undoing = 0;
const pending = []; // answered or skipped here, not yet acknowledged
const drafts = new Map(); // row_key -> what was begun there when something else came in front

async function ask(action, body) {
  const answer = await fetch(`${words.address}/${action}`, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body ?? {}) });
  const said = await answer.json();
  if (!answer.ok) throw Object.assign(new Error(told(said.error)), { code: said.error.code });
  return said.data;
}

// Calls go out one after the other: what was done first is kept first, however the network feels.
const queued = (work) => (sending = sending.then(work).catch((error) => tell(`${words.failed} ${error.message}`, true)));

async function refill() {
  const taken = await ask("take", { ahead: AHEAD });
  const known = new Set(items.map((item) => item.row_key));
  const settled = new Set(pending);
  items.push(...taken.filter((item) => !known.has(item.row_key) && !settled.has(item.row_key)));
  if (question.dataset.key === undefined || question.dataset.key === "") show();
}

// What somebody began or gave before is there again when its item is: marks, note, and which answer it was.
function show() {
  const item = items[0];
  question.dataset.key = item?.row_key ?? "";
  question.replaceChildren();
  for (const id of ["submit", "skip"]) document.getElementById(id)?.toggleAttribute("disabled", !item);
  const suggested = item && suggestionOf(item);
  const before = item && (drafts.get(item.row_key) ?? item.given ?? (words.form === "spans" && !blind ? suggested : null));
  note.value = before?.note ?? "";
  spans = null;
  [...choices.children].forEach((button, index) => {
    button.disabled = !item;
    if (words.form !== "spans") button.setAttribute("aria-pressed", String(before?.value === labels[index]));
  });
  if (!item) {
    question.append(document.getElementById("nothing").content.cloneNode(true));
    return;
  }
  if (words.form === "spans") spans = spanForm(question, item.text, labels, words.remove, before?.value);
  else question.append(paragraph("text", item.text));
  if (words.form === "pairs") {
    const pair = document.createElement("div");
    pair.className = "pair";
    pair.append(option(names[0], item.first), option(names[1], item.second));
    question.append(pair);
  }
  if (suggested && !blind) question.append(paragraph("fine", `${words.suggested} ${suggested.said}`));
  shownAt = performance.now();
  away = 0;
  // A press that was meant for the item before must not answer this one.
  question.scrollTop = 0;
  // A text that has to be scrolled in its place is reached by keyboard, too.
  for (const text of question.querySelectorAll(".text")) if (text.scrollHeight > text.clientHeight) text.tabIndex = 0;
}

// What was suggested for an item: its value, as an answer would be, and in words. Null: nothing that could be an answer.
function suggestionOf(item) {
  if (item.prelabel === null) return null;
  if (words.form !== "spans") return { value: item.prelabel, said: names[labels.indexOf(item.prelabel)] ?? item.prelabel };
  try {
    const value = JSON.parse(item.prelabel), letters = [...item.text];
    return { value, said: value.map((span) => `${span.label}: ${letters.slice(span.start, span.end).join("")}`).join(" · ") || "–" };
  } catch { return null; }
}

const ordered = (value) => (Array.isArray(value) ? value.map((span) => `${span.start}-${span.end} ${span.label}`).sort().join("\n") : value);

function paragraph(kind, text) {
  const made = document.createElement("p");
  made.className = kind;
  made.dir = "auto";
  made.textContent = text;
  return made;
}

function option(name, text) {
  const made = document.createElement("div");
  made.className = "option";
  made.append(paragraph("kicker", name), paragraph("text", text));
  return made;
}

// Keeps what is begun in front, for when its item is in front again.
function setAside() {
  const item = items[0];
  if (item) drafts.set(item.row_key, { value: spans?.value() ?? drafts.get(item.row_key)?.value ?? item.given?.value, note: note.value });
}

function give(value) {
  if (undoing) return; // the press was meant for the item that is about to come back
  const item = items.shift();
  if (!item) return;
  const seconds = Math.max(0, (performance.now() - shownAt - away) / 1000);
  const body = { row_key: item.row_key, value, seconds, note: note.value };
  drafts.delete(item.row_key);
  pending.push(item.row_key);
  const suggested = suggestionOf(item);
  tell(blind && suggested && ordered(value) !== ordered(suggested.value) ? `${words.was} ${suggested.said}` : "");
  show();
  queued(async () => {
    try {
      await ask("answer", body);
      count();
    } catch (error) {
      if (error.code !== "conflict") bringBack({ ...item, given: { value, note: body.note } });
      tell(`${words.failed} ${error.message}`, true);
    } finally {
      pending.splice(pending.indexOf(item.row_key), 1);
    }
    if (items.length < AHEAD) await refill();
  });
}

const skip = () => {
  if (undoing || !items.length) return;
  setAside();
  const item = items.shift();
  pending.push(item.row_key);
  tell("");
  show();
  queued(async () => {
    await ask("skip", { row_key: item.row_key }).catch((error) => { bringBack(item); tell(`${words.failed} ${error.message}`, true); });
    pending.splice(pending.indexOf(item.row_key), 1);
    if (items.length < AHEAD) await refill();
  });
};

function undo() {
  undoing += 1;
  queued(async () => {
    try {
      const item = await ask("undo");
      tell(item ? words.back : words.nothing);
      if (!item) return;
      bringBack(item);
      recount();
    } finally {
      undoing -= 1;
    }
  });
}

function bringBack(item) {
  if (items[0]?.row_key !== item.row_key) setAside();
  items = [item, ...items.filter((other) => other.row_key !== item.row_key)];
  show();
}

function tell(text, bad = false) {
  said.textContent = text;
  said.classList.toggle("bad", bad);
}

function count() {
  const mine = document.getElementById("mine");
  mine.textContent = Number(mine.textContent) + 1;
  const now = performance.now();
  answered = [...answered, now].filter((at) => now - at < 60000);
  if (answered.length > 1) document.getElementById("rate").textContent = Math.round((60000 * (answered.length - 1)) / (now - answered[0]));
  counting ||= setTimeout(recount, 1000);
}

// What all of them have done together: asked once a second at most, however fast somebody answers.
function recount() {
  clearTimeout(counting);
  counting = 0;
  fetch(words.address).then((answer) => answer.json()).then(({ data }) => {
    if (!pending.length) document.getElementById("mine").textContent = data.by[words.me] ?? 0;
    document.getElementById("complete").textContent = data.complete;
    document.getElementById("done").value = data.complete;
  }).catch(() => {});
}

names.forEach((name, index) => {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "do choice";
  if (index < 10) {
    const key = document.createElement("kbd");
    key.textContent = (index + 1) % 10;
    button.append(key, " ");
  }
  button.append(name);
  button.addEventListener("click", () => choose(index));
  choices.append(button);
});

// A label of spans is marked and the text has the focus again, where Enter submits.
function choose(index) {
  if (words.form !== "spans") give(labels[index]);
  else if (spans) { spans.mark(labels[index]); spans.focus(); }
}

document.getElementById("undo").addEventListener("click", undo);
document.getElementById("skip").addEventListener("click", skip);
document.getElementById("submit")?.addEventListener("click", () => spans && give(spans.value()));
// Whoever leaves gives back what they took; whoever comes back to the page takes anew.
addEventListener("pagehide", () => fetch(`${words.address}/release`, { method: "POST", keepalive: true }));
addEventListener("pageshow", (event) => { if (event.persisted) { items = []; show(); queued(refill); } });
document.addEventListener("visibilitychange", () => {
  if (document.hidden) hiddenAt = performance.now();
  else away += performance.now() - hiddenAt;
});
// Also under Caps Lock, where digits need Shift (AZERTY), and while an input method is on.
function keyOf(event) {
  const [, digit, letter] = /^(?:Digit(\d)|Key([A-Z]))$/.exec(event.code) ?? [];
  if (digit && !event.shiftKey && !/^\d$/.test(event.key)) return digit;
  return event.key === "Process" && letter ? letter.toLowerCase() : event.key.toLowerCase();
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
  if (event.target === note) {
    if (event.key === "Enter" || event.key === "Escape") note.blur();
    return;
  }
  if (event.target.closest?.("input, textarea, select")) return;
  const key = keyOf(event), digit = key === "0" ? 9 : Number(key) - 1;
  if (/^[0-9]$/.test(key) && digit < labels.length && !event.repeat) choose(digit);
  else if (key === "u" || key === "backspace") undo();
  else if (key === "s" && !event.repeat) skip();
  else if (key === "n") note.focus();
  else if (event.key === "Enter" && spans && event.target.tagName !== "BUTTON" && event.target.tagName !== "A") give(spans.value());
  else if (spans?.key(event)) { /* the cursor moved */ } else return;
  event.preventDefault();
});

queued(refill);

// A line that waits for people brings its next batch by and by: whoever has nothing left is shown it, with what it is for.
setInterval(async () => {
  if (items.length || pending.length || document.hidden) return;
  const taken = await ask("take", { ahead: 0 }).catch(() => []);
  if (taken.length) location.reload();
}, 5000);
