import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Client } from '../lectern.js';
import { decode, encode } from '../src/codec.js';
import { joinedFor } from './support/fakehub.js';
import { FakeHTTP, OPEN, clock, eventFor, settle } from './support/fakehttp.js';
import { sockets } from './support/fakesocket.js';
import { refused } from './support/stage.js';

const TIMES = { connection: 'c2VjcmV0IG9mIGEgdGVzdA', probe_ms: 10_000, give_up_ms: 5000 };

let hosts = 0;

/** start is a client of a hub of its own, and what it makes on its way there. */
function start(t, { url = `ws://way${++hosts}.test/ws`, pass = clock(t), fails, ...options } = {}) {
  const { WebSocket, all } = sockets({ fails });
  const server = new FakeHTTP();
  const page = new EventTarget();
  globalThis.addEventListener = page.addEventListener.bind(page);
  globalThis.removeEventListener = page.removeEventListener.bind(page);
  const client = new Client(url, { WebSocket, fetch: server.fetch, minBackoff: 1000, maxBackoff: 1000, closeTimeout: 0, ...options });
  const told = [];
  client.addEventListener('transport', ({ transport }) => {
    assert.equal(client.transport, transport);
    told.push(transport);
  });
  t.after(() => {
    client.close(); // nothing answers that
  });
  return { client, server, sockets: all, pass, told, url, page };
}

/** framesIn are those that a POST brings. */
const framesIn = (post) => post.how.body.split('\n').filter((line) => line.startsWith('='))
  .map((line) => decode(new Uint8Array(Buffer.from(line.slice(1), 'base64'))));

const admitted = (frame) => ({ ...joinedFor(frame), epoch: 1 });

/** joinsByHTTP answers a client that joins so. */
async function joinsByHTTP({ server, pass }, joining) {
  (await server.next('open')).json(200, TIMES);
  const poll = await server.next('poll');
  const post = await server.next('send');
  const [join] = framesIn(post);
  assert.equal(join.type, 'join');
  post.answer(204);
  poll.events(eventFor(1, encode(admitted(join))));
  const stream = (await server.next('stream')).streams(OPEN);
  const slave = await joining;
  await pass(1); // what comes now is not held back for it any more
  return { slave, stream };
}

/** joinsByWebSocket answers a client that joins so. */
async function joinsByWebSocket({ pass }, socket, joining) {
  socket.opens();
  const join = socket.frames.find(({ type }) => type === 'join');
  socket.says(admitted(join));
  const slave = await joining;
  await pass(1);
  return slave;
}

for (const [what, fail, made] of [
  ['is refused', (socket) => socket.ends()],
  ['is cut before anything has come on it', (socket) => {
    socket.opens();
    socket.ends();
  }],
  ['is never answered', async (socket, { server, pass }) => {
    await pass(1400);
    await server.still();
    await pass(100);
    assert.equal(socket.readyState, 3);
  }],
  ['brings nothing', async (socket, { server, pass }) => {
    socket.opens();
    await pass(3900);
    await server.still();
    await pass(100);
    assert.equal(socket.readyState, 3);
  }],
  ['is forbidden by the platform', () => {}, { fails: () => true }],
]) {
  test(`a channel is joined by HTTP where the WebSocket ${what}, and the next client begins with that`, async (t) => {
    const first = start(t, made);
    const joining = first.client.join('abc123', 'user_one');
    await settle();
    assert.equal(first.sockets.length, 1);
    await fail(first.sockets[0], first);
    const { slave } = await joinsByHTTP(first, joining);
    assert.equal(slave.state, 'online');
    assert.equal(first.told.at(-1), 'http');

    const next = start(t, { url: first.url, pass: first.pass });
    await joinsByHTTP(next, next.client.join('abc123', 'user_two'));
    assert.equal(next.sockets.length, 0);
    assert.deepEqual(next.told, ['http']);
  });
}

test('where a WebSocket gets through nothing else is tried', async (t) => {
  const all = start(t);
  const joining = all.client.join('abc123', 'user_one');
  await all.pass(1400); // it may take its time
  await joinsByWebSocket(all, all.sockets[0], joining);
  await all.pass(9000);
  await all.server.still();
  assert.deepEqual(all.told, ['websocket']);
  all.sockets[0].ends(1001);
  assert.deepEqual(all.told, ['websocket', null]);
});

test('a WebSocket that is slow still comes about where the hub has no HTTP', async (t) => {
  const all = start(t);
  const joining = all.client.join('abc123', 'user_one');
  await all.pass(1500);
  (await all.server.next('open')).answer(404);
  await settle();
  assert.equal(all.sockets.length, 2);
  await all.pass(9000);
  await joinsByWebSocket(all, all.sockets[1], joining);
  assert.deepEqual(all.told, ['websocket']);
});

