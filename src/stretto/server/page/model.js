// A run as the page knows it: columns that grow by the parts that the server sends.
//
// Calls are known by their number. Of 100,000 of them nothing is kept but these columns and their place in the
// tree, so what is asked of all of them is a loop over typed arrays.
import { byKey } from "./order.js";
import { Tree } from "./tree.js";

/** @typedef {{place: string, name: number, time: number, seq: number, attempt: number, how: string,
 *   site: number}} Begun how: "write" where it was to change something, "stream", or "call" */
/** @typedef {{file: string, line: number, kind: number, effects: string, limit: string, way: string}} Site */
/** What each call needs stands in `needs`, from where `needsFrom` says until where that of the next begins.
 * @typedef {{order: Int32Array, byEnd: Int32Array, cause: Int32Array, needsFrom: Int32Array,
 *   needs: Int32Array, sequential: number, path: number[], ideal: Float64Array, best: number}} Facts */

const INSIDE = "inside",
  START = "start";

/** What is known of calls, by number. */
class Columns {
  n = 0;
  lost = 0; // of them, those that were made once more
  seq = 0;
  version = 0;
  state = "running";
  latest = 0;
  away = 0;
  shared = 0;
  /** @type {number[]} */ resumed = [];
  /** @type {string[]} */ names = [];
  /** @type {Site[]} */ sites = [];
  /** @type {string[]} */ places = [];
  size = 1024;
  started = new Float64Array(this.size);
  ended = new Float64Array(this.size);
  ready = new Float64Array(this.size);
  name = new Int32Array(this.size);
  eventOf = new Int32Array(this.size);
  last = new Int32Array(this.size);
  site = new Int32Array(this.size);
  how = new Uint8Array(this.size);
  attempts = new Int32Array(this.size);
  failed = new Uint8Array(this.size);
  gone = new Uint8Array(this.size);
  /** @type {(number | number[])[]} */ needed = [];
  /** @type {Map<number, number>} */ usd = new Map();
  /** @type {Map<number, {took: number, at: string}>} */ own = new Map();
  /** @type {Map<number, string>} */ unseen = new Map();
  /** @type {Map<string, Begun>} */ begun = new Map();
  /** @type {Map<string, number>} */ intents = new Map();
  /** @type {Map<string, {decision: string, by: string, seq: number}>} */ settled = new Map();
  clock = { now: 0, at: 0 };
  tree = new Tree();
  /** @type {any} what follows from all calls, and of which version */ kept = { version: -1 };
}

export class Model extends Columns {
  /** @param {{kinds: string[], waits: string[][]}} words what the server calls kinds and waits */
  constructor(words) {
    super();
    this.words = words;
    this.inside = words.waits.findIndex(([kind]) => kind === INSIDE);
    this.begins = words.waits.findIndex(([kind]) => kind === START);
    /** @type {any} what is known of the run as a whole */
    this.head = {};
  }

  reset() {
    Object.assign(this, new Columns(), { version: this.version });
  }

  /** @param {any} part what the server tells anew */
  add(part) {
    if (part.first === 0 && this.n) this.reset();
    this.names.push(...part.names);
    for (const [file, line, kind, effects, limit, way] of part.sites) {
      this.sites.push({ file, line, kind, effects, limit, way });
    }
    const calls = part.calls,
      count = calls.place.length;
    this.grow(this.n + count);
    // events are told by kind, and the tree is in the order in which they came
    let next = 0;
    const begin = (/** @type {number} */ until) => {
      for (; next < part.begun.length && part.begun[next][3] < until; next++) {
        const [place, name, time, seq, attempt, told, site] = part.begun[next];
        const before = this.begun.get(place);
        // that a write has been under way for a while makes it no less a write
        const how = before && told === "call" ? before.how : told;
        this.begun.set(place, { place, name, time, seq, attempt, how, site });
        if (told === "write") this.intents.set(place, seq);
        this.tree.add(place, -1);
      }
    };
    this.name.set(calls.name, this.n);
    this.eventOf.set(calls.seq, this.n);
    this.ready.set(calls.ready, this.n);
    this.started.set(calls.started, this.n);
    this.how.set(calls.kind, this.n);
    this.last.set(calls.last, this.n);
    this.site.set(calls.site, this.n);
    this.attempts.fill(1, this.n, this.n + count);
    for (let i = 0, at = this.n; i < count; i++, at++) {
      const place = calls.place[i],
        seq = calls.seq[i];
      if (next < part.begun.length) begin(seq);
      this.places.push(place);
      this.ended[at] = calls.started[i] + calls.took[i];
      this.needed.push(calls.needs[i]);
      this.tree.add(place, at);
      if (this.begun.size) this.over(place, seq);
    }
    this.n += count;
    begin(Infinity);
    for (const [at, attempt] of part.attempts) this.attempts[at] = attempt;
    for (const at of part.failed) this.failed[at] = 1;
    for (const at of part.gone) ((this.lost += 1 - this.gone[at]), (this.gone[at] = 1));
    for (const [at, took, where] of part.own) this.own.set(at, { took: Number(took), at: where });
    for (const [at, place] of part.unseen) this.unseen.set(at, place);
    for (const [at, ended, attempt, failed, seq] of part.again) {
      this.ended[at] = Math.max(ended, this.started[at]);
      this.attempts[at] = attempt;
      this.failed[at] = failed ? 1 : 0;
      this.eventOf[at] = seq;
      this.over(this.places[at], seq);
    }
    for (const [at, usd] of part.usd) this.usd.set(at, usd);
    for (const [place, decision, by, seq] of part.settled) this.settled.set(place, { decision, by, seq });
    for (const [time, seq] of part.resumed) {
      this.resumed.push(time);
      // what was under way is lost, but for what may have happened
      for (const begun of [...this.begun.values()])
        if (begun.how === "call" && begun.seq < seq) this.begun.delete(begun.place);
    }
    this.seq = part.seq;
    this.state = part.state;
    this.latest = part.latest;
    this.away = part.away;
    this.shared += part.shared.length;
    this.clock = { now: part.now, at: performance.now() };
    this.version++;
  }

