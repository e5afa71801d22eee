// Two runs side by side, on one scale of time.
import { legend } from "./help.js";
import { Model } from "./model.js";
import { Timeline } from "./timeline.js";
import { asItWas } from "./tracks.js";
import { count, dollars, el, fill, lasted } from "./words.js";

export class ComparePage {
  /** @param {any} api @param {any} words @param {string[]} runs @param {any} shell */
  constructor(api, words, runs, shell) {
    this.shell = shell;
    /** @type {number | undefined} */ this.timer = undefined;
    this.words = words;
    this.models = runs.map((run) => Object.assign(new Model(words), { head: { id: run } }));
    this.timeline = new Timeline(words, {
      chosen: (track, at) => this.choose(track, at),
      tip: (track, at) => [
        el("b", {}, track.label(at)),
        el("span", {}, lasted(track.end[at] - track.begin[at])),
        el("code", {}, at < track.model.n ? track.model.places[at] : ""),
      ],
    });
    this.heads = el("div", { class: "summary" });
    this.table = el("div", {
      class: "differences",
      tabindex: 0,
      role: "region",
      "aria-label": "Differences",
    });
    this.key = el("div", { class: "key" });
    this.element = el(
      "div",
      { class: "run compare" },
      this.heads,
      el("div", { class: "bar" }, this.key),
      el("div", { class: "panes" }, this.timeline.element, this.table),
    );
    this.stops = this.models.map((model) =>
      api.follow(model.head.id, (/** @type {any} */ news) => this.hear(model, news)),
    );
    document.title = "Two runs · Stretto";
  }

  close() {
    for (const stop of this.stops) stop();
    clearTimeout(this.timer);
    this.closed = true;
  }

  /** @param {Model} model @param {any} news */
  hear(model, { name, data }) {
    if (name === "head") model.head = data;
    else if (name === "part") model.add(data);
    else if (name === "gone" || name === "lost")
      this.shell.tell(data.message ?? "The server is gone; trying again…", true);
    this.timer ??= window.setTimeout(() => ((this.timer = undefined), this.update()), 60);
  }

  update() {
    if (this.closed) return;
    const { models } = this;
    const tracks = models.map((model, i) => asItWas(model, `${"AB"[i]} · ${model.head.id}`));
    this.timeline.show(tracks);
    const kinds = new Set(tracks.flatMap((track) => [...new Set(track.colour)]));
    fill(
      this.key,
      legend(
        this.words,
        { kinds, waits: new Set() },
        tracks.some((track) => track.failed.length > 0),
      ),
    );
    fill(
      this.heads,
      el(
        "h1",
        {},
        models[0].head.name ?? "",
        models[1].head.name && models[1].head.name !== models[0].head.name
          ? ` and ${models[1].head.name}`
          : "",
      ),
      ...models.map((model, i) =>
        el(
          "span",
          { class: "figure" },
          el("b", {}, "AB"[i]),
          " ",
          el("a", { href: `#/run/${encodeURIComponent(model.head.id)}` }, model.head.id),
          " ",
          el(
            "span",
            { class: `state ${(model.head.state ?? "").replace(" ", "-")}` },
            model.head.state ?? "",
          ),
        ),
      ),
    );
    fill(this.table, this.totals(), this.byFunction(), this.apart());
    document.documentElement.dataset.calls = models.map((model) => model.count).join(" ");
    if (models.some((model) => model.running && model.seq))
      this.timer ??= window.setTimeout(() => ((this.timer = undefined), this.update()), 200);
  }

  totals() {
    const row = (
      /** @type {string} */ name,
      /** @type {(model: Model) => number | null} */ of,
      /** @type {(n: number) => string} */ say,
    ) => {
      const [a, b] = this.models.map(of);
      if (a === null && b === null) return null;
      return el(
        "tr",
        {},
        el("th", { scope: "row" }, name),
        el("td", {}, a === null ? "" : say(a)),
        el("td", {}, b === null ? "" : say(b)),
        el("td", {}, change(a ?? 0, b ?? 0)),
      );
    };
    return table("As a whole", "", [
      row("took", (model) => model.took, lasted),
      row("one by one", (model) => model.facts.sequential, lasted),
      row(
        "at best",
        (model) => model.best,
        lasted,
      ),
      row("calls", (model) => model.count, count),
      row("cost", (model) => model.cost, dollars),
    ]);
  }

