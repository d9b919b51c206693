/** Times in the zone of the page, which is the server's choice, so that all on it agree. */

export const ZONE = document.querySelector("[data-zone]")?.dataset.zone ?? "UTC";

/** A session is live for so long after its last event: LIVE_FOR in queries.py. */
export const LIVE_MS = 5 * 60_000;

const DAY = 86_400_000;
const two = { month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit", second: "2-digit" };
const format = new Intl.DateTimeFormat("en", {
  timeZone: ZONE,
  hourCycle: "h23",
  year: "numeric",
  ...two,
  fractionalSecondDigits: 3,
  timeZoneName: "longOffset",
});

function parts(milliseconds) {
  return Object.fromEntries(format.formatToParts(milliseconds).map(({ type, value }) => [type, value]));
}

/** Like `2026-01-31 12:00:07.250`. */
export function local(milliseconds) {
  const { year, month, day, hour, minute, second, fractionalSecond } = parts(milliseconds);
  return `${year}-${month}-${day} ${hour}:${minute}:${second}.${fractionalSecond}`;
}

/** Like `12:00:07`. */
export function clock(milliseconds) {
  return local(milliseconds).slice(11, 19);
}

/** The time of day, with the date before it where what it is a part of spans more than a day. */
export function shortly(milliseconds, span, decimals = 0) {
  return local(milliseconds).slice(span > DAY ? 5 : 11, 19 + (decimals && decimals + 1));
}

/** To the microsecond, also in UTC: the same words as display.exactly in Python. */
export function exactly(timestamp) {
  const [whole, fraction = ""] = timestamp.replace("T", " ").replace("Z", "").split(".");
  const micros = fraction.padEnd(6, "0");
  const utc = `${whole}.${micros} UTC`;
  if (ZONE === "UTC") return utc;
  const at = Date.parse(timestamp);
  const offset = parts(at).timeZoneName.slice(3) || "+00:00";
  return `${local(at).slice(0, 19)}.${micros}${offset} ${ZONE}\n${utc}`;
}
