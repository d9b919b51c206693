/** A session's speed over the last minute, as the `d` of a path in a box of 60 × 24. */

const SECONDS = 60;
const HEIGHT = 24;
const SECOND = 1_000;
// The newest seconds are still being computed: nothing is said of them.
const LATE_S = 3;
// Slower than this, px/s, a line does not fill its box: a tremor looks like one.
const LEAST_TOP = 1_000;
// One second far above the others is cut off, or it would flatten them.
const TOP_PER_MEDIAN = 4;

/** The path, and the highest speed in it, px/s: 0 where the pointer rested. */
export function shape({ line, line_end: end }, nowMs) {
  const now = Math.floor(nowMs / SECOND);
  const begin = end - line.length + 1;
  const last = now - end <= LATE_S ? end : now;
  const first = Math.max(begin, now - SECONDS + 1);
  if (!line.length || end < first) return { path: "", peak: 0 };
  const speeds = line.slice(first - begin);
  const peak = Math.max(...speeds);
  const top = Math.max(Math.min(peak, TOP_PER_MEDIAN * median(speeds)), LEAST_TOP);
  const x = (second) => SECONDS - (now - second);
  const y = (speed) => (HEIGHT - (HEIGHT * Math.min(speed, top)) / top).toFixed(1);
  const points = speeds.map((speed, n) => `L${x(first + n)} ${y(speed)}`);
  const close = last > end ? `L${x(end) + 1} ${HEIGHT}` : `L${x(end)} ${HEIGHT}`;
  return { path: `M${Math.max(0, x(first) - 1)} ${HEIGHT}${points.join("")}${close}Z`, peak };
}

/** Of the seconds in which it moved. */
function median(speeds) {
  const moving = speeds.filter((speed) => speed > 0).sort((a, b) => a - b);
  return moving[moving.length >> 1] ?? 0;
}
