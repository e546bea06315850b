import { base64url, isBuffer } from './bytes.js';
import { Close } from './closes.js';
import { DecodeError, decode, encode } from './codec.js';

const PROTOCOL = 'lectern.v1';

// What a hub chooses that has taken the frame which has come along with the
// handshake, as one more subprotocol.
const PROTOCOL_FIRST = `${PROTOCOL}.first`;

// The size in bytes of the largest frame that goes along.
const MAX_FIRST = 2048;

// How long one that is closed while it is made goes on for, in milliseconds, where the
// hub may have let the client in already.
const LEAVE_WAIT = 1000;

function protocols(first) {
  const bytes = first ? encode(first) : null;
  if (!bytes || bytes.length > MAX_FIRST) {
    return [PROTOCOL];
  }
  return [PROTOCOL, PROTOCOL_FIRST, `${PROTOCOL_FIRST}.${base64url(bytes)}`];
}

/** The pace, in bytes a millisecond, below which what is sent does not count as moving: 1 KB/s. */
export const FLOOR = 1;

// A timer that fires so much too late, in milliseconds, tells that the page was
// asleep. What has arrived meanwhile may still wait to be read.
const ASLEEP = 1000;

/**
 * Connection is one WebSocket: it is opened at once, and ends once. It notices a
 * silent hub by pings of the protocol, since a page cannot send WebSocket's own.
 */
export class Connection {
  url;
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
  // Resolves when it has ended.
  over;
  #over;
  #socket;
  #options;
  #handlers;
  // Whether a frame goes along with the handshake.
  #begins;
  // What closes it once it is open.
  #leaving = null;
  #wasOpen = false;
  #ended = false;
  #dialTimer;
  #watchTimer;
  #heardAt = 0;
  // The time by which a probe must be answered, or zero.
  #answerBy = 0;
  // The bytes that were given to the socket.
  #given = 0;
  // How it stood when the probe began, or was last put off: what waited in the socket, and
  // what had gone out of it.
  #mark = { at: 0, waiting: 0, gone: 0 };
  // A probe was late once since anything was heard. Where every timer is late, as in a
  // page that is throttled, that tells nothing.
  #excused = false;
  // What has arrived and was not handled yet.
  #arrived = [];
  #held = false;
  // What the socket's close event told, until what arrived before is handled.
  #closing = null;

  /**
   * @param {string} url
   * @param {object} options the client's
   * @param {object | null} first the frame to send along with the handshake
   * @param {{opened: (sent: boolean) => void, frame: (frame: object) => void,
   *   ended: (how: {number: number, reason: string, silent: boolean}) => void}} handlers opened
   *   is told whether the hub has taken the first frame; ended is called last and once,
   *   number is 0 where the connection was lost without one, and silent tells that it was
   *   given up for want of a sign of life
   */
  constructor(url, options, first, handlers) {
    this.url = url;
    this.over = new Promise((resolve) => {
      this.#over = resolve;
    });
    this.#options = options;
    this.#handlers = handlers;
    this.#begins = first !== null;
    this.#socket = new options.WebSocket(url, protocols(first));
    this.#socket.binaryType = 'arraybuffer';
    this.#socket.onopen = () => this.#opened();
    this.#socket.onmessage = (event) => this.#received(event.data);
    this.#socket.onerror = () => this.#failed();
    this.#socket.onclose = (event) => this.#closed(event);
    this.#dialTimer = setTimeout(() => this.abandon(Close.IDLE, 'could not connect in time'), options.dialTimeout);
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
    if (this.#socket.readyState === 1) {
      const bytes = encode(frame);
      this.#given += bytes.length;
      this.#socket.send(bytes);
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
    });
  }

  /** probe gives the connection up unless something arrives within so many milliseconds. */
  probe(patience) {
    const by = performance.now() + patience;
    if (this.#ended || this.#socket.readyState !== 1 || (this.#answerBy > 0 && this.#answerBy <= by)) {
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
    if (this.#socket.readyState === 0 && this.#begins) {
      this.#leaving = () => this.close(number, reason, frames);
      this.#watchTimer = setTimeout(() => this.abandon(number, reason), LEAVE_WAIT);
    } else if (this.#socket.readyState === 0) {
      this.abandon(number, reason);
    } else {
      frames.forEach((frame) => this.send(frame));
      this.#socket.close(number, reason);
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
    this.#socket.onopen = this.#socket.onmessage = this.#socket.onclose = null;
    const open = this.#socket.readyState === 1;
    if (open) {
      this.#socket.close(number, reason);
    }
    // Outside of browsers the closing handshake of a dead peer can be cut short.
    if (typeof this.#socket.terminate === 'function') {
      this.#socket.terminate();
    } else if (!open) {
      this.#socket.close();
    }
    this.#arrived = [];
    this.#end({ number: 0, reason, silent });
  }

  #opened() {
    clearTimeout(this.#dialTimer);
    this.#wasOpen = true;
    if (this.#leaving) {
      this.#leaving();
      return;
    }
    this.openedAt = performance.now();
    this.#heard();
    this.#watch(this.#options.silence);
    this.#handlers.opened(this.#socket.protocol === PROTOCOL_FIRST);
  }

  // An error is followed by a close, which tells more. But where a connection
  // could not be made, some versions of Node tell an error alone.
  #failed() {
    if (!this.#wasOpen) {
      setTimeout(() => this.abandon(Close.IDLE, 'could not connect'));
    }
  }

  #heard() {
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

  // flows reports whether what waited in the socket has gone on since it was last asked for.
  // The answer to the probe is behind it. What the system takes at once tells nothing: it
  // does so for a connection that is dead as well.
  #flows() {
    const { at, waiting, gone } = this.#mark;
    const left = this.#socket.bufferedAmount ?? 0;
    this.#mark = { at: performance.now(), waiting: left, gone: this.#given - left };
    const moved = this.#mark.gone - gone;
    return waiting > 0 && moved > 0 && (left === 0 || moved >= FLOOR * (this.#mark.at - at));
  }

  #received(data) {
    this.#heard();
    this.#arrived.push(data);
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

  #handle(data) {
    let frame;
    try {
      frame = decode(isBuffer(data) ? new Uint8Array(data) : new Uint8Array());
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

  #closed({ code, reason }) {
    // 1005 and 1006 are the platform's, for no number at all.
    this.#closing = { number: code === 1005 || code === 1006 ? 0 : code, reason, silent: false };
    this.#drain();
  }

  #end(how) {
    if (this.#ended) {
      return;
    }
    this.#ended = true;
    clearTimeout(this.#dialTimer);
    clearTimeout(this.#watchTimer);
    this.#over();
    this.#handlers.ended(how);
  }
}
