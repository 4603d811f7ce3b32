// What is there before the modules are: it loads at once, and nothing in it needs them.

// Whoever is quicker than the modules loses nothing: what only a module answers is kept, and done once they have run, which is when
// the document is ready. A form of the method "dialog" is sent by a module, so that what it holds never stands in an address.
{
  const kept = [];
  const field = (event) => ({ redo: () => event.target.dispatchEvent(new Event(event.type, { bubbles: true })) });
  const answeredByModules = {
    submit: ({ target: form, submitter }) => form.getAttribute("method") === "dialog" && { button: submitter, redo: () => form.requestSubmit(submitter) },
    click: ({ target }) => { const button = target.closest("button[type=button]"); return button && { button, redo: () => button.click() }; },
    keydown: (event) => (event.ctrlKey || event.metaKey) && /^(k|enter)$/i.test(event.key) && { redo: () => event.target.dispatchEvent(new KeyboardEvent("keydown", event)) },
    input: field,
    change: field,
  };

  const keep = (event) => {
    const found = answeredByModules[event.type](event), place = found?.button ?? event.target;
    if (!found) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    found.button?.setAttribute("aria-busy", "true");
    if (!kept.some((one) => one.type === event.type && one.place === place)) kept.push({ ...found, place, type: event.type }); // once, however often it was pressed
  };
  const broken = ({ target }) => { if (target instanceof HTMLScriptElement) document.documentElement.dataset.broken = "yes"; };

  for (const type of Object.keys(answeredByModules)) document.addEventListener(type, keep, true);
  addEventListener("error", broken, true);
  document.addEventListener("DOMContentLoaded", () => {
    for (const type of Object.keys(answeredByModules)) document.removeEventListener(type, keep, true);
    removeEventListener("error", broken, true);
    document.getElementById("broken")?.toggleAttribute("hidden", !("broken" in document.documentElement.dataset));
    for (const { button, redo } of kept) {
      button?.removeAttribute("aria-busy");
      redo();
    }
  }, { once: true });
}

// A form that the browser sends says that it is on its way. Pressed again before the answer is there, what it does would be done twice.
{
  const MOST_MS = 15000; // whoever stopped waiting may press again
  document.addEventListener("submit", (event) => {
    const { target: form, submitter } = event, button = submitter ?? form.querySelector("button");
    const method = form.getAttribute("method");
    if (event.defaultPrevented || method === "dialog" || !button) return;
    if (method === "post" && button.ariaBusy === "true") { event.preventDefault(); return; }
    button.setAttribute("aria-busy", "true");
    setTimeout(() => button.removeAttribute("aria-busy"), MOST_MS);
  });
  // A page that the browser had kept, and shows again, waits for nothing any more.
  addEventListener("pageshow", ({ persisted }) => {
    if (persisted) for (const place of document.querySelectorAll("[aria-busy]")) place.removeAttribute("aria-busy");
  });
}
