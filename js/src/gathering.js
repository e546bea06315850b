import { Code, passes } from './errors.js';
import { isOver, whenOver } from './late.js';
import { later } from './timer.js';

// How many newcomers are asked at a time: each is a request of its own, and the hub has room for
// twice as many of a master.
const MAX_NEWCOMERS = 128;

// How long after a first refusal the hub is asked again, in milliseconds.
const FIRST_PAUSE = 1000;

/** Gathering is a question to all that tells whom it asks. */
export class Gathering {
  /** The inquiry of those who are asked at first. Its answers take in those of newcomers too. */
  main = null;
  #tellAsked;
  #newcomers;
  // send asks one newcomer: send(name, options).
  #send;
  // It is known who was asked at first. early are those who have answered before that.
  #begun = false;
  #early = [];
  #over = false;
  // The numbers of the memberships that were asked, or are about to be, by their names.
  #asked = new Map();
  // Those who were asked, and the application was not told. due: it is to be told.
  #untold = [];
  #due = false;
  #toAsk = [];
  // The inquiries of newcomers that were sent and are not answered, and what aborts them.
  #open = new Map();
  #pause = FIRST_PAUSE;
  #cancelPause = null;
  #cancelEnd = () => {};

  /**
   * @param {{asked?: (usernames: string[]) => void, newcomers: boolean}} how
   * @param {(inquiry: object, signal: AbortSignal) => Promise<object>} send asks the one that the inquiry is of
   * @param {(of: string) => object} make makes the inquiry of one newcomer
   */
  constructor({ asked, newcomers }, send, make) {
    this.#tellAsked = asked;
    this.#newcomers = newcomers;
    this.#send = send;
    this.make = make;
  }

  /** Whether it asks newcomers, so that it does not end by itself. */
  get goesOn() {
    return this.#newcomers && !this.#over;
  }

  /** all are the inquiries that are of it. */
  get all() {
    return [this.main, ...this.#open.keys()];
  }

  /** answered is told who has answered before it was known who was asked. */
  answered(name) {
    this.#early.push(name);
  }

  /** begin is told that it is known whose answers are awaited. present are all slaves that there are. */
  begin(present) {
    this.#begun = true;
    this.#due = true;
    this.#asked = new Map(this.main.awaited);
    this.#early.forEach((name) => this.#asked.set(name, present.get(name) ?? 0));
    this.#untold = [...this.#asked.keys()].sort();
    for (const name of [...present.keys()].sort()) {
      this.#meet(name, present.get(name));
    }
    if (this.#newcomers && !this.#over) {
      this.#awaitEnd();
    }
    this.main.answers.wake();
  }

  #awaitEnd() {
    this.endIfOver();
    if (!isOver(this.main.end)) {
      this.#cancelEnd = whenOver(this.main.end, () => this.#awaitEnd());
    }
  }

  /** endIfOver ends it when its time is over and nobody who was asked is awaited any more. */
  endIfOver() {
    const { main } = this;
    if (this.#newcomers && this.#begun && isOver(main.end) && main.awaited.size + this.#open.size === 0) {
      this.#toAsk = [];
      main.answers.finish();
    }
  }

  #meet(name, number) {
    const known = this.#asked.get(name);
    if (!this.#newcomers || this.#over || (known !== undefined && (known === number || known === 0 || number === 0))) {
      return;
    }
    this.#asked.set(name, number);
    if (!this.#toAsk.includes(name)) {
      this.#toAsk.push(name);
    }
    this.#askMore();
  }

  /** slave is told each change of a slave. */
  slave({ username, state }, number) {
    if (!this.#begun) {
      return;
    }
    if (state !== 'gone') {
      this.#meet(username, number);
      return;
    }
    const known = this.#asked.get(username);
    if (known !== undefined && (known === number || known === 0 || number === 0)) {
      this.#asked.delete(username);
      this.#toAsk = this.#toAsk.filter((name) => name !== username);
    }
  }

  #askMore() {
    if (isOver(this.main.end)) {
      this.#toAsk = []; // it is asked of nobody any more
    }
    while (!this.#over && !this.#cancelPause && this.#toAsk.length > 0 && this.#open.size < MAX_NEWCOMERS) {
      const inquiry = this.make(this.#toAsk.shift());
      const controller = new AbortController();
      this.#open.set(inquiry, controller);
      this.#send(inquiry, controller.signal).catch((error) => this.#refused(inquiry, error));
    }
  }

  /** accepted is told that the hub has the question to a newcomer. */
  accepted(inquiry) {
    this.#tell(inquiry.of);
  }

  #tell(name) {
    this.#untold.push(name);
    this.#due = true;
    this.main.answers.wake();
  }

  #refused(inquiry, error) {
    this.#open.delete(inquiry);
    const name = inquiry.of;
    if (this.#over) {
      return;
    }
    if (passes(error)) {
      if (this.#asked.has(name) && !this.#toAsk.includes(name)) {
        this.#toAsk.push(name);
      }
      if (!this.#cancelPause) {
        this.#cancelPause = later(this.#pause, () => {
          this.#cancelPause = null;
          this.#askMore();
        });
        this.#pause *= 2;
      }
    } else if (error?.code !== Code.NO_SUCH_SLAVE) { // else it was not asked, and its leave is told
      this.#tell(name);
      inquiry.part(name, null, error);
      this.#askMore();
    }
    this.endIfOver();
  }

  /** closed is told that the inquiry of a newcomer is over. */
  closed(inquiry) {
    this.#open.delete(inquiry);
    this.#askMore();
    this.endIfOver();
  }

  /** tell tells the application whom it asks, where that is due, and reports whether it is known. */
  tell() {
    if (this.#due) {
      this.#due = false;
      this.#tellAsked?.(this.#untold.splice(0).sort());
    }
    return this.#begun || this.#over;
  }

  /** abandon ends the parts that are left. */
  abandon(why) {
    if (this.#over) {
      return;
    }
    const awaited = new Map(this.all.flatMap((inquiry) => [...inquiry.awaited.keys()].map((name) => [name, inquiry])));
    this.end();
    for (const name of [...awaited.keys()].sort()) {
      awaited.get(name).part(name, null, why);
    }
    this.main.abandon(why);
  }

  /** end is told that nobody takes any more. What was not accepted yet is withdrawn when it is. */
  end() {
    this.#over = true;
    this.#cancelPause?.();
    this.#cancelEnd();
    this.#open.forEach((controller) => controller.abort());
  }
}
