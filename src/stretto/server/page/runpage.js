// The page of one run.
import { act } from "./actions.js";
import { Details } from "./details.js";
import { legend } from "./help.js";
import { Model } from "./model.js";
import { Summary } from "./summary.js";
import { Timeline } from "./timeline.js";
import { asItWas, atBest, inSequence } from "./tracks.js";
import { TreeView } from "./treeview.js";
import { el, fill, lasted, many } from "./words.js";

/** @typedef {import("./tracks.js").Track} Track */

/** Between two drawings of all of a run that grows, so many milliseconds for each thousand calls. */
const PACE = 5;
/** A run of more calls than this is drawn step by step. */
const LARGE = 10_000;
const GHOSTS = [[], ["sequential"], ["ideal"], ["sequential", "ideal"]];

export class RunPage {
  /** @param {any} api @param {any} words @param {string} run @param {any} shell */
  constructor(api, words, run, shell) {
    this.api = api;
    this.run = run;
    this.shell = shell;
    const model = (this.model = new Model(words));
    model.head = { id: run };
    this.place = "";
    this.ghosts = 0;
    this.told = 0;
    this.ended = this.drawing = false;
    this.timer = this.due = 0;
    this.more = this.lost = this.closed = false;
    this.drawn = -1; // which version of the run, and what of it stands where
    this.keyed = "";
    this.details = new Details(model, api, {
      choose: (place) => this.choose(place),
      close: () => this.choose(""),
      act: (action, place) => this.act(action, place),
    });
    this.tree = new TreeView(model, (place) => this.choose(place, false));
    this.timeline = new Timeline(words, {
      chosen: (track, at) => this.choose(at < 0 ? "" : this.placeOf(track, at)),
      tip: (track, at) => this.tip(track, at),
    });
    this.find = el("input", {
      type: "search",
      class: "find",
      placeholder: "Find a call ( / )",
      "aria-label": "Find a call by its place or function",
      onkeydown: (/** @type {KeyboardEvent} */ event) => event.key === "Enter" && this.next(event.shiftKey),
    });
    this.summary = new Summary(model, api, {
      choose: (place) => this.choose(place),
      act: (action) => this.act(action, ""),
    });
    this.key = el("div", { class: "key" });
    this.toggles = {
      path: toggle("critical path", "c", () => this.turnPath()),
      sequential: toggle("if sequential", "g", () => this.turnGhost("sequential")),
      ideal: toggle("if ideal", "g", () => this.turnGhost("ideal")),
    };
    const fit = el("button", { onclick: () => this.timeline.fit(), title: "Show the whole run (0)" }, "Fit");
    const { path, sequential, ideal } = this.toggles;
    const shown = { class: "toggles", role: "toolbar", "aria-label": "What is shown" };
    const toolbar = el("div", shown, path, sequential, ideal, fit);
    this.element = el(
      "div",
      { class: "run" },
      this.summary.element,
      this.summary.outcome,
      el("div", { class: "bar" }, this.find, this.key, toolbar),
      el("div", { class: "panes" }, this.tree.element, this.timeline.element, this.details.element),
    );
    this.leave = api.follow(run, (/** @type {any} */ news) => this.hear(news));
    this.update();
  }

  close() {
    this.leave();
    clearTimeout(this.timer);
    this.closed = true;
  }

  /** @param {any} news */
  hear({ name, data }) {
    if (name === "head") {
      const was = this.model.head.state;
      this.model.head = data;
      if (was && was !== data.state) this.shell.say(`The run is now ${data.state}.`);
    } else if (name === "part") {
      this.model.add(data);
      this.more = data.more;
    } else if (name === "end") this.ended = true;
    else if (name === "gone") this.shell.tell(data.message, true);
    else if (name === "lost")
      this.shell.tell(
        data.closed ? "The server does not answer." : "The server is gone; trying again…",
        true,
      );
    if (name !== "lost" && this.lost) this.shell.tell("");
    this.lost = name === "lost";
    this.later();
  }

  /** Draw soon: a large run less often, and seldom while more of it is on its way. */
  later() {
    const { n } = this.model;
    const wait = this.ended ? 10 : this.more && n > 5000 ? 1500 : Math.min(20 + (n / 1000) * PACE, 600);
    const due = performance.now() + wait;
    if (this.timer && this.due <= due) return;
    clearTimeout(this.timer);
    this.due = due;
    this.timer = window.setTimeout(() => ((this.timer = 0), this.update()), wait);
  }

