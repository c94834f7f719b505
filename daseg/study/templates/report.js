"use strict";
// What a browser adds to the report: tables that sort, a filter, curves to zoom, two pictures to
// compare. Without it the page shows the same numbers.

const data = JSON.parse(document.getElementById("data").textContent);

const make = (name, attributes = {}, ...children) => {
  const svg = ["svg", "g", "line", "polyline", "text", "rect"].includes(name);
  const element = svg
    ? document.createElementNS("http://www.w3.org/2000/svg", name)
    : document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
};

// --- tables that sort ---------------------------------------------------------------------------

const SECONDS = { d: 86400, h: 3600, min: 60, s: 1 };

// A number to sort by: 12.3 of "12.30 ± 0.40 (3)", 3720 of "1 h 2 min"; null for a text.
function numberOf(text) {
  const parts = [...text.matchAll(/([\d.]+) ?(d|h|min|s)(?![a-z])/g)];
  if (parts.length) return parts.reduce((sum, [, n, unit]) => sum + n * SECONDS[unit], 0);
  const found = text.match(/^[<≈ ]*(-?\d+(\.\d+)?)/);
  return found ? Number(found[1]) : null;
}

function sortBy(table, column, direction) {
  const keyed = [...table.tBodies[0].rows].map((row) => {
    const text = row.cells[column] ? row.cells[column].textContent.trim() : "";
    return { row, text, number: numberOf(text), empty: text === "" || text === "-" };
  });
  const numeric = keyed.every((each) => each.empty || each.number !== null);
  keyed.sort((a, b) => {
    if (a.empty || b.empty) return a.empty - b.empty; // what is not known comes last either way
    const order = numeric ? a.number - b.number : a.text.localeCompare(b.text);
    return direction === "ascending" ? order : -order;
  });
  table.tBodies[0].append(...keyed.map((each) => each.row));
  for (const [index, head] of [...table.tHead.rows[0].cells].entries()) {
    if (index === column) head.setAttribute("aria-sort", direction);
    else head.removeAttribute("aria-sort");
  }
}

for (const table of document.querySelectorAll("table")) {
  if (table.tBodies[0].rows.length < 2) continue;
  for (const [column, head] of [...table.tHead.rows[0].cells].entries()) {
    const button = make("button", { type: "button" }, head.textContent);
    button.addEventListener("click", () => {
      const next = head.getAttribute("aria-sort") === "descending" ? "ascending" : "descending";
      sortBy(table, column, next);
    });
    head.replaceChildren(button);
  }
}

// --- which rows are shown -----------------------------------------------------------------------

// The study's row that a text such as "row, seed 1" or "row (study's log)" is about.
const longestFirst = Object.keys(data.groups).sort((a, b) => b.length - a.length);
const rowOf = (text) =>
  longestFirst.find((name) => [name, `${name}, seed`, `${name} (`].some(
    (start, exact) => exact === 0 ? text === start : text.startsWith(start)));

const listeners = [];
let isShown = () => true;

const groups = [...new Set(Object.values(data.groups))];
const choice = make("select", { id: "group" }, make("option", { value: "*" }, "all"),
  ...groups.map((name) => make("option", { value: name }, name || "without a group")));
const words = make("input", { id: "words", type: "search", placeholder: "part of a name" });
const tools = make("form", { class: "tools", role: "search" },
  make("label", {}, "Group ", choice), make("label", {}, "Rows ", words));
tools.addEventListener("submit", (event) => event.preventDefault());
document.querySelector("nav").after(tools);

function filter() {
  const part = words.value.trim().toLowerCase();
  isShown = (name) => (choice.value === "*" || data.groups[name] === choice.value)
    && name.toLowerCase().includes(part);
  for (const head of document.querySelectorAll("tbody th, figure[data-row], details > summary")) {
    const name = head.dataset.row ?? rowOf(head.textContent.trim().replace(/: [\d.]*$/, ""));
    if (name === undefined) continue;
    (head.closest("tr, details") ?? head).hidden = !isShown(name);
  }
  listeners.forEach((listener) => listener());
}
choice.addEventListener("change", filter);
words.addEventListener("input", filter);

// --- curves that zoom ---------------------------------------------------------------------------

const LEFT = 46, RIGHT = 18, TOP = 8, BOTTOM = 24, HEIGHT = 260;
const names = Object.keys(data.groups);
const colourOf = (name) => `hsl(${(names.indexOf(name) * 137.5) % 360} 65% 48%)`;
const hidden = new Set(); // rows whose box in the legend is empty

