const SECOND = 1_000;
const STEPS = [1, 2, 5, 10, 30, 60, 120, 300, 900, 3600, 7200, 21_600, 86_400];
const MOST_BUCKETS = 2_000;

/** A session's pointer second by second, as far as the service has told. */
export class Series {
  #seconds = new Map();
  cursor = 0;
  dataUntil = 0;
  isComplete = true;
  first = Infinity;
  last = -Infinity;

  get isEmpty() {
    return this.#seconds.size === 0;
  }

  take(answer) {
    if (answer.reset) this.#forget();
    for (const row of answer.seconds) {
      const at = Date.parse(row.second);
      this.#seconds.set(at, row);
      this.first = Math.min(this.first, at);
      this.last = Math.max(this.last, at);
    }
    this.isComplete &&= answer.complete;
    this.cursor = answer.cursor;
    if (answer.data_until) this.dataUntil = Date.parse(answer.data_until);
  }

  #forget() {
    this.#seconds.clear();
    Object.assign(this, { first: Infinity, last: -Infinity, isComplete: true });
  }

  /**
   * The sums of equal steps between two times, with zeros where the pointer rested: a pause is no
   * slope. Nothing more than one step before the first movement, or after the newest data.
   */
  buckets(start, end) {
    const size = SECOND * (STEPS.find((s) => (end - start) / (s * SECOND) <= MOST_BUCKETS) ?? STEPS.at(-1));
    const from = Math.max(Math.floor(start / size), Math.floor(this.first / size) - 1);
    const to = Math.min(Math.ceil(end / size), Math.floor(Math.max(this.last, this.dataUntil) / size) + 1);
    const rows = Array.from({ length: Math.max(to - from, 0) }, (_, n) => rest((from + n) * size));
    for (const [at, row] of this.#seconds) {
      const bucket = rows[Math.floor(at / size) - from];
      if (bucket) add(bucket, row);
    }
    return { size, rows };
  }
}

const rest = (at) => ({ at, distance: 0, moving: 0, peak: 0 });

function add(bucket, row) {
  bucket.distance += row.distance_px;
  bucket.moving += row.moving_ms;
  bucket.peak = Math.max(bucket.peak, row.peak_speed ?? 0);
}
