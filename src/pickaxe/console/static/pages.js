// A page of this site as it is now, to take a part of it: null when no answer came, `ok` as fetch has it.
export async function pageAt(address, { signal } = {}) {
  try {
    const answer = await fetch(address, { headers: { Accept: "text/html" }, signal });
    if (answer.redirected && new URL(answer.url).pathname === "/sign-in") { // the session ended
      location.assign(`/sign-in?next=${encodeURIComponent(location.pathname + location.search)}`);
      return null;
    }
    return { ok: answer.ok, page: new DOMParser().parseFromString(await answer.text(), "text/html") };
  } catch {
    return null;
  }
}
