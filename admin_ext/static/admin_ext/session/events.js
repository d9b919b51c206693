import { granted } from "../polling.js";

const PAGE = 50;
// Where text is looked for, so many events at a time are looked through.
const MOST_LOOKED_AT = 500;

/** A session's events, filtered, page by page: as far as they were asked for. */
export class Events {
  #address;
  #next;
  #filter;
  // When the latest was that came, whether it passed or not; only where the latest come first.
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
      const passed = answer.results.filter((event) => this.#passes(event));
      found += passed.length;
      take(passed);
    }
  }

  /** What has come since the last look, latest first; null where that is more than a page. */
  async fresh(signal) {
    const address = new URL(this.#address);
    if (this.#newest) address.searchParams.set("timestamp_after", this.#newest);
    const answer = await ask(address, signal);
    this.#newest = answer.results[0]?.timestamp ?? this.#newest;
    return answer.next ? null : answer.results.filter((event) => this.#passes(event));
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
