"use strict";

const facts = JSON.parse(document.getElementById("facts").textContent);
const element = (id) => document.getElementById(id);
const KIND_COLOURS = ["hit", "merged", "split", "badly", "alone", "cut", "out"].map((name) => `var(--${name})`);
const LAYERS = [
  ["hit", "hit: detection that is right"],
  ["false", "false: detection that is wrong"],
  ["missed", "missed: object that no detection hits"],
  ["cut", "detection cut by the cap"],
];
const LEFT_OUT = KIND_COLOURS.length - 1;
const ROWS = 50;
const PARTS = { itc: "Data sets", deepglobe: "Cities", trees: "The set", sceneparsing: "Classes", camvid: "Classes" };

function addSection(id, title, note, ...children) {
  element("main").append(make("section", { id }, make("h2", {}, title), note ? make("p", { class: "muted" }, note) : null, ...children));
  element("contents").append(make("a", { href: `#${id}` }, title));
}

const totalOf = (tally, k) => tally.counts.reduce((sum, row) => sum + row[k], 0);
const sizeOf = (tally) => tally.kinds.reduce((sum, kind, k) => sum + totalOf(tally, k), 0);
const imageColumn = (name) => facts.images.columns[facts.images.names.indexOf(name)];
const rowCount = facts.images.columns.length ? facts.images.columns[0].length : 0;

function fillHeader() {
  document.title = `${facts.protocol} ${Number(facts.score).toFixed(4)} – overtrace score`;
  element("protocol").textContent = facts.protocol;
  element("score").textContent = Number(facts.score).toFixed(4);
  element("score-full").textContent = `score, in full ${facts.score}`;
  const tiles = [[facts.profile, "profile"], [`overtrace ${facts.version}`, "scorer"], [rowCount.toLocaleString("en"), "images"]];
  if (facts.tallies.length) {
    const [objects, detections] = facts.tallies;
    tiles.push([(sizeOf(objects) - totalOf(objects, LEFT_OUT)).toLocaleString("en"), "objects that count"], [sizeOf(detections).toLocaleString("en"), "detections"]);
    tiles.push([totalOf(objects, 0).toLocaleString("en"), "hits"], [totalOf(objects, 4).toLocaleString("en"), "missed"], [totalOf(detections, 4).toLocaleString("en"), "false"]);
  }
  element("tiles").append(...tiles.map(([value, name]) => make("div", { class: "tile" }, make("b", { class: /^[\d,]+$/.test(value) ? "" : "words" }, value), make("span", {}, name))));
  element("notes").append(...facts.notes.map((note) => make("li", {}, note)));
  element("footer").textContent = `Written by overtrace ${facts.version}. Everything on this page is in this file.`;
}

function fillParts() {
  const long = facts.parts.columns.length && facts.parts.columns[0].length > 30;
  addSection("parts", PARTS[facts.protocol] || "Parts", "", makeTable({ ...facts.parts, page: long ? 30 : Infinity }));
}

function fillCurves() {
  if (!facts.curves.length) return;
  const note = "How many of the detections are right, down to each share of the objects that was found. Precision is made monotone and read at 101 recalls, as COCO does; AP is their mean.";
  addSection("curves", "Precision and recall", note, make("div", { class: "charts" }, ...facts.curves.map(drawCurve)));
}

function fillErrors() {
  if (!facts.tallies.length) return;
  const about = (tally) => tally.title.includes(" by size") ? "size" : tally.title.includes(" by confidence") ? "confidence" : "kind";
  const of = (what) => facts.tallies.filter((tally) => about(tally) === what).map((tally) => drawTally(tally, KIND_COLOURS));
  const rows = facts.kinds.map((kind) => make("tr", {}, make("td", { class: "text" }, make("b", {}, kind[0])), make("td", { class: "words" }, kind[1]), make("td", { class: "words" }, kind[2])));
  const meaning = make("div", { class: "scroll" }, make("table", { class: "kinds" },
    make("thead", {}, make("tr", {}, make("th", { class: "text" }, "kind"), make("th", { class: "text" }, "an object"), make("th", { class: "text" }, "a detection"))),
    make("tbody", {}, ...rows)));
  addSection("kinds", "Errors by kind", "Each object and each detection is of exactly one kind, the first below that fits.", ...of("kind"), make("h3", {}, "What the kinds mean"), meaning);
  const sizes = of("size");
  if (sizes.length) addSection("sizes", "Errors by size", "Objects by their own area, detections by theirs.", ...sizes);
  if (facts.reliability) fillReliability(of("confidence"));
}

function fillReliability(tables) {
  const found = facts.reliability;
  const same = found.detections.filter(Boolean).length < 2;
  const ideal = found.edges[0] === 0 && found.edges[found.edges.length - 1] === 1;
  const note = same ? "Nearly all detections have the same confidence, which therefore says nothing of them."
    : `Bars: the share of detections of a confidence that are hits.${ideal ? " Dots: at the mean confidence of each bin; on the dashed line, a confidence of 0.8 would mean that 80 % are right." : ""}`;
  addSection("confidence", "Errors by confidence", note, make("div", { class: "charts" }, drawReliability(found)), ...tables);
}

