// Bars in lanes: each in the lowest one that is free when it begins, so that there are no more lanes than bars
// that overlap. (Interval partitioning, with a heap of lanes by when they become free.)

/** @typedef {{lanes: number, lane: Int32Array, offsets: Int32Array, items: Int32Array}} Layout */

/** A heap of numbers by their keys, smallest first. */
class Heap {
  /** @param {number} size */
  constructor(size) {
    this.keys = new Float64Array(size);
    this.values = new Int32Array(size);
    this.size = 0;
  }

  /** @param {number} key @param {number} value */
  push(key, value) {
    const { keys, values } = this;
    let at = this.size++;
    while (at > 0) {
      const up = (at - 1) >> 1;
      if (keys[up] <= key) break;
      keys[at] = keys[up];
      values[at] = values[up];
      at = up;
    }
    keys[at] = key;
    values[at] = value;
  }

  pop() {
    const { keys, values } = this;
    const top = values[0];
    const size = --this.size;
    const key = keys[size],
      value = values[size];
    let at = 0;
    for (;;) {
      let down = 2 * at + 1;
      if (down >= size) break;
      if (down + 1 < size && keys[down + 1] < keys[down]) down++;
      if (keys[down] >= key) break;
      keys[at] = keys[down];
      values[at] = values[down];
      at = down;
    }
    keys[at] = key;
    values[at] = value;
    return top;
  }
}

/** @param {Int32Array} order the bars by when they begin @param {Float64Array} begin @param {Float64Array} end
 * @param {number} most how many lanes there may be at most @returns {Layout | null} */
export function pack(order, begin, end, most = Infinity) {
  const lane = new Int32Array(begin.length).fill(-1);
  const busy = new Heap(order.length),
    free = new Heap(order.length);
  let lanes = 0;
  for (const at of order) {
    while (busy.size && busy.keys[0] <= begin[at]) {
      const freed = busy.pop();
      free.push(freed, freed);
    }
    const taken = free.size ? free.pop() : lanes++;
    if (lanes > most) return null;
    lane[at] = taken;
    busy.push(end[at], taken);
  }
  const offsets = new Int32Array(lanes + 1);
  for (const at of order) offsets[lane[at] + 1]++;
  for (let i = 0; i < lanes; i++) offsets[i + 1] += offsets[i];
  const next = offsets.slice(0, lanes);
  const items = new Int32Array(order.length);
  for (const at of order) items[next[lane[at]]++] = at;
  return { lanes, lane, offsets, items };
}

/** The first bar of a lane, from a position on, that ends after a time. @param {Layout} layout
 * @param {Float64Array} end @param {number} from @param {number} to @param {number} time */
export function firstAfter(layout, end, from, to, time) {
  const { items } = layout;
  while (from < to) {
    const middle = (from + to) >> 1;
    if (end[items[middle]] > time) to = middle;
    else from = middle + 1;
  }
  return from;
}
