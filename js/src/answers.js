import { GapError } from './errors.js';
import { later } from './timer.js';

// How long after a first refusal the hub is asked again, in milliseconds.
const FIRST_PAUSE = 1000;

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
  #refused = false;
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

  /** wake lets the one who takes the parts look at what else there is. */
  wake() {
    this.#changed();
  }

  /** finish tells that no more will come. */
  finish() {
    this.#complete = true;
    this.#changed();
  }

  /** refuse tells that the hub must be asked again later who is still to answer. */
  refuse() {
    this.#refused = true;
    this.#changed();
  }

  /**
   * each yields the parts until the last one. One reader at a time. It calls again
   * some time after the hub has refused to tell who is still to answer. Before each part, and
   * whenever it is woken, it calls ready, and gives none where that is false.
   */
  async *each(again, ready = () => true) {
    let pause = FIRST_PAUSE;
    let cancel = null;
    try {
      yield* this.#parts(() => {
        if (cancel) {
          return; // several are refused together
        }
        cancel = later(pause, () => {
          cancel = null;
          again();
        });
        // Questions that come too fast count against the rate too.
        pause *= 2;
      }, ready);
    } finally {
      cancel?.();
    }
  }

  async *#parts(refused, ready) {
    for (;;) {
      while (ready() && this.#waiting.length > 0) {
        const part = this.#waiting.shift();
        this.#bytes -= part.message?.size ?? 0;
        yield part.message?.expired ? { from: part.from, message: null, error: new GapError(1) } : part;
      }
      if (this.#complete) {
        return;
      }
      if (this.#refused) {
        this.#refused = false;
        refused();
      }
      await new Promise((resolve) => {
        this.#changed = resolve;
      });
    }
  }
}