  byFunction() {
    const sums = this.models.map((model) => {
      /** @type {Map<string, {calls: number, took: number}>} */
      const found = new Map();
      for (const at of model.facts.order) {
        const name = model.names[model.name[at]];
        const sum = found.get(name) ?? { calls: 0, took: 0 };
        sum.calls++;
        sum.took += model.ended[at] - model.started[at];
        found.set(name, sum);
      }
      return found;
    });
    const none = { calls: 0, took: 0 };
    const rows = [...new Set(sums.flatMap((sum) => [...sum.keys()]))].map((name) => ({
      name,
      a: sums[0].get(name) ?? none,
      b: sums[1].get(name) ?? none,
    }));
    rows.sort((x, y) => Math.abs(y.b.took - y.a.took) - Math.abs(x.b.took - x.a.took));
    const says = (/** @type {{calls: number, took: number}} */ sum) =>
      sum.calls ? `${count(sum.calls)} × ${lasted(sum.took / sum.calls)}` : "none";
    return table(
      "By function",
      "",
      rows.map(({ name, a, b }) =>
        el(
          "tr",
          {},
          el("th", { scope: "row", title: name }, name.slice(name.lastIndexOf(":") + 1)),
          el("td", {}, says(a)),
          el("td", {}, says(b)),
          el("td", {}, change(a.took, b.took)),
        ),
      ),
    );
  }

  /** Calls that only one of them has made. */
  apart() {
    const has = this.models.map((model) => new Set(model.places.filter((_, at) => !model.gone[at])));
    return el(
      "div",
      {},
      ...[0, 1].map((i) => {
        const only = [...has[i]].filter((place) => !has[1 - i].has(place));
        if (!only.length)
          return el("p", { class: "faint" }, `Every call of ${"AB"[i]} was made in ${"BA"[i]} also.`);
        const some = only.slice(0, 20).map((place) => el("li", {}, el("code", {}, place)));
        return el(
          "section",
          {},
          el("h3", {}, `Only in ${"AB"[i]} (${count(only.length)})`),
          el("ul", {}, ...some, only.length > 20 ? el("li", { class: "faint" }, "…") : null),
        );
      }),
    );
  }

  /** @param {import("./tracks.js").Track} track @param {number} at */
  choose(track, at) {
    if (at >= 0 && at < track.model.n) {
      this.shell.tell(
        `${track.label(at)} at ${track.model.places[at]} took ${lasted(track.end[at] - track.begin[at])}`,
      );
    }
    this.timeline.choose(at, Math.max(this.timeline.tracks.indexOf(track), 0));
  }

  /** @param {KeyboardEvent} event */
  pressed(event) {
    const { timeline } = this,
      span = timeline.until - timeline.from;
    if (event.key === "0") timeline.fit();
    else if (event.key === "+" || event.key === "=") timeline.scale(1 / 1.5);
    else if (event.key === "-") timeline.scale(1.5);
    else if (event.key === "ArrowLeft") timeline.move(timeline.from - span / 8, span);
    else if (event.key === "ArrowRight") timeline.move(timeline.from + span / 8, span);
    else if (event.key === "Escape") this.choose(timeline.tracks[0], -1);
    else return false;
    return true;
  }
}

/** @param {string} title @param {string} first @param {(Element | null)[]} rows */
function table(title, first, rows) {
  return el(
    "table",
    {},
    el("caption", {}, title),
    el(
      "thead",
      {},
      el(
        "tr",
        {},
        el("td", {}, first),
        ...["A", "B", "change"].map((name) => el("th", { scope: "col" }, name)),
      ),
    ),
    el("tbody", {}, ...rows),
  );
}

/** @param {number} a @param {number} b */
function change(a, b) {
  if (a === b) return "same";
  if (!a) return "new";
  const percent = ((b - a) / a) * 100;
  if (Math.abs(percent) < 1) return "about the same";
  return `${percent > 0 ? "+" : "−"}${Math.abs(percent).toFixed(0)} %`;
}
