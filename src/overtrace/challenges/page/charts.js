"use strict";

/* Elements, numbers, tables and charts: nothing here knows what a protocol is. Text is always set as text. */
const SVG = "http://www.w3.org/2000/svg";

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes || {})) node.setAttribute(name, value);
  for (const child of children) if (child !== null) node.append(child);
  return node;
}
const make = (tag, attributes, ...children) => fill(document.createElement(tag), attributes, children);
const draw = (tag, attributes, ...children) => fill(document.createElementNS(SVG, tag), attributes, children);

const PLAIN = new Set(["image", "class"]);
const isNumber = (value) => typeof value === "number";

/* How the values of a column are written: names as they are, counts with commas, others with four decimals. */
function writerOf(name, values) {
  if (PLAIN.has(name)) return String;
  const real = values.some((value) => isNumber(value) && !Number.isInteger(value));
  return (value) => {
    if (value === null) return "–";
    if (!isNumber(value)) return String(value);
    return real ? value.toFixed(4) : value.toLocaleString("en");
  };
}
const percent = (part, whole) => (whole ? `${((100 * part) / whole).toFixed(part === whole ? 0 : 1)}\u202f%` : "–");

const shareBar = (value) =>
  make("span", { class: "share", "aria-hidden": "true" }, make("i", { style: `width:${100 * Math.max(0, Math.min(1, value || 0))}%` }));

/* "errors > 50, F1 < 0.5, vegas": terms with commas between; a comparison of a column, or text that is searched. */
function readFilter(text, names) {
  const terms = text.split(",").map((term) => term.trim()).filter(Boolean);
  return terms.map((term) => {
    const match = term.match(/^(.+?)\s*(<=|>=|<|>|=)\s*(-?[\d.]+)$/);
    const at = match ? names.findIndex((name) => name.toLowerCase() === match[1].toLowerCase()) : -1;
    if (at < 0) return (row) => row.some((value) => String(value).toLowerCase().includes(term.toLowerCase()));
    const bound = Number(match[3]);
    const compare = { "<": (a) => a < bound, ">": (a) => a > bound, "<=": (a) => a <= bound, ">=": (a) => a >= bound, "=": (a) => a === bound };
    return (row) => row[at] !== null && compare[match[2]](Number(row[at]));
  });
}

/* A table that sorts by any column; with `page`, one that shows so many rows at a time and can be searched.
   `link(row)` gives a last cell or null. */
function makeTable({ names, columns, shares = [], page = Infinity, sortBy = -1, down = true, link = null }) {
  const count = columns.length ? columns[0].length : 0;
  const rowAt = (i) => columns.map((column) => column[i]);
  const writers = names.map((name, c) => writerOf(name, columns[c]));
  const numeric = names.map((name, c) => !PLAIN.has(name) && columns[c].some(isNumber));
  const state = { sortBy, down, first: 0, order: [...Array(count).keys()] };
  const body = make("tbody"), said = make("span", { class: "muted", "aria-live": "polite" });
  const search = make("input", { type: "search", placeholder: "Search, or: errors > 20, F1 < 0.5", "aria-label": "Filter the rows" });
  const back = make("button", { type: "button" }, "Previous"), forth = make("button", { type: "button" }, "Next");

  function compare(a, b) {
    const x = columns[state.sortBy][a], y = columns[state.sortBy][b];
    if (x === null || y === null) return (x === null) - (y === null) || a - b;
    const order = isNumber(x) && isNumber(y) ? x - y : String(x).localeCompare(String(y), "en", { numeric: true });
    return (state.down ? -order : order) || a - b;
  }
  function choose() {
    const terms = readFilter(search.value, names);
    state.order = [...Array(count).keys()];
    if (terms.length) state.order = state.order.filter((i) => { const row = rowAt(i); return terms.every((term) => term(row)); });
    if (state.sortBy >= 0) state.order.sort(compare);
    state.first = 0;
    show();
  }
  function cell(c, value) {
    const bar = shares.includes(names[c]) ? shareBar(value) : null;
    return make("td", { class: numeric[c] ? "" : "text name" }, writers[c](value), bar);
  }
  function show() {
    const last = Math.min(state.order.length, state.first + page);
    body.replaceChildren(...state.order.slice(state.first, last).map((i) =>
      make("tr", {}, ...rowAt(i).map((value, c) => cell(c, value)), link ? make("td", { class: "text" }, link(i)) : null)));
    heads.forEach((head, c) => head.setAttribute("aria-sort", c !== state.sortBy ? "none" : state.down ? "descending" : "ascending"));
    said.textContent = `${state.order.length ? (state.first + 1).toLocaleString("en") : 0} to ${last.toLocaleString("en")} of ${state.order.length.toLocaleString("en")}`;
    back.disabled = state.first === 0;
    forth.disabled = last === state.order.length;
  }
  const heads = names.map((name, c) => {
    const button = make("button", { type: "button" }, name);
    button.addEventListener("click", () => {
      state.down = state.sortBy === c ? !state.down : numeric[c];
      state.sortBy = c;
      choose();
    });
    return make("th", { class: numeric[c] ? "" : "text", scope: "col" }, button);
  });
  search.addEventListener("input", choose);
  back.addEventListener("click", () => { state.first = Math.max(0, state.first - page); show(); });
  forth.addEventListener("click", () => { state.first += page; show(); });
  choose();
  const table = make("table", { class: page < Infinity ? "paged" : "" }, make("thead", {}, make("tr", {}, ...heads, link ? make("th") : null)), body);
  const tools = page < Infinity ? make("div", { class: "tools" }, search, back, forth, said) : null;
  return make("div", {}, tools, make("div", { class: "scroll" }, table));
}

