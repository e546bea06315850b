import { Backoff } from './backoff.js';
import { Close } from './closes.js';
import { Connection } from './connection.js';
import { watchPage } from './page.js';
import { later } from './timer.js';

// How long a connection must have lasted, in milliseconds, for the next loss to
// count as the first one again.
const STEADY_AFTER = 10_000;

// How long after an attempt to connect, in milliseconds, a page that wakes up may begin the
// next one: its events may come in great numbers.
const WAKE_REST = 1000;

// The longest time over which a hub that shuts down may spread the return of its
// clients, in milliseconds.
const MAX_SPREAD = 600_000;

/**
 * Link is the connection that there is at present, and the attempts at the next one as
 * long as there is something to be connected for. While the page is put away, as into the
 * browser's back/forward cache, there is none: the browser would answer the hub for a page
 * whose code does not run.
 */
export class Link {
  #url;
  #options;
  #told;
  #backoff;
  // running: there is a connection, or there is to be one.
  #running = false;
  #connection = null;
  #open = false;
  #givenUp = false;
  #openedAt = 0;
  #dialedAt = -Infinity;
  // What ends the present attempt, so that another one takes its place.
  #hastened = null;
  #replaced = false;
  #pause = null;
  #putAway = false;
  #leaving = false;
  #unwatch = () => {};
  // What the hub has told of its shutdown, in milliseconds, or null.
  #shutdown = null;
  #whenEnded = [];

  /**
   * @param {string} url
   * @param {object} options the client's
   * @param {{needed: () => boolean, prepare: () => Promise<void> | null, first: () => object | null,
   *   opened: (sent: boolean) => void,
   *   frame: (frame: object) => void,
   *   lost: (how: {number: number, reason: string, silent: boolean, wasOpen: boolean, replaced: boolean}) => void}} told
   *   needed: there is something to be connected for; prepare is what has to be done before an
   *   attempt, which comes later where that is rejected; first is the frame to send along with
   *   a handshake, and sent whether the hub has taken it; replaced: it was this side that
   *   gave an attempt up, and another one follows
   */
  constructor(url, options, told) {
    this.#url = url;
    this.#options = options;
    this.#told = told;
    this.#backoff = new Backoff(options);
  }

  /** open: frames can be sent now. On a connection that is being given up they would be lost. */
  get open() {
    return this.#open && !this.#givenUp;
  }

  /** connecting: an attempt is under way. */
  get connecting() {
    return this.#connection !== null && !this.#open;
  }

  /** send sends a frame on the present connection, if there is one. */
  send(frame) {
    if (this.#open) {
      this.#connection.send(frame);
    }
  }

  /** hold puts off what arrives until the application has had its turn. */
  hold() {
    this.#connection.hold();
  }

  /** spread is told that the hub shuts down, and how far the returns are to be spread. */
  spread(milliseconds) {
    this.#shutdown = Math.min(milliseconds, MAX_SPREAD);
  }

