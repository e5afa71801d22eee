// The strip at the top of a timeline: how many calls ran at once over the whole of the run, and which part of it is
// shown.
import { runningAtOnce } from "./tracks.js";

/** How high it is. */
export const OVERVIEW = 44;

export class Overview {
  constructor() {
    this.key = "";
    this.values = new Float64Array(0);
    this.most = 1;
  }

  /** @param {CanvasRenderingContext2D} context @param {import("./theme.js").Colours} c
   * @param {import("./tracks.js").Track | undefined} track @param {number} width
   * @param {{from: number, until: number, whole: number}} shown */
  draw(context, c, track, width, shown) {
    context.fillStyle = c.paper;
    context.fillRect(0, 0, width, OVERVIEW);
    if (!track) return;
    const parts = Math.max(Math.floor(width), 1),
      whole = shown.whole * 1.02;
    this.count(track, whole, parts);
    const { values, most } = this;
    context.beginPath();
    context.moveTo(0, OVERVIEW - 1);
    values.forEach((value, x) => context.lineTo(x, OVERVIEW - 1 - (value / most) * (OVERVIEW - 16)));
    context.lineTo(parts, OVERVIEW - 1);
    context.fillStyle = c.area;
    context.fill();
    const a = Math.max((shown.from / whole) * width, 0),
      b = Math.min((shown.until / whole) * width, width);
    if (a > 0.5 || b < width - 1) {
      context.globalAlpha = 0.55;
      context.fillStyle = c.paper;
      context.fillRect(0, 0, a, OVERVIEW);
      context.fillRect(b, 0, width - b, OVERVIEW);
      context.globalAlpha = 1;
      context.strokeStyle = c.accent;
      context.strokeRect(a + 0.5, 0.5, Math.max(b - a - 1, 2), OVERVIEW - 2);
    }
    context.fillStyle = c.faint;
    context.font = `10px ${c.font}`;
    context.textBaseline = "top";
    context.fillText(`at once: up to ${Math.max(1, Math.round(most))}`, 6, 3);
    context.fillStyle = c.line;
    context.fillRect(0, OVERVIEW - 1, width, 1);
  }

  /** @param {import("./tracks.js").Track} track @param {number} whole @param {number} parts */
  count(track, whole, parts) {
    const key = `${parts} ${whole} ${track.order.length}`;
    if (this.key === key) return;
    this.key = key;
    this.values = runningAtOnce(track, 0, whole, parts);
    this.most = 1;
    for (const value of this.values) this.most = Math.max(this.most, value);
  }
}
