/** The dashboard's three charts, each with its numbers as a table. */

import { colour } from "./polling.js";
import { number } from "./session/words.js";
import { local } from "./times.js";

const DAY_SECONDS = 86_400;
const WEEK_SECONDS = 7 * DAY_SECONDS;
const PER = new Map([
  [60, "minute"],
  [300, "5 minutes"],
  [900, "15 minutes"],
  [3_600, "hour"],
  [21_600, "6 hours"],
  [DAY_SECONDS, "day"],
  [WEEK_SECONDS, "week"],
  [4 * WEEK_SECONDS, "4 weeks"],
  [13 * WEEK_SECONDS, "13 weeks"],
  [52 * WEEK_SECONDS, "52 weeks"],
]);
const CHARTS = {
  arrivals: {
    stacked: true,
    parts: [
      { key: "stored", label: "Stored", colour: "--eye-speed" },
      { key: "duplicate", label: "Duplicate", colour: "--eye-quiet" },
      { key: "rejected", label: "Rejected", colour: "--eye-trouble" },
    ],
  },
  sessions: { parts: [{ key: "sessions", label: "Active sessions", colour: "--eye-speed", line: true }] },
  pointer: {
    parts: [
      { key: "moving", label: "Moving time (s)", colour: "--eye-speed", line: true, axis: "right" },
      { key: "distance", label: "Distance (px)", colour: "--eye-distance" },
    ],
  },
};

const short = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });
let shown = null;

function colours(name, line) {
  const full = colour(name);
  const surface = `color-mix(in srgb, ${full} 18%, transparent)`;
  return { borderColor: full, backgroundColor: line ? surface : full };
}

function dataset({ label, line, axis, colour: name }) {
  const drawn = line
    ? { type: "line", stepped: "middle", pointRadius: 0, pointHitRadius: 8, borderWidth: 2, fill: !axis }
    : { barPercentage: 1, categoryPercentage: 0.86, borderRadius: 2 };
  return { label, data: [], yAxisID: axis ?? "left", name, ...drawn, ...colours(name, line) };
}

function axis(position, stacked) {
  return {
    position,
    stacked,
    suggestedMax: 10,
    beginAtZero: true,
    border: { display: false },
    ticks: { precision: 0, maxTicksLimit: 5, callback: (value) => short.format(value) },
    grid: { drawOnChartArea: position === "left" },
    // As wide for 5 as for 50,000, so that the bars stay where they are.
    afterFit: (scale) => Object.assign(scale, { width: 52 }),
  };
}

function made(id, { parts, stacked = false }) {
  const right = parts.some((part) => part.axis) ? { right: axis("right", false) } : {};
  return new Chart(document.getElementById(id), {
    type: "bar",
    data: { labels: [], datasets: parts.map(dataset) },
    options: {
      animation: false,
      maintainAspectRatio: false,
      interaction: { mode: "index", intersect: false },
      onClick: (_, [hit]) => hit && location.assign(into(hit.index)),
      plugins: { legend: { display: parts.length > 1, align: "end", labels: { boxWidth: 12, boxHeight: 12 } } },
      scales: {
        x: { stacked, ticks: { maxTicksLimit: 13, maxRotation: 0 }, grid: { display: false } },
        left: axis("left", stacked),
        ...right,
      },
    },
  });
}

const charts = Object.fromEntries(Object.entries(CHARTS).map(([id, chart]) => [id, made(id, chart)]));

/** In the colours of the theme. */
export function repaint() {
  for (const chart of Object.values(charts)) {
    for (const set of chart.data.datasets) Object.assign(set, colours(set.name, set.type === "line"));
    for (const scale of Object.values(chart.options.scales)) {
      scale.ticks.color = colour("--eye-subtle");
      scale.grid.color = colour("--eye-line");
    }
    chart.options.plugins.legend.labels.color = colour("--eye-subtle");
    chart.update();
  }
}

/** The dashboard of one bucket alone. */
function into(place) {
  const { buckets, to } = shown;
  const query = new URLSearchParams(location.search);
  for (const name of ["period", "zone"]) query.delete(name);
  query.set("from", inUtc(buckets[place].start));
  query.set("to", inUtc(buckets[place + 1]?.start ?? to));
  return `?${query}`;
}

/** For an address, which means the same everywhere. */
function inUtc(seconds) {
  return `${new Date(seconds * 1000).toISOString().slice(0, 16)}Z`;
}

/** Like `2026-01-31 12:00`. */
export function minute(seconds) {
  return local(seconds * 1000).slice(0, 16);
}

/** As much of the time as tells one bucket from the others. */
function label(seconds) {
  const { from, to, bucket_seconds } = shown;
  if (bucket_seconds >= DAY_SECONDS) return minute(seconds).slice(0, 10);
  return to - from > DAY_SECONDS * 1.1 ? minute(seconds).slice(5) : minute(seconds).slice(11);
}

function say(id, parts) {
  const sums = parts.map(({ key, label: name }) => {
    const most = shown.buckets.reduce((one, other) => (other[key] > one[key] ? other : one));
    return `${name}: at most ${number(most[key])}${most[key] ? `, from ${minute(most.start)}` : ""}`;
  });
  const canvas = document.getElementById(id);
  canvas.setAttribute("aria-label", `From ${minute(shown.from)} to ${minute(shown.to)}. ${sums.join(". ")}.`);
}

function cell(row, text, isHead) {
  const made = document.createElement(isHead ? "th" : "td");
  if (isHead) made.scope = "col";
  made.textContent = text;
  row.append(made);
  return made;
}

function tabulate(details, parts) {
  const head = document.createElement("tr");
  cell(head, "From", true);
  for (const part of parts) cell(head, part.label, true).className = "eye-right";
  const rows = shown.buckets.map((bucket, place) => {
    const row = document.createElement("tr");
    const link = Object.assign(document.createElement("a"), { href: into(place), className: "eye-link" });
    link.textContent = minute(bucket.start);
    cell(row, "").append(link);
    for (const { key } of parts) cell(row, number(bucket[key])).className = "eye-right";
    return row;
  });
  details.querySelector("thead").replaceChildren(head);
  details.querySelector("tbody").replaceChildren(...rows.reverse());
}

function tabulateIfOpen(id) {
  const details = document.querySelector(`[data-chart="${id}"] details`);
  const isInUse = details.querySelector("tbody").matches(":focus-within");
  if (details.open && !isInUse) tabulate(details, CHARTS[id].parts);
}

export function draw(answer) {
  shown = answer;
  const labels = answer.buckets.map(({ start }) => label(start));
  for (const [id, chart] of Object.entries(charts)) {
    chart.data.labels = labels;
    CHARTS[id].parts.forEach(({ key }, place) => {
      chart.data.datasets[place].data = answer.buckets.map((bucket) => bucket[key]);
    });
    chart.update("none");
    say(id, CHARTS[id].parts);
    tabulateIfOpen(id);
    document.querySelector(`[data-chart="${id}"] [data-per]`).textContent = `per ${PER.get(answer.bucket_seconds)}`;
  }
}

for (const id of Object.keys(charts)) {
  document.querySelector(`[data-chart="${id}"] details`).addEventListener("toggle", () => tabulateIfOpen(id));
}
repaint();
