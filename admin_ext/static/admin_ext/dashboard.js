/** The dashboard: draws what its page brought along, and asks anew while its period goes on. */

import { askForTimes, nameOnlyChosen, submitWhenPointed } from "./choices.js";
import { draw, minute, repaint } from "./dashboard_charts.js";
import { granted, poll, whenThemeChanges } from "./polling.js";
import { number, write } from "./session/words.js";
import { clock } from "./times.js";

const FIRST_POLL_MS = 2_000;

const page = document.getElementById("dashboard");
const scope = page.querySelector("[data-scope]");
const lag = page.querySelector("[data-lag]");
const welcome = page.querySelector("[data-welcome]");
const recent = page.querySelector("[data-recent]");
let recentHtml = "";

function showFigures(figures) {
  for (const { name, value, unit, note, exact, tone } of figures) {
    const figure = page.querySelector(`[data-figure="${name}"]`);
    write(figure.querySelector("[data-value]"), value);
    write(figure.querySelector("[data-unit]"), unit);
    figure.querySelector("dd").title = exact;
    const change = figure.querySelector("[data-note]");
    write(change, note);
    change.title = note;
    change.dataset.tone = tone;
  }
}

function showSigns(signs) {
  for (const { name, value, note, kind } of signs) {
    const sign = page.querySelector(`[data-sign="${name}"]`);
    const badge = sign.querySelector("[data-value]");
    write(badge, value);
    badge.className = `eye-badge eye-badge-${kind}`;
    write(sign.querySelector("[data-note]"), note);
  }
}

/** Foreign text is only ever set as text. */
function ranked({ label, note, count, url }, most) {
  const item = document.createElement("li");
  item.style.setProperty("--share", count / most);
  const name = document.createElement(url ? "a" : "span");
  if (url) name.href = url;
  name.className = "eye-rank";
  name.title = note ? `${label}, ${note}` : label;
  const text = document.createElement("bdi");
  text.textContent = label;
  name.append(text);
  if (note) {
    const more = document.createElement("small");
    more.append(Object.assign(document.createElement("bdi"), { textContent: note }));
    name.append(more);
  }
  const amount = document.createElement("span");
  amount.textContent = number(count);
  item.append(name, amount);
  return item;
}

/** Who is about to follow a link, or has marked some text, keeps it. */
function isInUse(part) {
  const marked = getSelection();
  return part.matches(":active, :focus-within") || (!marked.isCollapsed && marked.containsNode(part, true));
}

function showRecent(html) {
  if (html === recentHtml || isInUse(recent)) return;
  recentHtml = html;
  recent.innerHTML = html;
}

function showLists(lists) {
  for (const [name, rows] of Object.entries(lists)) {
    const list = page.querySelector(`[data-list="${name}"]`);
    if (isInUse(list)) continue;
    const most = Math.max(...rows.map(({ count }) => count));
    list.replaceChildren(...rows.map((row) => ranked(row, most)));
    page.querySelector(`[data-none="${name}"]`).hidden = rows.length > 0;
  }
}

function show(answer) {
  showFigures(answer.figures);
  showSigns(answer.signs);
  showLists(answer.lists);
  for (const [name, value] of Object.entries(answer.totals)) {
    write(page.querySelector(`[data-total="${name}"]`), number(value));
  }
  if (welcome && answer.totals.sent > 0) write(welcome, "The first events are here");
  draw(answer);
}

function showLag({ live, now, behind, from, to }) {
  const span = `${minute(from)} to ${minute(to)}`;
  const late = behind && ` · rollups are ${behind} behind`;
  write(lag, live ? `Live, ${clock(now * 1000)}${late}` : `${span}${late}`);
  lag.title = span;
}

const first = JSON.parse(document.getElementById("dashboard-data").textContent);
askForTimes(scope);
nameOnlyChosen(scope);
submitWhenPointed(scope);
show(first);
showLag(first);
whenThemeChanges(repaint);
let isFresh = true;
poll(async (signal) => {
  if (isFresh) {
    isFresh = false;
    return first.poll_ms;
  }
  const response = await fetch(page.dataset.url, { signal, headers: { Accept: "application/json" } });
  const answer = await granted(response).json();
  show(answer);
  showLag(answer);
  showRecent(answer.recent);
  return answer.poll_ms;
}, FIRST_POLL_MS, (trouble) => write(lag, trouble));
