// What every page does: menu, jump box, charts, live parts. Pages work without it where a server can do the work.
import { drawCharts } from "./charts.js";
import { keepLive } from "./live.js";
import { jumpBox } from "./jump.js";

const button = document.querySelector("[data-menu]");
button.addEventListener("click", () => {
  const open = document.getElementById("menu").classList.toggle("open");
  button.setAttribute("aria-expanded", String(open));
});

for (const select of document.querySelectorAll("[data-submit]")) select.addEventListener("change", () => select.form.requestSubmit());

// A drawing that is wider than its place begins where it matters.
for (const place of document.querySelectorAll("[data-centre]")) {
  const node = place.querySelector(".centre rect");
  if (!node) continue;
  place.scrollLeft = node.x.baseVal.value - (place.clientWidth - node.width.baseVal.value) / 2;
  place.scrollTop = node.y.baseVal.value - place.clientHeight / 2;
}

jumpBox(document.getElementById("jump"));
drawCharts(document);
keepLive();
document.documentElement.dataset.ready = "yes";
