import { carrierBy } from './carrier.js';
import { Close } from './closes.js';
import { DecodeError, decode, encode } from './codec.js';

// How long one that is closed while it is made goes on for, in milliseconds, where the
// hub may have let the client in already.
const LEAVE_WAIT = 1000;

/** The pace, in bytes a millisecond, below which what is sent does not count as moving: 1 KB/s. */
export const FLOOR = 1;

// A timer that fires so much too late, in milliseconds, tells that the page was
// asleep. What has arrived meanwhile may still wait to be read.
const ASLEEP = 1000;

/**
 * Connection is one carrier: it is opened at once, and ends once. It notices a
 * silent hub by pings of the protocol, since a page cannot send WebSocket's own.
 */
export class Connection {
  url;
  way;
  // When it was opened, or zero.
  openedAt = 0;
  // It is being ended by this side, and nothing is to be sent on it any more.
  givenUp = false;
  // What the hub has told of its shutdown, in milliseconds, or null.
  shutdown = null;
  // A membership was taken up on it.
  worked = false;
  // An attempt was begun, or is to be, to move away from it.
  leaves = false;
  // Something has come on it.
  heard = false;
  // It was given up since it has not come about, or brought anything, within the time for that.
  late = false;
  // Resolves when it has ended.
  over;
  #over;
  #carrier;
  #options;
  #handlers;
  // Whether a frame goes along with the handshake.
  #begins;
  // What closes it once it is open.
  #leaving = null;
  #wasOpen = false;
  #ended = false;
  #dialTimer;
  #proof;
  #proofTimer;
  #watchTimer;
  #heardAt = 0;
  // The time by which a probe must be answered, or zero.
  #answerBy = 0;
  // The bytes that were given to the carrier.
  #given = 0;
  // How it stood when the probe began, or was last put off: what waited in the carrier, and
  // what had gone out of it.
  #mark = { at: 0, waiting: 0, gone: 0 };
  // A probe was late once since anything was heard. Where every timer is late, as in a
  // page that is throttled, that tells nothing.
  #excused = false;
  // What has arrived and was not handled yet.
  #arrived = [];
  #held = false;
  // What the carrier's end has told, until what arrived before is handled.
  #closing = null;