  /** @param {string} place @param {number} seq */
  over(place, seq) {
    const begun = this.begun.get(place);
    if (begun && begun.seq < seq) this.begun.delete(place);
  }

  /** @param {number} size */
  grow(size) {
    if (size <= this.size) return;
    this.size = Math.max(size, 2 * this.size);
    for (const [name, column] of Object.entries(this)) {
      if (!ArrayBuffer.isView(column)) continue;
      const Kind = /** @type {any} */ (column.constructor);
      const longer = new Kind(this.size);
      longer.set(column);
      /** @type {any} */ (this)[name] = longer;
    }
  }

  /** Whether somebody runs it. */
  get running() {
    return this.head.state ? this.head.state === "running" : this.state === "running";
  }

  get count() {
    return this.n - this.lost;
  }

  /** The time on the run's own clock. */
  get now() {
    if (!this.running) return this.latest;
    return Math.max(this.latest, this.clock.now + (performance.now() - this.clock.at) * 1000);
  }

  /** How long it has taken. */
  get took() {
    return this.running ? this.now : this.latest;
  }

  get cost() {
    if (!this.usd.size) return null;
    let sum = 0;
    for (const [at, usd] of this.usd) if (!this.gone[at]) sum += usd;
    return sum;
  }

  /** The writes of which nobody knows whether they happened. */
  get doubts() {
    if (this.running || this.head.state === "succeeded") return [];
    return [...this.begun.values()].filter((b) => b.how === "write" && !this.isSettled(b));
  }

  /** @param {Begun} begun */
  isSettled(begun) {
    const settled = this.settled.get(begun.place);
    return settled !== undefined && settled.seq > begun.seq;
  }

  /** @param {number} at */
  kindOf(at) {
    return this.site[at] < 0 ? this.words.kinds.length - 1 : this.sites[this.site[at]].kind;
  }

  /** The kind of a call that is under way. @param {Begun} begun */
  kindOfOpen(begun) {
    if (begun.site >= 0) return this.sites[begun.site].kind;
    for (let at = this.n - 1; at >= Math.max(0, this.n - 2000); at--) {
      if (this.name[at] === begun.name) return this.kindOf(at);
    }
    return begun.how === "write" ? this.words.kinds.indexOf("writes") : this.words.kinds.length - 1;
  }

  /** The name of a function alone. @param {number} name */
  short(name) {
    const full = this.names[name];
    return full.slice(Math.max(full.lastIndexOf(":"), full.lastIndexOf(".")) + 1);
  }

  /** What follows from all calls; made once, until there are more.
   * @returns {Facts} */
  get facts() {
    if (this.kept.version !== this.version) this.kept = { version: this.version, ...this.link() };
    return /** @type {any} */ (this.kept);
  }

