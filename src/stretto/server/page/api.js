// What the page asks its server, or, where it stands in a file of its own, what was put into the file with it.

/** @typedef {{name: string, data: any}} News */

/** A file of one run: all is there. */
class Embedded {
  /** @param {any} data */
  constructor(data) {
    this.data = data;
    this.alone = true;
  }

  /** @param {string} _ @param {(news: News) => void} told */
  follow(_, told) {
    told({ name: "head", data: this.data.head });
    for (const part of this.data.parts) told({ name: "part", data: part });
    told({ name: "end", data: {} });
    return () => {};
  }

  /** @param {string} _ @param {number[]} numbers */
  async call(_, numbers) {
    const found = numbers.map((number) => this.data.details[number]).filter(Boolean);
    return found.length ? Object.assign({}, ...found) : { missing: true };
  }
}

class Server {
  constructor() {
    this.alone = false;
  }

  async runs(limit = 200) {
    return ask(`/api/runs?limit=${limit}`);
  }

  /** Be told of a run while it goes on. @param {string} run @param {(news: News) => void} told */
  follow(run, told) {
    const source = new EventSource(`/api/runs/${encodeURIComponent(run)}/news`);
    for (const name of ["head", "part", "end", "gone"]) {
      source.addEventListener(name, (event) => {
        if (name === "end" || name === "gone") source.close();
        told({ name, data: JSON.parse(event.data) });
      });
    }
    source.onerror = () => told({ name: "lost", data: { closed: source.readyState === EventSource.CLOSED } });
    return () => source.close();
  }

  /** @param {string} run @param {number[]} numbers */
  async call(run, numbers) {
    return ask(`/api/runs/${encodeURIComponent(run)}/call?${numbers.map((seq) => `seq=${seq}`).join("&")}`);
  }

  /** @param {string} run */
  async shared(run) {
    return ask(`/api/runs/${encodeURIComponent(run)}/stop`);
  }

  /** @param {string} run @param {string} action @param {any} asked */
  async act(run, action, asked) {
    return ask(`/api/runs/${encodeURIComponent(run)}/${action}`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(asked),
    });
  }
}

/** @param {string} where @param {RequestInit} [how] */
async function ask(where, how) {
  const answer = await fetch(where, how);
  const text = await answer.text();
  let found;
  try {
    found = JSON.parse(text);
  } catch {
    found = { error: text };
  }
  if (!answer.ok) throw new Error(found.error || `the server answered ${answer.status}`);
  return found;
}

/** @returns {any} */
export function connect() {
  const data = document.getElementById("stretto-run");
  return data ? new Embedded(JSON.parse(data.textContent ?? "{}")) : new Server();
}
