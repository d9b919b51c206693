/** The page of a session of which nothing has arrived: looks again, until it has. */

import { poll } from "./polling.js";

const POLL_MS = 3_000;

poll(async (signal) => {
  const { ok } = await fetch(location.href, { method: "HEAD", signal });
  if (ok) location.reload();
  return !ok;
}, POLL_MS, () => {});
