import assert from 'node:assert/strict';
import Other from 'ws';

import { Client } from '../../lectern.js';
import { Hub } from './hub.js';
import { Relay } from './relay.js';

/**
 * The constructor that the tests use: the platform's where it has one, as pages
 * do, else the one of the package ws.
 */
export const WebSocket = globalThis.WebSocket ?? Other;

/** The way to a real hub, which LECTERN_TRANSPORT can say. */
const TRANSPORT = process.env.LECTERN_TRANSPORT ?? 'websocket';

/** How long anything that is awaited may take, in milliseconds. */
export const LIMIT = 20_000;

/** within fails a promise that takes too long, and says for what. */
export async function within(promise, what) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`never came: ${what}`)), LIMIT);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** happens resolves with the next event of that type that fits. */
export function happens(target, type, fits = () => true) {
  return within(new Promise((resolve) => {
    const listener = (event) => {
      if (fits(event)) {
        target.removeEventListener(type, listener);
        resolve(event);
      }
    };
    target.addEventListener(type, listener);
  }), `${type}, ${fits}`);
}

/** state resolves when a membership is in that state. */
export async function inState(handle, state) {
  if (handle.state !== state) {
    await happens(handle, 'state', (event) => event.state === state);
  }
}

/** member resolves when a master knows that of a slave. */
export async function member(master, username, state) {
  const known = () => master.members.find((each) => each.username === username)?.state ?? 'gone';
  if (known() !== state) {
    await happens(master, 'member', ({ presence }) => presence.username === username && presence.state === state);
  }
}

/** next takes the next message of a handle. */
export async function next(handle) {
  for await (const message of handle.messages({ signal: AbortSignal.timeout(LIMIT) })) {
    return message;
  }
  throw handle.error;
}

/** seqs are the numbers in the receipts of what was sent; what has none, as a kick, is undefined there. */
export const seqs = (receipts) => receipts.map((receipt) => receipt?.seq);

/** texts takes so many messages of a handle, as texts. */
export async function texts(handle, count) {
  const list = [];
  for await (const message of handle.messages({ signal: AbortSignal.timeout(LIMIT) })) {
    list.push(message.text());
    if (list.length === count) {
      break;
    }
  }
  return list;
}

/** all collects what a gather yields, by who was asked. */
export async function all(parts) {
  const list = [];
  for await (const { from, message, error } of parts) {
    list.push([from, message ? message.text() : error.code ?? error.name]);
  }
  return list.sort();
}

/** refused asserts that a promise is rejected with that code. */
export async function refused(promise, code, type) {
  await assert.rejects(within(promise, `the refusal ${code}`), (error) => {
    assert.equal(error.code, code, error.stack);
    if (type) {
      assert.ok(error instanceof type, `${error.name} is no ${type.name}`);
    }
    return true;
  });
}

/** Stage is a hub with its clients, all of which end with the test. */
export class Stage {
  #clients = [];
  #relays = [];
  #hubs = [];

  static async open(t, options) {
    const stage = new Stage();
    t.after(() => stage.close());
    stage.hub = await stage.another(options);
    return stage;
  }

  /** another starts one more hub. */
  async another(options) {
    const hub = await Hub.start(options);
    this.#hubs.push(hub);
    return hub;
  }

  client(options = {}, url = this.hub.url) {
    const client = new Client(url, {
      transport: TRANSPORT, WebSocket, minBackoff: 1, maxBackoff: 20, closeTimeout: 1000, ...options,
    });
    this.#clients.push(client);
    return client;
  }

  /** far is a client behind a network of its own. */
  async far(options = {}) {
    const relay = await Relay.to(this.hub.url);
    this.#relays.push(relay);
    return { relay, client: this.client(options, relay.url) };
  }

  async close() {
    await Promise.all(this.#clients.map((client) => client.close()));
    this.#relays.forEach((relay) => relay.close());
    await Promise.all(this.#hubs.map((hub) => hub.stop('SIGKILL')));
  }
}

/** fakeClient is a client of a hub that is not real, which ends with the test. */
export function fakeClient(t, hub, options = {}) {
  const client = new Client(hub.url, {
    transport: 'websocket', WebSocket, minBackoff: 1, maxBackoff: 5, closeTimeout: 1000, ...options,
  });
  t.after(async () => {
    await client.close();
    hub.close();
  });
  return client;
}
