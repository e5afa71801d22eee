// All that is known of one call.
import { dollars, el, fill, lasted, many } from "./words.js";

/** @typedef {import("./model.js").Model} Model */

const LISTED = 30;

export class Details {
  /** @param {Model} model @param {any} api @param {{choose: (place: string) => void, close: () => void,
   *   act: (action: string, place: string) => void}} heard */
  constructor(model, api, heard) {
    this.model = model;
    this.api = api;
    this.heard = heard;
    this.place = "";
    this.shown = this.drawn = "";
    this.asked = 0; // how often something has come
    /** @type {any} */ this.found = null;
    this.element = el("aside", { class: "details", hidden: true, "aria-label": "The chosen call" });
  }

  /** @param {string} place */
  async show(place) {
    if (place !== this.place) ((this.found = null), this.asked++);
    this.place = place;
    this.element.hidden = !place;
    if (!place) return;
    this.draw();
    const { model } = this,
      node = model.tree.find(place);
    const seqs = [model.intents.get(place), model.settled.get(place)?.seq, model.begun.get(place)?.seq];
    if (node && node.call >= 0) seqs.push(model.eventOf[node.call]);
    const numbers = /** @type {number[]} */ (seqs.filter((seq) => seq !== undefined));
    const key = `${place} ${numbers}`;
    if (this.found && key === this.shown) return;
    try {
      const found = await this.api.call(model.head.id, numbers);
      if (this.place !== place) return;
      this.found = found;
      this.shown = key;
    } catch (error) {
      if (this.place !== place) return;
      this.found = { problem: String(/** @type {Error} */ (error).message) };
    }
    this.asked++;
    this.draw();
  }

  draw() {
    const { model, place, heard } = this;
    const node = model.tree.find(place);
    if (!node) return;
    const at = node.call;
    const begun = model.begun.get(place);
    const waiters = at >= 0 ? model.waiters(at, LISTED) : { found: [], count: 0 };
    const { running, head } = model;
    // it stays as it is while it says the same, so that nothing is taken away under somebody's hands
    const key = JSON.stringify([place, at, begun, waiters.count, running, head.can, this.asked]);
    if (key === this.drawn) return;
    this.drawn = key;
    const full = at >= 0 ? model.names[model.name[at]] : begun ? model.names[begun.name] : "";
    const name = at >= 0 ? model.short(model.name[at]) : begun ? model.short(begun.name) : node.label;
    const close = el(
      "button",
      { class: "plain", "aria-label": "Close", title: "Close (Esc)", onclick: heard.close },
      "✕",
    );
    const kind = at >= 0 ? model.words.kinds[model.kindOf(at)] : "";
    fill(
      this.element,
      el("header", {}, el("h2", {}, kind ? el("span", { class: `dot kind-${kind}` }) : null, name), close),
      el("dl", {}, ...this.facts(at, place, full, begun)),
      ...this.values(at, begun),
      ...(at >= 0 ? this.ties(at, waiters) : []),
      this.actions(place, begun),
    );
  }

  /** @param {number} at @param {string} place @param {string} full @param {any} begun */
  facts(at, place, full, begun) {
    const { model } = this;
    /** @type {[string, any][]} */
    const facts = [
      ["place", el("code", {}, place)],
      ["function", el("code", {}, full)],
    ];
    if (at < 0) {
      if (begun) {
        const doubt = !model.running && !model.isSettled(begun) && begun.how === "write";
        facts.push([
          "state",
          doubt
            ? el("b", { class: "bad" }, "in doubt: nobody knows whether it happened")
            : model.isSettled(begun)
              ? "settled"
              : model.running
                ? "running"
                : "stopped with the run",
        ]);
        facts.push(["began at", lasted(begun.time)]);
        if (begun.how === "stream") facts.push(["items so far", String(begun.attempt)]);
      }
      return facts.flatMap(term);
    }
    const site = model.site[at] >= 0 ? model.sites[model.site[at]] : null;
    facts.push(["state", model.failed[at] ? el("b", { class: "bad" }, "failed") : "done"]);
    facts.push([
      "took",
      `${lasted(model.ended[at] - model.started[at])}, from ${lasted(model.started[at])} to ${lasted(model.ended[at])}`,
    ]);
    const waited = model.started[at] - model.waitedSince(at);
    if (waited >= 1000)
      facts.push(["waited", `${lasted(waited)} for ${model.words.waits[model.how[at]][2]}`]);
    if (model.attempts[at] > 1) facts.push(["attempts", String(model.attempts[at])]);
    const usd = model.usd.get(at);
    if (usd !== undefined) facts.push(["cost", dollars(usd)]);
    facts.push([
      "effects",
      site ? site.effects || "none declared" : "not recorded: made by code that runs as a whole",
    ]);
    if (site?.limit) facts.push(["limit", site.limit]);
    if (site?.way) facts.push(["by way of", site.way]);
    if (site) facts.push(["line", el("code", {}, `${site.file}:${site.line}`)]);
    return facts.flatMap(term);
  }

