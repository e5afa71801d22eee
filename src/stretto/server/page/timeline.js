// The timeline: tracks on a canvas, with one scale of time for all of them, to be zoomed and moved.
import { Painter, placing } from "./draw.js";
import { firstAfter } from "./lanes.js";
import { OVERVIEW, Overview } from "./overview.js";
import { colours, onTheme } from "./theme.js";
import { el, fill, lasted, moment } from "./words.js";

/** @typedef {import("./tracks.js").Track} Track */

const AXIS = 22,
  TITLE = 20,
  PAD = 10,
  MOST = 22;

export class Timeline {
  /** @param {{waits: string[][], kinds: string[]}} words
   * @param {{chosen: (track: Track, at: number) => void, tip: (track: Track, at: number) => Node[]}} heard */
  constructor(words, heard) {
    this.words = words;
    this.heard = heard;
    /** @type {Track[]} */ this.tracks = [];
    this.from = 0;
    this.until = 1e6;
    this.whole = 1e6;
    this.zoom = 1; // of lanes: 1 is as high as there is room
    this.top = 0;
    this.fits = true; // all is shown, and stays so while the run grows
    this.chosen = { track: 0, at: -1 };
    this.hovered = { track: 0, at: -1 };
    /** @type {{needs: number[], waiters: number[]}} */ this.ties = { needs: [], waiters: [] };
    this.showPath = true;
    this.canvas = el("canvas", { "aria-hidden": "true" });
    this.tip = el("div", { class: "tip", hidden: true, "aria-hidden": "true" });
    this.element = el(
      "div",
      {
        class: "timeline",
        tabindex: 0,
        role: "application",
        "aria-roledescription": "timeline",
        "aria-label": "Timeline; the calls are also in the tree beside it",
      },
      this.canvas,
      this.tip,
    );
    this.painter = new Painter(this.canvas.getContext("2d"), colours(words));
    this.asked = 0;
    this.overview = new Overview();
    onTheme(() => ((this.painter.colours = colours(words)), this.draw()));
    new ResizeObserver(() => this.draw(true)).observe(this.element);
    this.listen();
  }

  /** @param {Track[]} tracks */
  show(tracks) {
    this.tracks = tracks;
    this.whole = Math.max(...tracks.map((track) => track.took), 1000);
    if (this.fits) this.fit();
    this.overview.key = "";
    this.draw();
  }

  fit() {
    this.fits = true;
    this.from = -this.whole * 0.005;
    this.until = this.whole * 1.02;
    this.zoom = 1;
    this.top = 0;
    this.draw();
  }

  /** @param {boolean} [at_once] */
  draw(at_once = false) {
    if (at_once) return this.paint();
    if (!this.asked) this.asked = requestAnimationFrame(() => this.paint());
  }

  get width() {
    return this.element.clientWidth;
  }

  get height() {
    return this.element.clientHeight;
  }

  /** Where each track is: its height, the height of its lanes, and where it begins, scrolled. */
  boxes() {
    const many = this.tracks.length > 1;
    const room = this.height - OVERVIEW - AXIS - PAD - 4 - this.tracks.length * ((many ? TITLE : 0) + PAD);
    const shares = this.tracks.map((track) => Math.min(Math.max(track.layout.lanes, 1), 60));
    const all = shares.reduce((a, b) => a + b, 0) || 1;
    let y = OVERVIEW + AXIS + PAD - this.top;
    return this.tracks.map((track, i) => {
      const lanes = Math.max(track.layout.lanes, 1);
      const laneHeight = Math.min((room * shares[i]) / all / lanes, MOST) * this.zoom;
      const title = many ? TITLE : 0;
      const box = { x: 0, y: y + title, width: this.width, height: lanes * laneHeight, laneHeight, title };
      y += title + box.height + PAD;
      return box;
    });
  }

