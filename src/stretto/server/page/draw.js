// The bars of a track on a canvas, at the level of detail that the canvas has.
//
// In a lane bars do not overlap, so those that lie in one column of pixels follow each other, and the next one
// that can be seen is found by binary search. What is drawn is bounded by what can be seen, however many calls
// there are. Where lanes are lower than a bar can be drawn, pixels are set one by one.
import { firstAfter } from "./lanes.js";

/** @typedef {import("./tracks.js").Track} Track */
/** @typedef {{x: number, y: number, width: number, height: number}} Box */
/** @typedef {{from: number, until: number, laneHeight: number, top: number}} View top: pixels scrolled away */

/** Lanes that are lower than this are set pixel by pixel. */
const FLAT = 3;
/** More bars than this are not drawn one by one where they are thin. */
const MANY = 4000;

export class Painter {
  /** @param {CanvasRenderingContext2D} context @param {import("./theme.js").Colours} colours */
  constructor(context, colours) {
    this.context = context;
    this.colours = colours;
    this.raster = document.createElement("canvas");
  }

  /** @param {Track} track @param {View} view @param {Box} box where on the canvas */
  bars(track, view, box) {
    const { context } = this;
    context.save();
    context.beginPath();
    context.rect(box.x, box.y, box.width, box.height);
    context.clip();
    if (view.laneHeight < FLAT) this.flat(track, view, box);
    else this.full(track, view, box);
    context.restore();
  }

  /** @param {Track} track @param {View} view @param {Box} box */
  full(track, view, box) {
    const { context, colours } = this;
    const { layout, begin, end, colour } = track;
    const { items, offsets } = layout;
    const h = view.laneHeight,
      gap = h > 8 ? 2 : 1,
      thick = h - gap;
    const scale = box.width / (view.until - view.from);
    const from = Math.max(0, Math.floor(view.top / h));
    const to = Math.min(layout.lanes, Math.ceil((view.top + box.height) / h));
    /** @type {number[][]} x, y and width of what has each colour */
    const rects = colours.kinds.map(() => []);
    /** @type {number[]} */ const wide = [];
    /** @type {number[][]} */ const waits = colours.waits.map(() => []);
    for (let lane = from; lane < to; lane++) {
      const y = box.y + lane * h - view.top;
      const last = offsets[lane + 1];
      let i = firstAfter(layout, end, offsets[lane], last, view.from);
      let free = i > offsets[lane] ? end[items[i - 1]] : -Infinity;
      while (i < last) {
        const at = items[i];
        const waited = track.waited ? Math.max(track.waited[at], free) : begin[at];
        if (waited > view.until) break;
        const x0 = (begin[at] - view.from) * scale,
          x1 = (end[at] - view.from) * scale;
        if (waited < begin[at]) {
          const w0 = Math.max(0, (waited - view.from) * scale);
          if (x0 - w0 >= 1) waits[track.model.how[at]]?.push(box.x + w0, y, x0 - w0);
        }
        free = end[at];
        if (begin[at] <= view.until) {
          const left = Math.max(x0, -2);
          const width = Math.max(Math.min(x1, box.width + 2) - left - (x1 - x0 > 3 ? 0.5 : 0), 1);
          const list = rects[colour[at]];
          const size = list.length;
          // what touches the one before it is one with it
          if (
            size &&
            width < 3 &&
            list[size - 2] === y &&
            box.x + left <= list[size - 3] + list[size - 1] + 0.5
          ) {
            list[size - 1] = Math.max(list[size - 1], box.x + left + width - list[size - 3]);
          } else list.push(box.x + left, y, width);
          if (x1 - x0 > 34 && thick >= 11) wide.push(at, left, y, Math.min(x1, box.width) - left);
        }
        const pixel = Math.floor(x1) + 1;
        i =
          x1 - x0 < 1
            ? Math.max(i + 1, firstAfter(layout, end, i + 1, last, view.from + (pixel - 0.5) / scale))
            : i + 1;
      }
    }
    context.globalAlpha = track.ghost ? 0.45 : 1;
    if (rects.reduce((sum, list) => sum + list.length, 0) > 3 * MANY) this.thin(rects, box, thick);
    rects.forEach((list, kind) => {
      context.fillStyle = colours.kinds[kind];
      rounded(context, list, thick);
    });
    context.globalAlpha = 1;
    waits.forEach((list, how) => {
      context.fillStyle = colours.waits[how];
      for (let k = 0; k < list.length; k += 3)
        context.fillRect(list[k], list[k + 1] + thick / 2 - 0.75, list[k + 2] - 1, 1.5);
    });
    this.labels(track, wide, box, thick);
  }

