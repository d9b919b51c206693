const LONGEST_MS = 10_000;
const GONE = [401, 403, 404];
const AWAY = "The service does not answer; trying again.";
const REFUSED = "You are signed out, or may no longer see this. Reload the page to sign in.";

/** Asking again would not help: who asks is signed out, or it is not theirs to see, or is gone. */
class Refused extends Error {}

/** The response, where it is what was asked for. */
export function granted(response) {
  if (response.redirected || GONE.includes(response.status)) throw new Refused();
  if (!response.ok) throw new Error(response.status);
  return response;
}

/** Whether asking again may help where this was thrown. */
export function mayHelp(error) {
  return !(error instanceof Refused);
}

/** What the page says where this was thrown. */
export function inWords(error) {
  return mayHelp(error) ? AWAY : REFUSED;
}

/**
 * Calls `ask` every `interval` milliseconds while the page is visible, never two at a time, until
 * it gives false; a number that it gives is the pause to the next call. Where it throws, `onTrouble`
 * gets the words for the page, and the next call comes later, if it can help: see `granted`.
 */
export function poll(ask, interval, onTrouble) {
  let timer = 0;
  let asking = false;
  let pause = interval;
  const next = async () => {
    clearTimeout(timer);
    if (document.hidden || asking) return;
    asking = true;
    let goOn = true;
    try {
      goOn = await ask(AbortSignal.timeout(LONGEST_MS));
      pause = Number.isFinite(goOn) ? goOn : interval;
    } catch (error) {
      goOn = mayHelp(error);
      onTrouble(inWords(error));
      pause = Math.max(pause, Math.min(2 * pause, LONGEST_MS));
    }
    asking = false;
    if (goOn !== false) timer = setTimeout(next, pause);
    else document.removeEventListener("visibilitychange", next);
  };
  document.addEventListener("visibilitychange", next);
  next();
}

/** A colour of eye.css, for a canvas. */
export function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

/** Calls `repaint` when the page turns light or dark; paper is light. */
export function whenThemeChanges(repaint) {
  matchMedia("print").addEventListener("change", repaint);
  new MutationObserver(repaint).observe(document.documentElement, { attributeFilter: ["class"] });
}

/** Calls `redraw` when the window comes to a screen with other pixels. */
export function whenSharpnessChanges(redraw) {
  const screen = matchMedia(`(resolution: ${devicePixelRatio}dppx)`);
  const changed = () => {
    redraw();
    whenSharpnessChanges(redraw);
  };
  screen.addEventListener("change", changed, { once: true });
}
