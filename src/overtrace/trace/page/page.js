"use strict";

const facts = JSON.parse(document.getElementById("facts").textContent);
const element = (id) => document.getElementById(id);
const columns = facts.columns;
const count = (columns.id || []).length;
const inMetres = "area_m2" in columns;
const unitOf = inMetres ? "m" : "px";
const diameters = columns[`diameter_${unitOf}`] || [];
const number = (value, digits = 3) =>
  value === null ? "–" : value.toLocaleString("en", { maximumSignificantDigits: Math.max(digits, String(Math.trunc(Math.abs(value))).length) });

/* Outlines: packed as overtrace/trace/outlines.py says, in pixels of the image. */
function unpackOutlines(packed, unit) {
  const bytes = Uint8Array.from(atob(packed), (character) => character.charCodeAt(0));
  const xy = new Float32Array(bytes.length);
  const ringEnds = [0];
  const polygonEnds = [0];
  let at = 0, size = 0, x = 0, y = 0;
  const take = () => {
    let value = 0, weight = 1, byte;
    do { byte = bytes[at++]; value += (byte & 127) * weight; weight *= 128; } while (byte & 128);
    return value;
  };
  const step = () => { const code = take(); return code % 2 ? -(code + 1) / 2 : code / 2; };
  while (at < bytes.length) {
    for (let rings = take(); rings > 0; rings--) {
      for (let vertices = take(); vertices > 0; vertices--) {
        x += step(); y += step();
        xy[size++] = x * unit; xy[size++] = y * unit;
      }
      ringEnds.push(size / 2);
    }
    polygonEnds.push(ringEnds.length - 1);
  }
  return { xy: xy.slice(0, size), ringEnds, polygonEnds };
}

const outlines = unpackOutlines(facts.outlines.packed, facts.outlines.unit);
const boxes = new Float32Array(4 * count);
for (let i = 0; i < count; i++) {
  const first = outlines.ringEnds[outlines.polygonEnds[i]], stop = outlines.ringEnds[outlines.polygonEnds[i + 1]];
  let left = Infinity, top = Infinity, right = -Infinity, bottom = -Infinity;
  for (let v = first; v < stop; v++) {
    const x = outlines.xy[2 * v], y = outlines.xy[2 * v + 1];
    left = Math.min(left, x); right = Math.max(right, x); top = Math.min(top, y); bottom = Math.max(bottom, y);
  }
  boxes.set([left, top, right, bottom], 4 * i);
}

/* Steps shorter than `least`, which nobody would see, are left out. */
function tracePath(context, i, least) {
  for (let ring = outlines.polygonEnds[i]; ring < outlines.polygonEnds[i + 1]; ring++) {
    const first = outlines.ringEnds[ring], stop = outlines.ringEnds[ring + 1];
    let x = outlines.xy[2 * first], y = outlines.xy[2 * first + 1];
    context.moveTo(x, y);
    for (let v = first + 1; v < stop; v++) {
      const nextX = outlines.xy[2 * v], nextY = outlines.xy[2 * v + 1];
      if (Math.abs(nextX - x) + Math.abs(nextY - y) < least) continue;
      context.lineTo((x = nextX), (y = nextY));
    }
    context.closePath();
  }
}

function contains(i, x, y) {
  if (x < boxes[4 * i] || y < boxes[4 * i + 1] || x > boxes[4 * i + 2] || y > boxes[4 * i + 3]) return false;
  let inside = false;
  for (let ring = outlines.polygonEnds[i]; ring < outlines.polygonEnds[i + 1]; ring++) {
    const first = outlines.ringEnds[ring], stop = outlines.ringEnds[ring + 1];
    for (let v = first, w = stop - 1; v < stop; w = v++) {
      const ax = outlines.xy[2 * v], ay = outlines.xy[2 * v + 1], bx = outlines.xy[2 * w], by = outlines.xy[2 * w + 1];
      if (ay > y !== by > y && x < ((bx - ax) * (y - ay)) / (by - ay) + ax) inside = !inside;
    }
  }
  return inside;
}

/* Colours: a ramp of some steps (viridis), an object's step from its rank in size, or its score. */
const RAMP = ["#482878", "#3e4a89", "#31688e", "#26828e", "#1f9e89", "#35b779", "#6ece58", "#b4de2c", "#fde725"];
const ONE_COLOUR = "#ffd43b";
const SELECTED = "#ff6b00";
const sortedDiameters = Float64Array.from(diameters).sort();
const quantile = (part) => sortedDiameters[Math.min(sortedDiameters.length - 1, Math.floor(part * sortedDiameters.length))] || 0;
const ranges = { size: [quantile(0.02), quantile(0.98)], score: [Math.min(1, ...(columns.score || []).slice(0, 5000)), 1] };

