import { LONGEST } from './timer.js';

// How long is waited before a request is made again that has failed, in milliseconds, with a random part in it. After
// the last one the connection is lost.
const PAUSES = [100, 200, 400, 800, 1600];

// What a proxy answers in the place of a hub that it does not reach, or has not the time for.
const passing = new Set([408, 429, 500, 502, 503, 504]);

// When so many bytes have come since the last request, and that was so many milliseconds ago, the hub is told what has arrived. On
// a slow way it knows by that that anything does.
const MUCH = 4096;
const LONG_AGO = 2000;

/** under is the address of a request, beneath that of a WebSocket. */
function under(url, path) {
  const address = new URL(url);
  address.protocol = address.protocol.replace(/^ws/, 'http');
  address.pathname = `${address.pathname.replace(/\/$/, '')}/${path}`;
  return address.href;
}

/** Limit ends a request after a time, or with the connection. */
export class Limit {
  expired = false;

  #controller = new AbortController();
  #timer;
  #life;
  #end = () => this.#controller.abort();

  /**
   * @param {AbortSignal} life the connection's
   * @param {number} milliseconds
   */
  constructor(life, milliseconds) {
    this.#life = life;
    life.addEventListener('abort', this.#end);
    this.again(milliseconds);
    if (life.aborted) {
      this.stop();
    }
  }

  get signal() {
    return this.#controller.signal;
  }

  /** again gives the request so much time from now on. */
  again(milliseconds) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.expired = true;
      this.#end();
    }, Math.min(milliseconds, LONGEST));
  }

  /** stop is called when the request is over. What still comes of it is not wanted. */
  stop() {
    clearTimeout(this.#timer);
    this.#life.removeEventListener('abort', this.#end);
    this.#end();
  }
}

/** Retries are the pauses between requests that fail. */
export class Retries {
  #failures = 0;
  #life;

  constructor(life) {
    this.#life = life;
  }

  /** worked is told that one has not failed. */
  worked() {
    this.#failures = 0;
  }

  /** pause resolves when it is time for the next one, or the connection is over. With false, there is none. */
  async pause() {
    const most = PAUSES[this.#failures++];
    if (most === undefined || this.#life.aborted) {
      return false;
    }
    await new Promise((resolve) => {
      const over = () => {
        clearTimeout(timer);
        this.#life.removeEventListener('abort', over);
        resolve();
      };
      const timer = setTimeout(over, most * (1 + Math.random()) / 2);
      this.#life.addEventListener('abort', over);
    });
    return !this.#life.aborted;
  }
}

/**
 * Requests makes the requests of one connection. Each has the connection's secret, in a header, and says what has
 * arrived.
 */
export class Requests {
  /** The secret, or empty. */
  connection = '';
  /** The number of the newest message that has arrived. */
  last = 0;

  #url;
  #fetch;
  #credentials;
  #madeAt = 0;
  // How many bytes have come since.
  #came = 0;

  constructor(url, { fetch, credentials }) {
    this.#url = url;
    this.#fetch = fetch;
    this.#credentials = credentials;
  }

  /**
   * make makes one. It is a POST where there is a body, also an empty one.
   *
   * @param {'open' | 'stream' | 'poll' | 'send'} path
   * @param {{body?: string, number?: number, signal?: AbortSignal, keepalive?: boolean}} how
   */
  async make(path, { body, number, signal, keepalive = false }) {
    this.#madeAt = performance.now();
    this.#came = 0;
    const headers = {};
    if (this.connection !== '') {
      headers['Lectern-Connection'] = this.connection;
      headers['Last-Event-ID'] = String(this.last);
    }
    if (number !== undefined) {
      headers['Lectern-Number'] = String(number);
    }
    const fetch = this.#fetch; // it must not be called as a method of this
    return fetch(under(this.#url, path), {
      method: body === undefined ? 'GET' : 'POST', headers, body, signal, keepalive,
      cache: 'no-store', credentials: this.#credentials, redirect: 'error',
    });
  }

  /** came is told that so many bytes have come, and reports whether the hub is to be told of it. */
  came(bytes) {
    this.#came += bytes;
    return this.#came >= MUCH && performance.now() - this.#madeAt >= LONG_AGO;
  }
}

/** closeIn is the close that a text says, or null. */
export function closeIn(text) {
  try {
    const { code, reason = '' } = JSON.parse(text);
    return Number.isInteger(code) && code > 0 ? { number: code, reason: String(reason) } : null;
  } catch {
    return null;
  }
}

/**
 * refusalIn is what an answer says that is no success: how the connection has ended, with the number 0 where it is lost, or
 * null where the request can be made again.
 */
export async function refusalIn(response) {
  const text = await response.text().catch(() => '');
  const close = closeIn(text);
  if (close) {
    return close;
  }
  if (passing.has(response.status)) {
    return null;
  }
  return { number: 0, reason: response.status === 421 ? 'the hub does not know the connection any more' : `answered by ${response.status}` };
}
