/**
 * SendWindow bounds the requests that wait for their answers: as many as the hub
 * remembers the answers of. Those beyond wait in the order in which they came.
 */
export class SendWindow {
  #free;
  #waiting = [];

  constructor(size) {
    this.#free = size;
  }

  /** enter calls start at once, or when there is a place. */
  enter(request, start) {
    if (this.#free > 0) {
      this.#free--;
      start(request);
    } else {
      this.#waiting.push({ request, start });
    }
  }

  /** leave gives a place back, to whoever has waited longest. */
  leave() {
    const next = this.#waiting.shift();
    if (next) {
      next.start(next.request);
    } else {
      this.#free++;
    }
  }

  /** forget takes a request out of those that wait, and reports whether it was there. */
  forget(request) {
    const index = this.#waiting.findIndex((waiting) => waiting.request === request);
    if (index >= 0) {
      this.#waiting.splice(index, 1);
    }
    return index >= 0;
  }

  /** clear returns the requests that wait, and forgets them. */
  clear() {
    return this.#waiting.splice(0).map((waiting) => waiting.request);
  }
}