/* Axes from 0 to 1 upwards and from `low` to `high` along. */
function drawAxes(low, high, along, up) {
  const box = { left: 46, top: 10, width: 330, height: 220 };
  // Halves, since the difference of two scores may be beyond all numbers.
  const x = (value) => box.left + box.width * ((value / 2 - low / 2) / (high / 2 - low / 2 || 1));
  const y = (value) => box.top + box.height * (1 - value);
  const svg = draw("svg", { viewBox: "0 0 390 276", role: "img", "aria-label": `${up} over ${along}` });
  for (let i = 0; i <= 5; i++) {
    const part = i / 5, value = low * (1 - part) + high * part;
    svg.append(
      draw("line", { class: "grid", x1: x(low), x2: x(high), y1: y(part), y2: y(part) }),
      draw("line", { class: "grid", x1: x(value), x2: x(value), y1: y(0), y2: y(1) }),
      draw("text", { x: box.left - 7, y: y(part) + 4, "text-anchor": "end" }, part.toFixed(1)),
      draw("text", { x: x(value), y: y(0) + 16, "text-anchor": "middle" }, high - low >= 1 && high <= 1 ? value.toFixed(1) : Number(value.toPrecision(3)).toString()));
  }
  svg.append(
    draw("path", { class: "axis", fill: "none", d: `M${x(low)} ${y(1)}V${y(0)}H${x(high)}` }),
    draw("text", { x: box.left + box.width / 2, y: 270, "text-anchor": "middle" }, along),
    draw("text", { transform: `translate(12 ${box.top + box.height / 2}) rotate(-90)`, "text-anchor": "middle" }, up));
  return { svg, x, y, box };
}