  /** Draw all of it; a large run a step at a time, so that keys and clicks are answered in between. */
  update() {
    if (this.closed || this.drawing) return;
    const steps = this.steps();
    if (this.model.n < LARGE) for (const _ of steps);
    else this.go(steps);
  }

  /** @param {Generator<void>} steps */
  go(steps) {
    this.drawing = false; // should a step fail
    this.drawing = !this.closed && !steps.next().done;
    if (this.drawing) setTimeout(() => this.go(steps));
  }

  *steps() {
    const { model } = this,
      { ended } = this;
    model.facts;
    yield;
    if (model.version !== this.drawn) {
      this.drawn = model.version;
      this.tree.update();
    } else this.tree.draw();
    yield;
    this.tracks();
    yield;
    this.head();
    if (this.place) this.details.show(this.place);
    // what runs grows by itself, and something may have come in between
    if ((model.running && model.seq) || ended !== this.ended || model.version !== this.drawn) this.later();
    document.documentElement.dataset.calls = String(model.count); // for whoever waits until all is here
    document.documentElement.dataset.ended = String(ended && model.version === this.drawn);
    const spoken = Math.floor(Date.now() / 5000);
    if (model.running && spoken !== this.told) {
      this.told = spoken;
      this.shell.say(`${many(model.count, "call")} done, ${model.begun.size} known to be running.`);
    }
  }

  tracks() {
    const { model } = this;
    const tracks = [asItWas(model, "as it ran")];
    if (model.n) {
      for (const ghost of GHOSTS[this.ghosts])
        tracks.push(ghost === "ideal" ? atBest(model) : inSequence(model));
    }
    this.timeline.show(tracks);
    const [track] = tracks;
    const kinds = new Set(track.colour.subarray(0, track.begin.length)),
      waits = new Set();
    for (let at = 0; at < model.n; at++)
      if (model.started[at] - (track.waited?.[at] ?? 0) > 1000) waits.add(model.how[at]);
    const key = `${[...kinds].sort()} ${[...waits].sort()} ${track.failed.length > 0}`;
    if (key !== this.keyed) fill(this.key, legend(model.words, { kinds, waits }, track.failed.length > 0));
    this.keyed = key;
    if (this.place) {
      const at = model.tree.find(this.place)?.call ?? -1;
      this.timeline.chosen.at = at >= 0 ? at : model.n + track.open.findIndex((b) => b.place === this.place);
    }
  }

  head() {
    this.summary.update(this.more);
    const shown = GHOSTS[this.ghosts];
    for (const [button, on] of /** @type {[Element, boolean][]} */ ([
      [this.toggles.path, this.timeline.showPath],
      [this.toggles.sequential, shown.includes("sequential")],
      [this.toggles.ideal, shown.includes("ideal")],
    ])) {
      button.setAttribute("aria-pressed", String(on));
    }
  }

  /** @param {string} action @param {string} place */
  act(action, place) {
    return act(this.api, this.model, action, place, (text, bad) => this.shell.tell(text, bad));
  }

  turnPath() {
    this.timeline.showPath = !this.timeline.showPath;
    this.timeline.draw();
    this.head();
  }

  /** @param {string} kind */
  turnGhost(kind) {
    const shown = new Set(GHOSTS[this.ghosts]);
    if (!shown.delete(kind)) shown.add(kind);
    this.ghosts = (shown.has("sequential") ? 1 : 0) + (shown.has("ideal") ? 2 : 0);
    this.refit();
  }

  refit() {
    this.timeline.fits = true;
    this.tracks();
    this.head();
  }

  /** @param {Track} track @param {number} at */
  placeOf(track, at) {
    return at < this.model.n ? this.model.places[at] : track.open[at - this.model.n].place;
  }

  /** @param {string} place @param {boolean} [reveal] */
  choose(place, reveal = true) {
    const { model, timeline } = this;
    this.place = place;
    const at = place ? (model.tree.find(place)?.call ?? -1) : -1;
    if (at >= 0) {
      const { cause } = model.facts;
      timeline.ties = {
        needs: [...new Set([cause[at], ...model.needsOf(at)])].filter((other) => other >= 0),
        waiters: model.waiters(at, 60).found,
      };
    } else timeline.ties = { needs: [], waiters: [] };
    this.details.show(place);
    const open = place && at < 0 ? (timeline.tracks[0]?.open.findIndex((b) => b.place === place) ?? -1) : -1;
    timeline.choose(open >= 0 ? model.n + open : at);
    if (place && reveal) this.tree.reveal(place);
    if (at >= 0)
      this.shell.say(
        `${model.short(model.name[at])}, ${place}, took ${lasted(model.ended[at] - model.started[at])}${model.failed[at] ? ", failed" : ""}.`,
      );
  }

