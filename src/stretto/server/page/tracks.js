// What the timeline shows, one above the other: a run as it was, as it would have been in sequence, and at best.
import { pack } from "./lanes.js";
import { byKey } from "./order.js";

/** @typedef {import("./model.js").Model} Model */

/** Where there are more lanes than this, waits get no room of their own. */
const ROOMY = 240;

export class Track {
  /** @param {Model} model @param {string} title @param {string} kind "run", "sequential" or "ideal" */
  constructor(model, title, kind) {
    this.model = model;
    this.title = title;
    this.kind = kind;
    this.begin = new Float64Array(0);
    this.end = new Float64Array(0);
    /** @type {Float64Array | null} since when each waited */ this.waited = null;
    this.colour = new Uint8Array(0);
    this.order = new Int32Array(0);
    /** @type {import("./lanes.js").Layout} */
    this.layout = pack(this.order, this.begin, this.end) ?? never();
    /** @type {import("./model.js").Begun[]} what runs, numbered from `model.n` on */ this.open = [];
    /** @type {number[]} */ this.path = [];
    /** @type {number[]} */ this.failed = [];
    this.took = 0;
  }

  get ghost() {
    return this.kind !== "run";
  }

  /** What is told of a bar in a word. @param {number} at */
  label(at) {
    const { model } = this;
    return model.short(at < model.n ? model.name[at] : this.open[at - model.n].name);
  }
}

/** A run as it was. @param {Model} model @param {string} title */
export function asItWas(model, title) {
  const track = new Track(model, title, "run");
  const { order } = model.facts;
  track.open = [...model.begun.values()].filter((b) => !model.isSettled(b));
  track.open.sort((a, b) => a.time - b.time);
  const n = model.n,
    now = model.now,
    size = n + track.open.length;
  track.begin = new Float64Array(size);
  track.end = new Float64Array(size);
  const early = (track.waited = new Float64Array(size));
  track.colour = new Uint8Array(size);
  track.begin.set(model.started.subarray(0, n));
  track.end.set(model.ended.subarray(0, n));
  for (const at of order) {
    early[at] = Math.min(model.waitedSince(at), model.started[at]);
    track.colour[at] = model.kindOf(at);
    if (model.failed[at]) track.failed.push(at);
  }
  track.open.forEach((begun, i) => {
    track.begin[n + i] = early[n + i] = begun.time;
    track.end[n + i] = Math.max(now, begun.time);
    track.colour[n + i] = model.kindOfOpen(begun);
  });
  track.order = merged(
    order,
    track.open.map((_, i) => n + i),
    track.begin,
  );
  track.layout =
    (track.order.length <= 20_000 && pack(byKey(track.order, early), early, track.end, ROOMY)) ||
    pack(track.order, track.begin, track.end) ||
    never();
  track.path = model.path;
  track.took = model.took;
  return track;
}

/** The same calls one after another, in program order. @param {Model} model */
export function inSequence(model) {
  const track = new Track(model, "if sequential", "sequential");
  track.begin = new Float64Array(model.n);
  track.end = new Float64Array(model.n);
  track.colour = new Uint8Array(model.n);
  let time = 0;
  const calls = model.tree.calls;
  for (const at of calls) {
    track.begin[at] = time;
    time = track.end[at] = time + model.ended[at] - model.started[at];
    track.colour[at] = model.kindOf(at);
  }
  track.order = Int32Array.from(calls);
  track.layout = pack(track.order, track.begin, track.end) ?? never();
  track.took = time;
  return track;
}

/** The same calls, each as soon as the results that it needs are there. @param {Model} model */
export function atBest(model) {
  const track = new Track(model, "if ideal", "ideal");
  track.end = model.ideal;
  track.begin = new Float64Array(model.n);
  track.colour = new Uint8Array(model.n);
  for (const at of model.facts.order) {
    track.begin[at] = track.end[at] - (model.ended[at] - model.started[at]);
    track.colour[at] = model.kindOf(at);
    track.took = Math.max(track.took, track.end[at]);
  }
  track.order = byKey(model.facts.order, track.begin);
  track.layout = pack(track.order, track.begin, track.end) ?? never();
  return track;
}

/** How many ran at once, over equal parts of a time. @param {Track} track @param {number} from
 * @param {number} until @param {number} parts */
export function runningAtOnce(track, from, until, parts) {
  const found = new Float64Array(parts + 1);
  const scale = parts / Math.max(until - from, 1);
  for (const at of track.order) {
    const a = (track.begin[at] - from) * scale,
      b = (track.end[at] - from) * scale;
    if (b < 0 || a > parts) continue;
    const first = Math.max(0, Math.floor(a)),
      last = Math.min(parts - 1, Math.floor(b));
    // each part is given its share, so that many short calls are not taken for many at once
    if (first === last) {
      add(found, first, b - a);
    } else {
      add(found, first, first + 1 - Math.max(a, 0));
      found[first + 1] += 1;
      found[last] -= 1;
      add(found, last, Math.min(b, parts) - last);
    }
  }
  // `found` holds differences for what lies between, and shares for the ends, which come as differences too
  for (let i = 1; i < parts; i++) found[i] += found[i - 1];
  return found.subarray(0, parts);
}

/** @param {Float64Array} found @param {number} part @param {number} share */
function add(found, part, share) {
  found[part] += share;
  found[part + 1] -= share;
}

/** Two lists, each in order, as one. @param {Int32Array} a @param {number[]} b @param {Float64Array} by */
function merged(a, b, by) {
  const all = new Int32Array(a.length + b.length);
  for (let i = 0, j = 0, to = 0; to < all.length; to++) {
    all[to] = j >= b.length || (i < a.length && by[a[i]] <= by[b[j]]) ? a[i++] : b[j++];
  }
  return all;
}

/** @returns {never} */
function never() {
  throw new Error("without a limit bars find their lanes");
}
