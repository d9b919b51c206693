let last = 0;

/** Fires eye:drawn on `document`: the charts now show the data up to `until`, in ms since 1970. */
export function tellDrawn(until) {
  if (until === last) return;
  last = until;
  document.dispatchEvent(new CustomEvent("eye:drawn", { detail: { data_until: until } }));
}
