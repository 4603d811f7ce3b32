// The jump box: Ctrl+K (or ⌘K), a few letters, Enter.
const WAIT_MS = 120;

export function jumpBox(dialog) {
  const input = dialog.querySelector("input"), list = dialog.querySelector("ul");
  let timer = null, asked = 0;

  function open() {
    if (dialog.open) return;
    input.value = "";
    show(pages());
    dialog.showModal();
  }

  addEventListener("keydown", (event) => {
    if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") { event.preventDefault(); open(); }
  });
  document.querySelector("[data-jump]").addEventListener("click", open);
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });

  input.addEventListener("input", () => {
    const text = input.value.trim();
    const here = pages().filter((item) => item.name.toLowerCase().includes(text.toLowerCase()));
    show(here);
    clearTimeout(timer);
    if (text.length > 1) timer = setTimeout(() => search(text, here), WAIT_MS);
  });

  input.addEventListener("keydown", (event) => {
    const links = [...list.querySelectorAll("a")], at = links.findIndex((link) => link.ariaSelected === "true");
    if (event.key === "Enter") { event.preventDefault(); links[Math.max(0, at)]?.click(); }
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step || !links.length) return;
    event.preventDefault();
    links[at]?.setAttribute("aria-selected", "false");
    const next = links[(at + step + links.length) % links.length];
    next.setAttribute("aria-selected", "true");
    next.scrollIntoView({ block: "nearest" });
  });

  async function search(text, here) {
    const turn = ++asked;
    const answer = await fetch(`/search?q=${encodeURIComponent(text)}`).catch(() => null);
    if (!answer?.ok || turn !== asked) return;
    show([...here, ...(await answer.json())]);
  }

  function show(items) {
    list.replaceChildren(...items.map((item, index) => {
      const link = document.createElement("a"), row = document.createElement("li"), kind = document.createElement("small");
      link.href = item.href;
      link.append(item.name, kind);
      link.setAttribute("aria-selected", String(index === 0));
      kind.textContent = item.kind ?? "";
      row.append(link);
      return row;
    }));
    if (items.length) return;
    const none = document.createElement("li");
    none.className = "fine";
    none.textContent = dialog.dataset.none;
    list.append(none);
  }

  const pages = () => [...document.querySelectorAll(".side nav a")].map((link) => ({ name: link.textContent.trim(), href: link.getAttribute("href") }));
}
