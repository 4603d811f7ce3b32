// Characters that a browser sends surely for a page that is closed: 64 KiB, in whatever script.
const MOST_KEPT = 16000;

// The API as pages ask it. What comes back is `data`, or an `error` in words; that no answer came is one of them.
export async function call(address, body, { method = "POST", keepalive = false } = {}) {
  const headers = body === undefined ? {} : { "Content-Type": "application/json" };
  const text = body && JSON.stringify(body);
  const answer = await fetch(address, { method, headers, keepalive: keepalive && text.length < MOST_KEPT, body: text }).catch(() => null);
  const said = await answer?.json().catch(() => null);
  if (answer?.ok && said) return { data: said.data };
  const { noAnswer: message, unsure: remedy } = document.getElementById("away").dataset;
  return { error: inWords(said?.error) ?? { code: "no_answer", message, remedy } };
}

// In the reader's language as far as the server has words for it; `language` says which it is.
const inWords = (error) => error && { language: "en", ...error, ...error.said };

// What the API says of a mistake, for who reads a page: a remedy that names routes and schemas (its error has a `see`) is for programs.
export const told = (error) =>
  [error.message, error.expected, error.details?.see ? "" : error.remedy].filter(Boolean).join(" · ");