function drawCurve(curve) {
  const { svg, x, y, box } = drawAxes(0, 1, "recall", "precision");
  const path = (line) => line.map((value, i) => `${i ? "L" : "M"}${x(curve.recall[i]).toFixed(1)} ${y(Math.max(0, value)).toFixed(1)}`).join("");
  const mean = (line) => (line.reduce((sum, value) => sum + value, 0) / line.length).toFixed(4);
  svg.append(draw("path", { class: "area", d: `${path(curve.precision[0])}L${x(1)} ${y(0)}L${x(0)} ${y(0)}Z` }));
  curve.precision.forEach((line, i) => svg.append(draw("path", { class: `line${i}`, d: path(line) })));
  const cross = draw("path", { class: "cross", fill: "none", d: "" });
  svg.append(cross);
  const rest = "Point at the curve to read it.";
  const reading = make("p", { class: "muted" }, rest);
  svg.addEventListener("pointermove", (event) => {
    const frame = svg.getBoundingClientRect();
    const recall = (((event.clientX - frame.left) / frame.width) * 390 - box.left) / box.width;
    const i = Math.max(0, Math.min(curve.recall.length - 1, Math.round(recall * (curve.recall.length - 1))));
    cross.setAttribute("d", `M${x(curve.recall[i])} ${y(0)}V${y(curve.precision[0][i])}H${x(0)}`);
    const from = curve.scores[i] < 0 ? "not reached" : `precision ${curve.precision[0][i].toFixed(3)}, scores from ${Number(curve.scores[i].toPrecision(4))}`;
    reading.textContent = `Recall ${curve.recall[i].toFixed(2)}: ${from}`;
  });
  svg.addEventListener("pointerleave", () => { cross.setAttribute("d", ""); reading.textContent = rest; });
  const legend = make("div", { class: "legend muted" }, ...curve.ious.map((iou, i) => make("span", {},
    draw("svg", { viewBox: "0 0 30 10", "aria-hidden": "true" }, draw("path", { class: `line${i}`, d: "M0 5H30" })), ` IoU ${iou.toFixed(2)}: AP ${mean(curve.precision[i])}`)));
  return make("figure", { class: "chart" }, make("figcaption", {}, curve.name), svg, legend, reading);
}

function drawReliability(found) {
  const low = found.edges[0], high = found.edges[found.edges.length - 1];
  const { svg, x, y } = drawAxes(low, high, "confidence", "share of hits");
  found.detections.forEach((count, i) => {
    if (!count) return;
    const share = found.hits[i] / count, left = x(found.edges[i]) + 1.5, width = Math.max(1, x(found.edges[i + 1]) - x(found.edges[i]) - 3);
    const told = `${found.hits[i].toLocaleString("en")} of ${count.toLocaleString("en")} detections of ${found.edges[i].toPrecision(3)} to ${found.edges[i + 1].toPrecision(3)} are hits`;
    svg.append(draw("rect", { class: "bar", x: left, width, y: y(share), height: y(0) - y(share) }, draw("title", {}, told)));
  });
  if (low === 0 && high === 1) {
    svg.append(draw("path", { class: "ideal", fill: "none", d: `M${x(0)} ${y(0)}L${x(1)} ${y(1)}` }));
    found.detections.forEach((count, i) => {
      if (count) svg.append(draw("circle", { class: "mean", r: 4, cx: x(found.confidence[i]), cy: y(found.hits[i] / count) }));
    });
  }
  return make("figure", { class: "chart" }, svg);
}

/* Rows of a bar in parts, with the number and the share of each part. */
function drawTally(tally, colours) {
  const used = tally.kinds.map((kind, k) => k).filter((k) => k < 5 || tally.counts.some((row) => row[k]));
  const heads = used.map((k) => make("th", { scope: "col" }, make("span", { class: "swatch", style: `background:${colours[k]}` }), tally.kinds[k]));
  const filled = tally.rows.map((name, r) => r).filter((r) => tally.counts[r].some(Boolean));
  const rows = filled.map((r) => {
    const name = tally.rows[r], counts = tally.counts[r], total = counts.reduce((sum, count) => sum + count, 0);
    const parts = used.filter((k) => counts[k]).map((k) =>
      make("i", { style: `width:${(100 * counts[k]) / total}%;background:${colours[k]}`, title: `${tally.kinds[k]}: ${counts[k].toLocaleString("en")}` }));
    return make("tr", {}, make("td", { class: "text name" }, name), make("td", { class: "bar" }, make("div", { class: "stack" }, ...parts)),
      make("td", {}, total.toLocaleString("en")), ...used.map((k) =>
        make("td", {}, counts[k].toLocaleString("en"), make("span", { class: "percent" }, percent(counts[k], total)))));
  });
  const head = make("tr", {}, make("th", { class: "text", scope: "col" }, tally.by), make("th"), make("th", { scope: "col" }, "all"), ...heads);
  return make("div", {}, make("h3", {}, tally.title), make("div", { class: "scroll" }, make("table", { class: "tally" }, make("thead", {}, head), make("tbody", {}, ...rows))));
}
