import { refusal } from './words.js';

const same = (one, other) => JSON.stringify(one) === JSON.stringify(other);

/**
 * Own is an attribute of this page's member, as the page wants it to be: what the others see, and see
 * too who come later. It is in the notebook before the hub has it, and is set again where the page was
 * loaded anew meanwhile. Only its newest value counts, so that one change at a time is on its way.
 */
export class Own {
  #handle;
  #notebook;
  #key;
  #told;
  #busy = false;

  /**
   * @param {(problem: string, value: unknown) => void} told is told when the hub has a value, with '', or
   *   has refused one, which then is what it was before
   */
  constructor(handle, notebook, key, told) {
    this.#handle = handle;
    this.#notebook = notebook;
    this.#key = key;
    this.#told = told;
    // known is what the hub had last, and sure that nothing is on its way.
    this.#notebook.own[key] ??= { value: null, known: null, sure: true };
  }

  get #kept() {
    return this.#notebook.own[this.#key];
  }

  /** The value, or null where there is none. */
  get value() {
    return this.#kept.value;
  }

  /** Whether the hub has it. */
  get arrived() {
    return this.#kept.sure && same(this.#kept.value, this.#kept.known);
  }

  /** set gives it a value, or takes it away, by null. */
  set(value) {
    this.#kept.value = value;
    this.#notebook.save();
    this.again();
  }

  /** again sets what the hub may not have. */
  async again() {
    if (this.#busy) {
      return;
    }
    this.#busy = true;
    while (!this.arrived && !this.#handle.error) {
      await this.#send(this.value);
    }
    this.#busy = false;
  }

  async #send(value) {
    const kept = this.#kept;
    kept.sure = false;
    this.#notebook.save();
    let problem = '';
    try {
      await (value === null ? this.#handle.deleteAttribute(this.#key) : this.#handle.setAttribute(this.#key, value));
      kept.known = value;
    } catch (error) {
      if (this.#handle.error) {
        return; // the class is over
      }
      problem = refusal(error);
      if (same(kept.value, value)) {
        kept.value = kept.known;
      }
    }
    kept.sure = true;
    this.#notebook.save();
    this.#told(problem, value);
  }
}
