// What a question costs beside its payload.
const OVERHEAD = 64;

const sizeOf = ({ size }) => OVERHEAD + size;

/**
 * Questions are the messages that have asked this member and that it has not answered, as far as it
 * knows, in the order of their numbers. They are bounded as the inbox is: the oldest are forgotten.
 */
export class Questions {
  #bound;
  #open = [];
  #bytes = 0;
  // What was last read of it. Stores of frameworks take another object for a change.
  #read = Object.freeze([]);

  /** @param {{messages: number, bytes: number}} bound */
  constructor(bound) {
    this.#bound = bound;
  }

  /** add adds a message that asks, unless it is there. */
  add(message) {
    const later = this.#open.findIndex(({ seq }) => seq >= message.seq);
    if (this.#open[later]?.seq === message.seq) {
      return;
    }
    this.#open.splice(later < 0 ? this.#open.length : later, 0, message);
    this.#bytes += sizeOf(message);
    while (this.#open.length > this.#bound.messages || (this.#open.length > 1 && this.#bytes > this.#bound.bytes)) {
      this.#bytes -= sizeOf(this.#open.shift());
    }
  }

  /** remove removes the question of that number, if it is there. */
  remove(number) {
    this.#keep(({ seq }) => seq !== number);
  }

  /** removeFrom removes those of a member that has left, up to the number. */
  removeFrom(name, last) {
    this.#keep(({ from, seq }) => from !== name || seq > last);
  }

  /** clear is for the end of the membership. */
  clear() {
    this.#keep(() => false);
  }

  #keep(fits) {
    const kept = this.#open.filter(fits);
    if (kept.length < this.#open.length) {
      this.#open = kept;
      this.#bytes = kept.reduce((sum, message) => sum + sizeOf(message), 0);
    }
  }

  /**
   * taken are those that have not expired and do not wait in the inbox, where waiting is the number of the first
   * message that does.
   */
  taken(waiting) {
    const now = this.#open.filter(({ seq, expired }) => seq < waiting && !expired);
    if (now.length !== this.#read.length || now.some((each, index) => each !== this.#read[index])) {
      this.#read = Object.freeze(now);
    }
    return this.#read;
  }
}
