import { GapError } from './errors.js';

/**
 * AnswerQueue holds the parts of an inquiry until they are taken. Each of those
 * asked is in it once at the most; a payload beyond the bound in bytes is
 * dropped, and told.
 */
export class AnswerQueue {
  #limit;
  #waiting = [];
  #bytes = 0;
  #complete = false;
  #changed = () => {};

  /** @param {number} limit in bytes */
  constructor(limit) {
    this.#limit = limit;
  }

  /** add puts in {from, message, error}, of which message or error is null. */
  add(part) {
    const size = part.message?.size ?? 0;
    if (this.#bytes > 0 && this.#bytes + size > this.#limit) {
      this.#waiting.push({ from: part.from, message: null, error: new GapError(1) });
    } else {
      this.#bytes += size;
      this.#waiting.push(part);
    }
    this.#changed();
  }

  /** finish tells that no more will come. */
  finish() {
    this.#complete = true;
    this.#changed();
  }

  /** each yields the parts until the last one. One reader at a time. */
  async *each() {
    for (;;) {
      while (this.#waiting.length > 0) {
        const part = this.#waiting.shift();
        this.#bytes -= part.message?.size ?? 0;
        yield part;
      }
      if (this.#complete) {
        return;
      }
      await new Promise((resolve) => {
        this.#changed = resolve;
      });
    }
  }
}
