import { granted } from "../polling.js";

const PAGE = 50;
// Where text is looked for, so many events at a time are looked through.
const MOST_LOOKED_AT = 500;
// What has come since the last look is read page by page, but no further than this.
const MOST_FRESH_PAGES = 10;

/** A session's events, filtered, page by page: as far as they were asked for. */
export class Events {
  #address;
  #next;
  #filter;
  // The ids of all that came, whether they passed or not.
  #seen = new Set();
  // When the latest of them was; only where the latest come first.
  #newest;
  hasBegun = false;

  /** `filter`: category (`is:…`, `not:…` or empty), name, text and ordering. */
  constructor(address, filter) {
    this.#filter = filter;
    this.#address = new URL(address, location.href);
    const { searchParams } = this.#address;
    searchParams.set("ordering", filter.ordering);
    searchParams.set("page_size", PAGE);
    if (filter.category.startsWith("is:")) searchParams.set("category", filter.category.slice(3));
    if (filter.name) searchParams.set("name__icontains", filter.name);
    this.#next = this.#address.href;
  }

  get isLatestFirst() {
    return this.#filter.ordering === "-timestamp";
  }

  get looked() {
    return this.#seen.size;
  }

  get isOver() {
    return this.#next === null;
  }

  /** Hands pages of what passes the filter to `take`, until a page's worth is found. */
  async more(take, signal) {
    let [found, looked] = [0, 0];
    while (this.#next && found < PAGE && looked < MOST_LOOKED_AT) {
      const answer = await ask(this.#next, signal);
      this.#next = answer.next;
      this.#newest ??= answer.results[0]?.timestamp;
      this.hasBegun = true;
      looked += answer.results.length;
      const passed = this.#take(answer.results).filter((event) => this.#passes(event));
      found += passed.length;
      take(passed);
    }
  }

  /** What has come since the last look, latest first; null where that is more than ten pages. */
  async fresh(signal) {
    const address = new URL(this.#address);
    // The latest is in the answer too: others may have come at its time.
    if (this.#newest) address.searchParams.set("timestamp_after", this.#newest);
    const found = [];
    let next = address.href;
    for (let page = 0; next; page += 1) {
      if (page === MOST_FRESH_PAGES) return null;
      const answer = await ask(next, signal);
      const unseen = answer.results.filter(({ id }) => !this.#seen.has(id));
      found.push(...unseen);
      next = unseen.length ? answer.next : null;
    }
    this.#newest = found[0]?.timestamp ?? this.#newest;
    return this.#take(found).filter((event) => this.#passes(event));
  }

  /** Those that had not come before. */
  #take(events) {
    const unseen = events.filter(({ id }) => !this.#seen.has(id));
    for (const { id } of unseen) this.#seen.add(id);
    return unseen;
  }

  #passes(event) {
    const { category, text } = this.#filter;
    if (category.startsWith("not:") && event.category === category.slice(4)) return false;
    if (!text) return true;
    const all = `${event.category} ${event.name} ${JSON.stringify(event.data)}`;
    return all.toLowerCase().includes(text.toLowerCase());
  }
}

async function ask(address, signal) {
  return granted(await fetch(address, { signal })).json();
}
