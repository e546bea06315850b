import { Backoff } from './backoff.js';
import { WEBSOCKET } from './carrier.js';
import { Close } from './closes.js';
import { Connection } from './connection.js';
import { watchPage } from './page.js';
import { later } from './timer.js';
import { Ways } from './ways.js';

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
 * long as there is something to be connected for. Where the hub shuts down, one attempt is made
 * while the connection goes on, which stays as the former one for what has not moved. While the page
 * is put away, as into the browser's back/forward cache, there is none: the browser would answer the
 * hub for a page whose code does not run.
 *
 * An attempt has several tries, where there are several ways to the hub. While the connection is over HTTP, a WebSocket is
 * tried beside it now and then, and takes its place.
 */
export class Link {
  #urls;
  #turn = 0;
  #options;
  #told;
  #backoff;
  #ways;
  // What is left of the present attempt, and whether a WebSocket has failed in it.
  #tries = [];
  #url;
  #failed = false;
  // What ends the wait for another try of a WebSocket, beside a connection over HTTP, or the try itself.
  #cancelBack = () => {};
  #trying = null;
  #triedAt = -Infinity;
  #way = null;
  // running: there is a connection, or there is to be one.
  #running = false;
  #connection = null;
  // The attempt that is under way beside the present connection.
  #next = null;
  #former = null;
  #dialedAt = -Infinity;
  // What ends the present attempt, so that another one takes its place.
  #hastened = null;
  #replaced = false;
  // What comes before the next attempt. Beside a connection it is its hub's shutdown.
  #pause = null;
  #putAway = false;
  #leaving = false;
  #unwatch = () => {};

  /**
   * @param {string[]} urls each attempt takes the next one
   * @param {object} options the client's
   * @param {{needed: () => boolean, stay: (connection: Connection) => boolean, prepare: () => Promise<void> | null,
   *   first: () => object | null,
   *   opened: (connection: Connection, how: {sent: boolean, prepared: boolean}) => void,
   *   frame: (connection: Connection, frame: object) => void,
   *   lost: (connection: Connection | null, how: {number: number, reason: string, silent: boolean, wasOpen: boolean,
   *     replaced: boolean}) => void, way: (way: string | null) => void}} told
   *   needed: there is something to be connected for; stay: all memberships are on that
   *   connection; prepare is what has to be done before an
   *   attempt, which comes later where that is rejected; first is the frame to send along with
   *   a handshake, and sent whether the hub has taken it; prepared: what has to be done before an attempt was done;
   *   replaced: it was this side that gave an attempt up, or another try, and another one follows; way is told the way
   *   of the present connection, when it changes
   */
  constructor(urls, options, told) {
    this.#urls = urls;
    this.#options = options;
    this.#told = told;
    this.#backoff = new Backoff(options);
    this.#ways = new Ways(options, urls[0]);
  }

  /** current is the connection on which frames can be sent now, or null. */
  get current() {
    return this.#connection?.open ? this.#connection : null;
  }

  /** former is the connection that is being moved away from, or null. */
  get former() {
    return this.#former;
  }

  /** moving: another connection is to be made, or is being made, beside the present one. */
  get moving() {
    return Boolean(this.#connection && (this.#pause || (this.#next && this.#next !== this.#trying)));
  }

  /** way is that of the present connection, or null. */
  get way() {
    return this.#way;
  }

  /** addresses is how many different ones there are. */
  get addresses() {
    return this.#urls.length;
  }

  /** spread is told that the connection's hub shuts down, and how far the returns are to be spread. */
  spread(connection, milliseconds) {
    connection.shutdown = Math.min(milliseconds, MAX_SPREAD);
    this.#move();
  }

  // One attempt is made to move away from a connection, when the one before it has ended.
  #move() {
    const connection = this.current;
    if (connection && connection.shutdown !== null && !connection.leaves && !this.#former && !this.#putAway && !this.#leaving) {
      connection.leaves = true;
      this.#stayHere();
      // A hub that says so at once, each time, must not be asked all the time.
      this.#steady(connection);
      this.#rest(Math.max(this.#backoff.next(), Math.random() * connection.shutdown), true);
    }
  }

