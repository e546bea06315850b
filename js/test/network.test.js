import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Client } from '../lectern.js';
import { Connection } from '../src/connection.js';

/** FakeSocket is what a platform's WebSocket looks like to the client. It does what a test tells it. */
class FakeSocket {
  static all = [];
  readyState = 0;
  protocol = 'lectern.v1';

  constructor() {
    FakeSocket.all.push(this);
    FakeSocket.made?.(this);
  }

  send() {}

  close() {
    this.readyState = 3;
  }
}

function fresh(t) {
  FakeSocket.all = [];
  FakeSocket.made = undefined;
  t.mock.timers.enable({ apis: ['setTimeout'] });
  let now = 1000;
  t.mock.method(performance, 'now', () => now);
  const page = new EventTarget();
  globalThis.addEventListener = page.addEventListener.bind(page);
  globalThis.removeEventListener = page.removeEventListener.bind(page);
  return {
    page,
    // late: what the clock has gone further than the timers.
    pass: (milliseconds, late = 0) => {
      now += milliseconds + late;
      t.mock.timers.tick(milliseconds);
    },
  };
}

const settle = () => new Promise(setImmediate);

test('a dead connection is given up where every timer is late', async (t) => {
  const { pass } = fresh(t);
  const options = { transport: 'websocket', WebSocket: FakeSocket, dialTimeout: 10_000, silence: 10_000, patience: 5000, wakePatience: 2000 };
  let ended;
  new Connection({ url: 'ws://localhost/ws', way: 'websocket', patience: 10_000, proof: 0 }, options, null, {
    opened: () => {}, frame: () => {}, ended: (how) => {
      ended = how;
    },
  });
  const [socket] = FakeSocket.all;
  socket.readyState = 1;
  socket.onopen();
  pass(10_000, 5000);
  pass(5000, 5000);
  assert.equal(ended, undefined); // it may have been asleep, once
  pass(2000, 5000);
  assert.equal(ended.reason, 'no sign of life');
});

test('an attempt that hangs is replaced soon when the network comes back, and what it was for goes on', async (t) => {
  const { page, pass } = fresh(t);
  const client = new Client('ws://localhost/ws', { transport: 'websocket', WebSocket: FakeSocket, wakePatience: 1500 });
  const asked = assert.rejects(client.status('abc123'), { code: 'connection' });
  assert.equal(FakeSocket.all.length, 1);
  pass(1000);
  page.dispatchEvent(new Event('online'));
  pass(400);
  page.dispatchEvent(new Event('online')); // does not prolong it
  assert.equal(FakeSocket.all.length, 1);
  pass(100);
  assert.equal(FakeSocket.all.length, 2);
  assert.equal(FakeSocket.all[0].readyState, 3);
  pass(9999); // the new one has its whole time
  assert.equal(FakeSocket.all.length, 2);
  pass(1);
  await asked;
});

test('a network that flaps does not pass over the pauses', async (t) => {
  const { page, pass } = fresh(t);
  t.mock.method(Math, 'random', () => 0.9);
  const storage = {
    getItem: () => JSON.stringify({ a: { role: 'slave', channel: 'a', username: 'x', secret: 's', last: 0 } }),
    setItem: () => {}, removeItem: () => {},
  };
  const client = new Client('ws://localhost/ws', { transport: 'websocket', WebSocket: FakeSocket, storage, minBackoff: 60_000, maxBackoff: 60_000 });
  FakeSocket.made = (socket) => queueMicrotask(() => socket.onclose({ code: 1006, reason: '' }));
  client.restore().catch(() => {});
  await settle();
  assert.equal(FakeSocket.all.length, 1);
  for (let elapsed = 0; elapsed < 2000; elapsed += 20) {
    page.dispatchEvent(new Event('online'));
    pass(20);
    await settle();
  }
  assert.ok(FakeSocket.all.length > 1 && FakeSocket.all.length <= 3, String(FakeSocket.all.length));
  await client.close();
});

test('a page that is put away makes no attempts, and one at once when it is back', async (t) => {
  const { page, pass } = fresh(t);
  const storage = {
    getItem: () => JSON.stringify({ a: { role: 'slave', channel: 'a', username: 'x', secret: 's', last: 0 } }),
    setItem: () => {}, removeItem: () => {},
  };
  const client = new Client('ws://localhost/ws', { transport: 'websocket', WebSocket: FakeSocket, storage, minBackoff: 1, maxBackoff: 1 });
  client.restore().catch(() => {});
  await settle();
  assert.equal(FakeSocket.all.length, 1);
  page.dispatchEvent(new Event('pagehide'));
  assert.equal(FakeSocket.all[0].readyState, 3);
  for (let i = 0; i < 10; i++) {
    pass(60_000);
    await settle();
  }
  assert.equal(FakeSocket.all.length, 1);
  page.dispatchEvent(new Event('pageshow'));
  await settle();
  assert.equal(FakeSocket.all.length, 2);
  await client.close();
});

test('a client is made without a location, and used where there is one', async (t) => {
  const { WebSocket } = globalThis;
  t.after(() => {
    globalThis.WebSocket = WebSocket;
  });
  delete globalThis.WebSocket;
  await assert.rejects(new Client('/ws', { transport: 'websocket' }).status('abc123'), TypeError);
  assert.throws(() => new Client('ws://localhost/ws', { transport: 'websocket' }), TypeError);
  const made = new Client('/ws', { transport: 'websocket', WebSocket: FakeSocket });
  await assert.rejects(made.status('abc123'), TypeError);
  await made.close();
  assert.throws(() => new Client('ftp://localhost/ws', { transport: 'websocket', WebSocket: FakeSocket }), TypeError);
});

test('an address is relative to what the page says', async (t) => {
  const addresses = [];
  class Told extends FakeSocket {
    constructor(url) {
      super();
      addresses.push(url);
      queueMicrotask(() => this.onclose({ code: 1006, reason: '' }));
    }
  }
  const { document } = globalThis;
  t.after(() => {
    globalThis.document = document;
    delete globalThis.location;
  });
  globalThis.location = { href: 'https://example.com/class/7' };
  globalThis.document = { baseURI: 'https://cdn.example.com/app/' };
  const client = new Client('ws', { transport: 'websocket', WebSocket: Told });
  await assert.rejects(client.status('abc123'), { code: 'connection' });
  delete globalThis.document;
  await assert.rejects(new Client('ws', { transport: 'websocket', WebSocket: Told }).status('abc123'), { code: 'connection' });
  assert.deepEqual(addresses, ['wss://cdn.example.com/app/ws', 'wss://example.com/class/ws']);
});
