// Colours: those of the style sheet, as the canvas needs them; and whether the page is dark.

/** @typedef {{kinds: string[], on: string[], waits: string[], pixels: number[], ink: string, faint: string,
 *   line: string, path: string, failed: string, accent: string, paper: string, area: string, font: string}}
 *   Colours */

const KEY = "stretto-theme";

/** @param {{kinds: string[], waits: string[][]}} words @returns {Colours} */
export function colours(words) {
  const style = getComputedStyle(document.documentElement);
  const get = (/** @type {string} */ name) => style.getPropertyValue(`--${name}`).trim();
  const kinds = words.kinds.map((kind) => get(`kind-${kind}`) || get("kind-unknown"));
  return {
    kinds,
    on: words.kinds.map((kind) => get(`on-${kind}`) || get("on-unknown")),
    waits: words.waits.map(([, word]) => get(`wait-${word}`) || get("wait-other")),
    pixels: kinds.map(pixel),
    ink: get("ink"),
    faint: get("faint"),
    line: get("line"),
    path: get("path"),
    failed: get("failed"),
    accent: get("accent"),
    paper: get("paper"),
    area: get("area"),
    font: style.fontFamily || "sans-serif",
  };
}

/** "#rrggbb" as a pixel of an image. @param {string} colour */
function pixel(colour) {
  const rgb = parseInt(colour.slice(1), 16);
  const little = new Uint8Array(new Uint32Array([1]).buffer)[0] === 1;
  const r = (rgb >> 16) & 255,
    g = (rgb >> 8) & 255,
    b = rgb & 255;
  return (little ? (255 << 24) | (b << 16) | (g << 8) | r : (r << 24) | (g << 16) | (b << 8) | 255) >>> 0;
}

/** As chosen before, else as the system has it. */
export function applyTheme() {
  const kept = stored();
  if (kept) document.documentElement.dataset.theme = kept;
  else delete document.documentElement.dataset.theme;
}

export function isDark() {
  const theme = document.documentElement.dataset.theme;
  return theme ? theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
}

/** Change to the other one. */
export function switchTheme() {
  const theme = isDark() ? "light" : "dark";
  document.documentElement.dataset.theme = theme;
  try {
    localStorage.setItem(KEY, theme);
  } catch {
    // a page in a frame keeps nothing
  }
  document.dispatchEvent(new Event("themechange"));
}

/** @param {() => void} then */
export function onTheme(then) {
  document.addEventListener("themechange", then);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", then);
}

function stored() {
  try {
    const kept = localStorage.getItem(KEY);
    return kept === "dark" || kept === "light" ? kept : "";
  } catch {
    return "";
  }
}
