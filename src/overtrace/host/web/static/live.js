// Keeps a page up to date: the host says that something has changed, and parts of the page are asked for again.
(function () {
  "use strict";
  const body = document.body;
  let seen = body.dataset.newest;
  let ranks = new Map();

  // The same change may be told twice in a moment: what has moved stays marked as long as one needs to see it.
  const MARKED_MS = 3000;
  let moved = new Map();

  function read() {
    const rows = document.querySelectorAll("tr[data-team]");
    return new Map(Array.from(rows, (row) => [row.dataset.team, Number(row.dataset.rank)]));
  }
  document.addEventListener("htmx:beforeSwap", () => { ranks = read(); });
  document.addEventListener("htmx:afterSettle", () => {
    for (const row of document.querySelectorAll("tr[data-team]")) {
      const team = row.dataset.team;
      const before = ranks.has(team) ? ranks.get(team) : Infinity;
      const now = Number(row.dataset.rank);
      if (ranks.size && now !== before) moved.set(team, { mark: now < before ? "up" : "down", at: Date.now() });
      const last = moved.get(team);
      if (last && Date.now() - last.at < MARKED_MS) row.classList.add(last.mark);
    }
    ranks = read();
  });
  if (!document.querySelector("[hx-trigger*='changed']")) return;
  const source = new EventSource("/events");
  source.addEventListener("changed", (event) => {
    if (event.data === seen) return;
    seen = event.data;
    htmx.trigger(body, "changed");
  });
})();
