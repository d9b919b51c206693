"use strict";

// Django's boxes of two lists name their icons for who cannot see them, but not that they are images.
addEventListener("load", () =>
  setTimeout(() => {
    for (const icon of document.querySelectorAll("span.help-tooltip[aria-label]")) {
      icon.setAttribute("role", "img");
    }
  }),
);
