import { Changes } from './changes.js';

// What an entry costs beside its payload.
const ENTRY_OVERHEAD = 64;

const sizeOf = (entry) => ENTRY_OVERHEAD + (entry.type === 'message' ? entry.size : 0);

/**
 * Inbox holds what has happened to a membership until it is taken. It is
 * bounded: where nobody takes it in time, the oldest is dropped, and the loss is
 * told in its place. So is a message that expires before it is taken. Changes of attributes have a bound of
 * their own, and are never dropped.
 */
export class Inbox {
  #bound;
  #taken;
  #entries = [];
  // The entries before head have been taken.
  #head = 0;
  // How many were taken or dropped so far.
  #removed = 0;
  #changes = new Changes();
  #bytes = 0;
  #dropped = false;
  #missed = 0;
  #takers = [];
  #ended = false;
  // The number of the newest message that has expired here and is not told yet, and those of
  // the newest messages that are missing in gaps.
  #expired = 0;
  #numbers = new WeakMap();

  /**
   * @param {{messages: number, bytes: number}} bound
   * @param {(entry: object, dropped: boolean, number: number) => void} taken is told of each
   *   entry that is taken; dropped: it is a gap that arose here; number is that of the newest
   *   message that is missing in a gap, or zero where that is not known
   */
  constructor(bound, taken) {
    this.#bound = bound;
    this.#taken = taken;
  }

  /** add adds an entry. number is that of the newest message that is missing in a gap, if it is known. */
  add(entry, number = 0) {
    if (entry.type === 'attribute') {
      this.#changes.add(entry, this.#removed + this.#entries.length - this.#head);
      this.#serve();
      return;
    }
    this.#numbers.set(entry, number);
    this.#entries.push(entry);
    this.#bytes += sizeOf(entry);
    const over = () => {
      const count = this.#entries.length - this.#head;
      return count > this.#bound.messages || (count > 1 && this.#bytes > this.#bound.bytes);
    };
    while (over()) {
      const lost = this.#shift();
      this.#dropped = true;
      this.#missed += lost.type === 'message' ? 1 : lost.missed ?? 0;
    }
    this.#serve();
  }

  /** forget takes out the changes of attributes of a member whose membership is over. */
  forget(username) {
    this.#changes.forget(username);
  }

  /** rename has the changes of attributes of a member be another one's from now on. */
  rename(before, name) {
    this.#changes.rename(before, name);
  }

  /** end tells that nothing will be added any more. passedOn: what was not taken is another one's to take. */
  end(passedOn = false) {
    this.#ended = true;
    if (passedOn) {
      this.#entries = [];
      this.#head = this.#bytes = 0;
      this.#changes.clear();
      this.#dropped = false;
    }
    this.#serve();
  }

  /**
   * take waits for the next entry, which is undefined when the membership is over
   * and everything has been taken.
   *
   * @param {AbortSignal} [signal]
   */
  take(signal) {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) {
        reject(signal.reason);
        return;
      }
      const abort = () => {
        this.#takers.splice(this.#takers.indexOf(taker), 1);
        reject(signal.reason);
      };
      const taker = (entry) => {
        signal?.removeEventListener('abort', abort);
        resolve(entry);
      };
      signal?.addEventListener('abort', abort, { once: true });
      this.#takers.push(taker);
      this.#serve();
    });
  }

  /** firstWaiting is the number of the first message that was not taken yet, or Infinity. */
  get firstWaiting() {
    for (let index = this.#head; index < this.#entries.length; index++) {
      if (this.#entries[index].type === 'message') {
        return this.#entries[index].seq;
      }
    }
    return Infinity;
  }

  #serve() {
    while (this.#takers.length > 0) {
      this.#dropExpired();
      if (this.#dropped) {
        const gap = Object.freeze({ type: 'gap', missed: this.#missed });
        this.#dropped = false;
        this.#missed = 0;
        this.#numbers.set(gap, this.#expired);
        this.#expired = 0;
        this.#give(gap, true);
      } else if (this.#changes.behind <= this.#removed) {
        this.#give(this.#changes.take(), false);
      } else if (this.#head < this.#entries.length) {
        this.#give(this.#shift(), false);
      } else if (this.#ended) {
        this.#takers.shift()(undefined);
      } else {
        return;
      }
    }
  }

  // Drops the messages that come next and are worth nothing any more.
  #dropExpired() {
    while (this.#entries[this.#head]?.expired) {
      this.#expired = this.#shift().seq;
      this.#dropped = true;
      this.#missed++;
    }
  }

  #give(entry, dropped) {
    this.#taken(entry, dropped, this.#numbers.get(entry) ?? 0);
    this.#takers.shift()(entry);
  }

  #shift() {
    const entry = this.#entries[this.#head];
    this.#entries[this.#head++] = undefined;
    this.#removed++;
    this.#bytes -= sizeOf(entry);
    if (this.#head > 32 && this.#head * 2 > this.#entries.length) {
      this.#entries.splice(0, this.#head);
      this.#head = 0;
    }
    return entry;
  }
}
