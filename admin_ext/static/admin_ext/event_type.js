/** The page of an event type: tries what is in the editor on the latest events, without saving. */

const LONGEST_MS = 30_000;
const part = document.getElementById("try");
const form = part.closest("form");
const button = part.querySelector("[data-try]");
const answer = part.querySelector("[data-tried]");

button.addEventListener("click", async () => {
  const body = new FormData(form);
  body.set("type", part.dataset.type);
  button.disabled = true;
  answer.textContent = "Trying…";
  try {
    answer.innerHTML = await tried(body);
  } catch {
    answer.textContent = "The service cannot be reached. Try again in a moment.";
  }
  button.disabled = false;
});

/** A part of a page, in which the server has escaped all that came from outside. */
async function tried(body) {
  const signal = AbortSignal.timeout(LONGEST_MS);
  const response = await fetch(part.dataset.url, { method: "POST", body, signal });
  if (response.redirected) return "You are no longer signed in. Sign in again in another tab.";
  if (response.ok) return response.text();
  return response.status === 403
    ? "Your account may not try schemas, or this page is too old. Reload it."
    : "The service could not try it. Try again in a moment.";
}