  /** Set what is thin pixel by pixel, and leave the rest. @param {number[][]} rects @param {Box} box
   * @param {number} thick */
  thin(rects, box, thick) {
    const sheet = this.sheet(box),
      { columns, rows, pixels } = sheet;
    rects.forEach((list, kind) => {
      const ink = this.colours.pixels[kind];
      let kept = 0;
      for (let k = 0; k < list.length; k += 3) {
        const width = list[k + 2];
        if (width >= 6) {
          list.copyWithin(kept, k, k + 3);
          kept += 3;
          continue;
        }
        const x = Math.max(Math.round(list[k] - box.x), 0),
          end = Math.min(x + Math.max(Math.round(width), 1), columns);
        const y = Math.max(Math.round(list[k + 1] - box.y), 0),
          under = Math.min(y + Math.round(thick), rows);
        for (let row = y; row < under; row++)
          for (let at = row * columns + x; at < row * columns + end; at++) pixels[at] = ink;
      }
      list.length = kept;
    });
    this.lay(sheet, box);
  }

  /** Pixels to be set, as many as there are in a box. @param {Box} box */
  sheet(box) {
    const { raster } = this;
    const columns = Math.max(1, Math.floor(box.width)),
      rows = Math.max(1, Math.floor(box.height));
    if (raster.width !== columns || raster.height !== rows)
      ((raster.width = columns), (raster.height = rows));
    const paper = /** @type {CanvasRenderingContext2D} */ (raster.getContext("2d"));
    const image = paper.createImageData(columns, rows);
    return { columns, rows, paper, image, pixels: new Uint32Array(image.data.buffer) };
  }

  /** @param {ReturnType<Painter["sheet"]>} sheet @param {Box} box */
  lay({ columns, rows, paper, image }, box) {
    paper.putImageData(image, 0, 0);
    this.context.drawImage(this.raster, box.x, box.y, columns, rows);
  }

  /** @param {Track} track @param {number[]} wide @param {Box} box @param {number} thick */
  labels(track, wide, box, thick) {
    const { context, colours } = this;
    const size = Math.min(12, thick - 3);
    context.font = `500 ${size}px ${colours.font}`;
    context.textBaseline = "middle";
    for (let k = 0; k < wide.length; k += 4) {
      const [at, left, y, width] = wide.slice(k, k + 4);
      const x = Math.max(left, 0) + 5,
        room = width - (x - left) - 4;
      const text = fitted(context, track.label(at), room);
      if (!text) continue;
      context.fillStyle = track.ghost ? colours.ink : colours.on[track.colour[at]];
      context.fillText(text, box.x + x, y + thick / 2 + 0.5);
    }
  }