test('where no way leads to the hub, a call fails once each was tried', async (t) => {
  const all = start(t);
  const joining = refused(all.client.join('abc123', 'user_one'), 'connection');
  await settle();
  all.sockets[0].ends();
  (await all.server.next('open')).fails();
  await joining;
  assert.equal(all.sockets.length, 1);
  await all.server.still();

  const again = all.client.join('abc123', 'user_one');
  await settle();
  assert.equal(all.sockets.length, 2, 'nothing was learned by that');
  await joinsByWebSocket(all, all.sockets[1], again);
});

test('where the hub refuses by HTTP for now, it is not asked by the other way at once', async (t) => {
  const all = start(t);
  refused(all.client.join('abc123', 'user_one'), 'connection');
  await settle();
  all.sockets[0].ends();
  (await all.server.next('open')).json(503, { code: 4106, reason: 'shutting down' });
  await settle();
  assert.equal(all.sockets.length, 1);
});

test('a WebSocket is tried where HTTP does not work any more, which came first', async (t) => {
  const first = start(t);
  const joining = first.client.join('abc123', 'user_one');
  await settle();
  first.sockets[0].ends();
  await joinsByHTTP(first, joining);
  const next = start(t, { url: first.url, pass: first.pass });
  const second = next.client.join('abc123', 'user_two');
  (await next.server.next('open')).fails();
  await settle();
  await joinsByWebSocket(next, next.sockets[0], second);
  assert.deepEqual(next.told, ['websocket']);
});

/** onHTTP is a client that has joined by HTTP, since its WebSocket was refused. */
async function onHTTP(t, options) {
  const all = start(t, options);
  const joining = all.client.join('abc123', 'user_one');
  await settle();
  all.sockets[0].ends();
  return { ...all, ...await joinsByHTTP(all, joining) };
}

// What keeps a stream from falling silent.
const alive = (stream) => stream.send(': still there\n\n');

/** tried is when a WebSocket is tried again. */
async function tried({ pass, stream }) {
  await pass(6000);
  alive(stream);
  await pass(6000);
}

test('a WebSocket is tried again now and then, in longer and longer intervals', async (t) => {
  const { sockets: made, pass, stream, told, slave } = await onHTTP(t);
  const at = [];
  for (let now = 0.25; now < 1700; now += 0.25) {
    await pass(250, 250);
    if (now % 5 === 0) {
      alive(stream);
    }
    if (made.at(-1).readyState === 0) {
      at.push(now);
      made.at(-1).ends();
    }
  }
  // 15 seconds, twice as long each time, and ten minutes at most; three quarters of it by chance.
  assert.deepEqual(at.map((each, index) => each - (at[index - 1] ?? 0)), [11.25, 22.5, 45, 90, 180, 360, 450, 450]);
  assert.deepEqual(told, ['http']);
  assert.equal(slave.state, 'online');
});