  paint() {
    cancelAnimationFrame(this.asked);
    this.asked = 0;
    const { width, height, canvas } = this;
    if (!width || !height) return;
    const ratio = devicePixelRatio || 1;
    if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(height * ratio);
      canvas.style.width = `${width}px`;
      canvas.style.height = `${height}px`;
    }
    const context = this.painter.context;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, width, height);
    this.grid(context);
    this.boxes().forEach((box, i) => this.track(context, i, box));
    this.overview.draw(context, this.painter.colours, this.tracks[0], width, this);
  }

  /** @param {CanvasRenderingContext2D} context @param {number} i @param {any} box */
  track(context, i, box) {
    const track = this.tracks[i],
      { painter } = this,
      { colours: c } = painter;
    const upper = OVERVIEW + AXIS;
    if (box.y > this.height || box.y + box.height < upper) return;
    if (box.title) {
      context.fillStyle = c.faint;
      context.font = `600 11px ${c.font}`;
      context.textBaseline = "middle";
      if (box.y - TITLE / 2 > upper)
        context.fillText(`${track.title} · ${lasted(track.took)}`, 8, box.y - TITLE / 2);
    }
    // what is scrolled away above is left out
    const hidden = Math.max(upper - box.y, 0);
    const seen = {
      x: 0,
      y: box.y + hidden,
      width: box.width,
      height: Math.min(box.height - hidden, this.height - box.y - hidden) + 2,
    };
    const view = { from: this.from, until: this.until, laneHeight: box.laneHeight, top: hidden };
    painter.bars(track, view, seen);
    if (this.showPath && !track.ghost) painter.path(track, view, seen);
    const chosen = this.chosen.track === i || track.ghost ? this.chosen.at : -1;
    if (chosen >= 0 && !track.ghost && chosen < track.begin.length)
      painter.ties(track, view, seen, chosen, this.ties.needs, this.ties.waiters);
    painter.marks(track, view, seen, chosen, this.hovered.track === i ? this.hovered.at : -1);
    const end = (track.took - this.from) * (this.width / (this.until - this.from));
    if (!track.model.running || track.ghost) {
      context.globalAlpha = 0.4;
      context.fillStyle = c.faint;
      context.fillRect(end, seen.y, 1, Math.max(seen.height, 8));
      context.globalAlpha = 1;
    }
  }

  /** @param {CanvasRenderingContext2D} context */
  grid(context) {
    const { colours: c } = this.painter;
    const scale = this.width / (this.until - this.from);
    const step = nice(110 / scale);
    context.font = `11px ${c.font}`;
    context.textBaseline = "middle";
    for (let time = Math.ceil(Math.max(this.from, 0) / step) * step; time < this.until; time += step) {
      const x = Math.round((time - this.from) * scale) + 0.5;
      context.fillStyle = c.line;
      context.fillRect(x - 0.5, OVERVIEW, 1, this.height);
      context.fillStyle = c.faint;
      context.fillText(moment(time, step), x + 4, OVERVIEW + AXIS / 2);
    }
    context.fillStyle = c.line;
    context.fillRect(0, OVERVIEW + AXIS - 1, this.width, 1);
  }

  /** The bar at a point. @param {number} x @param {number} y */
  hit(x, y) {
    const boxes = this.boxes();
    for (let i = 0; i < boxes.length; i++) {
      const box = boxes[i],
        track = this.tracks[i];
      if (y < OVERVIEW + AXIS || y < box.y - 2 || y > box.y + box.height + 2) continue;
      const scale = this.width / (this.until - this.from);
      const time = this.from + x / scale,
        slack = 3 / scale;
      const { layout } = track;
      const lane = Math.min(Math.max(Math.floor((y - box.y) / box.laneHeight), 0), layout.lanes - 1);
      if (lane < 0) continue;
      const last = layout.offsets[lane + 1];
      const k = firstAfter(layout, track.end, layout.offsets[lane], last, time - slack);
      if (k < last && track.begin[layout.items[k]] <= time + slack) return { track: i, at: layout.items[k] };
      if (k < last && track.waited && track.waited[layout.items[k]] <= time)
        return { track: i, at: layout.items[k] };
    }
    return { track: 0, at: -1 };
  }

  /** Choose a call, and see to it that it can be seen. @param {number} at @param {number} [trackAt] */
  choose(at, trackAt = 0) {
    this.chosen = { track: trackAt, at };
    const track = this.tracks[trackAt];
    if (track && at >= 0 && at < track.begin.length) {
      const begin = track.begin[at],
        end = track.end[at],
        span = this.until - this.from;
      if (end < this.from || begin > this.until || (end - begin) * this.width < span * 0.5) {
        const wanted = Math.min(span, Math.max((end - begin) * 40, 2000));
        const outside = end < this.from || begin > this.until;
        if (outside || wanted < span / 50) this.move((begin + end) / 2 - wanted / 2, wanted);
      }
      const box = this.boxes()[trackAt];
      const bar = placing(
        track,
        { from: this.from, until: this.until, laneHeight: box.laneHeight, top: 0 },
        box,
      )(at);
      if (bar.y < OVERVIEW + AXIS + 4) this.top += bar.y - OVERVIEW - AXIS - 40;
      else if (bar.y > this.height - 24) this.top += bar.y - this.height + 80;
      this.bound();
    }
    this.draw();
  }

  /** @param {number} from @param {number} span */
  move(from, span) {
    this.fits = false;
    span = Math.min(Math.max(span, 20), this.whole * 1.5);
    this.from = Math.min(Math.max(from, -span * 0.5), this.whole - span * 0.2);
    this.until = this.from + span;
    this.draw();
  }

  /** @param {number} factor @param {number} [x] what stays where it is */
  scale(factor, x = this.width / 2) {
    const span = this.until - this.from,
      time = this.from + (x / this.width) * span;
    const wanted = Math.min(Math.max(span * factor, 20), this.whole * 1.5);
    this.move(time - (x / this.width) * wanted, wanted);
  }

  /** @param {number} factor @param {number} [y] */
  scaleLanes(factor, y = this.height / 2) {
    const boxes = this.boxes();
    const least = Math.min(...boxes.map((box) => box.laneHeight)) / this.zoom;
    const before = this.zoom;
    this.zoom = Math.min(Math.max(this.zoom * factor, 1), Math.max(MOST / least, 1));
    const above = y - OVERVIEW - AXIS + this.top;
    this.top += above * (this.zoom / before - 1);
    this.bound();
    this.draw();
  }

  bound() {
    const boxes = this.boxes(),
      last = boxes[boxes.length - 1];
    if (!last) return;
    const full = last.y + last.height + this.top;
    this.top = Math.min(Math.max(this.top, 0), Math.max(full - this.height + 12, 0));
  }

  listen() {
    const element = /** @type {HTMLElement} */ (this.element);
    /** @type {{x: number, y: number, from: number, top: number, moved: boolean, brush: boolean} | null} */
    let held = null;
    const at = (/** @type {MouseEvent} */ event) => {
      const box = element.getBoundingClientRect();
      return { x: event.clientX - box.left, y: event.clientY - box.top };
    };
    const brush = (/** @type {number} */ x) => {
      const span = this.until - this.from;
      this.move((x / this.width) * this.whole * 1.02 - span / 2, span);
    };
    element.addEventListener(
      "wheel",
      (event) => {
        event.preventDefault();
        const { x, y } = at(event);
        const by = event.deltaY * (event.deltaMode === 1 ? 16 : 1);
        if (event.altKey) this.scaleLanes(Math.exp(-by / 300), y);
        else if (event.ctrlKey || event.metaKey) this.scale(Math.exp(by / 300), x);
        else if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
          const along = event.deltaX || by;
          this.move(this.from + (along / this.width) * (this.until - this.from), this.until - this.from);
        } else if (this.overflows) {
          this.top += by;
          this.bound();
          this.draw();
        } else this.scale(Math.exp(by / 300), x);
      },
      { passive: false },
    );
    element.addEventListener("pointerdown", (event) => {
      if (event.button) return;
      const { x, y } = at(event);
      held = { x, y, from: this.from, top: this.top, moved: false, brush: y < OVERVIEW };
      if (held.brush) brush(x);
      element.setPointerCapture(event.pointerId);
    });
    element.addEventListener("pointermove", (event) => {
      const { x, y } = at(event);
      if (!held) return this.hover(x, y);
      if (Math.abs(x - held.x) + Math.abs(y - held.y) > 3) held.moved = true;
      if (held.brush) return brush(x);
      if (!held.moved) return;
      const span = this.until - this.from;
      this.move(held.from - ((x - held.x) / this.width) * span, span);
      this.top = held.top - (y - held.y);
      this.bound();
      this.tip.hidden = true;
    });
    element.addEventListener("pointerup", (event) => {
      const was = held;
      held = null;
      if (!was || was.moved || was.brush) return;
      const { x, y } = at(event);
      const found = this.hit(x, y);
      this.heard.chosen(this.tracks[found.track], found.at);
    });
    element.addEventListener("pointerleave", () => {
      this.tip.hidden = true;
      this.hovered = { track: 0, at: -1 };
      this.draw();
    });
    element.addEventListener("dblclick", (event) => {
      const { x, y } = at(event);
      const { track, at: bar } = this.hit(x, y);
      if (bar < 0) return this.scale(1 / 3, x);
      const { begin, end } = this.tracks[track],
        span = Math.max(end[bar] - begin[bar], 10) * 1.6;
      this.move(begin[bar] - span * 0.2, span);
    });
  }

  get overflows() {
    const boxes = this.boxes(),
      last = boxes[boxes.length - 1];
    return last !== undefined && last.y + last.height + this.top > this.height + 2;
  }

  /** @param {number} x @param {number} y */
  hover(x, y) {
    const found = this.hit(x, y),
      { tip } = this;
    if (found.at !== this.hovered.at || found.track !== this.hovered.track) {
      this.hovered = found;
      this.draw();
      tip.hidden = found.at < 0;
      if (found.at >= 0) fill(tip, ...this.heard.tip(this.tracks[found.track], found.at));
    }
    if (found.at < 0) return;
    tip.style.left = `${Math.min(x + 14, this.width - tip.offsetWidth - 8)}px`;
    tip.style.top = `${y + 18 + tip.offsetHeight > this.height ? y - tip.offsetHeight - 10 : y + 18}px`;
  }
}

/** Steps on an axis that is longer than a few seconds. */
const LONG = [10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800, 86400];

/** A step of 1, 2 or 5 times a power of ten, or what clocks have, at least as long as that.
 * @param {number} least */
function nice(least) {
  const long = least > 5e6 && LONG.find((seconds) => seconds * 1e6 >= least);
  if (long) return long * 1e6;
  const power = 10 ** Math.floor(Math.log10(Math.max(least, 1)));
  for (const times of [1, 2, 5, 10]) if (power * times >= least) return power * times;
  return power * 10;
}
