// The jump box: Ctrl+K (or ⌘K), a few letters, Enter. The keyboard stays in the box (WAI-ARIA: combobox with a list).
const WAIT_MS = 120;

export function jumpBox(dialog) {
  const input = dialog.querySelector("input"), list = dialog.querySelector("ul"), said = dialog.querySelector("[role=status]");
  let timer = null, asked = 0, chosen = 0, searching = false, hurried = false;

  function open() {
    if (dialog.open) return;
    input.value = "";
    settle(pages(), "");
    dialog.showModal();
  }

  addEventListener("keydown", (event) => {
    if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") { event.preventDefault(); open(); }
  });
  for (const button of document.querySelectorAll("[data-jump]")) button.addEventListener("click", open);
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
  addEventListener("pagehide", () => dialog.close()); // or it would be open still for who comes back
  dialog.addEventListener("close", () => { clearTimeout(timer); asked++; hurried = false; });

  input.addEventListener("input", () => {
    const text = input.value.trim();
    const here = pages().filter((item) => item.name.toLowerCase().includes(text.toLowerCase()));
    clearTimeout(timer);
    asked++;
    hurried = false;
    chosen = 0;
    if (!text) return settle(here, "");
    searching = true;
    show(here);
    said.textContent = dialog.dataset.searching;
    timer = setTimeout(() => search(text, here), WAIT_MS);
  });

  input.addEventListener("keydown", (event) => {
    if (event.isComposing) return; // an input method's own Enter and arrows
    const links = options();
    if (event.key === "Enter") {
      event.preventDefault();
      // What was found so far may not be what is meant: who is quicker than the search waits for it.
      if (searching && !chosen) hurried = true;
      else links[chosen]?.click();
    }
    const to = { ArrowDown: chosen + 1, ArrowUp: chosen - 1, PageDown: chosen + 8, PageUp: chosen - 8 }[event.key];
    if (to === undefined || !links.length) return;
    event.preventDefault();
    const step = event.key.startsWith("Page") ? Math.max(0, Math.min(links.length - 1, to)) : (to + links.length) % links.length;
    choose(step);
  });

  async function search(text, here) {
    const turn = ++asked;
    const answer = await fetch(`/search?q=${encodeURIComponent(text)}`).catch(() => null);
    const found = answer?.ok ? await answer.json().catch(() => null) : null;
    if (turn !== asked) return;
    if (!found) return settle(here, dialog.dataset.failed);
    settle(found, found.length ? "" : dialog.dataset.none);
  }

  function settle(items, words) {
    const before = chosen ? options()[chosen]?.getAttribute("href") : null;
    searching = false;
    show(items);
    choose(Math.max(0, items.findIndex((item) => item.href === before)));
    said.textContent = words;
    if (hurried) options()[chosen]?.click();
    hurried = false;
  }

  function show(items) {
    list.replaceChildren(...items.map((item, index) => {
      const link = document.createElement("a"), row = document.createElement("li"), kind = document.createElement("small");
      link.id = `jump-${index}`;
      link.href = item.href;
      link.tabIndex = -1;
      link.setAttribute("role", "option");
      row.setAttribute("role", "presentation");
      link.append(item.name, kind);
      kind.textContent = item.kind ?? "";
      row.append(link);
      return row;
    }));
    list.hidden = !items.length;
    input.setAttribute("aria-expanded", String(Boolean(items.length)));
    choose(0);
  }

  function choose(place) {
    chosen = place;
    options().forEach((link, index) => link.setAttribute("aria-selected", String(index === place)));
    const link = options()[place];
    if (link) input.setAttribute("aria-activedescendant", link.id);
    else input.removeAttribute("aria-activedescendant");
    link?.scrollIntoView({ block: "nearest" });
  }

  const options = () => [...list.querySelectorAll("a")];
  const pages = () => [...document.querySelectorAll(".side nav a")].map((link) => ({ name: link.textContent.trim(), href: link.getAttribute("href") }));
}
