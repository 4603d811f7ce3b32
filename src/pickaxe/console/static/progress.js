// How far a queue is, beside the desk: one's own answers and their pace at once, what all have done together once a second at most.
export function progress({ address, me }, settled) {
  const [mine, rate, complete, done] = ["mine", "rate", "complete", "done"].map((id) => document.getElementById(id));
  let answered = [], counting = 0, asked = 0, counted = 0;

  function count() {
    mine.textContent = Number(mine.textContent) + 1;
    const now = performance.now();
    answered = [...answered, now].filter((at) => now - at < 60000);
    if (answered.length > 1) rate.textContent = Math.round((60000 * (answered.length - 1)) / (now - answered[0]));
    counting ||= setTimeout(recount, 1000);
  }

  async function recount() {
    clearTimeout(counting);
    counting = 0;
    const turn = ++asked, answer = await fetch(address).catch(() => null);
    const said = answer?.ok && (await answer.json().catch(() => null));
    if (!said || turn < counted) return; // a later count came before
    counted = turn;
    if (settled()) mine.textContent = said.data.by[me] ?? 0;
    complete.textContent = said.data.complete;
    done.value = said.data.complete;
  }

  return { count, recount };
}
