import { HTTP, WEBSOCKET } from './carrier.js';
import { Remembered } from './remembered.js';

// How long a WebSocket has to come about where there is another way, in milliseconds.
const WEBSOCKET_PATIENCE = 1500;

// How long it has then to bring something that was asked for. A hub may have to ask its service first.
const PROOF = 4000;

// A WebSocket that has lasted so long, in milliseconds, is one that gets through.
const STEADY = 120_000;

// After so many WebSockets in a row that were cut before that, HTTP comes first.
const MAX_CUTS = 2;

// The bounds of the time, in milliseconds, after which a WebSocket is tried again, beside a connection over HTTP. It doubles
// each time.
const LEAST_WAIT = 15_000;
const MOST_WAIT = 600_000;

// One that comes about where others were cut tells little. It is tried again as if it had been so many times before.
const AFTER_CUTS = 3;

// For how long a page that is loaded again knows that no WebSocket gets through, in milliseconds.
const REMEMBERED = 1_800_000;

/**
 * Ways is which way to a hub is tried, and when. It begins with a WebSocket, where there may be one. Where only HTTP gets
 * through, HTTP comes first for a while, and a WebSocket is tried again beside it now and then.
 */
export class Ways {
  #all;
  #dialTimeout;
  #remembered;
  // How many WebSockets in a row were cut soon.
  #cuts = 0;
  // How many times it was tried in vain to go back to a WebSocket, or went back and was cut.
  #failures = 0;

  /** @param {{ways: string[], dialTimeout: number}} options the client's */
  constructor({ ways, dialTimeout }, url) {
    this.#all = ways;
    this.#dialTimeout = dialTimeout;
    this.#remembered = new Remembered(url);
  }

  get #both() {
    return this.#all.length > 1;
  }

  get #blocked() {
    return this.#both && this.#remembered.has(HTTP);
  }

  /**
   * tries are those of an attempt to connect, one after the other until one succeeds. Where one has failed and was not late, the
   * others of its way make no sense.
   */
  tries() {
    const soon = { way: WEBSOCKET, patience: Math.min(WEBSOCKET_PATIENCE, this.#dialTimeout), proof: PROOF };
    if (!this.#both) {
      return this.#all.map((way) => this.#whole(way));
    }
    // A WebSocket that is slow is still better than nothing.
    return this.#blocked ? [this.#whole(HTTP), soon] : [soon, this.#whole(HTTP), this.#whole(WEBSOCKET)];
  }

  // whole is a try that has all the time that an attempt to connect may take.
  #whole(way) {
    return { way, patience: this.#dialTimeout, proof: 0 };
  }

  /** beside is the try that takes the place of a connection of that way, while it goes on. */
  beside(way) {
    return this.#whole(way);
  }

  /** back is the try of a WebSocket beside a connection over HTTP. */
  back() {
    return { ...this.#whole(WEBSOCKET), proof: PROOF };
  }

  /** leads reports whether a connection of that way is to be left for a WebSocket, when there is one. */
  leads(way) {
    return this.#both && way === HTTP;
  }

  /** wait is how long until a WebSocket is tried again. */
  wait() {
    const most = Math.min(MOST_WAIT, LEAST_WAIT * 2 ** Math.min(this.#failures, 10));
    this.#failures++;
    return most * (1 + Math.random()) / 2;
  }

  /** opened is told that a try has succeeded, and whether a WebSocket has failed before in the same attempt. */
  opened(way, failed) {
    if (way === WEBSOCKET) {
      this.#remembered.forget(HTTP);
    } else if (failed) {
      this.block();
    }
  }

  /** ended is told that a WebSocket has ended that was open for so long, and whether that was without a word. */
  ended(lasted, cut) {
    if (lasted >= STEADY) {
      this.#cuts = this.#failures = 0;
    } else if (cut && ++this.#cuts >= MAX_CUTS) {
      this.#failures = Math.max(this.#failures, AFTER_CUTS);
      this.block();
    }
  }

  /** block has HTTP come first for a while. */
  block() {
    if (this.#both) {
      this.#remembered.keep(HTTP, REMEMBERED);
    }
  }
}
