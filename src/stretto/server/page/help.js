// The keys, and the legend.
import { el } from "./words.js";

const KEYS = [
  ["?", "this help"],
  ["Esc", "close what is open; nothing is chosen"],
  ["/", "find a call by its place or function; Enter goes to the next one"],
  ["j, k", "next and previous call in program order"],
  ["n, p", "next and previous call on the critical path"],
  ["e", "next call that failed"],
  ["+, −", "zoom in and out"],
  ["←, →", "earlier and later"],
  ["↑, ↓", "lanes above and below"],
  ["[, ]", "lanes lower and higher"],
  ["0", "show the whole run"],
  ["z", "zoom to the chosen call"],
  ["c", "critical path on and off"],
  ["g", "compare with the run if sequential, if ideal, both, none"],
  ["t", "dark and light"],
];

const MOUSE = [
  ["wheel", "zoom; where there are more lanes than fit, move through them"],
  ["Ctrl + wheel", "zoom at the pointer"],
  ["Shift + wheel", "earlier and later"],
  ["Alt + wheel", "height of lanes"],
  ["drag", "move; in the strip at the top, go there"],
  ["double click", "zoom to a call"],
];

export function showHelp() {
  const dialog = el(
    "dialog",
    { class: "help", "aria-labelledby": "help-title" },
    el(
      "form",
      { method: "dialog" },
      el("h2", { id: "help-title" }, "Keys"),
      table(KEYS),
      el("h2", {}, "Mouse"),
      table(MOUSE),
      el(
        "p",
        { class: "faint" },
        "In the tree of calls the arrow keys go from row to row, and open and close what calls are in.",
      ),
      el("footer", {}, el("button", { class: "primary" }, "Close")),
    ),
  );
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}

/** @param {string[][]} rows */
function table(rows) {
  return el(
    "table",
    {},
    el(
      "tbody",
      {},
      ...rows.map(([key, says]) =>
        el("tr", {}, el("th", { scope: "row" }, el("kbd", {}, key)), el("td", {}, says)),
      ),
    ),
  );
}

/** Which colour is what. @param {{kinds: string[], waits: string[][]}} words
 * @param {{kinds: Set<number>, waits: Set<number>}} used @param {boolean} failed */
export function legend(words, used, failed) {
  const kinds = words.kinds.filter((_, i) => used.kinds.has(i));
  const waits = words.waits.filter(([, word], i) => used.waits.has(i) && !["start", "inside"].includes(word));
  return el(
    "ul",
    { class: "legend", "aria-label": "Colours" },
    ...kinds.map((kind) => el("li", {}, el("span", { class: `dot kind-${kind}` }), kind)),
    ...waits.map(([, word, says]) =>
      el("li", { title: `waited for ${says}` }, el("span", { class: `dash wait-${word}` }), word),
    ),
    el("li", {}, el("span", { class: "dash path" }), "critical path"),
    failed ? el("li", {}, el("span", { class: "dot failed" }), "failed") : null,
  );
}