function rampStep(i, by) {
  const [low, high] = ranges[by];
  const value = by === "size" ? diameters[i] : columns.score[i];
  const part = high > low ? (value - low) / (high - low) : 1;
  return Math.max(0, Math.min(RAMP.length - 1, Math.floor(part * RAMP.length)));
}

/* The map: screen = scale * image pixel + offset, in CSS pixels. */
const canvas = element("map"), picture = element("picture");
const overlay = document.createElement("canvas");
const view = { scale: 1, x: 0, y: 0 };
let overlayView = null, selected = -1, frame = 0, timer = 0, fitScale = 1;
const BUSY_VERTICES = 150000;
const image = facts.image;

function resize() {
  const ratio = window.devicePixelRatio || 1;
  for (const target of [canvas, overlay]) {
    target.width = Math.round(canvas.clientWidth * ratio);
    target.height = Math.round(canvas.clientHeight * ratio);
  }
  overlayView = null;
}

function fit() {
  const margin = 12;
  fitScale = Math.min((canvas.clientWidth - 2 * margin) / image.width, (canvas.clientHeight - 2 * margin) / image.height);
  view.scale = fitScale;
  view.x = (canvas.clientWidth - view.scale * image.width) / 2;
  view.y = (canvas.clientHeight - view.scale * image.height) / 2;
  redraw();
}

function zoomAt(factor, x, y) {
  const scale = Math.max(fitScale / 4, Math.min(64, view.scale * factor));
  view.x = x - (scale / view.scale) * (x - view.x);
  view.y = y - (scale / view.scale) * (y - view.y);
  view.scale = scale;
  redraw();
}

function redraw(changed = false) {
  if (changed) overlayView = null;
  if (!frame) frame = requestAnimationFrame(draw);
}

function visibleObjects() {
  const left = -view.x / view.scale, top = -view.y / view.scale;
  const right = left + canvas.clientWidth / view.scale, bottom = top + canvas.clientHeight / view.scale;
  const least = Number(element("least").value);
  const found = [];
  for (let i = 0; i < count; i++) {
    if (boxes[4 * i] > right || boxes[4 * i + 2] < left || boxes[4 * i + 1] > bottom || boxes[4 * i + 3] < top) continue;
    if (columns.score[i] >= least) found.push(i);
  }
  return found;
}

const verticesOf = (i) => outlines.ringEnds[outlines.polygonEnds[i + 1]] - outlines.ringEnds[outlines.polygonEnds[i]];

/* A browser takes far longer over one long path than over many short ones. */
const PATH_OBJECTS = 100;

function drawOverlay(objects) {
  const context = overlay.getContext("2d"), ratio = overlay.width / canvas.clientWidth, by = element("colour").value;
  context.setTransform(1, 0, 0, 1, 0, 0);
  context.clearRect(0, 0, overlay.width, overlay.height);
  context.setTransform(ratio * view.scale, 0, 0, ratio * view.scale, ratio * view.x, ratio * view.y);
  context.lineJoin = "round";
  const steps = by ? RAMP.map(() => []) : [objects];
  if (by) for (const i of objects) steps[rampStep(i, by)].push(i);
  steps.forEach((members, at) => {
    for (let first = 0; first < members.length; first += PATH_OBJECTS) {
      drawSome(context, members.slice(first, first + PATH_OBJECTS), by ? RAMP[at] : ONE_COLOUR);
    }
  });
  overlayView = { ...view };
}

function drawSome(context, objects, colour) {
  const width = Math.min(2, Math.max(0.8, 3.5 * view.scale));
  context.beginPath();
  for (const i of objects) tracePath(context, i, 0.7 / view.scale);
  if (element("show-fill").checked) {
    context.globalAlpha = 0.45; context.fillStyle = colour; context.fill("evenodd"); context.globalAlpha = 1;
  }
  if (!element("show-outlines").checked) return;
  if (view.scale > 0.6) { context.strokeStyle = "#0007"; context.lineWidth = (width + 1.6) / view.scale; context.stroke(); }
  context.strokeStyle = colour; context.lineWidth = width / view.scale; context.stroke();
}

