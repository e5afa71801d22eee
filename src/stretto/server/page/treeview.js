// The tree of calls beside the timeline. Only the rows that can be seen are elements; a screen reader is told how
// many there are, and where each one stands.
import { el, fill, lasted, many } from "./words.js";

/** @typedef {import("./tree.js").Row} Row */
/** @typedef {import("./tree.js").Node} TreeNode */
/** @typedef {import("./model.js").Model} Model */

const HIGH = 24,
  MORE = 8;

export class TreeView {
  /** @param {Model} model @param {(place: string, call: number) => void} chosen */
  constructor(model, chosen) {
    this.model = model;
    this.heard = chosen;
    /** @type {Row[]} */ this.rows = [];
    this.at = -1; // the chosen row
    this.version = -1;
    this.space = el("div", { class: "space", role: "presentation" });
    this.element = el(
      "div",
      { class: "tree", role: "tree", tabindex: 0, "aria-label": "Calls in program order" },
      this.space,
    );
    // rows come and go while a run goes on: one that is pressed may be gone before it is let go
    this.element.addEventListener("mousedown", (/** @type {MouseEvent} */ event) => this.pressed(event));
    this.element.addEventListener("scroll", () => this.draw());
    this.element.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => this.key(event));
    new ResizeObserver(() => this.draw()).observe(this.element);
  }

  /** What is new, and what has been opened. */
  update() {
    const kept = this.rows[this.at]?.node;
    this.rows = this.model.tree.rows();
    if (kept) {
      const at = this.rows.findIndex((row) => row.node === kept);
      this.at = at >= 0 ? at : Math.min(this.at, this.rows.length - 1);
    }
    this.space.style.height = `${Math.max(this.rows.length, 1) * HIGH}px`;
    this.draw();
  }

  draw() {
    const { element, rows } = this;
    const first = Math.max(0, Math.floor(element.scrollTop / HIGH) - MORE);
    const last = Math.min(rows.length, Math.ceil((element.scrollTop + element.clientHeight) / HIGH) + MORE);
    const made = [];
    for (let i = first; i < last; i++) made.push(this.row(i));
    fill(
      this.space,
      ...(rows.length ? made : [el("p", { class: "none", role: "treeitem" }, "No call yet.")]),
    );
    const active = this.rows[this.at] && this.at >= first && this.at < last ? `row-${this.at}` : null;
    if (active) element.setAttribute("aria-activedescendant", active);
    else element.removeAttribute("aria-activedescendant");
  }

  /** @param {number} i */
  row(i) {
    const { model } = this,
      { node, depth, label, index, of } = this.rows[i];
    const open = node.only ? model.tree.isOpen(node, depth) : null;
    const begun = node.isCall && node.call < 0 ? model.begun.get(node.place) : undefined;
    const kind = node.call >= 0 ? model.kindOf(node.call) : begun ? model.kindOfOpen(begun) : -1;
    const made = el(
      "div",
      {
        id: `row-${i}`,
        role: "treeitem",
        class: `row${i === this.at ? " at" : ""}`,
        "aria-level": depth + 1,
        "aria-setsize": of,
        "aria-posinset": index,
        "aria-expanded": open === null ? null : String(open),
        "aria-selected": String(i === this.at),
        "data-row": i,
      },
      el(
        "span",
        { class: "twist", onclick: (/** @type {Event} */ e) => (e.stopPropagation(), this.turn(i)) },
        open === null ? "" : open ? "▾" : "▸",
      ),
      kind >= 0 ? el("span", { class: `dot kind-${model.words.kinds[kind]}` }) : null,
      el("span", { class: "label" }, label),
      el("span", { class: "says" }, this.says(node)),
    );
    made.style.transform = `translateY(${i * HIGH}px)`;
    made.style.paddingLeft = `${8 + Math.min(depth, 12) * 14}px`;
    return made;
  }

  /** @param {TreeNode} node */
  says(node) {
    const { model } = this;
    if (node.call >= 0) {
      const took = lasted(model.ended[node.call] - model.started[node.call]);
      return model.failed[node.call] ? el("b", { class: "bad" }, `failed, ${took}`) : took;
    }
    if (!node.isCall) return node.size > 1 ? many(node.calls, "call") : "";
    const begun = model.begun.get(node.place);
    if (begun && model.isSettled(begun)) return "settled";
    if (model.running) return el("b", { class: "live" }, "running");
    return begun?.how === "write" ? el("b", { class: "bad" }, "in doubt") : "stopped";
  }

  /** @param {number} i @param {boolean} tell */
  go(i, tell) {
    if (!this.rows.length) return;
    this.at = Math.min(Math.max(i, 0), this.rows.length - 1);
    const top = this.at * HIGH,
      { element } = this;
    if (top < element.scrollTop) element.scrollTop = top;
    else if (top + HIGH > element.scrollTop + element.clientHeight)
      element.scrollTop = top + HIGH - element.clientHeight;
    this.draw();
    const { node } = this.rows[this.at];
    if (tell && node.isCall) this.heard(node.place, node.call);
  }

  /** @param {MouseEvent} event */
  pressed(event) {
    const on = /** @type {HTMLElement} */ (event.target),
      row = on.closest("[data-row]");
    if (!row || event.button) return;
    const i = Number(row.getAttribute("data-row"));
    if (on.matches(".twist")) this.turn(i);
    else this.go(i, true);
  }

  /** Show a call that was chosen elsewhere. @param {string} place */
  reveal(place) {
    const node = this.model.tree.find(place);
    if (!node) return;
    this.model.tree.reveal(node);
    this.rows = this.model.tree.rows();
    this.space.style.height = `${this.rows.length * HIGH}px`;
    const at = this.rows.findIndex((row) => row.node === node);
    if (at < 0) return;
    const { element } = this,
      top = at * HIGH;
    if (top < element.scrollTop || top + HIGH > element.scrollTop + element.clientHeight) {
      element.scrollTop = Math.max(0, top - element.clientHeight / 2);
    }
    this.go(at, false);
  }

  /** Open what is closed. @param {number} i */
  turn(i) {
    const { node, depth } = this.rows[i];
    if (!node.only) return;
    node.open = !this.model.tree.isOpen(node, depth);
    this.at = i;
    this.update();
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    const row = this.rows[Math.max(this.at, 0)];
    if (!row || event.ctrlKey || event.metaKey || event.altKey) return;
    const open = row.node.only ? this.model.tree.isOpen(row.node, row.depth) : null;
    const page = Math.max(1, Math.floor(this.element.clientHeight / HIGH) - 1);
    if (event.key === "ArrowDown") this.go(this.at + 1, true);
    else if (event.key === "ArrowUp") this.go(this.at - 1, true);
    else if (event.key === "PageDown") this.go(this.at + page, true);
    else if (event.key === "PageUp") this.go(this.at - page, true);
    else if (event.key === "Home") this.go(0, true);
    else if (event.key === "End") this.go(this.rows.length - 1, true);
    else if (event.key === "ArrowRight" && open === false) this.turn(this.at);
    else if (event.key === "ArrowRight" && open) this.go(this.at + 1, true);
    else if (event.key === "ArrowLeft" && open) this.turn(this.at);
    else if (event.key === "ArrowLeft") {
      let up = this.at;
      while (up > 0 && this.rows[up].depth >= row.depth) up--;
      this.go(up, true);
    } else if (event.key === "Enter" || event.key === " ") {
      if (row.node.isCall) this.go(this.at, true);
      else this.turn(this.at);
    } else return;
    event.preventDefault();
    event.stopPropagation();
  }
}
