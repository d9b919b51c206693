import { granted } from "../polling.js";

const PAGE = 50;
// Where text is looked for, so many events at a time are looked through.
const MOST_LOOKED_AT = 500;
// What has come since the last look is read in so many pages at most.
const MOST_FRESH_PAGES = 10;

/** A session's events, filtered, page by page: as far as they were asked for. */
export class Events {
  #address;
  #next;
  #filter;
  // Those that came, whether they passed or not, and when the latest was; only where the latest come
  // first.
  #ids = new Set();
  #newest;
  looked = 0;

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
      looked += answer.results.length;
      this.looked += answer.results.length;
      this.#unknown(answer.results);
      const passed = answer.results.filter((event) => this.#passes(event));
      found += passed.length;
      take(passed);
    }
  }

  /**
   * What has come since the last look, latest first; null where that is more than can be read at
   * once. Events of the newest time come again with each look.
   */
  async fresh(signal) {
    const found = [];
    const first = new URL(this.#address);
    if (this.#newest) first.searchParams.set("timestamp_after", this.#newest);
    for (let [address, pages] = [first.href, 0]; address; pages += 1) {
      if (pages === MOST_FRESH_PAGES) return null;
      const answer = await ask(address, signal);
      const unknown = this.#unknown(answer.results);
      found.push(...unknown);
      address = unknown.length ? answer.next : null;
    }
    this.#newest = found[0]?.timestamp ?? this.#newest;
    return found.filter((event) => this.#passes(event));
  }

  #unknown(events) {
    const unknown = events.filter(({ id }) => !this.#ids.has(id));
    for (const { id } of unknown) this.#ids.add(id);
    return unknown;
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