// Round values between two ends, about `count` of them.
function ticks(low, high, count) {
  const raw = (high - low) / count, power = 10 ** Math.floor(Math.log10(raw));
  const step = power * ([1, 2, 5].find((each) => each * power >= raw) ?? 10);
  const found = [];
  for (let n = Math.ceil(low / step); n * step <= high; n += 1) found.push(n * step);
  return found;
}

function chart(key, title) {
  const runs = data.curves.filter((run) => run[key][0].length);
  if (!runs.length) return null;
  const all = runs.flatMap((run) => run[key][0]);
  const whole = [Math.min(...all), Math.max(...all)];
  if (whole[0] === whole[1]) whole[1] += 1;
  let shown = [...whole];
  const svg = make("svg", { tabindex: 0, role: "img", "aria-label":
    `${title}. Plus and minus zoom, the arrows move, 0 shows everything.` });
  const reading = make("output", { class: "faint" }, "\u00a0");
  let toX, toStep, points = [];

  function draw() {
    const width = Math.max(svg.clientWidth, 200);
    svg.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
    toX = (step) => LEFT + (step - shown[0]) / (shown[1] - shown[0]) * (width - LEFT - RIGHT);
    toStep = (x) => shown[0] + (x - LEFT) / (width - LEFT - RIGHT) * (shown[1] - shown[0]);
    const lines = runs.filter((run) => isShown(run.row) && !hidden.has(run.row)).map((run) => {
      const [steps, values] = run[key];
      const pairs = steps.map((step, index) => [step, values[index]]);
      return { run, pairs: pairs.filter(([, value]) => value !== null) };
    });
    const inside = ([step]) => step >= shown[0] && step <= shown[1];
    const seen = lines.flatMap(({ pairs }) => pairs.filter(inside).map(([, value]) => value));
    let low = seen.length ? Math.min(...seen) : 0, high = seen.length ? Math.max(...seen) : 1;
    const margin = (high - low || Math.abs(high) || 1) * 0.05;
    low -= margin; high += margin;
    const toY = (value) => TOP + (high - value) / (high - low) * (HEIGHT - TOP - BOTTOM);
    const parts = [];
    for (const value of ticks(low, high, 5)) {
      const y = toY(value);
      parts.push(make("line", { class: "grid", x1: LEFT, x2: width - RIGHT, y1: y, y2: y }));
      parts.push(make("text", { x: LEFT - 6, y: y + 4, "text-anchor": "end" },
        String(Number(value.toPrecision(4)))));
    }
    for (const step of ticks(...shown, width / 110)) {
      parts.push(make("text", { x: toX(step), y: HEIGHT - 8, "text-anchor": "middle" },
        String(Number(step.toPrecision(6)))));
    }
    points = [];
    for (const { run, pairs } of lines) {
      const near = pairs.filter(([step], index) => inside([step])
        || (pairs[index + 1] && inside(pairs[index + 1]))
        || (pairs[index - 1] && inside(pairs[index - 1])));
      const xy = near.map(([step, value]) => [toX(step), toY(value)]);
      const alone = xy.length === 1; // a line from a point to itself, with round ends, is a dot
      parts.push(make("polyline", { points: (alone ? [...xy, ...xy] : xy).map(
        (each) => each.join()).join(" "), stroke: colourOf(run.row), class: alone ? "dot" : "" }));
      near.forEach(([step, value], index) => {
        if (inside([step])) points.push({ run, step, value, x: xy[index][0], y: xy[index][1] });
      });
    }
    svg.replaceChildren(...parts);
  }

  function zoom(factor, centre = (shown[0] + shown[1]) / 2) {
    const ends = shown.map((end) => centre + (end - centre) * factor);
    if (ends[1] - ends[0] < (whole[1] - whole[0]) / 1000) return;
    shown = [Math.max(ends[0], whole[0]), Math.min(ends[1], whole[1])];
    draw();
  }
  function move(share) {
    const by = share * (shown[1] - shown[0]);
    const kept = Math.max(whole[0] - shown[0], Math.min(by, whole[1] - shown[1]));
    shown = shown.map((end) => end + kept);
    draw();
  }
  const reset = () => { shown = [...whole]; draw(); };
  const keys = { "+": () => zoom(0.5), "=": () => zoom(0.5), "-": () => zoom(2), "0": reset,
    Escape: reset, ArrowLeft: () => move(-0.25), ArrowRight: () => move(0.25) };
  svg.addEventListener("keydown", (event) => {
    if (!keys[event.key] || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    keys[event.key]();
  });
  svg.addEventListener("wheel", (event) => {
    if (!event.ctrlKey) return; // without Ctrl the wheel scrolls the page
    event.preventDefault();
    zoom(event.deltaY > 0 ? 1.25 : 0.8, toStep(event.offsetX));
  }, { passive: false });
  svg.addEventListener("dblclick", reset);

  let start = null, band = null;
  svg.addEventListener("pointerdown", (event) => {
    start = event.offsetX;
    svg.setPointerCapture(event.pointerId);
    band = make("rect", { class: "selected", y: TOP, height: HEIGHT - TOP - BOTTOM, width: 0 });
    svg.append(band);
  });
  svg.addEventListener("pointermove", (event) => {
    if (start !== null) {
      band.setAttribute("x", Math.min(start, event.offsetX));
      band.setAttribute("width", Math.abs(event.offsetX - start));
      return;
    }
    const distance = (p) => Math.hypot(p.x - event.offsetX, p.y - event.offsetY);
    const nearest = points.reduce((a, b) => (a && distance(a) <= distance(b) ? a : b), null);
    reading.textContent = nearest
      ? `${nearest.run.row}, seed ${nearest.run.seed}: ${Number(nearest.value.toPrecision(4))}`
        + ` at iteration ${nearest.step}` : "\u00a0";
  });
  svg.addEventListener("pointerup", (event) => {
    const ends = [start, event.offsetX].sort((a, b) => a - b);
    start = null;
    if (ends[1] - ends[0] > 6) {
      shown = [Math.max(toStep(ends[0]), whole[0]), Math.min(toStep(ends[1]), whole[1])];
    }
    draw();
  });
  svg.addEventListener("pointercancel", () => { start = null; draw(); });
  listeners.push(draw);
  new ResizeObserver(draw).observe(svg);
  return make("figure", { class: "chart" },
    make("figcaption", {}, `${title}: drag to zoom, double-click for everything`), svg, reading);
}

const drawn = document.getElementById("curves");
if (drawn) {
  const charts = [
    chart("loss", "training loss (moving average)"), chart("mIoU", "validation mIoU (%)")];
  const logged = data.curves.filter((run) => run.loss[0].length || run.mIoU[0].length);
  const rows = [...new Set(logged.map((run) => run.row))];
  const legend = make("div", { class: "legend" }, ...rows.map((name) => {
    const box = make("input", { type: "checkbox", checked: "" });
    box.addEventListener("change", () => {
      if (box.checked) hidden.delete(name); else hidden.add(name);
      listeners.forEach((listener) => listener());
    });
    const line = make("span");
    line.style.borderColor = colourOf(name);
    const label = make("label", {}, box, line, name);
    listeners.push(() => { label.hidden = !isShown(name); });
    return label;
  }));
  for (let next = drawn.nextElementSibling; next?.tagName === "FIGURE";
    next = next.nextElementSibling) next.hidden = true; // the same curves as pictures
  drawn.after(...charts.filter(Boolean), legend);
  listeners.forEach((listener) => listener()); // at once: an observer waits for the next frame
}

// --- two pictures, one over the other -----------------------------------------------------------

const pictures = [...document.querySelectorAll("figure[data-row]")];
if (pictures.length > 1) {
  const choose = (label, index) => {
    const select = make("select", { "aria-label": label }, ...pictures.map((figure, place) =>
      make("option", { value: place }, figure.querySelector("figcaption").textContent)));
    select.value = index;
    return select;
  };
  const sides = [choose("picture on the left", 0), choose("picture on the right", 1)];
  const images = [make("img"), make("img")];
  const slider = make("input", { type: "range", min: 0, max: 100, value: 50,
    "aria-label": "how much of the left picture is shown" });
  const show = () => {
    // The left picture lies above and is cut off at the slider.
    [sides[1], sides[0]].forEach((select, layer) => {
      const image = pictures[select.value].querySelector("img");
      images[layer].src = image.src;
      images[layer].alt = image.alt;
    });
    images[1].style.clipPath = `inset(0 ${100 - slider.value}% 0 0)`;
  };
  [...sides, slider].forEach((control) => control.addEventListener("input", show));
  show();
  pictures[0].before(make("figure", { class: "viewer" },
    make("div", { class: "choices" }, ...sides), make("div", {}, ...images), slider));
}
