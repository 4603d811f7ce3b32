// Parts that take a moment come after the page: `data-load` names the address, `#loaded` there is what is wanted.
for (const place of document.querySelectorAll("[data-load]")) {
  fetch(place.dataset.load)
    .then((answer) => (answer.ok ? answer.text() : Promise.reject(new Error(String(answer.status)))))
    .then((text) => {
      const loaded = new DOMParser().parseFromString(text, "text/html").getElementById("loaded");
      place.querySelector("[data-loading]").replaceWith(document.adoptNode(loaded));
    })
    .catch(() => {}); // the link in its place leads there
}

for (const field of document.querySelectorAll("[data-run]")) {
  field.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) { event.preventDefault(); field.form.requestSubmit(); }
  });
}
