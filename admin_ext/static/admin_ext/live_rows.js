/**
 * The rows of the live sessions. All are in the document, to be found and read; only those in view
 * are written. While somebody points at one, each keeps its place.
 */

import { many, number, write } from "./session/words.js";
import { shape } from "./sparkline.js";
import { LIVE_MS } from "./times.js";

const SECOND = 1_000;
// Who neither moves the pointer over the list nor presses a key in it for so long just looks on.
const HOLD_MS = 8 * SECOND;
const SLIDE = { duration: 260, easing: "ease-out" };
// Rows just outside the window are written too, so that scrolling shows no old ones.
const MARGIN = "240px";
const KEYS = { ArrowDown: 1, ArrowUp: -1, PageDown: 10, PageUp: -10, Home: -Infinity, End: Infinity };

const still = matchMedia("(prefers-reduced-motion: reduce)");

/** Text that its place may cut off: on hover it is told whole. */
function writeAll(place, text) {
  write(place, text || "–");
  if (place.title !== text) place.title = text;
}

/** `12 s`, `4 min 05 s`, `2 h 07 min`: as the server tells durations, to the second. */
function span(ms) {
  const s = Math.max(0, Math.floor(ms / SECOND));
  const two = (n) => String(Math.floor(n)).padStart(2, "0");
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min ${two(s % 60)} s`;
  return `${number(Math.floor(s / 3600))} h ${two((s % 3600) / 60)} min`;
}

class Row {
  inView = false;
  fits = true;
  gone = false;

  constructor(template, href, session) {
    this.element = template.content.firstElementChild.cloneNode(true);
    this.parts = {};
    for (const place of this.element.querySelectorAll("*")) {
      for (const name of Object.keys(place.dataset)) this.parts[name] = place;
    }
    this.parts.link.href = href;
    this.parts.link.title = session.id;
    this.parts.link.textContent = `${session.id.slice(0, 8)}…`;
    this.element.live = this;
    this.take(session);
  }

  take(session) {
    this.session = session;
    this.gone = false;
    this.words = `${session.id}\n${session.applications}\n${session.page}`.toLowerCase();
  }

  age(now) {
    return Math.max(0, now - this.session.last);
  }

  write(now, movingMs) {
    const { session, parts } = this;
    const moves = this.age(now) < movingMs;
    writeAll(parts.applications, session.applications);
    writeAll(parts.page, session.page);
    write(parts.distance, session.distance_px === null ? "–" : `${number(session.distance_px)} px`);
    write(parts.rate, number(moves ? session.events_per_s : 0, 1));
    write(parts.age, span(this.age(now)));
    write(parts.duration, span(session.last - session.first));
    write(parts.errors, many(session.errors, "error"));
    parts.errors.hidden = !session.errors;
    this.element.classList.toggle("live-moves", moves);
    this.element.classList.toggle("live-gone", this.gone);
    this.draw(now);
  }

  draw(now) {
    const { path, peak } = shape(this.session, now);
    if (path !== this.drawn) this.parts.line.setAttribute("d", (this.drawn = path));
    write(this.parts.peak, peak ? `${number(peak)} px/s` : "at rest");
  }
}

export class Rows {
  #all = new Map();
  #shown = []; // in their order
  #place;
  #template;
  #page;
  #movingMs;
  #words = "";
  #now = 0;
  #over = false;
  #arranging = false;
  #busyAt = -Infinity;
  #began = false;

  constructor(place, template, page) {
    this.#place = place;
    this.#template = template;
    this.#page = page;
    this.#movingMs = Number(page.movingSeconds) * SECOND;
    this.#watchPrinter();
    this.#watchHands();
  }

  pending = 0;

  get size() {
    return this.#all.size;
  }

  get matching() {
    return this.#shown.length;
  }

  /** When the newest of them moved. */
  get newest() {
    return Math.max(0, ...[...this.#all.values()].map((row) => row.session.last));
  }

  get held() {
    const within = this.#over || this.#place.contains(document.activeElement);
    return within && this.#shown.length > 0 && performance.now() - this.#busyAt < HOLD_MS;
  }

  take(sessions, whole) {
    const there = new Set(sessions.map(({ id }) => id));
    if (whole) for (const [id, row] of this.#all) row.gone = !there.has(id);
    for (const session of sessions) {
      const row = this.#all.get(session.id);
      if (row) row.take(session);
      else this.#add(session);
    }
  }

  find(text) {
    this.#words = text.trim().toLowerCase();
    this.#busyAt = -Infinity;
  }

  /** Shows how things stand now: the order, unless it is held, and whatever is in view. */
  tick(now) {
    this.#now = now;
    for (const row of this.#all.values()) {
      if (row.age(now) > LIVE_MS) row.gone = true;
      row.fits = row.words.includes(this.#words);
    }
    if (this.held) this.#countPending();
    else this.#arrange();
    for (const row of this.#shown) if (row.inView) row.write(now, this.#movingMs);
  }

  #add(session) {
    const href = this.#page.sessionUrl.replace(this.#page.nil, session.id);
    this.#all.set(session.id, new Row(this.#template, href, session));
  }

  #countPending() {
    const shown = new Set(this.#shown);
    this.pending = [...this.#all.values()].filter((row) => row.fits && !shown.has(row)).length;
  }

  /** Those that move, latest begun first, and so in the same place while they do; then the others. */
  #sorted() {
    const key = (row) => {
      const moves = row.age(this.#now) < this.#movingMs;
      return [moves ? 1 : 0, moves ? row.session.first : row.session.last];
    };
    const keyed = [...this.#all.values()].map((row) => [...key(row), row.session.id, row]);
    keyed.sort((a, b) => b[0] - a[0] || b[1] - a[1] || (a[2] < b[2] ? 1 : -1));
    return keyed.map(([, , , row]) => row);
  }

  #arrange() {
    this.pending = 0;
    for (const [id, row] of this.#all) if (row.gone) this.#all.delete(id);
    const sorted = this.#sorted();
    for (const row of sorted.splice(Number(this.#page.most))) this.#all.delete(row.session.id);
    const wanted = sorted.filter((row) => row.fits);
    const same = wanted.length === this.#shown.length && wanted.every((row, n) => row === this.#shown[n]);
    if (same) return;
    const slide = this.#began && !still.matches;
    const tops = slide ? this.#tops() : new Map();
    this.#put(wanted, slide);
    for (const [row, top] of tops) row.element.isConnected && this.#slide(row, top);
    this.#began = true;
  }

  /** Brings the elements into this order; each that stays where it is among the others is left. */
  #put(wanted, slide) {
    const focused = document.activeElement;
    const place = this.#shown.findIndex((row) => row.element.contains(focused));
    const before = new Set(this.#shown);
    const after = new Set(wanted);
    for (const row of before) if (!after.has(row)) this.#drop(row);
    this.#place.style.setProperty("--rows", wanted.length);
    let next = this.#place.firstElementChild;
    for (const [at, row] of wanted.entries()) {
      const { element } = row;
      element.style.setProperty("--at", at);
      if (next && next !== element && next.nextElementSibling === element) {
        next.remove(); // it went down: its turn comes
        next = element;
      }
      if (next === element) next = next.nextElementSibling;
      else this.#place.insertBefore(element, next);
      element.classList.toggle("live-new", slide && !before.has(row));
      if (before.has(row)) continue;
      row.write(this.#now, this.#movingMs);
      this.#view.observe(element);
    }
    this.#shown = wanted;
    this.#keepFocus(focused, place);
  }

  #drop(row) {
    this.#view.unobserve(row.element);
    row.inView = false;
    row.element.remove();
  }

  /** Of whoever is in the list: on the same row, or on the one that is in its place now. */
  #keepFocus(focused, place) {
    const instead = this.#shown[Math.min(place, this.#shown.length - 1)]?.parts.link;
    const kept = focused.isConnected ? focused : instead;
    if (place >= 0 && kept && kept !== document.activeElement) {
      this.#arranging = true;
      kept.focus({ preventScroll: true });
      this.#arranging = false;
    }
    const links = this.#shown.map((row) => row.parts.link);
    if (!links.some((link) => link.tabIndex === 0) && links.length) links[0].tabIndex = 0;
  }

  #tops() {
    const seen = this.#shown.filter((row) => row.inView);
    return new Map(seen.map((row) => [row, row.element.getBoundingClientRect().top]));
  }

  #slide(row, top) {
    const by = top - row.element.getBoundingClientRect().top;
    if (!by || Math.abs(by) > innerHeight) return;
    row.element.animate([{ translate: `0 ${by}px` }, { translate: "none" }], SLIDE);
  }

  #view = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) {
      target.live.inView = isIntersecting;
      if (isIntersecting) target.live.write(this.#now, this.#movingMs);
    }
  }, { rootMargin: MARGIN });

  /** On paper all are in view. */
  #watchPrinter() {
    addEventListener("beforeprint", () => {
      for (const row of this.#shown) row.write(this.#now, this.#movingMs);
    });
  }

  #watchHands() {
    const busy = () => this.#arranging || (this.#busyAt = performance.now());
    this.#place.addEventListener("pointermove", (event) => {
      this.#over = event.pointerType !== "touch";
      busy();
    });
    this.#place.addEventListener("pointerleave", () => (this.#over = false));
    this.#place.addEventListener("focusin", ({ target }) => {
      busy();
      const link = target.closest("[data-link]");
      if (link) this.#makeCurrent(link);
    });
    this.#place.addEventListener("keydown", (event) => {
      busy();
      this.#step(event);
    });
  }

  /** Of all the links one is reached by Tab; the arrows lead from it to the others. */
  #makeCurrent(link) {
    for (const row of this.#shown) row.parts.link.tabIndex = row.parts.link === link ? 0 : -1;
  }

  #step(event) {
    const by = KEYS[event.key];
    if (by === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
    const at = this.#shown.findIndex((row) => row.element.contains(event.target));
    const to = Math.min(Math.max(at + by, 0), this.#shown.length - 1);
    event.preventDefault();
    this.#shown[to]?.parts.link.focus();
  }
}
