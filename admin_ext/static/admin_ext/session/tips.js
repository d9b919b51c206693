/** Why a flag is there is put away by Escape, until one points at the flag or comes to it again. */

export function startTips(flags) {
  const putAway = (away) => (flag) => flag.toggleAttribute("data-away", away);
  document.addEventListener("keydown", ({ key }) => key === "Escape" && flags.forEach(putAway(true)));
  for (const flag of flags) {
    for (const name of ["mouseenter", "focus"]) flag.addEventListener(name, () => putAway(false)(flag));
  }
}
