import { fromBase64 } from './bytes.js';
import { EventStream } from './eventstream.js';
import { Limit, Retries, closeIn, refusalIn } from './requests.js';

// How long a stream may take to bring its first event, in milliseconds. Something on the way holds it back then.
const FIRST_EVENT = 2000;

// A stream that ends earlier than that has not served, in milliseconds. What comes later than that is no echo of its
// beginning.
const SERVED = 5000;

// A poll that is answered sooner than that, in milliseconds, has something to tell.
const AT_ONCE = 1000;

// After so many streams in a row that have fallen silent, polls are made.
const SILENT_STREAMS = 2;

// For how long polls are made then, and on the next connections too, before another stream is tried, in milliseconds.
const POLLS = 600_000;

/**
 * Receiving gets what the hub has to say: by a stream, or where something on the way holds streams back, by polls. It begins
 * with a poll, which brings the first answer wherever anything gets through.
 */
export class Receiving {
  #requests;
  #silence;
  #life;
  #remembered;
  #retries;
  #told;
  // Polls are made, and the time until then, which is known once one was answered.
  #polls;
  #pollsUntil = Infinity;
  #over = false;
  // How many streams in a row have fallen silent.
  #silent = 0;

  /**
   * @param {Requests} requests
   * @param {number} silence how long nothing at all may come, in milliseconds
   * @param {AbortSignal} life the connection's
   * @param {Remembered} remembered
   * @param {{heard: () => void, message: (bytes: Uint8Array) => void, asked: () => void,
   *   much: () => void, ended: (how: {number: number, reason: string}) => void}} told asked: the hub wants a sign of life; much:
   *   it is to be told what has arrived, if nothing else tells it
   */
  constructor(requests, silence, life, remembered, told) {
    this.#requests = requests;
    this.#silence = silence;
    this.#life = life;
    this.#remembered = remembered;
    this.#retries = new Retries(life);
    this.#told = told;
    this.#polls = remembered.has('polls');
  }

  /** run returns when the connection is over. */
  async run() {
    await this.#poll();
    while (!this.#over && !this.#life.aborted) {
      await (this.#polls ? this.#poll() : this.#stream());
    }
  }

  async #poll() {
    const began = performance.now();
    const limit = new Limit(this.#life, this.#silence);
    const response = await this.#ask('poll', limit);
    const whole = await response?.arrayBuffer().catch(() => null);
    limit.stop();
    if (whole) {
      this.#told.heard();
      const brought = this.#read(new EventStream(), new Uint8Array(whole));
      this.#polled();
      // One that is answered at once with nothing is not the hub's.
      if (brought || performance.now() - began >= AT_ONCE) {
        this.#retries.worked();
        return;
      }
    }
    await this.#pause();
  }

  // That polls get through where streams do not is known by now.
  #polled() {
    if (this.#polls && this.#pollsUntil === Infinity) {
      this.#pollsUntil = performance.now() + POLLS;
      this.#remembered.keep('polls', POLLS);
    } else if (performance.now() >= this.#pollsUntil) {
      this.#polls = false;
      this.#pollsUntil = Infinity;
      this.#silent = 0;
    }
  }

  async #stream() {
    const began = performance.now();
    const age = () => performance.now() - began;
    const limit = new Limit(this.#life, FIRST_EVENT);
    const response = await this.#ask('stream', limit);
    const reader = response?.body.getReader();
    const events = new EventStream();
    let opened = false;
    while (reader && !this.#over) {
      const { value } = await reader.read().catch(() => ({}));
      if (!value) {
        break; // it has ended, was cut, or has fallen silent
      }
      this.#told.heard();
      opened = this.#read(events, value) || opened;
      if (this.#requests.came(value.length)) {
        this.#told.much();
      }
      if (opened) {
        limit.again(this.#silence);
      }
      if (opened && age() >= SERVED) {
        this.#silent = 0;
      }
    }
    limit.stop();
    if (limit.expired) {
      this.#silent += opened ? 1 : SILENT_STREAMS;
      this.#polls = this.#silent >= SILENT_STREAMS;
    } else if (opened && age() >= SERVED) {
      this.#retries.worked();
    } else {
      await this.#pause(opened);
    }
  }

  // ask resolves with an answer that can be read, or null. Where the hub has refused it, that is the end.
  async #ask(path, limit) {
    const response = await this.#requests.make(path, { signal: limit.signal }).catch(() => null);
    if (!response) {
      return null;
    }
    if (response.ok && /^text\/event-stream\b/.test(response.headers.get('Content-Type') ?? '')) {
      return response;
    }
    const end = await refusalIn(response);
    if (end) {
      this.#end(end);
    }
    return null;
  }

  // streams: they get through, and are cut soon.
  async #pause(streams = false) {
    if (this.#over || await this.#retries.pause() || this.#life.aborted) {
      return;
    }
    if (streams) {
      this.#polls = true;
      this.#retries.worked();
    } else {
      this.#end({ number: 0, reason: 'the hub cannot be reached' });
    }
  }

  // read takes the events in some bytes, and reports whether there were any. What is wrong with them is not mended by
  // another request.
  #read(events, bytes) {
    const all = [];
    try {
      events.feed(bytes, (event) => all.push(event));
    } catch (error) {
      this.#end({ number: 0, reason: error.message });
    }
    all.forEach((event) => this.#take(event));
    return all.length > 0;
  }

  #take({ type, data, id }) {
    if (this.#over) {
      return;
    }
    if (type === 'message' || type === 'binary') {
      this.#message(id, type === 'binary' ? fromBase64(data) : new TextEncoder().encode(data));
    } else if (type === 'probe') {
      this.#told.asked();
    } else if (type === 'close') {
      this.#end(closeIn(data) ?? { number: 0, reason: 'closed' });
    } // else it is the first one, or a newer hub's
  }

  // One that comes again is known already. One that is missing does not come any more.
  #message(id, bytes) {
    const number = Number(id);
    if (number <= this.#requests.last) {
      return;
    }
    if (number !== this.#requests.last + 1 || !bytes) {
      this.#end({ number: 0, reason: 'a message is missing, or damaged' });
      return;
    }
    this.#requests.last = number;
    this.#told.message(bytes);
  }

  #end(how) {
    if (!this.#over) {
      this.#over = true;
      this.#told.ended(how);
    }
  }
}