  /** The next call that fits what is looked for. @param {boolean} [back] */
  next(back = false) {
    const { model } = this,
      wanted = this.find.value.trim().toLowerCase();
    if (!wanted) return;
    const calls = model.tree.calls;
    const now = calls.indexOf(model.tree.find(this.place)?.call ?? -1);
    const fits = (/** @type {number} */ at) =>
      model.places[at].toLowerCase().includes(wanted) ||
      model.names[model.name[at]].toLowerCase().includes(wanted);
    for (let step = 1; step <= calls.length; step++) {
      const at = calls[(now + (back ? -step : step) + 2 * calls.length) % calls.length];
      if (fits(at)) return this.choose(model.places[at]);
    }
    this.shell.tell(`no call fits ${JSON.stringify(wanted)}`);
  }

  /** The call after the chosen one in a list. @param {number[]} calls @param {number} by */
  step(calls, by) {
    if (!calls.length) return;
    const now = calls.indexOf(this.model.tree.find(this.place)?.call ?? -1);
    const to = now < 0 ? (by > 0 ? 0 : calls.length - 1) : (now + by + calls.length) % calls.length;
    this.choose(this.model.places[calls[to]]);
  }

  /** @param {KeyboardEvent} event */
  pressed(event) {
    const { timeline, model } = this,
      span = timeline.until - timeline.from;
    /** @type {Record<string, () => void>} */
    const keys = {
      Escape: () => this.choose(""),
      "/": () => this.find.focus(),
      j: () => this.step(model.tree.calls, 1),
      k: () => this.step(model.tree.calls, -1),
      n: () => this.step(model.path, 1),
      p: () => this.step(model.path, -1),
      e: () => this.step(timeline.tracks[0].failed, 1),
      "+": () => timeline.scale(1 / 1.5),
      "=": () => timeline.scale(1 / 1.5),
      "-": () => timeline.scale(1.5),
      ArrowLeft: () => timeline.move(timeline.from - span / 8, span),
      ArrowRight: () => timeline.move(timeline.from + span / 8, span),
      ArrowUp: () => this.scroll(-60),
      ArrowDown: () => this.scroll(60),
      "[": () => timeline.scaleLanes(1 / 1.5),
      "]": () => timeline.scaleLanes(1.5),
      0: () => timeline.fit(),
      c: () => this.turnPath(),
      g: () => ((this.ghosts = (this.ghosts + 1) % GHOSTS.length), this.refit()),
      z: () => this.zoomToChosen(),
    };
    const does = keys[event.key];
    if (!does) return false;
    does();
    return true;
  }

  /** @param {number} by */
  scroll(by) {
    this.timeline.top += by;
    this.timeline.bound();
    this.timeline.draw();
  }

  zoomToChosen() {
    const { timeline } = this,
      { at } = timeline.chosen,
      [track] = timeline.tracks;
    if (at < 0) return;
    const took = Math.max(track.end[at] - track.begin[at], 20);
    timeline.move(track.begin[at] - took, took * 3);
  }

  /** @param {Track} track @param {number} at */
  tip(track, at) {
    const { model } = this;
    const took = el("span", {}, lasted(track.end[at] - track.begin[at]), at >= model.n ? " so far" : "");
    const made = [el("b", {}, track.label(at)), took, el("code", {}, this.placeOf(track, at))];
    if (at >= model.n) return made;
    const waited = model.started[at] - model.waitedSince(at);
    if (!track.ghost && waited >= 1000)
      made.push(
        el("span", { class: "faint" }, `waited ${lasted(waited)} for ${model.words.waits[model.how[at]][2]}`),
      );
    if (model.failed[at]) made.push(el("span", { class: "bad" }, "failed"));
    return made;
  }
}

/** @param {string} name @param {string} key @param {() => void} turn */
function toggle(name, key, turn) {
  return el("button", { class: "toggle", title: `${name} (${key})`, onclick: turn }, name);
}
