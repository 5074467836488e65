// Adds the reader's own time to each time that the host gives in UTC.
(function () {
  "use strict";
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const form = new Intl.DateTimeFormat([], { dateStyle: "medium", timeStyle: "short" });

  function isElsewhere(time) {
    return new Date(time.dateTime).getTimezoneOffset() !== 0;
  }
  function show(root) {
    for (const time of root.querySelectorAll("time[datetime]:not([title])")) {
      const own = form.format(new Date(time.dateTime)) + " " + zone;
      time.title = own;
      if (isElsewhere(time) && time.closest(".zoned")) {
        const line = document.createElement("span");
        line.className = "local";
        line.textContent = own;
        time.append(line);
      }
    }
  }
  document.addEventListener("DOMContentLoaded", () => show(document));
  document.addEventListener("htmx:afterSettle", () => show(document));
})();
