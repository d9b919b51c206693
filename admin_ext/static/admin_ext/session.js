/** A session's page: what is seen of it at once, live while the session is, and its other parts. */

import { tellDrawn } from "../tracking/drawn.js";
import { granted, poll } from "./polling.js";
import { Axis } from "./session/axis.js";
import { Charts } from "./session/charts.js";
import { startHeatmap } from "./session/heatmap.js";
import { startReplay } from "./session/replay.js";
import { Series } from "./session/series.js";
import { startTimeline } from "./session/timeline.js";
import { startTips } from "./session/tips.js";
import { shown, write } from "./session/words.js";
import { exactly, local } from "./times.js";

const POLL_MS = 500;
// While something moves: what is new is to be drawn within a second of its movement.
const MOVING_POLL_MS = 150;
const MOVING_MS = 5_000;
// The report's numbers follow less closely than the charts.
const FACTS_MS = 1_000;
const LAG_MS = 250;
const LIVE_MS = 5 * 60_000;
const SECOND = 1_000;
// A live session that has just begun is shown on an axis of this length; one that has ended, on this.
const SHORTEST_LIVE_MS = 60_000;
const SHORTEST_MS = 10_000;

const page = document.getElementById("session");
const badge = page.querySelector("[data-live-badge]");
const axis = new Axis();
const series = new Series();
const firstAt = Date.parse(page.dataset.firstAt) || Infinity;
const lastAt = Date.parse(page.dataset.lastAt) || 0;
series.dataUntil = Date.parse(page.dataset.dataUntil) || 0;

// The service's clock, whatever the viewer's shows: what it was when the page came is known.
const [arrival] = performance.getEntriesByType("navigation");
const sinceArrival = arrival ? performance.now() - arrival.responseStart : 0;
const skew = Date.now() - sinceArrival - Date.parse(page.dataset.now);
const now = () => Date.now() - skew;
const isLive = () => now() - Math.max(lastAt, series.dataUntil) < LIVE_MS;
const start = (name, begin) => {
  const part = page.querySelector(`[${name}]`);
  return part && begin(part);
};

const heatmap = start("data-heat-url", (part) => startHeatmap(part));
const replay = start("data-trail-url", (part) => startReplay(part, axis));
const span = () => Math.max(lastAt, series.dataUntil) - firstAt;
const timeline = start("data-timeline-url", (part) => startTimeline(part, axis, { isLive, span }));
start("data-charts", watch);
startTips(page.querySelectorAll(".eye-why"));

/** Follows the pointer's series and the report's numbers. */
function watch(card) {
  const lag = card.querySelector("[data-lag]");
  const span = card.querySelector("[data-window]");
  const charts = new Charts(card, axis);
  // Which build of the report the page shows: the series counts in builds too.
  let built = Number(page.dataset.build);
  let etag = "";
  let changed = -Infinity;
  let asked = -Infinity;
  let trouble = "";

  function cover() {
    const live = isLive();
    const end = live ? now() : Math.max(lastAt, series.dataUntil, series.last + SECOND);
    const begin = Math.min(firstAt, series.first, end - (live ? SHORTEST_LIVE_MS : SHORTEST_MS));
    axis.cover(Math.max(Number(span.value) ? end - Number(span.value) * SECOND : begin, begin), end);
  }

  function draw() {
    cover();
    charts.draw(series);
    if (!series.isEmpty) tellDrawn(series.dataUntil);
  }

  /** The report's numbers, where they are of an older build than the series. */
  async function showFacts(signal) {
    if (series.cursor === built || performance.now() - asked < FACTS_MS) return;
    // There was no report when the page was made: now it has more to show than numbers.
    if (!built) return location.reload();
    asked = performance.now();
    const response = await fetch(page.dataset.reportUrl, { signal });
    if (!response.ok) return;
    const of = series.cursor;
    showReport(await response.json());
    built = of;
    heatmap?.refresh();
    replay?.refresh();
  }

  function showLag() {
    write(badge, isLive() ? "live" : "ended");
    badge.classList.toggle("eye-badge-success", isLive());
    badge.classList.toggle("eye-badge-neutral", !isLive());
    write(lag, lagInWords() + trouble);
  }

  /** The age goes on between the answers. */
  function tick() {
    if (document.hidden) return;
    showLag();
    if (!isLive()) clearInterval(ticking);
  }

  /** Asks for what changed since the last time. */
  async function ask(signal) {
    const headers = etag ? { "If-None-Match": etag } : {};
    const response = await fetch(`${page.dataset.pointerUrl}?since=${series.cursor}`, { headers, signal });
    if (response.status === 304) return;
    granted(response);
    etag = response.headers.get("ETag") || "";
    series.take(await response.json());
    changed = performance.now();
  }

  span.addEventListener("change", () => {
    axis.reset();
    draw();
  });
  axis.addEventListener("range", draw);
  const ticking = setInterval(tick, LAG_MS);
  poll(async (signal) => {
    await ask(signal);
    trouble = "";
    draw();
    showLag();
    await showFacts(signal);
    if (!isLive()) return false;
    return performance.now() - changed < MOVING_MS ? MOVING_POLL_MS : POLL_MS;
  }, POLL_MS, (words) => {
    trouble = ` · ${words}`;
    showLag();
  });
}

function showReport(report) {
  for (const place of page.querySelectorAll("[data-fact]")) {
    const value = report[place.dataset.fact];
    if (value !== undefined) write(place, shown(value, place.dataset.unit, Number(place.dataset.digits)));
  }
  const made = (name) => page.querySelector(`[data-made=${name}]`);
  write(made("revision"), shown(report.revision, "", 0));
  const computed = made("computed_at").firstElementChild;
  write(computed, local(Date.parse(report.computed_at)).slice(0, 19));
  computed.title = exactly(report.computed_at);
  showState(made("state").firstElementChild, report);
  made("why")?.remove();
  timeline?.count(report.events);
}

/** The same words as in Made.state. */
function showState(place, report) {
  const [words, kind] = report.final ? ["final", "info"] : report.stale ? ["stale", "warning"] : ["up to date", "success"];
  write(place, words);
  place.className = `eye-badge eye-badge-${kind}`;
}

function lagInWords() {
  if (!series.dataUntil) return "no pointer data yet";
  const until = `data up to ${local(series.dataUntil).slice(11, 21)}`;
  const age = Math.max(0, now() - series.dataUntil) / SECOND;
  return isLive() ? `${until}, ${age.toFixed(1)} s ago` : until;
}
