import assert from 'node:assert/strict';

const encoder = new TextEncoder();

/** eventFor is a message as an event: with its number, as the hub would send these bytes. */
export function eventFor(id, bytes) {
  return `id: ${id}\nevent: binary\ndata: ${Buffer.from(bytes).toString('base64')}\n\n`;
}

/** OPEN is the first event of a stream. */
export const OPEN = 'event: open\ndata: {}\n\n';

/** Exchange is a request that has come, and that a test answers. */
class Exchange {
  #settle;

  constructor(url, how, settle) {
    const { pathname } = new URL(url);
    Object.assign(this, { url, how, path: pathname.split('/').at(-1) });
    this.#settle = settle;
    this.aborted = false;
    how.signal?.addEventListener('abort', () => {
      this.aborted = true;
      settle.reject(how.signal.reason);
      this.stopped?.(how.signal.reason);
    });
  }

  get header() {
    return new Headers(this.how.headers);
  }

  get last() {
    return this.header.get('Last-Event-ID');
  }

  get number() {
    return this.header.get('Lectern-Number');
  }

  /** messages are those in a POST's body, and its last line where that ends the connection. */
  get messages() {
    return this.how.body.split('\n').filter((line) => line !== '').map((line) => (
      line.startsWith('=') ? Buffer.from(line.slice(1), 'base64').toString() : line));
  }

  /** answer answers it as a whole. */
  answer(status, body = null, headers = {}) {
    this.#settle.resolve(new Response(body, { status, headers }));
  }

  json(status, value) {
    this.answer(status, JSON.stringify(value), { 'Content-Type': 'application/json' });
  }

  /** events answers a poll. */
  events(text) {
    this.answer(200, text, { 'Content-Type': 'text/event-stream' });
  }

  /** fails ends it as a network does. */
  fails() {
    this.#settle.reject(new TypeError('fetch failed'));
  }

  /** streams answers it by a body that comes in pieces, and returns what sends, ends and cuts it. */
  streams(text = '') {
    let control;
    const body = new ReadableStream({
      start: (controller) => {
        control = controller;
      },
    });
    this.stopped = (reason) => control.error(reason);
    this.answer(200, body, { 'Content-Type': 'text/event-stream' });
    const send = (more) => control.enqueue(encoder.encode(more));
    if (text !== '') {
      send(text);
    }
    return { send, end: () => control.close(), cut: () => control.error(new TypeError('terminated')) };
  }
}

/** FakeHTTP is what is at the other end of fetch. Nothing is answered but by a test. */
export class FakeHTTP {
  exchanges = [];
  // Those that no test has taken.
  #left = [];
  #waiting = [];

  fetch = (url, how) => new Promise((resolve, reject) => {
    assert.ok(!how.signal?.aborted, 'a request after the end');
    const exchange = new Exchange(url, how, { resolve, reject });
    this.exchanges.push(exchange);
    this.#left.push(exchange);
    this.#waiting.splice(0).forEach((look) => look());
  });

  /** next takes the next request for a path. */
  async next(path) {
    for (;;) {
      const exchange = this.#left.find((each) => each.path === path);
      if (exchange) {
        this.#left = this.#left.filter((each) => each !== exchange);
        return exchange;
      }
      await new Promise((resolve) => {
        this.#waiting.push(resolve);
      });
    }
  }

  /** still asserts that no request has come that was not taken. */
  async still() {
    await settle();
    assert.deepEqual(this.#left.map(({ path }) => path), []);
  }
}

/** settle resolves when everything that needs no time has happened. */
export async function settle() {
  for (let i = 0; i < 5; i++) {
    await new Promise(setImmediate);
  }
}

/** clock puts the time of a test into its hands. */
export function clock(t) {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  let now = 1000;
  t.mock.method(performance, 'now', () => now);
  t.mock.method(Date, 'now', () => now);
  t.mock.method(Math, 'random', () => 0.5);
  // Step by step, since what is due may begin to wait for something else.
  return async (milliseconds, at = 100) => {
    await settle();
    for (let left = milliseconds; left > 0; left -= at) {
      const step = Math.min(left, at);
      now += step;
      t.mock.timers.tick(step);
      await settle();
    }
  };
}
