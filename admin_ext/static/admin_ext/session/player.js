import { lastAt } from "./trail.js";

// A tab that was away comes back where it left, not where it would have been.
const LONGEST_FRAME_MS = 100;
// So much of a pause is seen before and after it is skipped.
const LEAD_MS = 400;
const SKIPPED_MS = 2_000;
// A step back from a mark, while it plays, goes to the one before.
const NEAR_MS = 250;

/** The clock of a replay: `at` in ms since the trail's start. Fires `move` and `state`. */
export class Player extends EventTarget {
  #frame = 0;
  #last = 0;
  at = 0;
  speed = 1;
  skipsPauses = true;
  trail = null;
  // The last pause that was skipped, and when.
  skipped = null;

  /** Takes a trail, at its end: all of it is seen. A newer one of the same goes on where this was. */
  load(trail) {
    const wasAtEnd = !this.trail || this.at >= this.trail.duration;
    const shift = this.trail ? this.trail.start - trail.start : 0;
    this.trail = trail;
    this.seek(wasAtEnd ? trail.duration : this.at + shift);
  }

  get isPlaying() {
    return this.#frame !== 0;
  }

  play() {
    if (this.isPlaying || !this.trail) return;
    if (this.at >= this.trail.duration) this.at = 0;
    this.#last = performance.now();
    this.#next();
    this.#tell("state");
  }

  pause() {
    if (!this.isPlaying) return;
    cancelAnimationFrame(this.#frame);
    this.#frame = 0;
    this.#tell("state");
  }

  toggle() {
    if (this.isPlaying) this.pause();
    else this.play();
  }

  seek(at) {
    if (!this.trail) return;
    this.skipped = null;
    this.at = Math.min(Math.max(at, 0), this.trail.duration);
    this.#tell("move");
  }

  /** To the mark before (-1) or after (1) in ascending times; stays where there is none. */
  step(times, to) {
    const near = this.isPlaying ? NEAR_MS : 0;
    const here = lastAt(times, this.at);
    if (to > 0) return this.seek(times[here + 1] ?? this.at);
    const before = here >= 0 && this.at - times[here] <= near ? here - 1 : here;
    this.seek(times[before] ?? this.at);
  }

  #next() {
    this.#frame = requestAnimationFrame((now) => this.#advance(now));
  }

  #advance(now) {
    const passed = Math.min(Math.max(now - this.#last, 0), LONGEST_FRAME_MS);
    this.#last = now;
    this.at = Math.min(this.at + passed * this.speed, this.trail.duration);
    if (this.skipsPauses) this.#skip(now);
    if (this.skipped && now - this.skipped.when > SKIPPED_MS) this.skipped = null;
    this.#tell("move");
    if (this.at >= this.trail.duration) this.pause();
    else this.#next();
  }

  #skip(now) {
    const pause = this.trail.pause(this.at);
    if (!pause || this.at < pause.from + LEAD_MS || this.at >= pause.to - LEAD_MS) return;
    this.skipped = { when: now, ms: pause.to - LEAD_MS - this.at };
    this.at = pause.to - LEAD_MS;
  }

  #tell(what) {
    this.dispatchEvent(new Event(what));
  }
}