  /**
   * @param {{url: string, way: string, patience: number, proof: number}} target patience is how long it may take to
   *   come about, and proof how long until something comes then that was asked for, or 0
   * @param {object} options the client's
   * @param {object | null} first the frame to send along with the handshake
   * @param {{opened: (sent: boolean) => void, frame: (frame: object) => void,
   *   ended: (how: {number: number, reason: string, silent: boolean}) => void}} handlers opened
   *   is told whether the hub has taken the first frame; ended is called last and once,
   *   number is 0 where the connection was lost without one, and silent tells that it was
   *   given up for want of a sign of life
   */
  constructor({ url, way, patience, proof }, options, first, handlers) {
    this.url = url;
    this.way = way;
    this.over = new Promise((resolve) => {
      this.#over = resolve;
    });
    this.#options = options;
    this.#handlers = handlers;
    this.#begins = first !== null;
    this.#proof = proof;
    this.#carrier = carrierBy(way, url, options, first && encode(first), {
      opened: (sent) => this.#opened(sent),
      message: (bytes) => this.#received(bytes),
      heard: () => this.#heard(),
      closed: ({ number, reason }) => this.#closed({ number, reason, silent: false }),
    });
    this.#dialTimer = setTimeout(() => this.#isLate('could not connect in time'), patience);
  }

  /** opened: the hub has let the client in. */
  get opened() {
    return this.openedAt > 0;
  }

  /** open: frames can be sent now. On a connection that is being given up they would be lost. */
  get open() {
    return this.opened && !this.#ended && !this.givenUp;
  }

  send(frame) {
    if (this.#carrier.open) {
      const bytes = encode(frame);
      this.#given += bytes.length;
      this.#carrier.send(bytes);
    }
  }

  /**
   * hold puts off what has arrived until the application has had its turn, so that
   * it can add its listeners to a handle before anything happens to it.
   */
  hold() {
    this.#held = true;
    setTimeout(() => {
      this.#held = false;
      this.#drain();
    }, 0);
  }

  /** probe gives the connection up unless something arrives within so many milliseconds. */
  probe(patience) {
    const by = performance.now() + patience;
    if (this.#ended || !this.#carrier.open || (this.#answerBy > 0 && this.#answerBy <= by)) {
      return;
    }
    if (this.#answerBy === 0) {
      this.#flows();
      this.send({ type: 'ping' });
    }
    this.#answerBy = by;
    this.#watch(patience);
  }

  /** close ends the connection in order, behind these frames; ended follows when the hub has answered. */
  close(number, reason, frames = []) {
    if (this.#carrier.connecting && this.#begins) {
      this.#leaving = () => this.close(number, reason, frames);
      this.#watchTimer = setTimeout(() => this.abandon(number, reason), LEAVE_WAIT);
    } else if (this.#carrier.connecting) {
      this.abandon(number, reason);
    } else {
      frames.forEach((frame) => this.send(frame));
      this.#carrier.close(number, reason);
    }
  }

  /** giveUp ends the connection in order so that its memberships can be resumed. */
  giveUp(reason) {
    this.givenUp = true;
    this.close(Close.IDLE, reason);
  }

  /** abandon ends the connection at once, whatever the hub does. */
  abandon(number, reason, silent = false) {
    if (this.#ended) {
      return;
    }
    this.#carrier.abandon(number, reason);
    this.#arrived = [];
    this.#end({ number: 0, reason, silent });
  }

  #opened(sent) {
    clearTimeout(this.#dialTimer);
    if (this.#leaving) {
      this.#leaving();
      return;
    }
    this.openedAt = performance.now();
    this.#sign();
    this.#watch(this.#options.silence);
    if (this.#proof > 0) {
      this.#proofTimer = setTimeout(() => this.#isProved(sent), this.#proof);
    }
    this.#handlers.opened(sent);
  }

  // Some proxies answer the handshake and let nothing else through.
  #isProved(sent) {
    if (!this.heard && (sent || this.#given > 0)) {
      this.#isLate('nothing comes through');
    }
  }

  #isLate(reason) {
    this.late = true;
    this.abandon(Close.IDLE, reason);
  }

  #heard() {
    this.heard = true;
    this.#sign();
  }

  // There is a sign of life.
  #sign() {
    this.#heardAt = performance.now();
    this.#excused = false;
    if (this.#answerBy > 0) {
      this.#answerBy = 0;
      this.#watch(this.#options.silence);
    }
  }

  #watch(milliseconds) {
    clearTimeout(this.#watchTimer);
    this.#watchTimer = setTimeout(() => this.#look(), milliseconds);
  }

  // look is called when there should have been a sign of life.
  #look() {
    const now = performance.now();
    if (this.#answerBy === 0) {
      const quiet = now - this.#heardAt;
      if (quiet < this.#options.silence) {
        this.#watch(this.#options.silence - quiet);
      } else {
        this.probe(this.#options.patience);
      }
    } else if (now > this.#answerBy + ASLEEP && !this.#excused) {
      this.#excused = true;
      this.#answerBy = 0;
      this.probe(this.#options.wakePatience);
    } else if (now < this.#answerBy) {
      this.#watch(this.#answerBy - now);
    } else if (this.#flows()) {
      this.#answerBy = now + this.#options.patience;
      this.#watch(this.#options.patience);
    } else {
      this.abandon(Close.IDLE, 'no sign of life', true);
    }
  }

  // flows reports whether what waited in the carrier has gone on since it was last asked for.
  // The answer to the probe is behind it. What the system takes at once tells nothing: it
  // does so for a connection that is dead as well.
  #flows() {
    const { at, waiting, gone } = this.#mark;
    const left = this.#carrier.waiting;
    this.#mark = { at: performance.now(), waiting: left, gone: this.#given - left };
    const moved = this.#mark.gone - gone;
    return waiting > 0 && moved > 0 && (left === 0 || moved >= FLOOR * (this.#mark.at - at));
  }

  #received(bytes) {
    this.#heard();
    this.#arrived.push(bytes);
    this.#drain();
  }

  #drain() {
    while (!this.#held && !this.#ended && this.#arrived.length > 0) {
      this.#handle(this.#arrived.shift());
    }
    if (this.#closing && !this.#held && !this.#ended) {
      this.#end(this.#closing);
    }
  }

  #handle(bytes) {
    let frame;
    try {
      frame = decode(bytes);
    } catch (error) {
      if (!(error instanceof DecodeError)) {
        throw error;
      }
      if (error.code !== 'unsupported') {
        this.abandon(Close.PROTOCOL_ERROR, "what came is not Lectern's protocol");
      }
      // What is unsupported is a newer hub's, and not for us.
      return;
    }
    this.#handlers.frame(frame);
  }

  #closed(how) {
    this.#closing = how;
    this.#drain();
  }

  #end(how) {
    if (this.#ended) {
      return;
    }
    this.#ended = true;
    clearTimeout(this.#dialTimer);
    clearTimeout(this.#proofTimer);
    clearTimeout(this.#watchTimer);
    this.#over();
    this.#handlers.ended(how);
  }
}
