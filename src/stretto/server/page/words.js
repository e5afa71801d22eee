// Times, sizes and amounts, for people; and how elements are made.

/** A duration in microseconds. @param {number} micros */
export function lasted(micros) {
  const seconds = Math.max(0, micros) / 1e6;
  if (seconds < 0.001) return `${Math.round(Math.max(0, micros))} µs`;
  if (seconds < 0.9995) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 59.95) return `${seconds.toFixed(1)} s`;
  const rounded = Math.round(seconds),
    minutes = Math.floor(rounded / 60);
  if (minutes < 60) return `${minutes} min ${rounded % 60} s`;
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${hours} h ${minutes % 60} min` : `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

/** A point of time on an axis whose marks are so far apart. @param {number} micros @param {number} step */
export function moment(micros, step) {
  const seconds = micros / 1e6;
  if (micros === 0) return "0";
  if (step < 1000) return `${(micros / 1000).toFixed(step < 10 ? 3 : step < 100 ? 2 : 1)} ms`;
  if (step < 1e6 && seconds < 1) return `${Math.round(seconds * 1000)} ms`;
  const digits = step >= 1e6 ? 0 : step >= 1e5 ? 1 : step >= 1e4 ? 2 : 3;
  if (seconds < 60) return `${seconds.toFixed(digits)} s`;
  const minutes = Math.floor(seconds / 60),
    rest = (seconds - 60 * minutes).toFixed(digits);
  if (minutes < 60) return `${minutes}:${rest.padStart(digits ? digits + 3 : 2, "0")} min`;
  return `${Math.floor(minutes / 60)}:${String(minutes % 60).padStart(2, "0")} h`;
}

/** How long ago. @param {number} micros since 1970 */
export function ago(micros) {
  const seconds = Date.now() / 1000 - micros / 1e6;
  if (seconds < 0 || seconds > 7 * 86400) return new Date(micros / 1000).toLocaleString();
  if (seconds < 1) return "just now";
  for (const [unit, size] of /** @type {[string, number][]} */ ([
    ["d", 86400],
    ["h", 3600],
    ["min", 60],
  ])) {
    if (seconds >= size) return `${Math.floor(seconds / size)} ${unit} ago`;
  }
  return `${Math.floor(seconds)} s ago`;
}

/** @param {number} usd */
export function dollars(usd) {
  return usd >= 100 ? `$${usd.toFixed(2)}` : `$${usd.toFixed(4)}`;
}

/** @param {number} n */
export function count(n) {
  return n.toLocaleString("en");
}

/** @param {number} n @param {string} word */
export function many(n, word) {
  return `${count(n)} ${word}${n === 1 ? "" : "s"}`;
}

/** An element. What stands in it is text or elements, never markup.
 * @param {string} tag @param {Record<string, any>} attributes @param {...(Node | string | null | false)} inside
 * @returns {any} */
export function el(tag, attributes = {}, ...inside) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (name === "class") made.className = value;
    else made.setAttribute(name, value === true ? "" : String(value));
  }
  for (const part of inside) if (part !== null && part !== false) made.append(part);
  return made;
}

/** Put these into an element, in the place of what was in it. @param {Element} into
 * @param {...(Node | string | null | false)} inside */
export function fill(into, ...inside) {
  into.replaceChildren(
    .../** @type {(Node | string)[]} */ (inside.filter((part) => part !== null && part !== false)),
  );
}
