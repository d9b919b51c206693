/** A session's page: its speed and distance second by second, live while the session is. */

import { tellDrawn } from "../tracking/drawn.js";
import { clock, colour, poll, whenThemeChanges } from "./polling.js";

const POLL_MS = 500;
// While something moves: what is new is to be drawn within a second of its movement.
const MOVING_POLL_MS = 150;
const MOVING_MS = 5_000;
// The report's numbers follow less closely than the charts.
const FACTS_MS = 1_000;
const LAG_MS = 250;
const LIVE_MS = 5 * 60_000;
const SECOND = 1_000;
// A live session that has just begun is shown on an axis of this length.
const SHORTEST_MS = 60_000;
// Peaks measure the sampler as much as the hand: they are cut where they would flatten the mean.
const PEAK_PER_MEAN = 3;

const page = document.getElementById("session");
const lag = page.querySelector("[data-lag]");
const span = page.querySelector("[data-window]");
const badge = page.querySelector("[data-live-badge]");
const seconds = new Map();
// Which build of the report the page shows: the series counts in builds too.
let built = Number(page.dataset.build);
let cursor = 0;
let etag = "";
let changed = -Infinity;
let asked = -Infinity;
let trouble = "";
let dataUntil = Date.parse(page.dataset.dataUntil) || 0;
let lastAt = Date.parse(page.dataset.lastAt) || 0;

const isLive = () => Date.now() - Math.max(lastAt, dataUntil) < LIVE_MS;

