const SHORTEST_MS = 2_000;

/**
 * The time that the charts, the replay and the timeline share, in ms since 1970.
 *
 * Fires `range` when another span is to be shown, `cursor` when the playhead has moved, and `seek`
 * (with the time in `detail`) when somebody points at a time.
 */
export class Axis extends EventTarget {
  #whole = { start: 0, end: 0 };
  #zoomed = null;
  cursor = null;

  get range() {
    return this.#zoomed ?? this.#whole;
  }

  get isZoomed() {
    return this.#zoomed !== null;
  }

  /** What there is to be seen. It may grow while somebody looks at a part of it. */
  cover(start, end) {
    this.#whole = { start, end };
  }

  zoom(from, to) {
    const { start, end } = this.#whole;
    const span = Math.min(Math.max(Math.abs(to - from), SHORTEST_MS), end - start);
    const middle = (from + to) / 2;
    const begin = Math.min(Math.max(middle - span / 2, start), end - span);
    this.#zoomed = span < end - start ? { start: begin, end: begin + span } : null;
    this.#tell("range");
  }

  /** Shows so much less (below 1) or more (above) of the time, around the playhead if it is seen. */
  scale(factor) {
    const { start, end } = this.range;
    const inside = this.cursor !== null && this.cursor >= start && this.cursor <= end;
    const middle = inside ? this.cursor : (start + end) / 2;
    this.zoom(middle - (middle - start) * factor, middle + (end - middle) * factor);
  }

  /** Moves on by a part of what is shown. */
  pan(part) {
    const { start, end } = this.range;
    const step = (end - start) * part;
    if (this.isZoomed) this.zoom(start + step, end + step);
  }

  reset() {
    if (!this.isZoomed) return;
    this.#zoomed = null;
    this.#tell("range");
  }

  point(at) {
    this.cursor = at;
    this.#tell("cursor");
  }

  seek(at) {
    this.#tell("seek", at);
  }

  #tell(what, detail) {
    this.dispatchEvent(new CustomEvent(what, { detail }));
  }
}
