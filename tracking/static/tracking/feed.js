/**
 * The series of seconds that the workers computed, read again and again while the page is seen.
 *
 * @typedef {{second: string, distance_px: number, moving_ms: number, mean_speed: number | null,
 *   peak_speed: number | null, samples: number}} Second
 */

const EVERY_MS = 500;
// After a look that did not find yet what was sent; from the third on, each comes twice as late.
const AGAIN_MS = 75;
const EVENLY = 2;
const IDLE_EVERY_MS = 2_000;
const IDLE_AFTER_MS = 20_000;
const LAST_RETRY_MS = 15_000;
const TIMEOUT_MS = 10_000;

export class Feed {
  /**
   * @param {string} url
   * @param {string} token
   * @param {{onChange: () => void, onTrouble: (words: string) => void}} listeners; no words: well
   */
  constructor(url, token, { onChange, onTrouble }) {
    Object.assign(this, { url, token, onChange, onTrouble });
    /** @type {Map<number, Second>} by second, in ms since 1970, ascending */
    this.seconds = new Map();
    this.totals = { distance: 0, samples: 0 };
    this.dataUntil = 0;
    this.cursor = 0;
    this.etag = "";
    this.failures = 0;
    /** What was sent reaches up to here, in ms since 1970; and how many looks since found nothing. */
    this.expected = 0;
    this.missed = 0;
    this.stirred = performance.now();
    document.addEventListener("visibilitychange", () => this.plan(0));
    this.plan(0);
  }

  /** Something was sent, with data up to `until`: it is worth looking in `ms`. */
  stir(ms, until) {
    this.expected = Math.max(this.expected, Math.floor(until));
    this.missed = 0;
    this.stirred = performance.now();
    if (!this.failures) this.plan(ms);
  }

  /** Looks in `ms`, unless it already will sooner, or nobody sees the page. */
  plan(ms) {
    const due = performance.now() + ms;
    if (this.asking || (this.timer && this.due <= due && !document.hidden)) return;
    clearTimeout(this.timer);
    this.due = due;
    this.timer = document.hidden ? 0 : setTimeout(() => this.look(), ms);
  }

  async look() {
    this.timer = 0;
    this.asking = true;
    this.missed += 1;
    const trouble = await this.ask();
    this.asking = false;
    this.failures = trouble ? this.failures + 1 : 0;
    this.onTrouble(trouble);
    this.plan(this.pause());
  }

  /** How long to wait for the next look, in ms. */
  pause() {
    if (this.failures) return Math.min(EVERY_MS * 2 ** this.failures, LAST_RETRY_MS);
    if (performance.now() - this.stirred > IDLE_AFTER_MS) return IDLE_EVERY_MS;
    if (this.dataUntil >= this.expected) return EVERY_MS;
    return Math.min(AGAIN_MS * 2 ** Math.max(0, this.missed - EVENLY), EVERY_MS);
  }

  /** Asks once; what went wrong in words, or nothing. */
  async ask() {
    const headers = { "X-Eye-Session-Token": this.token };
    if (this.etag) headers["If-None-Match"] = this.etag;
    const signal = AbortSignal.timeout(TIMEOUT_MS);
    try {
      const response = await fetch(`${this.url}?since=${this.cursor}`, { headers, signal });
      if (response.status === 304) return "";
      const answer = await response.json();
      if (response.status === 401) return "This page was open for a day. Load it again to go on.";
      if (!response.ok) return answer.error.message;
      this.etag = response.headers.get("ETag") || "";
      this.take(answer);
      return "";
    } catch {
      return "The server does not answer; what you do is kept here and sent when it does.";
    }
  }

  take(answer) {
    this.missed = 0;
    if (answer.reset) {
      this.seconds.clear();
      this.totals = { distance: 0, samples: 0 };
    }
    for (const row of answer.seconds) {
      const at = Date.parse(row.second);
      const before = this.seconds.get(at);
      this.totals.distance += row.distance_px - (before ? before.distance_px : 0);
      this.totals.samples += row.samples - (before ? before.samples : 0);
      this.seconds.set(at, row);
    }
    this.cursor = answer.cursor;
    this.dataUntil = answer.data_until ? Date.parse(answer.data_until) : 0;
    this.onChange();
  }

  /** The seconds of the last `ms` before `now`, ascending. */
  recent(now, ms) {
    const rows = [];
    for (let at = Math.floor((now - ms) / 1_000) * 1_000; at <= now; at += 1_000) {
      if (this.seconds.has(at)) rows.push({ at, ...this.seconds.get(at) });
    }
    return rows;
  }
}
