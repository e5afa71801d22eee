// What is told of a run as a whole, above its timeline, and what can be done to it.
import { ago, count, dollars, el, fill, lasted, many } from "./words.js";

/** @typedef {import("./model.js").Model} Model */

/** So many doubts are named. */
const NAMED = 5;

export class Summary {
  /** @param {Model} model @param {any} api @param {{choose: (place: string) => void,
   *   act: (action: string) => void}} heard */
  constructor(model, api, heard) {
    this.model = model;
    this.api = api;
    this.heard = heard;
    this.figures = el("span", { class: "figures" });
    this.acts = el("span", { class: "acts" });
    this.element = el("div", { class: "summary" }, this.figures, this.acts);
    this.outcome = el("div", { class: "outcome" });
    this.loading = false;
    /** @type {Map<Element, string>} what each of them was made from */ this.made = new Map();
  }

  /** @param {boolean} loading whether more of it is on its way */
  update(loading) {
    this.loading = loading;
    const { model } = this,
      { head, doubts } = model;
    if (!head.state) return;
    document.title = `${head.name} ${head.state} · Stretto`;
    fill(this.figures, ...this.told());
    // what can be clicked stays the same element for as long as it says the same
    this.renew(this.acts, [head.state, head.can], () => this.actions());
    const said = [head.arguments, head.result, head.error, model.resumed.length, model.away, model.shared];
    this.renew(this.outcome, [said, doubts.map((doubt) => doubt.place)], () => this.lines());
  }

  /** @param {Element} element @param {any} from @param {() => (Node | string | null)[]} make */
  renew(element, from, make) {
    const key = JSON.stringify(from);
    if (this.made.get(element) === key) return;
    this.made.set(element, key);
    fill(element, ...make());
  }

  told() {
    const { model } = this,
      { head } = model;
    const { best } = model;
    const usual = model.running && head.usual > model.count ? ` of about ${count(head.usual)}` : "";
    const read = this.loading ? ` of ${count(head.calls)} read …` : "";
    return [
      el("h1", {}, head.name),
      el("code", { class: "id", title: head.flow }, head.id),
      el("span", { class: `state ${head.state.replace(" ", "-")}` }, head.state),
      figure("took", lasted(model.took)),
      figure(
        "one by one",
        lasted(model.facts.sequential),
        "how long its calls take one after another; own code is not counted",
      ),
      best === null ? null : figure("at best", lasted(best), "if only results had been waited for"),
      figure("calls", count(model.count) + (read || usual)),
      model.cost === null ? null : figure("cost", dollars(model.cost)),
      figure("started", ago(head.micros)),
    ];
  }

  actions() {
    const { head } = this.model,
      { state, can } = head;
    const made = [];
    if (head.forked_from) {
      const where = `#/run/${encodeURIComponent(head.forked_from)}`;
      const run = this.api.alone ? head.forked_from : el("a", { href: where }, head.forked_from);
      made.push(el("span", {}, "forked from ", run));
    }
    if (this.api.alone) return made;
    const offered = state === "running" ? ["stop"] : state === "succeeded" ? [] : ["resume"];
    for (const action of offered) {
      const name = action === "stop" ? "Stop…" : "Resume…",
        why = can[action];
      const label = why ? `${name} is not possible: ${why}` : null;
      made.push(
        el(
          "button",
          {
            disabled: Boolean(why),
            title: why || null,
            "aria-label": label,
            onclick: () => this.heard.act(action),
          },
          name,
        ),
      );
      if (why) made.push(el("span", { class: "faint why" }, why));
    }
    return made;
  }

  lines() {
    const { model } = this,
      { head, doubts, resumed } = model;
    const times = resumed.length === 1 ? "once" : `${resumed.length} times`;
    return [
      head.arguments ? line("arguments", head.arguments) : null,
      head.result ? line("result", head.result) : null,
      head.error ? line("error", head.error, "bad") : null,
      resumed.length
        ? line("resumed", `${times}; ${lasted(model.away)} in which nobody ran it are left out`)
        : null,
      model.shared
        ? line("shared", `${many(model.shared, "call")} taken over from the run that it was forked from`)
        : null,
      doubts.length ? this.inDoubt(doubts.map((doubt) => doubt.place)) : null,
    ];
  }

  /** @param {string[]} places */
  inDoubt(places) {
    const links = places
      .slice(0, NAMED)
      .map((place) => el("button", { class: "link", onclick: () => this.heard.choose(place) }, place));
    const more = places.length > NAMED ? ` and ${places.length - NAMED} more` : null;
    return el(
      "p",
      { class: "doubts", role: "status" },
      el("b", {}, `${many(places.length, "write")} in doubt: `),
      ...links,
      more,
    );
  }
}

/** @param {string} name @param {string} told @param {string} [title] */
function figure(name, told, title) {
  return el("span", { class: "figure", title }, el("span", { class: "faint" }, name), " ", el("b", {}, told));
}

/** @param {string} name @param {string} told @param {string} [kind] */
function line(name, told, kind = "") {
  return el(
    "p",
    {},
    el("span", { class: "faint" }, name),
    " ",
    el("code", { class: kind, title: told.slice(0, 2000) }, told.slice(0, 400)),
  );
}
