/** Numbers, times and foreign text as the server writes them: see display.py. */

const SECOND = 1_000;
const INVISIBLE = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g;

const two = (n) => String(Math.floor(n)).padStart(2, "0");

// By how many digits are after the point: to make one is slow.
const numbers = [0, 1, 2].map(
  (digits) => new Intl.NumberFormat("en", { minimumFractionDigits: digits, maximumFractionDigits: digits }),
);

export function number(value, digits = 0) {
  return numbers[digits].format(value);
}

export function many(count, one) {
  return `${number(count)} ${one}${count === 1 ? "" : "s"}`;
}

/** The same text as Fact.shown. */
export function shown(value, unit, digits) {
  if (value === null) return "–";
  return unit === "duration" ? duration(value) : number(value, digits);
}

export function duration(ms) {
  if (ms < SECOND - 0.5) return `${ms.toFixed(0)} ms`;
  if (ms < 59.95 * SECOND) return `${(ms / SECOND).toFixed(1)} s`;
  const s = Math.round(ms / SECOND);
  if (s < 3600) return `${Math.floor(s / 60)} min ${two(s % 60)} s`;
  if (s < 86400) return `${Math.floor(s / 3600)} h ${two((s % 3600) / 60)} min`;
  return `${Math.floor(s / 86400).toLocaleString("en")} d ${two((s % 86400) / 3600)} h`;
}

/** As on a stopwatch: 0:07.3, 12:07.3, 1:12:07.3. */
export function stopwatch(ms) {
  const tenths = Math.floor(ms / 100);
  const [hours, minutes, seconds] = [tenths / 36_000, (tenths / 600) % 60, (tenths / 10) % 60];
  const high = hours >= 1 ? `${Math.floor(hours)}:${two(minutes)}` : `${Math.floor(minutes)}`;
  return `${high}:${two(seconds)}.${tenths % 10}`;
}

/** The text with every invisible mark written as its escape. */
export function visible(text) {
  return text.replace(INVISIBLE, (mark) => `\\u${mark.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

/** The same text as display.shorten. */
export function shorten(text, most) {
  return text.length <= most ? text : `${text.slice(0, most - 1)}…`;
}

/** JSON, indented; a list of plain values stays on one line. */
export function pretty(value, indent = "") {
  if (isPlain(value)) return JSON.stringify(value);
  const deeper = `${indent}  `;
  const between = (open, parts, close) => (parts.length ? `${open}\n${deeper}${parts.join(`,\n${deeper}`)}\n${indent}${close}` : open + close);
  if (!Array.isArray(value)) {
    const parts = Object.entries(value).map(([key, one]) => `${JSON.stringify(key)}: ${pretty(one, deeper)}`);
    return between("{", parts, "}");
  }
  if (value.every(isPlain)) return `[${value.map((one) => JSON.stringify(one)).join(", ")}]`;
  return between("[", value.map((one) => pretty(one, deeper)), "]");
}

const isPlain = (value) => value === null || typeof value !== "object";

export function write(place, text) {
  if (place.textContent !== text) place.textContent = text;
}
