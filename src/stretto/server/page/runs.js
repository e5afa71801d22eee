// The list of runs.
import { ago, count, dollars, el, fill, lasted } from "./words.js";

const EVERY = 1000;

export class RunsPage {
  /** @param {any} api @param {any} shell */
  constructor(api, shell) {
    this.api = api;
    this.shell = shell;
    /** @type {Set<string>} */ this.chosen = new Set();
    /** @type {any[]} */ this.runs = [];
    this.drawn = "";
    this.filter = el("input", { type: "search", class: "find", placeholder: "Filter ( / )", "aria-label": "Filter by flow, state or identifier", oninput: () => this.draw() });
    this.compare = el("button", { disabled: true, onclick: () => this.go() }, "Compare two");
    this.body = el("tbody");
    this.none = el("p", { class: "empty", hidden: true }, "No run yet: `stretto run FILE.py:FLOW` records one, and it appears here.");
    this.element = el(
      "div", { class: "runs" },
      el("div", { class: "bar" }, el("h1", {}, "Runs"), this.filter, this.compare),
      el(
        "table", {},
        el("thead", {}, el("tr", {}, ...["", "flow", "state", "progress", "took", "cost", "started", "run"].map((name) => el("th", { scope: "col" }, name || el("span", { class: "hidden" }, "compare"))))),
        this.body,
      ),
      this.none,
    );
    document.title = "Runs · Stretto";
    this.look();
  }

  close() {
    this.closed = true;
    clearTimeout(this.timer);
  }

  async look() {
    try {
      const found = await this.api.runs();
      if (this.closed) return;
      this.runs = found.runs;
      this.draw();
      if (this.lost) this.shell.tell("");
      this.lost = false;
    } catch (error) {
      this.lost = true;
      this.shell.tell(/** @type {Error} */ (error).message, true);
    }
    if (!this.closed) this.timer = setTimeout(() => this.look(), EVERY);
  }

  draw() {
    const wanted = this.filter.value.trim().toLowerCase();
    const runs = this.runs.filter((run) => `${run.flow} ${run.state} ${run.id}`.toLowerCase().includes(wanted));
    const text = JSON.stringify([runs, Math.floor(Date.now() / 1000)]);
    if (text === this.drawn || this.body.contains(document.activeElement) && !runs.some((run) => run.state === "running") && this.same(runs)) return;
    this.drawn = text;
    const focused = document.activeElement?.id;
    fill(this.body, ...runs.map((run) => this.row(run)));
    if (focused) document.getElementById(focused)?.focus();
    this.none.hidden = this.runs.length > 0;
    this.compare.disabled = this.chosen.size !== 2;
    this.ids = runs.map((run) => run.id + run.state).join();
  }

  /** @param {any[]} runs */
  same(runs) {
    return runs.map((run) => run.id + run.state).join() === this.ids;
  }

  /** @param {any} run */
  row(run) {
    const running = run.state === "running";
    const took = run.seconds === null ? (running ? Date.now() * 1000 - run.micros : null) : run.seconds * 1e6;
    const pick = el("input", {
      type: "checkbox", id: `pick-${run.id}`, checked: this.chosen.has(run.id), "aria-label": `Compare ${run.id}`,
      onchange: () => ((this.chosen.has(run.id) ? this.chosen.delete(run.id) : this.chosen.add(run.id)), (this.compare.disabled = this.chosen.size !== 2)),
    });
    return el(
      "tr", {},
      el("td", {}, pick),
      el("td", {}, el("a", { id: `run-${run.id}`, href: `#/run/${encodeURIComponent(run.id)}`, title: run.flow }, run.name)),
      el("td", {}, el("span", { class: `state ${run.state.replace(" ", "-")}` }, run.state)),
      el("td", {}, progress(run)),
      el("td", { class: "number" }, took === null ? "" : lasted(took)),
      el("td", { class: "number" }, run.usd === null || run.usd === undefined ? "" : dollars(run.usd)),
      el("td", {}, ago(run.micros)),
      el("td", {}, el("code", {}, run.id)),
    );
  }

  go() {
    const [a, b] = [...this.chosen].sort((a, b) => this.started(a) - this.started(b));
    location.hash = `#/compare/${encodeURIComponent(a)}/${encodeURIComponent(b)}`;
  }

  /** @param {string} id */
  started(id) {
    return this.runs.find((run) => run.id === id)?.micros ?? 0;
  }

  /** @param {KeyboardEvent} event */
  pressed(event) {
    if (event.key !== "/") return false;
    this.filter.focus();
    return true;
  }
}

/** How far a run is; of how many calls is known where a run of the same flow has succeeded. @param {any} run */
function progress(run) {
  const calls = `${count(run.calls)} call${run.calls === 1 ? "" : "s"}`;
  if (run.state !== "running" || !run.usual) return calls;
  const most = Math.max(run.usual, run.calls + 1);
  return el("span", { class: "progress" }, el("progress", { max: most, value: run.calls, "aria-label": `about ${count(run.usual)} calls` }), ` ${calls} of about ${count(run.usual)}`);
}