  /** Lanes too low to be drawn one by one. @param {Track} track @param {View} view @param {Box} box */
  flat(track, view, box) {
    const { context, colours } = this;
    const { layout, begin, end, colour } = track;
    const { items, offsets } = layout;
    const sheet = this.sheet(box),
      { columns, rows, pixels } = sheet;
    const scale = columns / (view.until - view.from),
      h = view.laneHeight;
    const from = Math.max(0, Math.floor(view.top / h));
    const to = Math.min(layout.lanes, Math.ceil((view.top + rows) / h));
    const thick = Math.max(1, Math.floor(h));
    for (let lane = from; lane < to; lane++) {
      const y = Math.floor(lane * h - view.top);
      if (y < 0 || y >= rows) continue;
      const last = offsets[lane + 1];
      let i = firstAfter(layout, end, offsets[lane], last, view.from);
      while (i < last) {
        const at = items[i];
        if (begin[at] > view.until) break;
        const x0 = Math.max(0, Math.floor((begin[at] - view.from) * scale));
        const x1 = Math.min(columns - 1, Math.floor((end[at] - view.from) * scale));
        const ink = colours.pixels[colour[at]];
        for (let row = y; row < Math.min(y + thick, rows); row++)
          pixels.fill(ink, row * columns + x0, row * columns + x1 + 1);
        i =
          x1 - x0 < 1
            ? Math.max(i + 1, firstAfter(layout, end, i + 1, last, view.from + (x1 + 1) / scale))
            : i + 1;
      }
    }
    context.globalAlpha = track.ghost ? 0.5 : 1;
    this.lay(sheet, box);
    context.globalAlpha = 1;
  }

  /** The critical path: a line under its bars, and from the end of each to the beginning of the next.
   * @param {Track} track @param {View} view @param {Box} box */
  path(track, view, box) {
    const { context, colours } = this;
    const place = placing(track, view, box);
    context.save();
    context.beginPath();
    context.rect(box.x, box.y, box.width, box.height);
    context.clip();
    const bars = new Path2D(),
      between = new Path2D();
    let x = NaN,
      y = NaN;
    for (const at of track.path) {
      const bar = place(at);
      if (bar.x1 < box.x - 50 && track.path.length > 2000) continue;
      if (bar.x0 > box.x + box.width && x > box.x + box.width) break;
      const under = bar.y + bar.height - 0.5;
      if (Math.abs(bar.x1 - x) < 0.7 && Math.abs(under - y) < 0.7) continue; // the same pixel
      if (!Number.isNaN(x)) {
        between.moveTo(x, y);
        between.lineTo(bar.x0, y);
        between.lineTo(bar.x0, under);
      }
      bars.moveTo(bar.x0, under);
      bars.lineTo(Math.max(bar.x1, bar.x0 + 1), under);
      ((x = bar.x1), (y = under));
    }
    context.strokeStyle = colours.path;
    context.lineWidth = 1;
    context.globalAlpha = view.laneHeight >= 8 ? 0.55 : 0.3;
    context.stroke(between);
    context.globalAlpha = 1;
    context.lineWidth = view.laneHeight >= 8 ? 2.5 : 1.5;
    context.stroke(bars);
    context.restore();
  }

  /** What failed, and what is chosen, over all else. @param {Track} track @param {View} view @param {Box} box
   * @param {number} chosen @param {number} hovered */
  marks(track, view, box, chosen, hovered) {
    const { context, colours } = this;
    const place = placing(track, view, box);
    context.save();
    context.beginPath();
    context.rect(box.x, box.y, box.width, box.height);
    context.clip();
    for (let i = 0; i < track.open.length; i++) {
      const bar = place(track.model.n + i); // what runs has no end yet
      if (bar.x1 < box.x || bar.x0 > box.x + box.width) continue;
      context.globalAlpha = 0.4;
      context.fillStyle = colours.paper;
      context.fillRect(bar.x0, bar.y, bar.x1 - bar.x0, bar.height);
      context.globalAlpha = 1;
      context.fillStyle = colours.kinds[track.colour[track.model.n + i]];
      context.fillRect(bar.x1 - 3, bar.y, 3, Math.max(bar.height, 2));
    }
    context.fillStyle = colours.failed;
    for (const at of track.failed.slice(0, 5000)) {
      const bar = place(at);
      if (bar.x1 < box.x || bar.x0 > box.x + box.width) continue;
      context.fillRect(
        Math.max(bar.x0, bar.x1 - 4),
        bar.y,
        Math.max(Math.min(4, bar.x1 - bar.x0), 2),
        Math.max(bar.height, 2),
      );
    }
    for (const [at, colour, width] of /** @type {[number, string, number][]} */ ([
      [hovered, colours.ink, 1],
      [chosen, colours.accent, 2],
    ])) {
      if (at < 0 || at >= track.begin.length || track.layout.lane[at] < 0) continue;
      const bar = place(at);
      context.strokeStyle = colour;
      context.lineWidth = width;
      context.strokeRect(
        bar.x0 - 1,
        bar.y - 1,
        Math.max(bar.x1 - bar.x0, 2) + 2,
        Math.max(bar.height, 2) + 2,
      );
    }
    context.restore();
  }

