// What every page does: menu, jump box, charts, live parts. Pages work without it where a server can do the work.
import { drawCharts } from "./charts.js";
import { keepLive } from "./live.js";
import { jumpBox } from "./jump.js";
import { pageAt } from "./pages.js";
import { tryForms } from "./try.js";

const button = document.querySelector("[data-menu]"), menu = document.getElementById("menu");
function openMenu(open) {
  menu.classList.toggle("open", open);
  button.setAttribute("aria-expanded", String(open));
}
button.addEventListener("click", () => openMenu(!menu.classList.contains("open")));
addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || !menu.classList.contains("open") || document.querySelector("dialog[open]")) return;
  openMenu(false);
  button.focus();
});

for (const select of document.querySelectorAll("[data-submit]")) select.addEventListener("change", () => select.form.requestSubmit());

// A button that needs some ticks waits for them. Without this the server says the same, later.
function countTicks() {
  for (const button of document.querySelectorAll("[data-least]")) {
    const ticked = button.form.querySelectorAll("input[type=checkbox]:checked").length;
    button.disabled = ticked < Number(button.dataset.least) || ticked > Number(button.dataset.most);
  }
}
for (const moment of ["change", "swapped"]) document.addEventListener(moment, countTicks);
addEventListener("pageshow", countTicks); // a browser that goes back brings the ticks with it

// What takes a moment to find comes after the page: the part asks for itself. When it does not come, its link leads to the same.
const fillAll = () => document.querySelectorAll("[data-fetch]:not([aria-busy=true])").forEach(fill);
fillAll();
document.addEventListener("swapped", fillAll); // parts that came with a live one
async function fill(part) {
  const words = document.getElementById("away").dataset, link = part.querySelector("a");
  part.ariaBusy = "true";
  const answer = await pageAt(part.dataset.fetch), fresh = answer?.ok && answer.page.getElementById(part.id);
  part.ariaBusy = null;
  if (!fresh) {
    link.textContent = words.again;
    link.parentElement.replaceChildren(words.missing, " ", link);
    return;
  }
  part.removeAttribute("data-fetch");
  part.replaceChildren(...document.adoptNode(fresh).childNodes);
  drawCharts(part);
}

document.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey) || !event.target.matches("[data-run]")) return;
  event.preventDefault();
  event.target.form.requestSubmit();
});

// A drawing that is wider than its place begins where it matters.
for (const place of document.querySelectorAll("[data-centre]")) {
  const node = place.querySelector(".centre rect");
  if (!node) continue;
  place.scrollLeft = node.x.baseVal.value - (place.clientWidth - node.width.baseVal.value) / 2;
  place.scrollTop = node.y.baseVal.value - place.clientHeight / 2;
}

// Of tabs that do not all fit, the one that is open is in sight.
for (const tab of document.querySelectorAll(".tabs [aria-current]")) {
  const row = tab.parentElement;
  row.scrollLeft = tab.offsetLeft - row.offsetLeft - (row.clientWidth - tab.clientWidth) / 2;
}

countTicks();
tryForms();
jumpBox(document.getElementById("jump"));
drawCharts(document);
keepLive();
document.documentElement.dataset.ready = "yes";