test('where a WebSocket gets through again the membership moves to it, and nothing is told of that', async (t) => {
  const all = await onHTTP(t);
  const { client, server, sockets: made, pass, stream, told, slave, url } = all;
  const states = [];
  slave.addEventListener('state', ({ state }) => states.push(state));
  await tried(all);
  assert.equal(made.length, 2);
  made[1].opens();
  await settle();
  assert.equal(client.transport, 'websocket');
  const [resume] = made[1].frames;
  assert.equal(resume.type, 'resume');
  const sending = slave.send('while it moves'); // by the connection that holds the membership
  const post = await server.next('send');
  assert.equal(framesIn(post)[0].type, 'send');
  post.answer(204);
  stream.send(eventFor(2, encode({ type: 'ack', ref: framesIn(post)[0].ref, seq: 1 })));
  assert.equal((await sending).seq, 1);
  made[1].says({ ...admitted(resume), epoch: 2 });
  const end = await server.next('send');
  assert.match(end.how.body, /^!\{"code":4104/m);
  end.answer(204);
  await settle();
  const next = slave.send('behind');
  const frame = made[1].frames.find(({ type }) => type === 'send');
  made[1].says({ type: 'ack', ref: frame.ref, seq: 2 });
  assert.equal((await next).seq, 2);
  assert.deepEqual(told, ['http', 'websocket']);
  assert.deepEqual(states, []);
  await pass(9000);
  await server.still();

  const other = start(t, { url, pass });
  await joinsByWebSocket(other, await firstSocket(other), other.joining);
});

// The socket of a client that joins.
async function firstSocket(all) {
  all.joining = all.client.join('abc123', 'user_two');
  await settle();
  await all.server.still();
  return all.sockets[0];
}

test('a WebSocket that comes about again and brings nothing changes nothing', async (t) => {
  const all = await onHTTP(t);
  const { client, server, sockets: made, pass, stream, told, slave, url } = all;
  const states = [];
  slave.addEventListener('state', ({ state }) => states.push(state));
  await tried(all);
  made[1].opens();
  await settle();
  const sending = slave.send('while it hangs');
  const post = await server.next('send');
  post.answer(204);
  stream.send(eventFor(2, encode({ type: 'ack', ref: framesIn(post)[0].ref, seq: 1 })));
  assert.equal((await sending).seq, 1);
  await pass(4000);
  assert.equal(made[1].readyState, 3);
  assert.equal(client.transport, 'http');
  const next = slave.send('behind');
  const last = await server.next('send');
  last.answer(204);
  stream.send(eventFor(3, encode({ type: 'ack', ref: framesIn(last)[0].ref, seq: 2 })));
  assert.equal((await next).seq, 2);
  assert.deepEqual(told, ['http', 'websocket', 'http']);
  assert.deepEqual(states, []);

  const other = start(t, { url, pass });
  await joinsByHTTP(other, other.client.join('abc123', 'user_two'));
  assert.equal(other.sockets.length, 0, 'it is known that none gets through');
});

test('a page that is online again tries a WebSocket soon, but once a second at most', async (t) => {
  const { sockets: made, pass, page } = await onHTTP(t);
  page.dispatchEvent(new Event('online'));
  await pass(100);
  assert.equal(made.length, 2);
  page.dispatchEvent(new Event('online'));
  made[1].ends();
  for (let i = 0; i < 9; i++) {
    page.dispatchEvent(new Event('online'));
    await pass(100);
  }
  assert.equal(made.length, 2);
  await pass(200);
  assert.equal(made.length, 3);
});

test('a try of a WebSocket ends with the connection beside which it is made', async (t) => {
  const all = await onHTTP(t);
  const { server, sockets: made, pass, stream, told } = all;
  await tried(all);
  assert.equal(made[1].readyState, 0);
  stream.send('event: close\ndata: {"code":1001,"reason":""}\n\n');
  await settle();
  assert.equal(made[1].readyState, 3);
  await pass(1000);
  await server.next('open');
  assert.deepEqual(told, ['http', null]);
});

test('a hub that shuts down is left for the next one over HTTP too, while it still serves', async (t) => {
  const all = await onHTTP(t);
  const { client, server, sockets: made, pass, stream, told, slave } = all;
  const states = [];
  slave.addEventListener('state', ({ state }) => states.push(state));
  await tried(all);
  assert.equal(made[1].readyState, 0);
  stream.send(eventFor(2, encode({ type: 'shutdown', timeout_ms: 2000 })));
  await settle();
  assert.equal(made[1].readyState, 3, 'there is one attempt');
  await pass(1100);
  (await server.next('open')).json(200, { ...TIMES, connection: 'YW5vdGhlcg' });
  const [poll, post] = [await server.next('poll'), await server.next('send')];
  assert.equal(post.header.get('Lectern-Connection'), 'YW5vdGhlcg');
  const [resume] = framesIn(post);
  assert.equal(resume.type, 'resume');
  post.answer(204);
  poll.events(eventFor(1, encode({ ...admitted(resume), epoch: 2 })));
  const end = await server.next('send');
  assert.equal(end.header.get('Lectern-Connection'), TIMES.connection);
  assert.match(end.how.body, /^!\{"code":4104/m);
  end.answer(204);
  await settle();
  assert.deepEqual([states, told, client.transport], [[], ['http'], 'http']);
  assert.equal(made.length, 2);
});

test('a call that the hub refuses for now does not wait for a WebSocket that is tried', async (t) => {
  const all = start(t);
  const asking = all.client.status('abc123');
  await settle();
  all.sockets[0].ends();
  const { server, pass } = all;
  (await server.next('open')).json(200, TIMES);
  const poll = await server.next('poll');
  const post = await server.next('send');
  post.answer(204);
  await pass(7600);
  poll.events(': nothing yet\n\n');
  const stream = (await server.next('stream')).streams(OPEN);
  await pass(4000);
  assert.equal(all.sockets[1].readyState, 0);
  const [{ ref }] = framesIn(post);
  stream.send(eventFor(1, encode({ type: 'error', ref, code: 'shutting_down' })));
  (await server.next('send')).answer(204); // the end of this connection
  await pass(1000);
  (await server.next('open')).json(200, TIMES);
  const next = await server.next('poll');
  const [again] = framesIn(await server.next('send'));
  next.events(eventFor(1, encode({ type: 'status', ref: again.ref, channel: 'abc123', exists: false })));
  assert.equal((await asking).exists, false);
});

test('a membership that moves to a WebSocket shows a token of its own for it', async (t) => {
  let tokens = 0;
  const all = await onHTTP(t, { token: () => `token ${++tokens}` });
  await tried(all);
  assert.equal(tokens, 1, 'none is needed for a try');
  all.sockets[1].opens();
  await settle();
  assert.deepEqual(all.sockets[1].frames.map(({ type, token }) => [type, token]), [['resume', 'token 2']]);
});

test('a WebSocket that the hub ends with a word, before anything else, is no reason for another way', async (t) => {
  const all = start(t);
  const joining = all.client.join('abc123', 'user_one');
  await settle();
  all.sockets[0].opens();
  all.sockets[0].ends(1001);
  await all.pass(600);
  await all.server.still();
  await joinsByWebSocket(all, all.sockets[1], joining);
});

test('a WebSocket that is cut soon, twice in a row, does not get through', async (t) => {
  const all = start(t);
  const joining = all.client.join('abc123', 'user_one');
  await settle();
  await joinsByWebSocket(all, all.sockets[0], joining);
  const cut = async (socket, lasted) => {
    for (let left = lasted; left > 0; left -= 5000) {
      await all.pass(5000, 1000);
      socket.says({ type: 'pong' });
    }
    socket.ends();
    await all.pass(1000);
  };
  const resumes = async (socket) => {
    socket.opens();
    socket.says({ ...admitted(socket.frames[0]), epoch: 2 });
    await settle();
  };
  const [first] = all.sockets;
  await cut(first, 60_000);
  await resumes(all.sockets[1]);
  await cut(all.sockets[1], 125_000); // that was long enough
  await resumes(all.sockets[2]);
  await cut(all.sockets[2], 60_000);
  await resumes(all.sockets[3]);
  await all.server.still();
  await cut(all.sockets[3], 60_000);
  assert.equal(all.sockets.length, 4);
  (await all.server.next('open')).json(200, TIMES);
  const poll = await all.server.next('poll');
  const [resume] = framesIn(await all.server.next('send'));
  poll.events(eventFor(1, encode({ ...admitted(resume), epoch: 5 })));
  const stream = (await all.server.next('stream')).streams(OPEN);
  for (let seconds = 0; seconds < 85; seconds += 5) {
    alive(stream);
    await all.pass(5000, 1000);
    assert.equal(all.sockets.length, 4, 'a WebSocket would only be cut again');
  }
  alive(stream);
  await all.pass(6000, 1000);
  assert.equal(all.sockets.length, 5);
  assert.deepEqual(all.told, ['websocket', null, 'websocket', null, 'websocket', null, 'websocket', null, 'http']);
});

test('a WebSocket that is ended with a word was not cut', async (t) => {
  const all = start(t);
  const joining = all.client.join('abc123', 'user_one');
  await settle();
  await joinsByWebSocket(all, all.sockets[0], joining);
  for (let i = 1; i < 4; i++) {
    all.sockets[i - 1].ends(1001);
    await all.pass(1000);
    all.sockets[i].opens();
    all.sockets[i].says({ ...admitted(all.sockets[i].frames[0]), epoch: i + 1 });
    await settle();
  }
  await all.server.still();
});

test('the option fixes the way', async (t) => {
  const websocket = start(t, { transport: 'websocket' });
  const joining = refused(websocket.client.join('abc123', 'user_one'), 'connection');
  await websocket.pass(9900);
  await websocket.server.still();
  await websocket.pass(100);
  await joining;
  await websocket.server.still();

  const http = start(t, { transport: 'http', pass: websocket.pass });
  await joinsByHTTP(http, http.client.join('abc123', 'user_one'));
  http.page.dispatchEvent(new Event('online'));
  await http.pass(14_000);
  assert.equal(http.sockets.length, 0);
  assert.throws(() => new Client('ws://hub.test/ws', { transport: 'carrier pigeon' }), TypeError);
  assert.throws(() => new Client('ws://hub.test/ws', { credentials: 'none' }), TypeError);
});

test('where the platform has no WebSocket the way is HTTP', async (t) => {
  const { WebSocket } = globalThis;
  t.after(() => {
    globalThis.WebSocket = WebSocket;
  });
  delete globalThis.WebSocket;
  assert.throws(() => new Client('ws://hub.test/ws', { transport: 'websocket' }), TypeError);
  const all = start(t, { WebSocket: undefined });
  await joinsByHTTP(all, all.client.join('abc123', 'user_one'));
  assert.equal(all.client.transport, 'http');
});