  /** As `Timeline` in observe/timeline.py has it, for a run that goes on as well. */
  link() {
    const { n, started, ended, gone, how, last, needed } = this;
    const all = new Int32Array(this.count);
    let sequential = 0;
    for (let at = 0, to = 0; at < n; at++) {
      if (gone[at]) continue;
      all[to++] = at;
      sequential += ended[at] - started[at];
    }
    const byEnd = byKey(all, ended),
      order = byKey(byEnd, started);
    const before = (/** @type {number} */ a, /** @type {number} */ b) =>
      a >= 0 &&
      !gone[a] &&
      ended[a] <= started[b] &&
      (ended[a] < ended[b] || (ended[a] === ended[b] && a < b));
    const cause = new Int32Array(n).fill(-1);
    const needsFrom = new Int32Array(n + 1);
    /** @type {number[]} */ const needs = [];
    for (let at = 0; at < n; at++) {
      needsFrom[at] = needs.length;
      if (gone[at]) continue;
      const given = needed[at];
      if (typeof given === "number") {
        if (given && before(given - 1, at)) needs.push(given - 1);
      } else for (const need of given) if (before(need, at)) needs.push(need);
      if (how[at] === this.begins) continue;
      if (how[at] === this.inside) cause[at] = this.endedBy(byEnd, started[at], at);
      else if (before(last[at], at)) cause[at] = last[at];
      else cause[at] = this.endedBy(byEnd, started[at] - (this.own.get(at)?.took ?? 0), at);
    }
    needsFrom[n] = needs.length;
    const facts = { order, byEnd, cause, needsFrom, needs: Int32Array.from(needs), sequential };
    const ideal = this.ends(facts);
    let best = 0;
    for (let at = 0; at < n; at++) if (ideal[at] > best) best = ideal[at];
    return { ...facts, ideal, best, path: this.critical(facts) };
  }

  /** What had ended last by a time, before a call. @param {Int32Array} byEnd @param {number} time
   * @param {number} at */
  endedBy(byEnd, time, at) {
    const { ended } = this;
    let low = 0,
      high = byEnd.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      const it = byEnd[middle];
      const comes = ended[it] <= time && (ended[it] < ended[at] || (ended[it] === ended[at] && it < at));
      if (comes) low = middle + 1;
      else high = middle;
    }
    return low ? byEnd[low - 1] : -1;
  }

  /** @param {{order: Int32Array, cause: Int32Array}} facts */
  critical({ order, cause }) {
    if (!order.length || !this.sites.length) return [];
    let at = order[0];
    for (const other of order) if (this.ended[other] > this.ended[at]) at = other;
    const path = [];
    for (; at >= 0; at = cause[at]) path.push(at);
    return path.reverse();
  }

  /** @param {{order: Int32Array, needsFrom: Int32Array, needs: Int32Array}} facts */
  ends({ order, needsFrom, needs }) {
    const ends = new Float64Array(this.n);
    for (const at of order) {
      let start = 0;
      for (let i = needsFrom[at]; i < needsFrom[at + 1]; i++) start = Math.max(start, ends[needs[i]]);
      ends[at] = start + this.ended[at] - this.started[at];
    }
    return ends;
  }

  /** The calls on the critical path, the first one first; none where it is not recorded why calls waited. */
  get path() {
    return this.facts.path;
  }

  /** When each call would have ended if only results had been waited for. */
  get ideal() {
    return this.facts.ideal;
  }

  /** How long the run would have taken then; null where it is not recorded why calls waited. */
  get best() {
    return this.sites.length ? this.facts.best : null;
  }

  /** What a call could not do without. @param {number} at */
  needsOf(at) {
    const { needs, needsFrom } = this.facts;
    return needs.subarray(needsFrom[at], needsFrom[at + 1]);
  }

  /** Since when a call waited, although something that it needs was there. @param {number} at */
  waitedSince(at) {
    const how = this.how[at];
    if (how === this.inside || how === this.begins) return this.started[at];
    const soft = this.words.waits[how][0] !== "data" && this.words.waits[how][0] !== "control";
    if (soft) return Math.min(this.ready[at], this.started[at]);
    const { needs, needsFrom } = this.facts;
    const from = needsFrom[at],
      count = needsFrom[at + 1] - from;
    if (!count) return this.started[at];
    let first = 0,
      second = 0;
    for (let i = from; i < from + count; i++) {
      const end = this.ended[needs[i]];
      if (end >= first) ((second = first), (first = end));
      else if (end > second) second = end;
    }
    return count > 1 ? second : first;
  }

  /** The calls that waited for one, the first ones. @param {number} at @param {number} most */
  waiters(at, most) {
    const { order, cause } = this.facts;
    const found = [];
    let count = 0;
    for (const other of order) {
      if (cause[other] !== at && !this.needsOf(other).includes(at)) continue;
      if (found.length < most) found.push(other);
      count++;
    }
    return { found, count };
  }
}