function draw() {
  frame = 0;
  const context = canvas.getContext("2d"), ratio = canvas.width / canvas.clientWidth;
  context.setTransform(1, 0, 0, 1, 0, 0);
  context.clearRect(0, 0, canvas.width, canvas.height);
  context.setTransform(ratio * view.scale, 0, 0, ratio * view.scale, ratio * view.x, ratio * view.y);
  context.imageSmoothingEnabled = view.scale * image.factor < 3;
  if (element("show-image").checked && picture.naturalWidth) {
    context.drawImage(picture, 0, 0, picture.naturalWidth * image.factor, picture.naturalHeight * image.factor);
  }
  placeOverlay(context, ratio);
  if (selected >= 0) drawSelected(context, ratio);
  drawScale();
}

/* While the map moves and much is in view, the outlines of a moment ago move along; they are drawn anew at rest. */
function placeOverlay(context, ratio) {
  const same = overlayView && overlayView.scale === view.scale && overlayView.x === view.x && overlayView.y === view.y;
  if (!same) {
    const objects = visibleObjects();
    const vertices = objects.reduce((sum, i) => sum + verticesOf(i), 0);
    clearTimeout(timer);
    if (!overlayView || vertices < BUSY_VERTICES) drawOverlay(objects);
    else timer = setTimeout(() => redraw(true), 140);
  }
  const factor = view.scale / overlayView.scale;
  context.setTransform(factor, 0, 0, factor, ratio * (view.x - factor * overlayView.x), ratio * (view.y - factor * overlayView.y));
  context.imageSmoothingEnabled = true;
  context.drawImage(overlay, 0, 0);
}

function drawSelected(context, ratio) {
  context.setTransform(ratio * view.scale, 0, 0, ratio * view.scale, ratio * view.x, ratio * view.y);
  context.beginPath();
  tracePath(context, selected, 0);
  context.globalAlpha = 0.35; context.fillStyle = SELECTED; context.fill("evenodd"); context.globalAlpha = 1;
  context.lineJoin = "round";
  context.strokeStyle = "#fff"; context.lineWidth = 5 / view.scale; context.stroke();
  context.strokeStyle = SELECTED; context.lineWidth = 2.5 / view.scale; context.stroke();
}

function drawScale() {
  if (!image.pixel_size_m) return;
  const metresPerPixel = image.pixel_size_m[0] / view.scale;
  const longest = 130 * metresPerPixel, power = 10 ** Math.floor(Math.log10(longest));
  const length = power * (longest / power >= 5 ? 5 : longest / power >= 2 ? 2 : 1);
  element("scale").innerHTML = `${length >= 1000 ? number(length / 1000) + " km" : number(length) + " m"}<i style="width:${length / metresPerPixel}px"></i>`;
}

/* Objects */
function objectAt(screenX, screenY) {
  const x = (screenX - view.x) / view.scale, y = (screenY - view.y) / view.scale, least = Number(element("least").value);
  let best = -1;
  for (let i = 0; i < count; i++) {
    if (columns.score[i] >= least && contains(i, x, y) && (best < 0 || diameters[i] < diameters[best])) best = i;
  }
  return best;
}

const LABELS = {
  id: "Id", class: "Class", score: "Score", area_m2: "Area", perimeter_m: "Perimeter", diameter_m: "Diameter",
  area_px: "Area", perimeter_px: "Perimeter", diameter_px: "Diameter", centre_x: "Centre x", centre_y: "Centre y", image: "Image",
};
const UNITS = { area_m2: " m²", perimeter_m: " m", diameter_m: " m", area_px: " px", perimeter_px: " px", diameter_px: " px" };

function attributeText(name, value) {
  if (typeof value !== "number") return String(value ?? "–");
  if (name === "id") return String(value);
  if (name.startsWith("centre")) return value.toLocaleString("en", { maximumFractionDigits: Math.abs(value) > 360 ? 2 : 7, useGrouping: false });
  return number(value) + (UNITS[name] || "");
}

function fillTable(table, rows) {
  table.replaceChildren(...rows.map(([name, text]) => {
    const row = document.createElement("tr");
    for (const value of [name, text]) row.appendChild(document.createElement("td")).textContent = value;
    return row;
  }));
}

function select(i) {
  selected = i;
  redraw();
  markHistogram();
  if (i < 0) {
    element("object").innerHTML = '<p class="muted">Click an outline to see what is known of it.</p>';
    return;
  }
  const table = document.createElement("table");
  fillTable(table, Object.keys(columns).map((name) => [LABELS[name] || name, attributeText(name, columns[name][i])]));
  element("object").replaceChildren(table);
}

/* Pointers: one drags, two pinch, a short press without a move selects. */
const pointers = new Map();
let pressed = null;