function fillTables() {
  for (const [i, table] of facts.tables.entries()) addSection(`table-${i}`, table.title, table.note, makeTable(table));
}

function fillImages() {
  const shown = new Set([...facts.pictures, ...facts.labelPictures].map((picture) => picture.row));
  const errors = facts.images.names.findIndex((name) => name === "errors" || name === "accuracy");
  const link = (i) => (shown.has(i) ? make("a", { href: `#picture-${i}` }, "picture") : null);
  const down = facts.images.names[errors] === "errors";
  const counted = " Merged, split and badly outlined count objects; errors count all objects and detections that are no hit, but not what a cap cuts or loses.";
  addSection("images", "Images", `Click a heading to sort.${facts.tallies.length ? counted : ""}`, makeTable({ ...facts.images, page: ROWS, sortBy: errors, down, link: shown.size ? link : null }));
}

function drawPicture(picture) {
  const [left, top, width, height] = picture.frame;
  const svg = draw("svg", { viewBox: `${left} ${top} ${width} ${height}`, role: "img", "aria-label": `Outlines of ${picture.name}` });
  svg.append(draw("rect", { class: "ground", x: left, y: top, width, height }));
  if (picture.photo) svg.append(draw("image", { href: picture.photo, x: 0, y: 0, width, height, preserveAspectRatio: "none" }));
  for (const [layer] of [...LAYERS].reverse()) {
    const own = picture.outlines.filter((outline) => outline[0] === layer);
    if (!own.length) continue;
    svg.append(draw("g", { class: layer }, layer === "cut" ? null : draw("path", { class: "halo", d: own.map((outline) => outline[2]).join("") }),
      ...own.map((outline) => draw("path", { class: `outline ${layer}`, d: outline[2] }, draw("title", {}, outline[1])))));
  }
  const dots = picture.outlines.length > 0 && picture.outlines.every((outline) => outline[2].endsWith("h0"));
  const of = picture.part ? `${picture.part}: ` : "";
  const figure = make("figure", { id: `picture-${picture.row}`, class: dots ? "dots" : "" }, svg, make("figcaption", { class: "muted" },
    make("b", {}, `${of}${picture.name}`), ` – ${picture.note}${picture.why ? ` (${picture.why})` : ""}`));
  svg.addEventListener("click", () => figure.classList.toggle("wide"));
  return figure;
}

function fillPictures() {
  if (!facts.pictures.length) return;
  const pictures = make("div", { class: "pictures" }, ...facts.pictures.map(drawPicture));
  const used = LAYERS.filter(([layer]) => facts.pictures.some((picture) => picture.outlines.some((outline) => outline[0] === layer)));
  const legend = make("div", { class: "legend" }, ...used.map(([layer, told]) => {
    const box = make("input", { type: "checkbox", id: `show-${layer}` });
    box.checked = true;
    box.addEventListener("change", () => pictures.classList.toggle(`without-${layer}`, !box.checked));
    const line = draw("svg", { viewBox: "0 0 30 10", "aria-hidden": "true" }, draw("rect", { class: "ground", width: 30, height: 10, rx: 2 }), draw("path", { class: `outline ${layer}`, d: "M2 5H28" }));
    return make("label", {}, box, line, told);
  }));
  const ground = facts.photosAsked ? "" : " Give --images FOLDER to see them over the photos.";
  addSection("pictures", "Worst images", `Those with the most errors. Point at an outline to read its kind, click a picture to enlarge it.${ground}`, legend, pictures);
}

function fillLabelPictures() {
  if (!facts.labelPictures.length) return;
  const panel = (url, title) => (url ? make("div", {}, make("span", { class: "muted" }, title), make("img", { src: url, alt: title })) : null);
  const share = (count, whole) => percent(count, whole);
  const figures = facts.labelPictures.map((picture) => {
    const truth = picture.classes.reduce((sum, one) => sum + one[2], 0);
    const classes = picture.classes.map(([name, colour, inTruth, inAnswer]) => make("span", {},
      make("span", { class: "swatch", style: `background:${colour}` }), `${name} ${share(inTruth, truth)} → ${share(inAnswer, truth)}`));
    const figure = make("figure", { id: `picture-${picture.row}` },
      make("figcaption", {}, make("b", {}, picture.name), make("span", { class: "muted" }, ` – ${picture.note}${picture.why ? ` (${picture.why})` : ""}`)),
      make("div", { class: "panels" }, panel(picture.photo, "photo"), panel(picture.truth, "truth"), panel(picture.answer, "answer"), panel(picture.wrong, "wrong pixels")),
      make("div", { class: "classes muted" }, ...classes));
    figure.addEventListener("click", () => figure.classList.toggle("wide"));
    return figure;
  });
  const note = "Those with the smallest share of right pixels. Wrong pixels are amber, right ones grey; black does not count. Below each, its classes with their share in the truth and in the answer. Click one to enlarge it.";
  addSection("pictures", "Worst images", note, make("div", { class: "labelled" }, ...figures));
}

fillHeader();
fillParts();
fillCurves();
fillErrors();
fillTables();
fillImages();
fillPictures();
fillLabelPictures();