  /** start begins to connect, unless that is under way. */
  start() {
    if (this.#running) {
      return;
    }
    this.#running = true;
    this.#unwatch = watchPage({
      gone: () => this.#connection?.probe(this.#options.wakePatience),
      woken: () => this.#woken(),
      putAway: () => this.#putPageAway(),
      back: () => this.#back(),
    });
    this.#dial();
  }

  /** stopIfIdle ends a pause with nothing to come back for. */
  stopIfIdle() {
    if (this.#pause && !this.#told.needed()) {
      this.#stop();
    }
  }

  /** giveUp ends the connection so that its memberships can be resumed. The next one follows after a pause. */
  giveUp(reason) {
    this.#givenUp = this.#connection !== null;
    this.#connection?.close(Close.IDLE, reason);
  }

  /** ended resolves when the present connection has ended, if there is one. */
  ended() {
    return new Promise((resolve) => {
      if (this.#connection) {
        this.#whenEnded.push(resolve);
      } else {
        resolve();
      }
    });
  }

  /** leave ends the connection for good, with this number and in order, behind these frames, within the client's closeTimeout. */
  async leave(frames, number) {
    if (!this.#connection) {
      this.#stop();
      return;
    }
    this.#leaving = true;
    const connection = this.#connection;
    const ended = this.ended();
    const cancel = later(this.#options.closeTimeout, () => connection.abandon(number, ''));
    connection.close(number, '', frames);
    await ended;
    cancel();
  }

  #stop() {
    this.#pause?.cancel();
    this.#pause = null;
    this.#running = false;
    this.#putAway = false;
    this.#unwatch();
  }

  #dial() {
    this.#pause = null;
    this.#dialedAt = performance.now();
    this.#shutdown = null;
    const prepared = this.#told.prepare();
    if (prepared) {
      this.#await(prepared);
    } else {
      this.#connect();
    }
  }

  #await(prepared) {
    let over = false;
    this.#pause = {
      forHub: false, until: this.#dialedAt, preparing: true,
      cancel: () => {
        over = true;
      },
    };
    const go = (on) => () => {
      if (!over) {
        this.#pause = null;
        on();
      }
    };
    prepared.then(
      go(() => (this.#told.needed() ? this.#connect() : this.#stop())),
      go(() => (this.#told.needed() ? this.#rest(this.#backoff.next(), false) : this.#stop())));
  }

  #connect() {
    try {
      this.#connection = new Connection(this.#url, this.#options, this.#told.first(), {
        opened: (sent) => this.#opened(sent),
        frame: (frame) => this.#told.frame(frame),
        ended: (how) => this.#disconnected(how),
      });
    } catch (error) {
      // The platform does not allow this address; it may say so by throwing.
      queueMicrotask(() => this.#disconnected({ number: 0, reason: error.message, silent: false }));
    }
  }

  #opened(sent) {
    this.#unhasten();
    this.#open = true;
    this.#openedAt = performance.now();
    this.#told.opened(sent);
  }

  #disconnected({ number, reason, silent }) {
    const wasOpen = this.#open;
    const replaced = this.#replaced || (this.#putAway && !wasOpen);
    this.#unhasten();
    this.#replaced = false;
    this.#open = this.#givenUp = false;
    this.#connection = null;
    this.#whenEnded.splice(0).forEach((resolve) => resolve());
    if (wasOpen && performance.now() - this.#openedAt >= STEADY_AFTER) {
      this.#backoff.steady();
    }
    this.#told.lost({ number, reason, silent, wasOpen, replaced });
    if (!this.#told.needed()) {
      this.#stop();
    } else if (replaced && !this.#putAway) {
      this.#dial();
    } else {
      this.#restAfter(number);
    }
  }

  #restAfter(number) {
    const forHub = this.#shutdown !== null;
    let wait = number === Close.RATE_LIMITED ? this.#backoff.longest() : this.#backoff.next();
    if (forHub) {
      wait = Math.random() * this.#shutdown;
    }
    this.#rest(wait, forHub);
  }

  #rest(wait, forHub) {
    const cancel = this.#putAway ? () => {} : later(wait, () => this.#dial());
    this.#pause = { forHub, until: performance.now() + wait, cancel };
  }

  // The page was asleep, or its network is back: what there is is looked at, and
  // what is waited for is tried at once. A hub's shutdown is waited for all the same.
  #woken() {
    if (this.#putAway) {
      return;
    }
    if (this.connecting) {
      this.#hasten();
    }
    this.#connection?.probe(this.#options.wakePatience);
    if (this.#pause && !this.#pause.preparing) {
      const { forHub, until } = this.#pause;
      const rest = Math.max(0, this.#dialedAt + WAKE_REST - performance.now());
      const wait = Math.max(0, until - performance.now());
      this.#pause.cancel();
      if (forHub) {
        this.#rest(wait, forHub);
      } else if (Math.min(rest, wait) > 0) {
        this.#rest(Math.min(rest, wait), forHub);
      } else {
        this.#dial();
      }
    }
  }

  // An attempt that was begun before may hang. It has so much time from its beginning on,
  // and then another one takes its place.
  #hasten() {
    const most = Math.max(this.#options.wakePatience, WAKE_REST);
    const rest = this.#dialedAt + most - performance.now();
    this.#unhasten();
    this.#hastened = later(Math.max(0, rest), () => {
      this.#replaced = true;
      this.#connection.abandon(Close.IDLE, 'another attempt takes its place');
    });
  }

  #unhasten() {
    this.#hastened?.();
    this.#hastened = null;
  }

  #back() {
    if (this.#putAway) {
      this.#putAway = false;
      this.#dialedAt = -Infinity; // it comes back at once, however short that was
    }
    this.#woken();
  }

  #putPageAway() {
    this.#putAway = true;
    this.#unhasten();
    if (this.#leaving) {
      return;
    }
    if (this.#connection) {
      this.#connection.abandon(Close.IDLE, 'the page is put away');
    } else if (this.#pause) {
      this.#pause.cancel();
      this.#pause.preparing = false;
    }
  }
}