canvas.addEventListener("pointerdown", (event) => {
  canvas.setPointerCapture(event.pointerId);
  pointers.set(event.pointerId, { x: event.offsetX, y: event.offsetY });
  pressed = pointers.size === 1 ? { x: event.offsetX, y: event.offsetY } : null;
});
canvas.addEventListener("pointermove", (event) => {
  showPlace(event.offsetX, event.offsetY);
  const before = pointers.get(event.pointerId);
  if (!before) return;
  const now = { x: event.offsetX, y: event.offsetY };
  if (pressed && Math.hypot(now.x - pressed.x, now.y - pressed.y) > 4) pressed = null;
  if (pointers.size === 1 && !pressed) { view.x += now.x - before.x; view.y += now.y - before.y; redraw(); }
  if (pointers.size === 2) {
    const other = [...pointers].find(([id]) => id !== event.pointerId)[1];
    const spread = Math.hypot(now.x - other.x, now.y - other.y) / Math.max(1, Math.hypot(before.x - other.x, before.y - other.y));
    zoomAt(spread, (now.x + other.x) / 2, (now.y + other.y) / 2);
    view.x += (now.x - before.x) / 2; view.y += (now.y - before.y) / 2;
  }
  if (!pressed) pointers.set(event.pointerId, now);
});
for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, (event) => {
  pointers.delete(event.pointerId);
  if (pressed && end === "pointerup") select(objectAt(event.offsetX, event.offsetY));
  pressed = null;
});
canvas.addEventListener("wheel", (event) => {
  event.preventDefault();
  zoomAt(Math.exp(-Math.max(-80, Math.min(80, event.deltaY)) / 240), event.offsetX, event.offsetY);
}, { passive: false });
canvas.addEventListener("dblclick", (event) => zoomAt(2, event.offsetX, event.offsetY));
const zoomCentre = (factor) => zoomAt(factor, canvas.clientWidth / 2, canvas.clientHeight / 2);
canvas.addEventListener("keydown", (event) => {
  const keys = {
    "+": () => zoomCentre(1.5), "=": () => zoomCentre(1.5), "-": () => zoomCentre(1 / 1.5), 0: fit, Escape: () => select(-1),
    ArrowLeft: () => { view.x += 60; redraw(); }, ArrowRight: () => { view.x -= 60; redraw(); },
    ArrowUp: () => { view.y += 60; redraw(); }, ArrowDown: () => { view.y -= 60; redraw(); },
  };
  if (keys[event.key]) { event.preventDefault(); keys[event.key](); }
});
element("zoom-in").addEventListener("click", () => zoomCentre(1.5));
element("zoom-out").addEventListener("click", () => zoomCentre(1 / 1.5));
element("fit").addEventListener("click", fit);
for (const id of ["show-outlines", "show-fill", "show-image", "colour", "least"]) element(id).addEventListener("input", () => {
  element("least-text").textContent = element("least").value;
  showLegend();
  redraw(true);
});

function showPlace(screenX, screenY) {
  const col = (screenX - view.x) / view.scale, row = (screenY - view.y) / view.scale;
  const [a, b, c, d, e, f] = image.transform;
  const x = a * col + b * row + c, y = d * col + e * row + f, digits = image.crs && Math.abs(x) <= 360 ? 6 : 1;
  element("place").textContent = `${x.toFixed(digits)}, ${y.toFixed(digits)}${image.crs ? "  " + image.crs : " px"}`;
}

function showLegend() {
  const by = element("colour").value;
  element("legend").hidden = !by;
  if (!by) return;
  const [low, high] = ranges[by];
  element("legend-low").textContent = number(low, 2) + (by === "size" ? " " + unitOf : "");
  element("legend-high").textContent = number(high, 2) + (by === "size" ? " " + unitOf : "");
}

/* Histogram of diameters, up to the 99th percentile; the last bar holds what is beyond. */
let bars = [], barWidth = 1;

