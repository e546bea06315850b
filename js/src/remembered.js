// What is known of the way to an origin's hub is kept for the tab where it can be, and else for as long as the page
// or program runs.
const inMemory = new Map();

function storage() {
  try {
    return globalThis.sessionStorage ?? null;
  } catch {
    return null; // site data are blocked
  }
}

/** Remembered is what is known of the ways to the hubs of an origin, each thing for a while. */
export class Remembered {
  #key;

  /** @param {string} url of a hub */
  constructor(url) {
    this.#key = `lectern ways ${new URL(url).host}`;
  }

  /** has reports whether something was kept, and its time is not over. */
  has(what) {
    return this.#read()[what] > Date.now();
  }

  /** keep remembers something for so many milliseconds. */
  keep(what, milliseconds) {
    this.#write({ ...this.#read(), [what]: Date.now() + milliseconds });
  }

  forget(what) {
    const { [what]: _, ...rest } = this.#read();
    if (_ !== undefined) {
      this.#write(rest);
    }
  }

  #read() {
    try {
      return JSON.parse(storage()?.getItem(this.#key) ?? inMemory.get(this.#key) ?? '{}') ?? {};
    } catch {
      return {}; // somebody else's, or forbidden
    }
  }

  #write(all) {
    const written = JSON.stringify(all);
    try {
      if (storage()) {
        storage().setItem(this.#key, written);
        return;
      }
    } catch {
      // It is full, or forbidden.
    }
    inMemory.set(this.#key, written);
  }
}