  /** @param {number} at @param {any} begun */
  values(at, begun) {
    const { found } = this;
    if (!found) return [el("p", { class: "faint" }, "…")];
    if (found.problem) return [el("p", { class: "bad" }, found.problem)];
    if (found.missing)
      return [
        el(
          "p",
          { class: "faint" },
          "What it was given and returned is not in this file; `stretto show` tells.",
        ),
      ];
    const made = [];
    if (at < 0 && begun?.how === "call") return [];
    if (found.arguments !== undefined) made.push(value("arguments", found.arguments));
    else
      made.push(
        el("h3", {}, "arguments"),
        el(
          "p",
          { class: "faint" },
          "They are not kept where they are larger than 16 KB, and the call changes nothing.",
        ),
      );
    if (found.result !== undefined) made.push(value("result", found.result));
    if (found.error !== undefined) made.push(value("error", found.error));
    if (found.settled)
      made.push(
        el("p", {}, `Settled ${found.settled === "done" ? "as done" : "to be run again"}, by ${found.by}.`),
      );
    if (at < 0 && begun && found.received) made.push(el("p", {}, `${many(found.received, "item")} so far.`));
    return made;
  }

  /** What it waited for, and what waited for it. @param {number} at
   * @param {{found: number[], count: number}} waiters */
  ties(at, { found, count }) {
    const { model } = this,
      { cause } = model.facts;
    const made = [el("h3", {}, "waited for")];
    const list = [];
    const last = cause[at],
      how = model.words.waits[model.how[at]];
    const unseen = model.unseen.get(at);
    if (unseen) {
      const own = model.own.get(at);
      list.push(
        el(
          "li",
          {},
          swatch(how[1]),
          `${how[1]}: `,
          el("code", {}, unseen.slice(unseen.lastIndexOf("/") + 1)),
          own ? ` (own code, ${lasted(own.took)}, ${own.at})` : " (no call)",
        ),
      );
    } else if (last >= 0) list.push(el("li", {}, swatch(how[1]), `${how[1]}: `, this.link(last)));
    for (const need of model.needsOf(at))
      if (need !== last) list.push(el("li", {}, swatch("data"), "data: ", this.link(need)));
    made.push(list.length ? el("ul", {}, ...list) : el("p", { class: "faint" }, "Nothing."));
    made.push(el("h3", {}, `what waited for it${count ? ` (${count.toLocaleString("en")})` : ""}`));
    const items = found.map((other) =>
      el("li", {}, swatch(model.words.waits[model.how[other]][1]), this.link(other)),
    );
    if (count > found.length)
      items.push(el("li", { class: "faint" }, `and ${many(count - found.length, "more call")}`));
    made.push(items.length ? el("ul", {}, ...items) : el("p", { class: "faint" }, "Nothing."));
    return made;
  }

  /** @param {number} at */
  link(at) {
    const { model } = this,
      place = model.places[at];
    return el("button", { class: "link", onclick: () => this.heard.choose(place) }, place);
  }

  /** @param {string} place @param {any} begun */
  actions(place, begun) {
    const { model, api, heard } = this,
      can = model.head.can ?? {};
    if (api.alone) return null;
    const doubt = begun && model.doubts.some((other) => other.place === place);
    return el(
      "footer",
      {},
      doubt && !can.settle
        ? el("button", { class: "primary", onclick: () => heard.act("settle", place) }, "Settle…")
        : null,
      el(
        "button",
        { disabled: Boolean(can.fork), title: can.fork || null, onclick: () => heard.act("fork", place) },
        "Fork from here…",
      ),
    );
  }
}

/** @param {[string, any]} fact */
function term([name, told]) {
  return [el("dt", {}, name), el("dd", {}, told)];
}

/** @param {string} name @param {string} text */
function value(name, text) {
  return el("section", {}, el("h3", {}, name), el("pre", { tabindex: 0, "aria-label": name }, text));
}

/** @param {string} wait */
function swatch(wait) {
  return el("span", { class: `dash wait-${wait}` });
}