function drawHistogram() {
  if (!count) { element("histogram-note").textContent = "No objects."; return; }
  const wanted = quantile(0.99) / 18, power = 10 ** Math.floor(Math.log10(wanted || 1));
  barWidth = power * [1, 2, 2.5, 5, 10].find((step) => step * power >= wanted - 1e-12);
  const many = Math.max(1, Math.floor(quantile(0.99) / barWidth) + 1);
  const counts = new Array(many).fill(0);
  for (const value of diameters) counts[Math.min(many - 1, Math.floor(value / barWidth))]++;
  const highest = Math.max(...counts), width = 316, height = 88, each = width / many;
  const parts = counts.map((bar, at) => {
    const tall = (height * bar) / highest, last = at === many - 1;
    const range = `${number(at * barWidth)} ${last ? "and more" : "to " + number((at + 1) * barWidth)} ${unitOf}: ${bar}`;
    return `<rect x="${at * each + 0.75}" y="${height - tall}" width="${Math.max(1, each - 1.5)}" height="${tall}" rx="1.5"><title>${range}</title></rect>`;
  });
  const every = Math.max(1, Math.ceil(many / 6));
  const ticks = counts.map((_, at) => at % every ? "" : `<text x="${at * each}" y="${height + 15}">${number(at * barWidth)}</text>`);
  element("histogram").innerHTML = `<svg viewBox="0 0 ${width} 110" role="img" aria-label="Histogram of diameters">${parts.join("")}<line x1="0" x2="${width}" y1="${height}" y2="${height}"/>${ticks.join("")}<text x="${width}" y="${height + 15}" text-anchor="end">${unitOf}</text></svg>`;
  bars = [...element("histogram").querySelectorAll("rect")];
  element("histogram-note").textContent = `Median ${number(quantile(0.5))} ${unitOf}, 90 of 100 between ${number(quantile(0.05))} and ${number(quantile(0.95))} ${unitOf}; circle of equal area.`;
}

function markHistogram() {
  const here = selected < 0 ? -1 : Math.min(bars.length - 1, Math.floor(diameters[selected] / barWidth));
  bars.forEach((bar, at) => bar.classList.toggle("here", at === here));
}

/* Panels */
function areaText(squareMetres) {
  return squareMetres >= 1e6 ? [number(squareMetres / 1e6), "km² of objects"]
    : squareMetres >= 1e4 ? [number(squareMetres / 1e4), "ha of objects"] : [number(squareMetres), "m² of objects"];
}

function fillTiles() {
  const summary = facts.summary, tiles = [[facts.total.toLocaleString("en"), "objects"]];
  if (typeof summary.area_m2 === "number") tiles.push(areaText(summary.area_m2));
  if (typeof summary.cover === "number") tiles.push([`${number(100 * summary.cover)} %`, "of the image covered"]);
  if (count) tiles.push([`${number(quantile(0.5))} ${unitOf}`, "median diameter"]);
  element("tiles").replaceChildren(...tiles.map(([value, label]) => {
    const tile = document.createElement("div");
    tile.className = "tile";
    tile.appendChild(document.createElement("b")).textContent = value;
    tile.appendChild(document.createElement("span")).textContent = label;
    return tile;
  }));
}

function fillHeader() {
  document.title = `${image.name} – overtrace`;
  element("name").textContent = image.name;
  const size = image.pixel_size_m ? `, ${number(image.pixel_size_m[0])} m a pixel` : ", scale unknown";
  element("about").textContent = `${image.width} × ${image.height} pixels${size}, ${image.crs || "no CRS"}`;
  const notes = [];
  if (count < facts.total) notes.push(`Drawn are ${count.toLocaleString("en")} of ${facts.total.toLocaleString("en")} objects, a sample that does not depend on size or place.`);
  if (facts.images > 1) notes.push(`This is the first of ${facts.images} images of the run; area, cover and time below are of all of them.`);
  element("note").hidden = !notes.length;
  element("note").textContent = notes.join(" ");
  element("footer").textContent = `Written by overtrace ${facts.version}. This page is one file and needs no network.`;
}

function fillCard() {
  const card = facts.card, host = element("card");
  const add = (text, name) => { const line = host.appendChild(document.createElement("p")); line.className = name; line.textContent = text; };
  const title = host.appendChild(document.createElement("p")).appendChild(document.createElement("b"));
  title.textContent = `${card.name} ${card.version} (${card.precision})`;
  add(card.summary, "");
  const table = host.appendChild(document.createElement("table"));
  fillTable(table, (card.scores || []).map((score) => [`${score.name}, ${score.data}`, number(score.value)]));
  for (const { cells } of table.rows) [cells[0].style.whiteSpace, cells[1].style.whiteSpace] = ["normal", "nowrap"];
  add(card.training, "muted licence");
  add(`Licence: ${card.licence}.`, "muted licence");
  for (const line of card.attribution || []) add(line, "muted");
}

function fillRun() {
  const summary = facts.summary, rows = [];
  if (typeof summary.megapixels === "number") rows.push(["Megapixels", number(summary.megapixels)]);
  for (const [stage, seconds] of Object.entries(summary.seconds || {})) rows.push([stage[0].toUpperCase() + stage.slice(1), `${number(seconds)} s`]);
  element("run-section").hidden = !rows.length;
  fillTable(element("run"), rows);
}

fillHeader();
fillTiles();
fillCard();
fillRun();
drawHistogram();
resize();
fit();
picture.decode().then(() => redraw(true), () => redraw(true));
window.addEventListener("resize", () => { resize(); redraw(); });
