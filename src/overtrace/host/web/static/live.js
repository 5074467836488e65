// Keeps a page up to date: the host says that something has changed, and parts of the page are asked for again.
(function () {
  "use strict";
  const body = document.body;
  let seen = body.dataset.newest;
  let ranks = new Map();

  function read() {
    const rows = document.querySelectorAll("tr[data-team]");
    return new Map(Array.from(rows, (row) => [row.dataset.team, Number(row.dataset.rank)]));
  }
  document.addEventListener("htmx:beforeSwap", () => { ranks = read(); });
  document.addEventListener("htmx:afterSettle", () => {
    for (const row of document.querySelectorAll("tr[data-team]")) {
      const before = ranks.has(row.dataset.team) ? ranks.get(row.dataset.team) : Infinity;
      const now = Number(row.dataset.rank);
      if (ranks.size && now !== before) row.classList.add(now < before ? "up" : "down");
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
