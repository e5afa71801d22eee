// Where it begins: which page is shown, and what all pages have.
import { connect } from "./api.js";
import { ComparePage } from "./compare.js";
import { showHelp } from "./help.js";
import { RunPage } from "./runpage.js";
import { RunsPage } from "./runs.js";
import { applyTheme, switchTheme } from "./theme.js";
import { el, fill } from "./words.js";

class Shell {
  constructor() {
    this.api = connect();
    this.main = /** @type {Element} */ (document.getElementById("main"));
    this.live = /** @type {Element} */ (document.getElementById("live"));
    this.told = /** @type {HTMLElement} */ (document.getElementById("told"));
    this.where = /** @type {Element} */ (document.getElementById("where"));
    /** @type {any} */ this.words = null;
    /** @type {any} */ this.page = null;
    document.getElementById("theme")?.addEventListener("click", switchTheme);
    document.getElementById("help")?.addEventListener("click", showHelp);
    document.addEventListener("keydown", (event) => this.key(event));
    addEventListener("hashchange", () => this.route());
  }

  begin() {
    if (this.api.alone) {
      this.words = this.api.data.words;
      fill(this.where);
      return this.show(new RunPage(this.api, this.words, this.api.data.head.id, this));
    }
    this.words = JSON.parse(document.getElementById("stretto-words")?.textContent ?? "{}");
    fill(this.where, el("a", { href: "#/" }, "Runs"), el("span", { class: "faint" }, this.words.journal));
    this.route();
  }

  route() {
    if (this.api.alone) return;
    const [, kind, ...names] = location.hash.split("/").map(decodeURIComponent);
    this.tell("");
    if (kind === "run" && names[0]) this.show(new RunPage(this.api, this.words, names[0], this));
    else if (kind === "compare" && names[1])
      this.show(new ComparePage(this.api, this.words, names.slice(0, 2), this));
    else this.show(new RunsPage(this.api, this));
  }

  /** @param {any} page */
  show(page) {
    this.page?.close();
    this.page = page;
    fill(this.main, page.element);
  }

  /** For the ears. @param {string} text */
  say(text) {
    this.live.textContent = text;
  }

  /** For all. @param {string} text @param {boolean} [bad] */
  tell(text, bad = false) {
    this.told.textContent = text;
    this.told.className = bad ? "bad" : "";
    this.told.hidden = !text;
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    const on = /** @type {HTMLElement} */ (event.target);
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
    if (on.matches("input, textarea, select")) {
      if (event.key === "Escape") on.blur();
      return;
    }
    if (event.key === "?") showHelp();
    else if (event.key === "t") switchTheme();
    else if (!this.page?.pressed(event)) return;
    event.preventDefault();
  }
}

applyTheme();
const shell = new Shell();
Object.assign(globalThis, { stretto: shell }); // for whoever looks with the tools of the browser
shell.begin();