  /** Lines to what a call waited for, and to what waited for it. @param {Track} track @param {View} view
   * @param {Box} box @param {number} at @param {number[]} needs @param {number[]} waiters */
  ties(track, view, box, at, needs, waiters) {
    const { context, colours } = this;
    const place = placing(track, view, box);
    const bar = place(at),
      middle = bar.y + bar.height / 2;
    context.save();
    context.beginPath();
    context.rect(box.x, box.y, box.width, box.height);
    context.clip();
    context.lineWidth = 1.25;
    context.strokeStyle = colours.waits[track.model.how[at]] ?? colours.ink;
    for (const need of needs) {
      const other = place(need);
      curve(context, other.x1, other.y + other.height / 2, bar.x0, middle);
    }
    context.strokeStyle = colours.accent;
    context.setLineDash([3, 3]);
    for (const waiter of waiters) {
      const other = place(waiter);
      curve(context, bar.x1, middle, other.x0, other.y + other.height / 2);
    }
    context.restore();
  }
}

/** Where bars are. @param {Track} track @param {View} view @param {Box} box */
export function placing(track, view, box) {
  const scale = box.width / (view.until - view.from),
    h = view.laneHeight;
  return (/** @type {number} */ at) => ({
    x0: box.x + (track.begin[at] - view.from) * scale,
    x1: box.x + (track.end[at] - view.from) * scale,
    y: box.y + track.layout.lane[at] * h - view.top,
    height: Math.max(h - (h > 8 ? 2 : h >= FLAT ? 1 : 0), 1),
  });
}

/** @param {CanvasRenderingContext2D} context @param {number[]} list @param {number} height */
function rounded(context, list, height) {
  const many = list.length > 6000 || height < 6;
  for (let k = 0; k < list.length; k += 3) {
    if (many || list[k + 2] < 5) context.fillRect(list[k], list[k + 1], list[k + 2], height);
    else {
      context.beginPath();
      context.roundRect(list[k], list[k + 1], list[k + 2], height, 3);
      context.fill();
    }
  }
}

/** @param {CanvasRenderingContext2D} context @param {number} x0 @param {number} y0 @param {number} x1
 * @param {number} y1 */
function curve(context, x0, y0, x1, y1) {
  const bend = Math.min(Math.max(Math.abs(x1 - x0) / 2, 8), 60);
  context.beginPath();
  context.moveTo(x0, y0);
  context.bezierCurveTo(x0 + bend, y0, x1 - bend, y1, x1, y1);
  context.stroke();
}

/** As much of a text as there is room for. @param {CanvasRenderingContext2D} context @param {string} text
 * @param {number} room */
function fitted(context, text, room) {
  const width = context.measureText(text).width;
  if (width <= room) return text;
  let letters = Math.floor((text.length * room) / width) - 1;
  while (letters > 2 && context.measureText(text.slice(0, letters) + "…").width > room) letters--;
  return letters < 3 ? "" : text.slice(0, letters) + "…";
}
