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
    /** @type {Map<string, {key: string, row: Element}>} */ this.rows = new Map();
    /** @type {string | null} */ this.ids = null;
    this.filter = el("input", {
      type: "search",
      class: "find",
      placeholder: "Filter ( / )",
      "aria-label": "Filter by flow, state or identifier",
      oninput: () => this.draw(),
    });
    this.compare = el("button", { disabled: true, onclick: () => this.go() }, "Compare two");
    this.body = el("tbody");
    this.none = el(
      "p",
      { class: "empty", hidden: true },
      "No run yet: `stretto run FILE.py:FLOW` records one, and it appears here.",
    );
    this.element = el(
      "div",
      { class: "runs" },
      el("div", { class: "bar" }, el("h1", {}, "Runs"), this.filter, this.compare),
      el(
        "table",
        {},
        el(
          "thead",
          {},
          el(
            "tr",
            {},
            ...["", "flow", "state", "progress", "took", "cost", "started", "run"].map((name) =>
              el("th", { scope: "col" }, name || el("span", { class: "hidden" }, "compare")),
            ),
          ),
        ),
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
    const runs = this.runs.filter((run) =>
      `${run.flow} ${run.state} ${run.id}`.toLowerCase().includes(wanted),
    );
    const ids = runs.map((run) => run.id).join();
    // a row stays the same element while it says the same
    const rows = runs.map((run) => {
      const key = JSON.stringify([run, ago(run.micros), run.state === "running" && Date.now()]);
      const kept = this.rows.get(run.id);
      if (kept?.key === key) return kept.row;
      const row = this.row(run);
      if (kept && ids === this.ids) {
        const focused = kept.row.contains(document.activeElement) ? document.activeElement?.id : "";
        kept.row.replaceWith(row);
        if (focused) document.getElementById(focused)?.focus();
      }
      this.rows.set(run.id, { key, row });
      return row;
    });
    if (ids !== this.ids) fill(this.body, ...rows);
    this.ids = ids;
    this.none.hidden = this.runs.length > 0;
    this.compare.disabled = this.chosen.size !== 2;
  }

  /** @param {any} run */
  row(run) {
    const running = run.state === "running";
    const took = run.seconds === null ? (running ? Date.now() * 1000 - run.micros : null) : run.seconds * 1e6;
    const pick = el("input", {
      type: "checkbox",
      id: `pick-${run.id}`,
      checked: this.chosen.has(run.id),
      "aria-label": `Compare ${run.id}`,
      onchange: () => (
        this.chosen.has(run.id) ? this.chosen.delete(run.id) : this.chosen.add(run.id),
        (this.compare.disabled = this.chosen.size !== 2)
      ),
    });
    return el(
      "tr",
      {},
      el("td", {}, pick),
      el(
        "td",
        {},
        el(
          "a",
          { id: `run-${run.id}`, href: `#/run/${encodeURIComponent(run.id)}`, title: run.flow },
          run.name,
        ),
      ),
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
  return el(
    "span",
    { class: "progress" },
    el("progress", { max: most, value: run.calls, "aria-label": `about ${count(run.usual)} calls` }),
    ` ${calls} of about ${count(run.usual)}`,
  );
}
