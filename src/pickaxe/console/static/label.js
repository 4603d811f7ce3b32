// The desk: one item in front, the next ones already here. A key is an answer; each is sent at once, in order, and one that could
// not be saved comes back with the reason.
import { call, told } from "./api.js";
import { progress } from "./progress.js";
import { spanForm } from "./spans.js";

const desk = document.getElementById("desk");
const [question, choices, said, note, waiting] = ["question", "choices", "said", "note", "waiting"].map((id) => document.getElementById(id));
const words = desk.dataset, labels = JSON.parse(words.labels), names = JSON.parse(words.names), blind = JSON.parse(words.blind);
const AHEAD = 3;
let items = [], more = true, spans = null; // more: whether the server may have some that are not here
let shownAt = 0, seenAt = Infinity, away = 0, hiddenAt = 0; // of the item in front; seen once it is painted
let sending = Promise.resolve(), undoing = 0, looking = false;
const pending = []; // answered or skipped here, not yet acknowledged
const { count, recount } = progress(words, () => pending.length === 0);
const drafts = new Map(); // row_key -> what was begun there when something else came in front

async function ask(action, body = {}) {
  const { data, error } = await call(`${words.address}/${action}`, body, { keepalive: true }); // kept also by who closes the page now
  if (error) throw Object.assign(new Error(error.code === "no_answer" ? error.message : told(error)), { code: error.code });
  return data;
}

// Calls go out one after the other: what was done first is kept first, however the network feels.
const queued = (work) => (sending = sending.then(work).catch((error) => tell(error.message, true)));

async function refill() {
  const taken = await ask("take", { ahead: AHEAD });
  const open = taken.filter((item) => !pending.includes(item.row_key)), known = new Set(items.map((item) => item.row_key));
  items.push(...open.filter((item) => !known.has(item.row_key)));
  more = open.length > 0;
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
    question.append(more || pending.length ? waiting : document.getElementById("nothing").content.cloneNode(true));
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
  [shownAt, seenAt, away] = [performance.now(), Infinity, 0];
  const seen = () => { if (items[0] === item) seenAt = Math.min(seenAt, performance.now()); };
  requestAnimationFrame(seen);
  setTimeout(seen, 500); // a browser that thinks its window is covered paints nothing
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

// Whether a press was meant for what was in front before: for an item that was not on the screen yet, or is about to come back.
function early(press) {
  const soon = items.length > 0 && press.timeStamp < seenAt;
  if (soon) tell(words.soon);
  return undoing || soon;
}

function give(value, press) {
  if (early(press)) return;
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
      tell(`${words.failed} ${error.message}`, true);
      if (error.code !== "conflict") return bringBack({ ...item, given: { value, note: body.note } });
    } finally {
      pending.splice(pending.indexOf(item.row_key), 1);
    }
    if (items.length < AHEAD) await refill();
  });
}

function skip(press) {
  if (early(press) || !items.length) return;
  setAside();
  const item = items.shift();
  pending.push(item.row_key);
  tell("");
  show();
  queued(async () => {
    try {
      await ask("skip", { row_key: item.row_key });
    } catch (error) {
      tell(`${words.failed} ${error.message}`, true);
      return bringBack(item);
    } finally {
      pending.splice(pending.indexOf(item.row_key), 1);
    }
    if (items.length < AHEAD) await refill();
  });
}

function undo() {
  undoing += 1;
  tell(words.undoing);
  queued(async () => {
    try {
      const item = await ask("undo");
      tell(item ? words.back : words.nothing);
      if (!item) return;
      bringBack(item);
      recount();
    } finally { undoing -= 1; }
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
  button.addEventListener("click", (press) => choose(index, press));
  choices.append(button);
});

// A label of spans is marked and the text has the focus again, where Enter submits.
function choose(index, press) {
  if (words.form !== "spans") give(labels[index], press);
  else if (spans) { spans.mark(labels[index]); spans.focus(); }
}

document.getElementById("undo").addEventListener("click", undo);
document.getElementById("skip").addEventListener("click", skip);
document.getElementById("submit")?.addEventListener("click", (press) => spans && give(spans.value(), press));
// What was answered is not kept before the server has it: whoever leaves earlier is asked.
addEventListener("beforeunload", (event) => { if (pending.length || undoing) event.preventDefault(); });
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
  if (/^[0-9]$/.test(key) && digit < labels.length && !event.repeat) choose(digit, event);
  else if (key === "u" || key === "backspace") undo();
  else if (key === "s" && !event.repeat) skip(event);
  else if (key === "n") note.focus();
  else if (event.key === "Enter" && spans && event.target.tagName !== "BUTTON" && event.target.tagName !== "A") give(spans.value(), event);
  else if (spans?.key(event)) { /* the cursor moved */ } else return;
  event.preventDefault();
});

queued(refill);

// A line that waits for people brings its next batch by and by: whoever has nothing left is shown it, with what it is for.
setInterval(async () => {
  const idle = () => !items.length && !pending.length && !document.hidden;
  if (!idle() || looking) return;
  looking = true;
  const taken = await ask("take", { ahead: 0 }).catch(() => null);
  looking = false;
  if (!taken || !idle()) return; // an item came the usual way meanwhile
  if (taken.length) location.reload();
  else if (more) { more = false; show(); }
}, 5000);
