import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { inspect } from 'node:util';

import { within } from './limit.js';

const require = createRequire(import.meta.url);

/** The stock clients, by their version. */
export const clients = {
  '4.8.4': require('socket.io-client-4'),
  '3.1.3': require('socket.io-client-3'),
  '2.5.0': require('socket.io-client-2'),
};

/** What the option transports can say: as a client has it by default, or one alone. */
export const ways = {
  default: undefined,
  websocket: ['websocket'],
  polling: ['polling'],
};

/** every calls f with each version and each way. */
export function every(f) {
  for (const version of Object.keys(clients)) {
    for (const way of Object.keys(ways)) {
      f(version, way);
    }
  }
}

// What a hub sends.
const names = [
  'message', 'request', 'created', 'joined', 'presence', 'members', 'attribute', 'reset', 'waiting', 'knock', 'muted', 'closed',
  'left', 'gap', 'asked', 'awaiting', 'shutdown', 'refused',
];
// What a socket tells of itself. In 2.x a refused connection is an error.
const own = ['connect', 'disconnect', 'connect_error', 'error'];

/** Member is a stock client, and what it has been told and not looked at yet. */
export class Member {
  #told = new Map([...names, ...own].map((name) => [name, []]));
  #waiting = new Map();

  /**
   * A member's options are the client's, beside version and way. What it says of itself is auth where
   * there is that, and the query where there is not.
   */
  constructor(t, url, { version = '4.8.4', way = 'websocket', auth, ...options } = {}) {
    this.version = version;
    this.socket = clients[version](url, {
      forceNew: true,
      transports: ways[way],
      reconnectionDelay: 10,
      randomizationFactor: 0,
      ...version === '2.5.0' ? { query: auth } : { auth },
      ...options,
    });
    t.after(() => this.socket.close());
    for (const [name, told] of this.#told) {
      this.socket.on(name, (...event) => {
        const wanted = this.#waiting.get(name)?.shift();
        if (wanted) {
          wanted(event);
        } else {
          told.push(event);
        }
      });
    }
  }

  /** next is the arguments of the next event of that name that was not looked at. */
  next(name) {
    const told = this.#told.get(name);
    if (told.length > 0) {
      return Promise.resolve(told.shift());
    }
    return within(new Promise((resolve) => {
      const waiting = this.#waiting.get(name) ?? [];
      waiting.push(resolve);
      this.#waiting.set(name, waiting);
    }), `${name} at a client ${this.version}`).catch((error) => {
      const told = [...this.#told].filter(([, events]) => events.length > 0);
      throw new Error(`${error.message}, who was told ${inspect(told, { depth: 4 })}`);
    });
  }

  /** until is the arguments of the next event of that name that fits. What does not is passed over. */
  async until(name, fits) {
    for (;;) {
      const event = await this.next(name);
      if (fits(...event)) {
        return event;
      }
    }
  }

  /** nothing asserts that there is no event of that name that was not looked at. */
  nothing(name) {
    assert.deepEqual(this.#told.get(name), []);
  }

  /** refused is the error of a connection that was refused: an Error, or a string in 2.x. */
  async refused() {
    const [error] = await this.next(this.version === '2.5.0' ? 'error' : 'connect_error');
    return error;
  }

  /** ask emits, and returns the acknowledgement. */
  ask(name, ...args) {
    return within(new Promise((resolve) => {
      this.socket.emit(name, ...args, resolve);
    }), `the acknowledgement of ${name} at a client ${this.version}`);
  }

  /** does is ask where the acknowledgement has to say yes. */
  async does(name, ...args) {
    const answer = await this.ask(name, ...args);
    assert.equal(answer.ok, true, `${name}: ${JSON.stringify(answer)}`);
    return answer;
  }

  /** transport is what the client is on at the moment. */
  get transport() {
    return this.socket.io.engine.transport.name;
  }

  /** upgraded resolves when the client has changed to WebSocket. */
  upgraded() {
    const { engine } = this.socket.io;
    if (engine.transport.name === 'websocket') {
      return Promise.resolve();
    }
    return within(new Promise((resolve) => {
      engine.on('upgrade', resolve);
    }), `the upgrade of a client ${this.version}`);
  }
}