  /** start begins to connect, unless that is under way. */
  start() {
    if (this.#running) {
      return;
    }
    this.#running = true;
    this.#unwatch = watchPage({
      gone: () => this.#probe(),
      woken: () => {
        this.#woken();
        this.#goBackSoon();
      },
      putAway: () => this.#putPageAway(),
      back: () => this.#back(),
    });
    this.#dial();
  }

  /** stopIfIdle ends a pause with nothing to come back for. */
  stopIfIdle() {
    if (this.#pause && !this.#connection && !this.#told.needed()) {
      this.#stop();
    }
  }

  /** dismiss ends the former connection, when nothing is on it any more. */
  dismiss() {
    if (!this.#former.givenUp) {
      this.#former.givenUp = true;
      this.#finish(this.#former, Close.IDLE, 'moved to another connection', []);
    }
  }

  /** ended resolves when the connections have ended that there are. */
  ended() {
    return Promise.all(this.#all.map(({ over }) => over));
  }

  /**
   * leave ends the connections for good, with this number and in order, behind the frames that are for
   * each, within the client's closeTimeout.
   */
  async leave(framesFor, number) {
    this.#leaving = true;
    this.#cancelBack();
    this.#pause?.cancel();
    this.#next?.abandon(number, '');
    await Promise.all(this.#all.map((connection) => this.#finish(connection, number, '', framesFor(connection))));
    if (this.#running) {
      this.#stop();
    }
  }

  get #all() {
    return [this.#next, this.#connection, this.#former].filter(Boolean);
  }

  #probe() {
    this.#all.forEach((connection) => connection.probe(this.#options.wakePatience));
  }

  async #finish(connection, number, reason, frames) {
    const cancel = later(this.#options.closeTimeout, () => connection.abandon(number, reason));
    connection.close(number, reason, frames);
    await connection.over;
    cancel();
  }

  #stop() {
    this.#pause?.cancel();
    this.#pause = null;
    this.#running = false;
    this.#putAway = false;
    this.#cancelBack();
    this.#unwatch();
  }

  // dial begins an attempt.
  #dial() {
    this.#pause = null;
    if (this.#connection && !this.#told.needed()) {
      return;
    }
    this.#url = this.#address();
    this.#tries = this.#connection ? [this.#ways.beside(this.#connection.way)] : this.#ways.tries();
    this.#failed = false;
    this.#try();
  }

  // try goes on with it.
  #try() {
    this.#dialedAt = performance.now();
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
      if (over) {
        return;
      }
      this.#pause = null;
      if (this.#told.needed()) {
        on();
      } else if (!this.#connection) {
        this.#stop();
      }
    };
    prepared.then(
      go(() => this.#connect()),
      // Beside a connection there is one attempt, and this was it.
      go(() => this.#connection || this.#rest(this.#backoff.next(), false)));
  }

  #connect() {
    const present = this.#connection;
    const target = { url: this.#url, ...this.#tries.shift() };
    const first = present || target.way !== WEBSOCKET ? null : this.#told.first();
    let connection = null;
    try {
      connection = this.#make(target, first);
    } catch (error) {
      if (!present) {
        // The platform does not allow this address; it may say so by throwing.
        queueMicrotask(() => this.#disconnected(null, { number: 0, reason: error.message, silent: false }));
      }
      return;
    }
    if (present) {
      this.#next = connection;
    } else {
      this.#connection = connection;
    }
  }

  #make(target, first) {
    const connection = new Connection(target, this.#options, first, {
      opened: (sent) => this.#opened(connection, sent),
      frame: (frame) => this.#told.frame(connection, frame),
      ended: (how) => this.#disconnected(connection, how),
    });
    return connection;
  }

  #address() {
    const next = () => this.#urls[this.#turn++ % this.#urls.length];
    const url = next();
    return url === this.#connection?.url ? next() : url;
  }

  #opened(connection, sent) {
    this.#unhasten();
    const prepared = connection !== this.#trying;
    this.#trying = null;
    this.#ways.opened(connection.way, this.#failed);
    if (connection === this.#next) {
      this.#former = this.#connection;
      this.#connection = connection;
      this.#next = null;
    }
    this.#isOn(connection);
    this.#told.opened(connection, { sent, prepared });
  }

  // isOn says on which way the client is, and looks after that.
  #isOn(connection) {
    const way = connection?.opened ? connection.way : null;
    this.#cancelBack();
    if (this.#ways.leads(way)) {
      this.#cancelBack = later(this.#ways.wait(), () => this.#goBack());
    }
    if (way !== this.#way) {
      this.#way = way;
      this.#told.way(way);
    }
  }

  // goBack tries a WebSocket beside the connection over HTTP.
  #goBack() {
    const { current } = this;
    if (!current || !this.#ways.leads(current.way)) {
      return;
    }
    this.#cancelBack = later(this.#ways.wait(), () => this.#goBack());
    if (this.#next || this.#former || this.#pause || this.#putAway || this.#leaving) {
      return;
    }
    this.#triedAt = performance.now();
    this.#tries = [];
    try {
      this.#trying = this.#next = this.#make({ url: current.url, ...this.#ways.back() }, null);
    } catch {
      this.#ways.block(); // the platform does not allow it
    }
  }

  // The network may be another one.
  #goBackSoon() {
    const rest = this.#triedAt + WAKE_REST - performance.now();
    if (this.current && this.#ways.leads(this.current.way) && !this.#trying) {
      this.#cancelBack();
      this.#cancelBack = later(Math.max(0, rest), () => this.#goBack());
    }
  }

  // stayHere ends a try of a WebSocket.
  #stayHere() {
    this.#cancelBack();
    this.#trying?.abandon(Close.IDLE, 'not needed any more');
  }

  #disconnected(connection, { number, reason, silent }) {
    if (connection && connection === this.#next) {
      this.#next = null; // what there is stays
      if (connection === this.#trying) {
        this.#trying = null;
        this.#ways.block();
      }
      return;
    }
    const wasOpen = Boolean(connection?.opened);
    if (connection === this.#connection) {
      this.#stayHere();
    }
    if (connection && connection === this.#former) {
      this.#former = null;
      this.#told.lost(connection, { number, reason, silent, wasOpen, replaced: false });
      this.#move();
      return;
    }
    const again = this.#triesOn(connection, number);
    const replaced = this.#replaced || (this.#putAway && !wasOpen) || (again && !wasOpen);
    this.#unhasten();
    this.#replaced = false;
    this.#connection = this.#next;
    this.#next = null;
    this.#steady(connection);
    this.#told.lost(connection, { number, reason, silent, wasOpen, replaced });
    if (this.#connection) {
      this.#isOn(this.#connection);
      return; // the attempt that is under way goes on
    }
    if (this.#former && this.#told.stay(this.#former)) {
      this.#connection = this.#former;
      this.#former = null;
      if (this.#ways.leads(this.#connection.way)) {
        this.#ways.block();
      }
      this.#isOn(this.#connection);
      return;
    }
    this.#isOn(null);
    if (!this.#told.needed()) {
      this.#stop();
    } else if (again) {
      this.#try();
    } else if (replaced && !this.#putAway) {
      this.#dial();
    } else if (!this.#pause) { // else the moment for the next attempt is chosen already
      this.#restAfter(number, connection?.shutdown ?? null);
    }
  }

  // triesOn reports whether the attempt goes on, by another way, when a connection has ended: it has not come about, or nothing
  // has come on it.
  #triesOn(connection, number) {
    const wasOpen = Boolean(connection?.opened);
    const own = connection?.givenUp || this.#replaced || this.#putAway || this.#leaving;
    const failed = number === 0 && !own && !connection?.heard;
    const isWebSocket = connection === null || connection.way === WEBSOCKET;
    if (wasOpen && isWebSocket) {
      this.#ways.ended(performance.now() - connection.openedAt, number === 0 && !own);
    }
    if (!failed) {
      return false;
    }
    this.#failed ||= isWebSocket;
    if (!connection?.late) {
      const way = connection?.way ?? WEBSOCKET;
      this.#tries = this.#tries.filter((each) => each.way !== way);
    }
    return this.#tries.length > 0;
  }

  // A connection has not failed that was good for a while, or that has worked until its hub shut
  // down in order: a hub may be replaced several times in a row.
  #steady(connection) {
    const lasted = connection?.opened && performance.now() - connection.openedAt >= STEADY_AFTER;
    if (lasted || (connection?.worked && connection.shutdown !== null)) {
      this.#backoff.steady();
    }
  }

  #restAfter(number, shutdown) {
    let wait = number === Close.RATE_LIMITED ? this.#backoff.longest() : this.#backoff.next();
    if (shutdown !== null) {
      wait = Math.max(wait, Math.random() * shutdown);
    }
    this.#rest(wait, shutdown !== null);
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
    if (this.#connection && !this.#connection.opened) {
      this.#hasten();
    }
    this.#probe();
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
    this.#pause?.cancel();
    if (this.#connection) {
      this.#pause = null;
    } else if (this.#pause) {
      this.#pause.preparing = false;
    }
    this.#all.forEach((connection) => connection.abandon(Close.IDLE, 'the page is put away'));
  }
}
