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
import { number, shorten, shown, visible, write } from "./session/words.js";
import { exactly, LIVE_MS, local } from "./times.js";

const POLL_MS = 500;
// While something moves: what is new is to be drawn within a second of its movement.
const MOVING_POLL_MS = 150;
const MOVING_MS = 5_000;
// The report's numbers follow less closely than the charts.
const FACTS_MS = 1_000;
const LAG_MS = 250;
const SECOND = 1_000;
// A live session that has just begun is shown on an axis of this length; one that has ended, on this.
const SHORTEST_LIVE_MS = 60_000;
const SHORTEST_MS = 10_000;
// How long the report of a session that has ended is waited for.
const AWAITED_MS = 2_000;
const MOST_AWAITED = 30;
// As many as in session_page.py.
const CATEGORIES = 10;
const MOST_OF_A_CATEGORY = 40;

const page = document.getElementById("session");
const badge = page.querySelector("[data-live-badge]");
const axis = new Axis();
const series = new Series();
let firstAt = Date.parse(page.dataset.firstAt) || Infinity;
let lastAt = Date.parse(page.dataset.lastAt) || 0;
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
  let isStale = "stale" in page.dataset;
  let awaited = 0;
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
    const response = granted(await fetch(page.dataset.reportUrl, { signal }));
    asked = performance.now();
    const of = series.cursor;
    const report = await response.json();
    showReport(report);
    isStale = report.stale;
    built = of;
    heatmap?.refresh();
    replay?.refresh();
  }

  /** Of a session that has ended: until its report is there, and is of all its events. */
  function pauseUntilReport() {
    const isThere = built && built === series.cursor && !isStale;
    awaited += 1;
    return !isThere && awaited <= MOST_AWAITED && AWAITED_MS;
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
    draw();
    await showFacts(signal);
    trouble = "";
    showLag();
    if (!isLive()) return pauseUntilReport();
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
  showMoment(made("computed_at").firstElementChild, report.computed_at);
  showState(made("state").firstElementChild, report);
  if (!report.stale) page.querySelector("[data-stale-badge]")?.remove();
  made("why")?.remove();
  showCategories(report.by_category);
  if (report.ended_at) showSpan(report);
  timeline?.count(report.events);
}

/** As display.moment does. */
function showMoment(place, timestamp) {
  if (!place || place.title === exactly(timestamp)) return;
  write(place, local(Date.parse(timestamp)).slice(0, 19));
  place.title = exactly(timestamp);
  place.dateTime = timestamp;
}

function showSpan({ started_at, ended_at }) {
  firstAt = Date.parse(started_at);
  lastAt = Date.parse(ended_at);
  const [begin, end] = page.querySelectorAll("[data-span] time");
  showMoment(begin, started_at);
  showMoment(end, ended_at);
}

/** How many events have each category: the largest ones, as in SessionPage.categories. */
function showCategories(counts) {
  const largest = Object.entries(counts).sort(([, a], [, b]) => b - a).slice(0, CATEGORIES);
  page.querySelectorAll("[data-category]").forEach((row) => row.remove());
  page.querySelector("[data-facts]").append(...largest.map((counted) => category(...counted)));
}

function category(name, count) {
  const row = document.createElement("div");
  row.dataset.category = "";
  const [title, value] = ["dt", "dd"].map((tag) => document.createElement(tag));
  const text = document.createElement("bdi");
  text.textContent = visible(shorten(name, MOST_OF_A_CATEGORY));
  title.append(text, " events");
  value.textContent = number(count);
  row.append(title, value);
  return row;
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
