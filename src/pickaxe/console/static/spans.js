// Marking spans of a text, by mouse or by keyboard: arrows move a word cursor, Shift extends it, a number marks what is selected.
// Positions are counted in characters (code points), as the server counts them.
let dragging = false;
addEventListener("pointerup", () => { dragging = false; });
addEventListener("pointercancel", () => { dragging = false; });

export function spanForm(place, text, labels, removeWord, before = []) {
  const words = split(text);
  let from = 0, to = 0, marked = [...before];

  const field = document.createElement("p");
  field.className = "text spans";
  field.tabIndex = 0;
  field.dir = "auto";
  const list = document.createElement("ul");
  list.className = "marked";
  place.append(field, list);
  for (const word of words) {
    word.node = document.createElement("span");
    word.node.textContent = word.text;
    field.append(word.node);
    if (!word.text.trim()) continue;
    word.node.addEventListener("pointerdown", (event) => {
      event.preventDefault();
      word.node.releasePointerCapture(event.pointerId); // a finger holds on to where it came down: let it reach the other words
      field.focus();
      dragging = true;
      select(word.index, event.shiftKey ? from : word.index);
    });
    word.node.addEventListener("pointerenter", () => dragging && select(from, word.index, true));
  }
  const solid = words.filter((word) => word.text.trim()).map((word) => word.index);
  if (solid.length) select(solid[0], solid[0]);

  function select(start, end, extend = false) {
    if (extend) to = end; else [from, to] = [end, start];
    draw();
  }

  function draw() {
    const [low, high] = [Math.min(from, to), Math.max(from, to)];
    for (const word of words) {
      const mark = marked.find((span) => span.start < word.end && word.start < span.end && word.text.trim());
      word.node.className = mark ? `mark c${labels.indexOf(mark.label) % 8}` : "";
      word.node.classList.toggle("selected", word.index >= low && word.index <= high);
    }
    list.replaceChildren(...marked.map((span, index) => {
      const item = document.createElement("li"), button = document.createElement("button");
      button.type = "button";
      button.className = "quiet";
      button.setAttribute("aria-label", `${removeWord} ${span.label}`);
      button.textContent = "×";
      button.addEventListener("click", () => { marked.splice(index, 1); draw(); field.focus(); });
      const swatch = document.createElement("span");
      swatch.className = `swatch c${labels.indexOf(span.label) % 8}`;
      item.append(swatch, ` ${span.label}: `, [...text].slice(span.start, span.end).join(""), " ", button);
      return item;
    }));
  }

  return {
    mark(label) {
      if (!solid.length) return;
      const [low, high] = [Math.min(from, to), Math.max(from, to)];
      const span = { start: words[low].start, end: words[high].end, label };
      const same = marked.findIndex((other) => other.start === span.start && other.end === span.end && other.label === label);
      if (same >= 0) marked.splice(same, 1); else marked.push(span);
      draw();
    },
    value: () => marked,
    focus: () => field.focus(),
    key(event) {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!step || !solid.length) return false;
      const at = solid.indexOf(to) + step;
      if (at < 0 || at >= solid.length) return true;
      to = solid[at];
      if (!event.shiftKey) from = to;
      draw();
      return true;
    },
  };
}

// Scripts that write words without spaces between them: there every character can begin or end a span.
const SPACELESS = /^[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}]/u;

function kindOf(character) {
  if (/^\s/u.test(character)) return "space";
  return /^[\p{L}\p{N}\p{M}_]/u.test(character) && !SPACELESS.test(character) ? "word" : "alone";
}

// Words, runs of space, and single characters (as a reader counts them: a letter with its accents, a whole emoji), each with its place.
function split(text) {
  const parts = [];
  let at = 0;
  for (const { segment } of new Intl.Segmenter(undefined, { granularity: "grapheme" }).segment(text)) {
    const kind = kindOf(segment), last = parts.at(-1), start = at;
    at += [...segment].length;
    if (kind !== "alone" && last?.kind === kind) Object.assign(last, { text: last.text + segment, end: at });
    else parts.push({ kind, text: segment, start, end: at, index: parts.length });
  }
  return parts;
}
