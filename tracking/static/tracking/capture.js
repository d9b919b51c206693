/** The capture page: what was recorded and sent, and what the workers made of it. */

import { Chart } from "./chart.js";
import { tellDrawn } from "./drawn.js";
import { Feed } from "./feed.js";
import { Trail } from "./trail.js";

const SHOWN_MS = 61_000;
const FASTEST_FRAME_MS = 33;
const CALM_FRAME_MS = 1_000;
const WORDS_EVERY_MS = 250;
const SUMMARY_EVERY_MS = 15_000;
// Sent events are computed about this much later: the time to look.
const COMPUTED_AFTER_MS = 120;
// Until then, what was sent may well be on its way.
const PATIENCE_MS = 3_000;

const element = (id) => document.getElementById(id);
const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const seconds = new Intl.NumberFormat("en", { minimumFractionDigits: 1, maximumFractionDigits: 1 });
const calm = matchMedia("(prefers-reduced-motion: reduce)");

const counts = { recorded: 0, sent: 0 };
const trouble = { sending: "", reading: "" };
const velocity = new Chart(element("velocity-chart"), {
  colour: "speed",
  light: "peak",
  least: 100,
  line: true,
});
const distance = new Chart(element("distance-chart"), { colour: "distance", least: 100 });
new Trail(element("trail"), element("iris"));

const feed = new Feed(document.body.dataset.pointerUrl, document.body.dataset.sessionToken, {
  onChange: () => {
    showFigures();
    drawSoon(0);
  },
  onTrouble: (words) => (trouble.reading = words),
});

// --- What the tracker tells ----------------------------------------------------------------

let lastMoved = 0;

document.addEventListener("eye:recorded", ({ detail }) => {
  counts.recorded += detail.events;
  if (detail.samples) lastMoved = Date.now();
  showFigures();
});

document.addEventListener("eye:sent", ({ detail }) => {
  counts.sent += detail.events;
  trouble.sending = "";
  feed.stir(COMPUTED_AFTER_MS, detail.until);
  showFigures();
});

document.addEventListener("eye:failed", ({ detail }) => {
  trouble.sending = detail.message;
});

// --- Figures and words ---------------------------------------------------------------------

function say(id, text) {
  if (element(id).textContent !== text) element(id).textContent = text;
}

function speedNow(now) {
  const [latest] = feed.recent(now, 2_000).slice(-1);
  return latest && now - feed.dataUntil < 1_500 ? latest.mean_speed || 0 : 0;
}

function showFigures() {
  say("speed", whole.format(speedNow(Date.now())));
  say("distance", whole.format(feed.totals.distance));
  say("samples", whole.format(feed.totals.samples));
  say("recorded", whole.format(counts.recorded));
  say("sent", whole.format(counts.sent));
}

function showWords() {
  const now = Date.now();
  const [is, text] = stateOf(now);
  if (is === "trouble" && element("state").textContent !== text) say("summary", text);
  element("state").dataset.is = is;
  say("state", text);
  if (!feed.dataUntil) return;
  const ago = Math.max(0, now - feed.dataUntil);
  say("until", `Data up to ${clockTime(feed.dataUntil)}, ${seconds.format(ago / 1_000)} s ago`);
}

function stateOf(now) {
  const words = trouble.reading || trouble.sending;
  if (words) return ["trouble", words];
  if (!lastMoved && !feed.totals.samples) return ["", "Waiting for the first movement"];
  const waits = lastMoved - feed.dataUntil > 1_000 && now - lastMoved > PATIENCE_MS;
  if (waits) return ["behind", "The workers have not computed the latest yet"];
  return ["good", now - lastMoved < PATIENCE_MS ? "Live" : "Up to date"];
}

function clockTime(ms) {
  const time = new Date(ms);
  const two = (value) => String(value).padStart(2, "0");
  const tenths = Math.floor(time.getMilliseconds() / 100);
  return `${two(time.getHours())}:${two(time.getMinutes())}:${two(time.getSeconds())}.${tenths}`;
}

/** For those who hear the page: the charts in words, now and then, and only what is new. */
function summarise() {
  const rows = feed.recent(Date.now(), SHOWN_MS);
  const moved = rows.filter((row) => row.distance_px > 0);
  const fastest = Math.max(0, ...moved.map((row) => row.mean_speed || 0));
  const far = moved.reduce((sum, row) => sum + row.distance_px, 0);
  const still = "no movement";
  const speeds = moved.length ? `at most ${whole.format(fastest)} pixels a second` : still;
  const distances = moved.length ? `${whole.format(far)} pixels in all` : still;
  const label = (id, words) => element(id).setAttribute("aria-label", words);
  label("velocity-chart", `Velocity in each of the last 60 seconds: ${speeds}`);
  label("distance-chart", `Distance in each of the last 60 seconds: ${distances}`);
  if (moved.length) say("summary", `In the last minute the pointer went ${distances}, ${speeds}.`);
}

// --- Charts --------------------------------------------------------------------------------

function drawSoon(ms) {
  clearTimeout(drawSoon.timer);
  drawSoon.timer = setTimeout(() => requestAnimationFrame(drawCharts), ms);
}

function drawCharts() {
  const now = Date.now();
  const rows = feed.recent(now, SHOWN_MS);
  // A pointer at rest sends nothing: what is after its last sample is known, and zero.
  const until = now - lastMoved > PATIENCE_MS ? now : feed.dataUntil;
  const speeds = rows.map((row) => ({
    second: row.at,
    value: row.mean_speed || 0,
    light: row.peak_speed || 0,
  }));
  const distances = rows.map((row) => ({ second: row.at, value: row.distance_px }));
  const holds = Math.min(velocity.draw(speeds, now, until), distance.draw(distances, now, until));
  tellDrawn(feed.dataUntil);
  drawSoon(Math.max(holds, calm.matches ? CALM_FRAME_MS : FASTEST_FRAME_MS));
}

drawSoon(0);
setInterval(showWords, WORDS_EVERY_MS);
setInterval(showFigures, WORDS_EVERY_MS);
setInterval(summarise, SUMMARY_EVERY_MS);
