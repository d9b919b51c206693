/** The page of the live sessions: asks every second for what changed. live_rows.js shows it. */

import { Rows } from "./live_rows.js";
import { granted, poll } from "./polling.js";
import { number, write } from "./session/words.js";
import { clock } from "./times.js";

const POLL_MS = 1_000;
const TICK_MS = 250;
// What an answer cannot tell, such as that a session was erased, is seen when all is asked for.
const WHOLE_MS = 20_000;
const SECOND = 1_000;

const page = document.getElementById("live");
const part = (name) => page.querySelector(`[data-${name}]`);
const form = page.querySelector("form");
const { application, find } = form.elements;
const most = Number(page.dataset.most);
const rows = new Rows(part("rows"), part("row"), page.dataset);

let run = 0; // of the polls; those of an earlier run are over
let trouble = "";
let answered = false;
// The service's time of the latest answer.
let asOf = 0;
let total = 0;
let waiting = 0;
let cursor = 0;
let etag = "";
let wholeAt = -Infinity;
// An answer may have been remembered for a moment: the youngest since all was asked for tells how
// the clocks differ.
let skew = Infinity;

// When it was paused, as long as it is.
let pausedAt = 0;

const serverNow = () => pausedAt || Date.now() - (Number.isFinite(skew) ? skew : 0);

function address(since) {
  const url = new URL(page.dataset.url, location);
  url.searchParams.set("since", since);
  if (application.value) url.searchParams.set("application", application.value);
  return url;
}

async function ask(signal, mine) {
  const whole = performance.now() - wholeAt > WHOLE_MS;
  const headers = { Accept: "application/json", ...(etag && { "If-None-Match": etag }) };
  const response = await fetch(address(whole ? 0 : cursor), { headers, signal });
  if (mine !== run) return;
  if (response.status !== 304) {
    const answer = await granted(response).json();
    if (mine === run) take(answer, response.headers.get("ETag"));
  }
  if (whole) wholeAt = performance.now();
  asOf = serverNow();
  trouble = "";
  show();
}

function take({ now, cursor: next, board }, tag) {
  skew = board.whole ? Date.now() - now : Math.min(skew, Date.now() - now);
  [cursor, etag, total, waiting] = [next, tag || "", board.total, board.waiting_s];
  rows.take(board.sessions, board.whole);
  answered = true;
}

function start() {
  run += 1;
  const mine = run;
  poll(async (signal) => {
    if (mine === run) await ask(signal, mine);
    return mine === run;
  }, POLL_MS, (words) => {
    if (mine !== run) return;
    trouble = answered ? `${words} This is as of ${clock(asOf)}.` : words;
    wholeAt = -Infinity;
    showState();
  });
}

function show() {
  if (!answered) return;
  rows.tick(serverNow());
  showState();
}

function showState() {
  const here = rows.matching;
  write(part("count"), answered ? countInWords(here) : "Live sessions");
  write(part("lag"), trouble || lagInWords());
  write(part("held"), rows.held ? heldInWords() : "");
  const more = total > most;
  part("more").hidden = !more;
  if (more) write(part("more"), MORE);
  const empty = here || !answered ? "" : emptiness();
  for (const place of page.querySelectorAll("[data-empty]")) {
    place.hidden = place.dataset.empty !== empty;
  }
}

const MORE =
  `The page shows ${number(most)}: those that move, latest begun first, then those that ` +
  "moved last. Choose an application to see all of its sessions.";

/** `7 live sessions`, `2 of 7 live sessions`, `2 of the 500 shown of 1,234 live sessions`. */
function countInWords(here) {
  const [all, shown] = total > most ? [total, rows.size] : [rows.size, rows.size];
  const parts = [here, ...(here < shown && shown < all ? [`the ${number(shown)} shown`] : [])];
  if (here < all) parts.push(all);
  const words = parts.map((part) => (typeof part === "number" ? number(part) : part));
  return `${words.join(" of ")} ${all === 1 ? "live session" : "live sessions"}`;
}

function lagInWords() {
  if (!answered) return "Asking for them …";
  const at = clock(serverNow());
  if (pausedAt) return `Paused at ${at}`;
  const age = rows.newest ? Math.max(0, serverNow() - rows.newest) / SECOND : 0;
  const newest = rows.newest ? ` · newest data ${age.toFixed(1)} s old` : "";
  return `${at}${newest}${waiting ? ` · events have waited for ${waiting} s in the inbox` : ""}`;
}

function heldInWords() {
  const fresh = rows.pending ? `${rows.pending} new · ` : "";
  return `· ${fresh}order held while you are in the list`;
}

function emptiness() {
  if (rows.size) return "found";
  return application.value ? "application" : "nobody";
}

/** The address tells what is shown, so that it can be shared. */
function remember() {
  const url = new URL(location);
  for (const { name, value } of [application, find]) {
    if (value) url.searchParams.set(name, value);
    else url.searchParams.delete(name);
  }
  history.replaceState(null, "", url);
}

function chooseApplication() {
  remember();
  [cursor, etag, wholeAt, answered] = [0, "", -Infinity, false];
  rows.take([], true);
  showState();
  setPaused(false);
}

function look() {
  remember();
  rows.find(find.value);
  show();
}

function setPaused(on) {
  pausedAt = on ? serverNow() : 0;
  part("pause").setAttribute("aria-pressed", on);
  write(part("pause-text"), on ? "Go on" : "Pause");
  write(part("pause-icon"), on ? "play_arrow" : "pause");
  trouble = "";
  if (on) run += 1;
  else start();
  showState();
}

function clear(field, then) {
  field.value = "";
  then();
  field.focus();
}

form.addEventListener("submit", (event) => event.preventDefault());
application.addEventListener("change", chooseApplication);
find.addEventListener("input", look);
part("pause").addEventListener("click", () => setPaused(!pausedAt));
part("all").addEventListener("click", () => clear(application, chooseApplication));
part("clear").addEventListener("click", () => clear(find, look));
setInterval(() => {
  if (!pausedAt && !document.hidden) show();
}, TICK_MS);
rows.find(find.value);
start();
