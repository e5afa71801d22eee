// The calls of a run in program order, as the tree of places in which they stand.
import { ordered } from "./order.js";

export class Node {
  /** @param {string} label @param {Node | null} above */
  constructor(label, above) {
    this.label = label;
    this.above = above;
    this.call = -1; // its number; -1 for what is no call, or has not ended
    this.isCall = false;
    this.calls = 0; // how many are in here, itself among them
    // what is in here: most nodes hold one other, which needs no map
    /** @type {Node | null} */ this.only = null;
    /** @type {Map<string, Node> | null} */ this.several = null;
    this.turns = true; // whether all of that are turns of a loop
    /** @type {Node[] | null} */ this.sorted = null;
    /** @type {boolean | null} whether it is open; null: as it comes */ this.open = null;
  }

  /** How many nodes are in here. */
  get size() {
    return this.several ? this.several.size : this.only ? 1 : 0;
  }

  /** What is in here, in the order in which it came. */
  get inside() {
    return this.several ? [...this.several.values()] : this.only ? [this.only] : [];
  }

  /** @param {string} label */
  get(label) {
    if (this.several) return this.several.get(label);
    return this.only?.label === label ? this.only : undefined;
  }

  /** @param {Node} node that is not in here */
  put(node) {
    this.turns &&= isTurn(node.label);
    this.sorted = null;
    if (this.several) this.several.set(node.label, node);
    else if (this.only)
      this.several = new Map([
        [this.only.label, this.only],
        [node.label, node],
      ]);
    else this.only = node;
  }

  get place() {
    const labels = [];
    for (let node = /** @type {Node} */ (this); node.above; node = node.above) labels.push(node.label);
    return labels.reverse().join("/");
  }

  /** What is in here in program order: turns of a loop and repetitions by number, else as they came. */
  get ordered() {
    if (this.sorted) return this.sorted;
    const { inside } = this;
    if (inside.length > 1 && this.turns) {
      const numbers = Float64Array.from(inside, (node) => Number(node.label));
      return (this.sorted = Array.from(ordered(numbers), (i) => inside[i]));
    } else if (inside.length > 1) {
      const repeated = inside.map((node) => repetition(node.label));
      /** @type {Map<string, {node: Node, number: number}[]>} */
      const same = new Map();
      inside.forEach((node, i) => {
        const [name, number] = repeated[i];
        const them = same.get(name) ?? [];
        them.push({ node, number });
        same.set(name, them);
      });
      for (const them of same.values()) them.sort((a, b) => b.number - a.number);
      inside.forEach((_, i) => {
        inside[i] = /** @type {{node: Node}} */ (same.get(repeated[i][0])?.pop()).node;
      });
    }
    return (this.sorted = inside);
  }
}

/** @typedef {{node: Node, top: Node, depth: number, label: string, index: number, of: number}} Row */

export class Tree {
  constructor() {
    this.root = new Node("", null);
    this.nodes = 0;
  }

  /** @param {string} place @param {number} call its number, or -1 while it has not ended */
  add(place, call) {
    let node = this.root;
    for (let from = 0, cut = 0; cut >= 0; from = cut + 1) {
      cut = place.indexOf("/", from);
      const label = cut < 0 ? place.slice(from) : place.slice(from, cut);
      let next = node.get(label);
      if (!next) {
        next = new Node(label, node);
        node.put(next);
        this.nodes++;
      }
      node = next;
    }
    if (!node.isCall) {
      node.isCall = true;
      for (let up = /** @type {Node | null} */ (node); up; up = up.above) up.calls++;
    }
    if (call >= 0) node.call = call;
  }

  /** The node of a place that is known. @param {string} place */
  find(place) {
    let node = /** @type {Node | undefined} */ (this.root);
    for (const label of place.split("/")) node = node?.get(label);
    return node;
  }

  /** Calls that have ended, in program order. */
  get calls() {
    /** @type {number[]} */
    const found = [];
    const stack = [...this.root.ordered].reverse();
    for (let node = stack.pop(); node; node = stack.pop()) {
      if (node.call >= 0) found.push(node.call);
      const inside = node.ordered;
      for (let i = inside.length - 1; i >= 0; i--) stack.push(inside[i]);
    }
    return found;
  }

  /** Whether what is in a node is shown. @param {Node} node @param {number} depth */
  isOpen(node, depth) {
    const few = node.size <= 200 || this.root.size === 1;
    return node.open ?? (this.nodes <= 600 || (depth < 1 && few));
  }

  /** What is shown: what holds a single thing shares its line with that. @returns {Row[]} */
  rows() {
    /** @type {Row[]} */
    const rows = [];
    const put = (/** @type {Node} */ within, /** @type {number} */ depth) => {
      const ordered = within.ordered;
      ordered.forEach((top, index) => {
        let node = top,
          label = top.label;
        while (!node.isCall && node.only && !node.several) {
          node = node.only;
          label += "/" + node.label;
        }
        rows.push({ node, top, depth, label, index: index + 1, of: ordered.length });
        if (node.only && this.isOpen(node, depth)) put(node, depth + 1);
      });
    };
    put(this.root, 0);
    return rows;
  }

  /** Open what a node is in. @param {Node} node */
  reveal(node) {
    for (let up = node.above; up; up = up.above) up.open = true;
  }
}

/** @param {string} label */
function isTurn(label) {
  if (label.length > 15 || !label) return false;
  for (let i = 0; i < label.length; i++) {
    const digit = label.charCodeAt(i);
    if (digit < 48 || digit > 57) return false;
  }
  return true;
}

/** A name, and which time it stands there. @param {string} label @returns {[string, number]} */
function repetition(label) {
  const cut = label.lastIndexOf("#");
  return cut >= 0 && isTurn(label.slice(cut + 1))
    ? [label.slice(0, cut), Number(label.slice(cut + 1))]
    : [label, 1];
}
