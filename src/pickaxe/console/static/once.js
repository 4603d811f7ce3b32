// What a press begins is done once: until it is done its button, or the item it is about, says so and takes no second press.
// The focus stays where it is.
export async function once(place, work) {
  if (place.ariaBusy === "true") return;
  place.ariaBusy = "true";
  try {
    await work();
  } finally {
    place.ariaBusy = null;
    document.dispatchEvent(new Event("done"));
  }
}

// For work that ends with another page: it is not done before that is there. (early.js makes a page ready again that the browser kept.)
export const leave = (go) => new Promise(go);
