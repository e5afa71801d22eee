// The calls of a run in program order, as the tree of places in which they stand.

export class Node {
  /** @param {string} label @param {Node | null} above */
  constructor(label, above) {
    this.label = label;
    this.above = above;
    this.call = -1; // its number; -1 for what is no call, or has not ended
    this.isCall = false;
    this.calls = 0; // how many are in here, itself among them
    /** @type {Map<string, Node> | null} */ this.inside = null;
    /** @type {Node[] | null} */ this.sorted = null;
    /** @type {boolean | null} whether it is open; null: as it comes */ this.open = null;
  }

  get place() {
    const labels = [];
    for (let node = /** @type {Node} */ (this); node.above; node = node.above) labels.push(node.label);
    return labels.reverse().join("/");
  }

  /** Whether what is in here are the turns of a loop. */
  get isLoop() {
    if (!this.inside) return false;
    for (const label of this.inside.keys()) if (!isTurn(label)) return false;
    return true;
  }

  /** What is in here in program order: turns of a loop and repetitions by number, else as they came. */
  get ordered() {
    if (!this.inside) return [];
    if (this.sorted) return this.sorted;
    const inside = [...this.inside.values()];
    if (inside.length > 1 && this.isLoop) {
      inside.sort((a, b) => Number(a.label) - Number(b.label));
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
    /** @type {Map<string, Node>} */ this.parents = new Map([["", this.root]]);
    this.nodes = 0;
  }

  /** @param {string} place @param {number} call its number, or -1 while it has not ended */
  add(place, call) {
    const cut = place.lastIndexOf("/");
    const above = this.within(cut < 0 ? "" : place.slice(0, cut), cut < 0);
    const node = this.child(above, place.slice(cut + 1));
    if (!node.isCall) {
      node.isCall = true;
      for (let up = /** @type {Node | null} */ (node); up; up = up.above) up.calls++;
    }
    if (call >= 0) node.call = call;
  }

  /** The node at a place. @param {string} place @param {boolean} isRoot @returns {Node} */
  within(place, isRoot) {
    if (isRoot) return this.root;
    const key = "/" + place;
    const known = this.parents.get(key);
    if (known) return known;
    const cut = place.lastIndexOf("/");
    const above = this.within(cut < 0 ? "" : place.slice(0, cut), cut < 0);
    const node = this.child(above, place.slice(cut + 1));
    this.parents.set(key, node);
    return node;
  }

  /** @param {Node} above @param {string} label */
  child(above, label) {
    above.inside ??= new Map();
    let node = above.inside.get(label);
    if (!node) {
      node = new Node(label, above);
      above.inside.set(label, node);
      above.sorted = null;
      this.nodes++;
    }
    return node;
  }

  /** The node of a place that is known. @param {string} place */
  find(place) {
    let node = /** @type {Node | undefined} */ (this.root);
    for (const label of place.split("/")) node = node?.inside?.get(label);
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
    const few = (node.inside?.size ?? 0) <= 200 || this.root.inside?.size === 1;
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
        while (!node.isCall && node.inside && node.inside.size === 1) {
          [node] = node.inside.values();
          label += "/" + node.label;
        }
        rows.push({ node, top, depth, label, index: index + 1, of: ordered.length });
        if (node.inside && this.isOpen(node, depth)) put(node, depth + 1);
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
  return /^\d{1,18}$/.test(label);
}

/** A name, and which time it stands there. @param {string} label @returns {[string, number]} */
function repetition(label) {
  const cut = label.lastIndexOf("#");
  return cut >= 0 && isTurn(label.slice(cut + 1))
    ? [label.slice(0, cut), Number(label.slice(cut + 1))]
    : [label, 1];
}
