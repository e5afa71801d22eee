// What can be done to a run: each is asked about first, and says what it will do.
import { el, fill, many } from "./words.js";

/** @typedef {import("./model.js").Model} Model */

/** Ask; gives what was said, or null. @param {string} title @param {(Node | string)[]} says @param {string} yes
 * @param {(Node | string)[]} [fields] @returns {Promise<FormData | null>} */
export function confirm(title, says, yes, fields = []) {
  return new Promise((settle) => {
    const form = el(
      "form",
      { method: "dialog" },
      el("h2", { id: "dialog-title" }, title),
      ...says.map((part) => (typeof part === "string" ? el("p", {}, part) : part)),
      ...fields,
      el(
        "footer",
        {},
        el("button", { type: "button", onclick: () => dialog.close() }, "Leave it"),
        el("button", { class: "primary", value: "yes" }, yes),
      ),
    );
    const dialog = el("dialog", { "aria-labelledby": "dialog-title" }, form);
    dialog.addEventListener("close", () => {
      dialog.remove();
      settle(dialog.returnValue === "yes" ? new FormData(form) : null);
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}

/** @param {any} api @param {Model} model @param {string} action @param {string} place
 * @param {(text: string, bad?: boolean) => void} tell */
export async function act(api, model, action, place, tell) {
  const { head } = model,
    run = head.id;
  const asking = {
    stop: () => askStop(api, model),
    resume: askResume,
    fork: () => askFork(place),
    settle: () => askSettle(place),
  };
  const asked = await asking[/** @type {keyof typeof asking} */ (action)]();
  if (!asked) return;
  tell(`${action}: …`);
  try {
    const found = await api.act(run, action, { place, ...asked });
    tell(`${action}: ${found.said}`);
    if (action === "fork" && found.run) location.hash = `#/run/${encodeURIComponent(found.run)}`;
  } catch (error) {
    tell(`${action}: ${/** @type {Error} */ (error).message}`, true);
  }
}

/** @param {any} api @param {Model} model */
async function askStop(api, model) {
  const { shared } = await api.shared(model.head.id);
  const says = [
    `${model.head.owner} is told to stop, as Ctrl-C does. What runs is cancelled; what was recorded stays, and the run can be resumed.`,
  ];
  if (shared.length)
    says.push(
      `The same process runs ${many(shared.length, "other run")}, which would be stopped with it: ${shared.slice(0, 5).join(", ")}${shared.length > 5 ? " …" : ""}`,
    );
  return (await confirm("Stop this run?", says, "Stop it")) && {};
}

async function askResume() {
  const accept = el(
    "label",
    {},
    el("input", { type: "checkbox", name: "accept" }),
    " go on although the program does not make writes any more that it made (--accept-orphans)",
  );
  const said = await confirm(
    "Resume this run?",
    ["It is taken up by a new process on this machine. What is recorded as done is not done again."],
    "Resume it",
    [accept],
  );
  return said && { accept: said.get("accept") === "on" };
}

/** @param {string} place */
async function askFork(place) {
  const says = [
    el(
      "p",
      {},
      "A new run is started on this machine. It shares what this one has done up to ",
      el("code", {}, place),
      "; that call and all after it are made, writes among them.",
    ),
  ];
  return (await confirm("Fork this run?", says, "Fork it")) && {};
}

/** @param {string} place */
async function askSettle(place) {
  const text = el("textarea", {
    name: "value",
    rows: 3,
    "aria-label": "What it returned, as JSON",
    placeholder: "null",
  });
  const problem = el("p", { class: "bad", role: "alert" });
  const done = el("input", { type: "radio", name: "decision", value: "done", checked: true });
  const again = el("input", { type: "radio", name: "decision", value: "retry" });
  const by = el("input", { name: "by", "aria-label": "Who says so", placeholder: "your name" });
  const check = () => {
    text.disabled = again.checked;
    text.setCustomValidity(
      again.checked || isJson(text.value || "null") ? "" : "This is not JSON; a text stands in quotes.",
    );
    fill(problem, text.validationMessage);
  };
  for (const field of [text, done, again]) field.addEventListener("input", check);
  const said = await confirm(
    "Settle this doubt",
    [
      el(
        "p",
        {},
        "The run stopped when ",
        el("code", {}, place),
        " was about to start or running. Find out whether it happened.",
      ),
    ],
    "Settle it",
    [
      el("label", {}, done, " it happened, and returned this (JSON)"),
      text,
      problem,
      el("label", {}, again, " it did not happen, or may happen twice: run it again"),
      el("label", {}, "said by ", by),
    ],
  );
  if (!said) return null;
  const value = said.get("decision") === "retry" ? null : String(said.get("value") || "null");
  return { value, by: String(said.get("by") ?? "") };
}

/** @param {string} text */
function isJson(text) {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