/** The same text as Fact.shown and display.duration write on the server. */
function shown(value, unit, digits) {
  if (value === null) return "–";
  if (unit === "duration") return duration(value);
  return value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

function duration(ms) {
  if (ms < SECOND) return `${ms.toFixed(0)} ms`;
  const s = ms / SECOND;
  if (s < 59.95) return `${s.toFixed(1)} s`;
  const two = (n) => String(Math.floor(n)).padStart(2, "0");
  if (s < 3600) return `${Math.floor(s / 60)} min ${two(s % 60)} s`;
  if (s < 86400) return `${Math.floor(s / 3600)} h ${two((s % 3600) / 60)} min`;
  return `${Math.floor(s / 86400).toLocaleString("en")} d ${two((s % 86400) / 3600)} h`;
}

function line(label, options = {}) {
  return { label, data: [], borderWidth: 2, pointRadius: 0, pointHitRadius: 8, ...options };
}

function plot(id, datasets) {
  return new Chart(document.getElementById(id), {
    type: "line",
    data: { datasets },
    options: {
      animation: false,
      parsing: false,
      normalized: true,
      maintainAspectRatio: false,
      interaction: { mode: "index", intersect: false },
      plugins: {
        legend: { display: false },
        tooltip: { callbacks: { title: ([item]) => (item ? `${clock(item.parsed.x)} UTC` : "") } },
      },
      scales: {
        x: {
          type: "linear",
          grid: { display: false },
          ticks: { maxTicksLimit: 8, maxRotation: 0, includeBounds: false, callback: (value) => clock(value) },
        },
        y: {
          beginAtZero: true,
          suggestedMax: 100,
          border: { display: false },
          ticks: { maxTicksLimit: 5 },
          grid: {},
          afterFit: (axis) => Object.assign(axis, { width: 56 }),
        },
      },
    },
  });
}

const speed = plot("speed", [line("mean while moving"), line("peak", { borderWidth: 1.25 })]);
const distance = plot("distance", [line("distance", { stepped: "middle", fill: true, borderWidth: 1.25 })]);

function paint() {
  const [mean, peak] = speed.data.datasets;
  const [area] = distance.data.datasets;
  mean.borderColor = mean.backgroundColor = colour("--eye-speed");
  peak.borderColor = peak.backgroundColor = colour("--eye-quiet");
  area.borderColor = colour("--eye-distance");
  area.backgroundColor = `${colour("--eye-distance")}55`;
  for (const chart of [speed, distance]) {
    for (const axis of Object.values(chart.options.scales)) {
      axis.ticks.color = colour("--eye-subtle");
      axis.grid.color = colour("--eye-line");
    }
    chart.update();
  }
}

/** The rows of the window, with zeros where the pointer rested: a pause is no slope. */
function windowed() {
  const end = isLive() ? Date.now() : Math.max(...seconds.keys()) + SECOND;
  const first = Math.min(...seconds.keys());
  const begin = isLive() ? Math.min(first - SECOND, end - SHORTEST_MS) : first - SECOND;
  const start = Math.max(end - Number(span.value) * SECOND, begin);
  const rows = [];
  for (let at = Math.ceil(start / SECOND) * SECOND; at < end; at += SECOND) {
    const row = seconds.get(at);
    if (row || (at >= first && at <= (dataUntil || end))) rows.push([at, row ?? REST]);
  }
  return { start, end, rows };
}

function top(rows) {
  const highest = (name) => Math.max(0, ...rows.map(([, row]) => row[name] ?? 0));
  const [mean, peak] = [highest("mean_speed"), highest("peak_speed")];
  if (mean <= 0 || peak <= PEAK_PER_MEAN * mean) return undefined;
  const step = 10 ** Math.floor(Math.log10(PEAK_PER_MEAN * mean));
  return Math.ceil((PEAK_PER_MEAN * mean) / step) * step;
}

const REST = { mean_speed: 0, peak_speed: 0, distance_px: 0 };

function draw() {
  page.querySelector("[data-nothing]").hidden = seconds.size > 0;
  if (!seconds.size) return;
  const { start, end, rows } = windowed();
  const points = (name) => rows.map(([x, row]) => ({ x, y: row[name] ?? 0 }));
  speed.data.datasets[0].data = points("mean_speed");
  speed.data.datasets[1].data = points("peak_speed");
  distance.data.datasets[0].data = points("distance_px");
  speed.options.scales.y.max = top(rows);
  for (const chart of [speed, distance]) {
    Object.assign(chart.options.scales.x, { min: start, max: end });
    chart.update("none");
  }
  tellDrawn(dataUntil);
}

function take(series) {
  if (series.reset) seconds.clear();
  for (const row of series.seconds) seconds.set(Date.parse(row.second), row);
  cursor = series.cursor;
  if (series.data_until) dataUntil = Date.parse(series.data_until);
}

/** The report's numbers, where they are of an older build than the series. */
async function showFacts(signal) {
  if (cursor === built || performance.now() - asked < FACTS_MS) return;
  // There was no report when the page was made: now it has more to show than numbers.
  if (!built) return location.reload();
  asked = performance.now();
  const response = await fetch(page.dataset.reportUrl, { signal });
  if (!response.ok) return;
  const of = cursor;
  const report = await response.json();
  built = of;
  for (const place of page.querySelectorAll("[data-fact]")) {
    const value = report[place.dataset.fact];
    if (value !== undefined) {
      place.textContent = shown(value, place.dataset.unit, Number(place.dataset.digits));
    }
  }
}

function write(place, text) {
  if (place.textContent !== text) place.textContent = text;
}

function showLag() {
  write(badge, isLive() ? "live" : "ended");
  badge.classList.toggle("eye-badge-success", isLive());
  badge.classList.toggle("eye-badge-neutral", !isLive());
  write(lag, lagInWords() + trouble);
}

function lagInWords() {
  if (!dataUntil) return "no pointer data yet";
  const until = `data up to ${new Date(dataUntil).toISOString().slice(11, 21)} UTC`;
  const age = Math.max(0, Date.now() - dataUntil) / SECOND;
  return isLive() ? `${until}, ${age.toFixed(1)} s ago` : until;
}

/** Asks for what changed since the last time. */
async function ask(signal) {
  const headers = etag ? { "If-None-Match": etag } : {};
  const response = await fetch(`${page.dataset.pointerUrl}?since=${cursor}`, { headers, signal });
  if (response.status === 304) return;
  if (!response.ok) throw new Error(response.status);
  etag = response.headers.get("ETag") || "";
  take(await response.json());
  changed = performance.now();
}

span.addEventListener("change", draw);
paint();
whenThemeChanges(paint);
setInterval(showLag, LAG_MS);
poll(async (signal) => {
  await ask(signal);
  trouble = "";
  draw();
  showLag();
  await showFacts(signal);
  if (!isLive()) return false;
  return performance.now() - changed < MOVING_MS ? MOVING_POLL_MS : POLL_MS;
}, POLL_MS, () => {
  trouble = " · the service does not answer; trying again";
  showLag();
});
