// A form of the method "dialog" goes nowhere by itself: a module sends what it holds, which must never stand in an address.
// Whoever is quicker than the modules waits for them and loses nothing. Modules have run when the document is ready.
{
  const wait = (event) => {
    const { target: form, submitter } = event;
    if (form.getAttribute("method") !== "dialog") return;
    event.preventDefault();
    event.stopImmediatePropagation();
    document.addEventListener("DOMContentLoaded", () => form.requestSubmit(submitter), { once: true });
  };
  document.addEventListener("submit", wait, true);
  document.addEventListener("DOMContentLoaded", () => document.removeEventListener("submit", wait, true), { once: true });
}
