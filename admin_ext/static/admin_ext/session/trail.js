// Where nothing happens for longer than this there is a pause.
const PAUSE_MS = 2_000;
// Of a canvas, between its sides.
const LONGEST_SHAPE = 2.5;
// A canvas for sessions whose viewport nobody told.
const USUAL = { w: 1280, h: 720 };

/** A session's trail as the service tells it. All times in ms since its start. */
export class Trail {
  constructor(answer) {
    this.start = Date.parse(answer.start);
    this.duration = answer.duration_ms;
    this.strokes = answer.strokes;
    this.clicks = answer.clicks;
    this.views = answer.views;
    this.computedAt = answer.computed_at;
    this.begins = this.strokes.map((stroke) => stroke.t[0]);
    this.clickTimes = this.clicks.map((click) => click.t);
    this.viewTimes = this.views.map((view) => view.t);
    this.scenes = scenes(this.views, bounds(answer));
    this.sceneTimes = this.scenes.map((scene) => scene.t);
    this.pauses = pauses(answer);
    this.pauseTimes = this.pauses.map((pause) => pause.from);
  }

  get isEmpty() {
    return this.strokes.length + this.clicks.length === 0;
  }

  /** The page and the viewport since they were last others. */
  scene(t) {
    return this.scenes[Math.max(lastAt(this.sceneTimes, t), 0)];
  }

  view(t) {
    return this.views[Math.max(lastAt(this.viewTimes, t), 0)];
  }

  /** The pause at a time, if it is one; what is left of it is `to - t`. */
  pause(t) {
    const pause = this.pauses[lastAt(this.pauseTimes, t)];
    return pause && t < pause.to ? pause : null;
  }

  /**
   * Where the pointer was: between two points of a stroke on the line between them. `moving` says
   * whether that is known; in a gap it is where the last stroke ended, and null before the first.
   */
  position(t) {
    const stroke = this.strokes[lastAt(this.begins, t)];
    if (!stroke) return null;
    const i = lastAt(stroke.t, t);
    const [x, y] = [stroke.x[i], stroke.y[i]];
    if (i + 1 === stroke.t.length) return { x, y, moving: t === stroke.t[i] };
    const part = (t - stroke.t[i]) / (stroke.t[i + 1] - stroke.t[i] || 1);
    return { x: x + (stroke.x[i + 1] - x) * part, y: y + (stroke.y[i + 1] - y) * part, moving: true };
  }
}

/** The index of the last of the ascending times that is not after t; -1 if all are. */
export function lastAt(times, t) {
  let [low, high] = [0, times.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (times[middle] <= t) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

/** Stretches on one page in one viewport; of those that do not tell one, in that of what was drawn. */
function scenes(views, bounds) {
  const found = [];
  for (const { t, page, w, h } of views) {
    const size = w && h ? { w, h, told: true } : { ...bounds, told: false };
    const before = found.at(-1);
    if (!before || before.page !== page || before.w !== size.w || before.h !== size.h) {
      found.push({ t: before ? t : 0, page, ...size });
    }
  }
  return found.length ? found : [{ t: 0, page: null, ...bounds, told: false }];
}

function bounds({ strokes, clicks }) {
  const most = (axis, least) => strokes.flatMap((stroke) => stroke[axis])
    .concat(clicks.map((click) => click[axis]))
    .reduce((highest, value) => Math.max(highest, value), least);
  const [w, h] = [most("x", USUAL.w), most("y", USUAL.h)];
  return { w: Math.max(w, h / LONGEST_SHAPE), h: Math.max(h, w / LONGEST_SHAPE) };
}

function pauses({ strokes, clicks, duration_ms }) {
  const busy = strokes.map(({ t }) => [t[0], t.at(-1)]).concat(clicks.map(({ t }) => [t, t]));
  const found = [];
  let until = 0;
  for (const [from, to] of busy.sort((a, b) => a[0] - b[0]).concat([[duration_ms, duration_ms]])) {
    if (from - until > PAUSE_MS) found.push({ from: until, to: from });
    until = Math.max(until, to);
  }
  return found;
}
