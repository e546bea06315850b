import assert from 'node:assert/strict';
import { test } from 'node:test';

import { HTTPStream } from '../src/httpstream.js';
import { Remembered } from '../src/remembered.js';
import { FakeHTTP, OPEN, clock, eventFor, settle } from './support/fakehttp.js';

const bytes = (text) => new TextEncoder().encode(text);
const text = (each) => new TextDecoder().decode(each);
const message = (id) => eventFor(id, bytes(`message ${id}`));
const SECRET = 'c2VjcmV0IG9mIGEgdGVzdA';

let hosts = 0;

// A carrier at a hub of its own, which no other test knows of.
function start(t, { url = `ws://hub${++hosts}.test/ws`, pass = clock(t) } = {}) {
  const server = new FakeHTTP();
  const told = { opened: 0, heard: 0, messages: [], closed: [] };
  const carrier = new HTTPStream(url, { fetch: server.fetch, credentials: 'same-origin' }, {
    opened: () => told.opened++,
    heard: () => told.heard++,
    message: (each) => told.messages.push(text(each)),
    closed: (how) => told.closed.push(how),
  });
  return { carrier, server, told, pass, url };
}

/** opened is one whose first poll has brought a message, and that has a stream. */
async function opened(t, how) {
  const all = start(t, how);
  const { server } = all;
  (await server.next('open')).json(200, { connection: SECRET, probe_ms: 10_000, give_up_ms: 5000, max_frame_bytes: 135_168 });
  (await server.next('poll')).events(message(1));
  const request = await server.next('stream');
  const stream = request.streams(OPEN);
  await settle();
  return { ...all, request, stream };
}

test('a connection is opened, and its secret is in headers alone', async (t) => {
  const { carrier, server, told } = start(t, { url: 'ws://hub.test/class/ws?room=7#here' });
  assert.ok(carrier.connecting && !carrier.open);
  const open = await server.next('open');
  assert.equal(open.url, 'http://hub.test/class/ws/open?room=7#here');
  assert.equal(open.how.method, 'POST');
  assert.equal(open.header.get('Lectern-Connection'), null);
  open.json(200, { connection: SECRET, probe_ms: 10_000, give_up_ms: 5000 });
  const poll = await server.next('poll');
  assert.equal(told.opened, 1);
  assert.ok(carrier.open && !carrier.connecting);
  poll.events(message(1));
  (await server.next('stream')).streams(OPEN);
  carrier.send(bytes('one'));
  (await server.next('send')).answer(204);
  await settle();
  assert.deepEqual(told.messages, ['message 1']);
  for (const { header, url, how } of server.exchanges.slice(1)) {
    assert.equal(header.get('Lectern-Connection'), SECRET);
    assert.ok(!url.includes(SECRET));
    assert.deepEqual([how.cache, how.redirect, how.credentials], ['no-store', 'error', 'same-origin']);
  }
  carrier.abandon(1000, '');
});

test('wss is https', async (t) => {
  const { carrier, server } = start(t, { url: 'wss://hub.test/ws/' });
  assert.equal((await server.next('open')).url, 'https://hub.test/ws/open');
  carrier.abandon(1000, '');
});

for (const [what, answer, expected] of [
  ['refuses it, and says why', (open) => open.json(503, { code: 4106, reason: 'shutting down' }), { number: 4106, reason: 'shutting down' }],
  ['has no such path', (open) => open.answer(404, 'not found'), { number: 0, reason: 'answered by 404' }],
  ['is not reached by a proxy', (open) => open.answer(502, '<html>'), { number: 0, reason: 'answered by 502' }],
  ['is not reached', (open) => open.fails(), { number: 0, reason: 'could not connect: fetch failed' }],
  ['is none', (open) => open.json(200, { hello: 'world' }), { number: 0, reason: 'could not connect: what answers is no hub' }],
]) {
  test(`no connection comes about where the hub ${what}`, async (t) => {
    const { server, told } = start(t);
    answer(await server.next('open'));
    await settle();
    assert.deepEqual(told.closed, [expected]);
    assert.equal(told.opened, 0);
    await server.still();
  });
}

test('one that is abandoned while it is opened ends without a word', async (t) => {
  const { carrier, server, told, pass } = start(t);
  const open = await server.next('open');
  carrier.abandon(1000, '');
  await pass(60_000);
  assert.ok(open.aborted);
  assert.deepEqual(told.closed, []);
  await server.still();
});

test('messages come in order and once, over streams that end', async (t) => {
  const { server, told, pass, stream } = await opened(t);
  stream.send(message(2) + message(3) + message(4).slice(0, 20));
  await settle();
  stream.cut();
  await pass(100);
  const second = await server.next('stream');
  assert.equal(second.last, '3');
  const pieces = second.streams(OPEN);
  pieces.send(message(3) + 'id: 4\ndata: {"type":"text"}\n\n'); // the third comes again
  await settle();
  assert.deepEqual(told.messages, ['message 1', 'message 2', 'message 3', '{"type":"text"}']);
  assert.deepEqual(told.closed, []);
});

for (const [what, event] of [
  ['a number is left out', message(3)],
  ['what is no number comes', 'id: x\ndata: {}\n\n'],
  ['there is no number', 'data: {}\n\n'],
  ['what is no base64 comes', 'id: 2\nevent: binary\ndata: ?\n\n'],
]) {
  test(`a connection is lost where ${what}`, async (t) => {
    const { carrier, server, told, stream } = await opened(t);
    stream.send(event);
    await settle();
    assert.deepEqual(told.closed, [{ number: 0, reason: 'a message is missing, or damaged' }]);
    assert.ok(!carrier.open);
    await server.still();
  });
}

test('the last event says how the connection has ended', async (t) => {
  const { carrier, server, told, stream } = await opened(t);
  stream.send(`${message(2)}event: close\ndata: {"code":4001,"reason":"the master has left"}\n\n${message(3)}`);
  await settle();
  assert.deepEqual(told.messages, ['message 1', 'message 2']);
  assert.deepEqual(told.closed, [{ number: 4001, reason: 'the master has left' }]);
  assert.ok(!carrier.open);
  await server.still();
});

test('what is sent in one turn goes in one POST, and what comes while that is under way in the next', async (t) => {
  const { carrier, server, told } = await opened(t);
  ['one', 'two'].forEach((each) => carrier.send(bytes(each)));
  const first = await server.next('send');
  assert.deepEqual([first.number, first.messages], ['1', ['one', 'two']]);
  assert.equal(carrier.waiting, 6);
  ['three', 'four', 'x'.repeat(40_000), 'y'.repeat(40_000)].forEach((each) => carrier.send(bytes(each)));
  await server.still();
  const { heard } = told;
  first.answer(204);
  const second = await server.next('send');
  assert.equal(told.heard, heard + 1);
  assert.deepEqual([second.number, second.messages.map(({ length }) => length)], ['2', [5, 4, 40_000]]);
  assert.equal(carrier.waiting, 80_009);
  second.answer(204);
  const third = await server.next('send');
  assert.deepEqual([third.number, third.messages.map(({ length }) => length)], ['3', [40_000]]);
  third.answer(204);
  await settle();
  assert.equal(carrier.waiting, 0);
  await server.still();
});

test('a POST whose answer is lost is repeated with its number, and the next waits for it', async (t) => {
  const { carrier, server, told, pass, stream } = await opened(t);
  const isFirst = ({ number, messages, last }) => assert.deepEqual([number, messages, last], ['1', ['one'], '1']);
  carrier.send(bytes('one'));
  const first = await server.next('send');
  isFirst(first);
  first.fails();
  carrier.send(bytes('two'));
  await pass(200);
  const second = await server.next('send');
  isFirst(second);
  second.answer(503, 'no answer from upstream');
  await pass(400);
  const third = await server.next('send');
  isFirst(third);
  await pass(10_000);
  stream.send(': still there\n\n');
  await pass(4500);
  assert.ok(!third.aborted);
  await pass(500); // nothing has come in the time that anything may take
  assert.ok(third.aborted);
  const fourth = await server.next('send');
  isFirst(fourth);
  fourth.answer(204);
  const next = await server.next('send');
  assert.deepEqual([next.number, next.messages], ['2', ['two']]);
  assert.deepEqual(told.closed, []);
  carrier.abandon(1000, '');
});

test('a hub that cannot be reached for POSTs is lost', async (t) => {
  const { carrier, server, told, pass } = await opened(t);
  carrier.send(bytes('one'));
  for (let i = 0; i < 6; i++) {
    (await server.next('send')).fails();
    await pass(1600);
  }
  assert.deepEqual(told.closed, [{ number: 0, reason: 'the hub cannot be reached' }]);
  await server.still();
});

test('POSTs that fail now and then are no reason to give a hub up', async (t) => {
  const { carrier, server, told, pass } = await opened(t);
  for (let round = 0; round < 3; round++) {
    carrier.send(bytes('one'));
    for (let i = 0; i < 4; i++) {
      (await server.next('send')).fails();
      await pass(700);
    }
    (await server.next('send')).answer(204);
    await settle();
  }
  assert.deepEqual(told.closed, []);
  carrier.abandon(1000, '');
});

for (const [what, answer, expected] of [
  ['the hub does not know the connection', (post) => post.answer(421, 'this hub does not know the connection'), { number: 0, reason: 'the hub does not know the connection any more' }],
  ['the numbers do not fit', (post) => post.json(409, { expected: 7 }), { number: 0, reason: 'answered by 409' }],
  ['somebody else answers', (post) => post.answer(200, '<html>sign in'), { number: 0, reason: 'answered by 200' }],
  ['a message is too large', (post) => post.json(413, { code: 1009, reason: 'too large' }), { number: 1009, reason: 'too large' }],
  ['a POST is late', (post) => post.json(408, { code: 4101, reason: 'slow' }), { number: 4101, reason: 'slow' }],
  ['it is not understood', (post) => post.json(400, { code: 4103, reason: 'not a line' }), { number: 4103, reason: 'not a line' }],
  ['there are too many', (post) => post.json(429, { code: 4105, reason: 'too many' }), { number: 4105, reason: 'too many' }],
  ['the connection is over', (post) => post.json(410, { code: 4003, reason: 'kicked' }), { number: 4003, reason: 'kicked' }],
]) {
  test(`a connection ends where ${what}`, async (t) => {
    const { carrier, server, told, pass } = await opened(t);
    carrier.send(bytes('one'));
    answer(await server.next('send'));
    await settle();
    assert.ok(!carrier.open);
    if (expected.number > 0) {
      assert.deepEqual(told.closed, [], 'there may be something behind');
      await pass(1000);
    }
    assert.deepEqual(told.closed, [expected]);
    await server.still();
  });
}

test('what a hub has said before it has refused a POST is heard', async (t) => {
  const { carrier, server, told, pass, stream } = await opened(t);
  carrier.send(bytes('one'));
  (await server.next('send')).json(410, { code: 4003, reason: 'kicked' });
  await settle();
  stream.send(`${message(2)}event: close\ndata: {"code":4003,"reason":"kicked"}\n\n`);
  await pass(5000);
  assert.deepEqual(told.messages, ['message 1', 'message 2']);
  assert.deepEqual(told.closed, [{ number: 4003, reason: 'kicked' }]);
});

test('what the hub has refused is not sent again when it is abandoned', async (t) => {
  const { carrier, server } = await opened(t);
  carrier.send(bytes('one'));
  (await server.next('send')).json(413, { code: 1009, reason: 'too large' });
  await settle();
  carrier.abandon(4104, '');
  await server.still();
});

test('a probe is answered at once, also behind a POST, with what has arrived', async (t) => {
  const { carrier, server, stream } = await opened(t);
  stream.send(`${message(2)}event: probe\ndata: {}\n\n`);
  const sign = await server.next('send');
  assert.deepEqual([sign.number, sign.last, sign.messages], ['1', '2', []]);
  stream.send(`${message(3)}event: probe\ndata: {}\n\n`);
  carrier.send(bytes('one'));
  await server.still();
  sign.answer(204);
  const both = await server.next('send');
  assert.deepEqual([both.number, both.last, both.messages], ['2', '3', ['one']]);
  both.answer(204);
  await server.still();
});

test('where much comes and nothing is sent, the hub is told what has arrived, every two seconds', async (t) => {
  const { carrier, server, pass, stream } = await opened(t);
  let id = 1;
  const comes = (size) => stream.send(eventFor(++id, new Uint8Array(size)));
  comes(10_000);
  await server.still(); // the stream was asked for just now
  await pass(2000);
  comes(100);
  const sign = await server.next('send');
  assert.deepEqual([sign.last, sign.messages], ['3', []]);
  await pass(2000);
  comes(10_000);
  await server.still(); // one is under way
  sign.answer(204);
  await server.still();
  comes(100);
  const next = await server.next('send');
  assert.equal(next.last, '5');
  next.answer(204);
  await pass(2000);
  comes(1000);
  await server.still();
  carrier.abandon(1000, '');
});

test('a stream that is held back leads to polls, also on the next connection, until another one is tried', async (t) => {
  const times = { connection: SECRET, probe_ms: 10_000, give_up_ms: 5000 };
  const { carrier, server, told, pass, url } = start(t);
  (await server.next('open')).json(200, times);
  (await server.next('poll')).events(message(1));
  const stream = await server.next('stream');
  stream.streams(); // headers alone
  await pass(1900);
  await server.still();
  await pass(100);
  assert.ok(stream.aborted);
  let poll = await server.next('poll');
  assert.equal(poll.last, '1');
  poll.events(message(2) + message(3));
  poll = await server.next('poll');
  assert.equal(poll.last, '3');
  assert.deepEqual(told.messages, ['message 1', 'message 2', 'message 3']);
  carrier.abandon(1000, '');

  const other = start(t, { url, pass });
  (await other.server.next('open')).json(200, times);
  for (let polls = 0; polls < 61; polls++) {
    poll = await other.server.next('poll');
    await pass(10_000, 1000);
    poll.events(': nothing yet\n\n');
  }
  (await other.server.next('stream')).streams(OPEN);
  await other.server.still();
  assert.deepEqual(other.told.closed, []);
  other.carrier.abandon(1000, '');
});

test('a stream that falls silent twice in a row leads to polls', async (t) => {
  const { carrier, server, told, pass, request } = await opened(t);
  await pass(14_900);
  assert.ok(!request.aborted);
  await pass(100);
  assert.ok(request.aborted);
  const second = await server.next('stream');
  second.streams(OPEN + message(2)); // what is behind comes with the beginning
  await pass(15_000);
  assert.ok(second.aborted);
  assert.equal((await server.next('poll')).last, '2');
  assert.deepEqual(told.closed, []);
  carrier.abandon(1000, '');
});

test('streams that fall silent, but not in a row, go on', async (t) => {
  const { carrier, server, pass } = await opened(t);
  for (let i = 0; i < 5; i++) {
    await pass(15_000);
    const stream = (await server.next('stream')).streams(OPEN);
    await pass(10_000);
    stream.send('event: probe\ndata: {}\n\n');
    (await server.next('send')).answer(204);
  }
  carrier.abandon(1000, '');
});

test('a stream that is cut after a while is followed by another one at once', async (t) => {
  const { carrier, server, pass, stream } = await opened(t);
  await pass(6000);
  stream.end();
  const second = (await server.next('stream')).streams(OPEN);
  await pass(6000);
  second.cut();
  await server.next('stream');
  carrier.abandon(1000, '');
});

test('streams that are cut soon, each time, lead to polls', async (t) => {
  const { carrier, server, pass, stream } = await opened(t);
  stream.end();
  for (let i = 0; i < 5; i++) {
    await pass(1600);
    (await server.next('stream')).streams(OPEN).end();
  }
  await pass(1600);
  await server.next('poll');
  carrier.abandon(1000, '');
});

for (const [what, answer] of [
  ['cannot be reached', (request) => request.fails()],
  ['is not reached by a proxy', (request) => request.answer(504)],
]) {
  test(`a hub that ${what} for a stream is lost, after some tries`, async (t) => {
    const { server, told, pass, stream } = await opened(t);
    stream.cut();
    for (let i = 0; i < 5; i++) {
      await pass(1600);
      answer(await server.next('stream'));
    }
    await pass(1600);
    assert.deepEqual(told.closed, [{ number: 0, reason: 'the hub cannot be reached' }]);
    await server.still();
  });
}

for (const [what, answer, reason] of [
  ['does not know the connection', (request) => request.answer(421, 'unknown'), 'the hub does not know the connection any more'],
  ['is another server', (request) => request.answer(200, '<html>', { 'Content-Type': 'text/html' }), 'answered by 200'],
]) {
  test(`a stream of a hub that ${what} is the end`, async (t) => {
    const { server, told, pass, stream } = await opened(t);
    stream.end();
    await pass(200);
    answer(await server.next('stream'));
    await settle();
    assert.deepEqual(told.closed, [{ number: 0, reason }]);
    await server.still();
  });
}

test('a poll that is answered at once with nothing is not repeated without end', async (t) => {
  const { server, told, pass, url } = start(t);
  new Remembered(url).keep('polls', 60_000);
  (await server.next('open')).json(200, { connection: SECRET });
  for (const pause of [100, 200, 300, 600, 1200, 60_000]) {
    (await server.next('poll')).events('');
    await server.still();
    await pass(pause);
  }
  assert.deepEqual(told.closed, [{ number: 0, reason: 'the hub cannot be reached' }]);
  await server.still();
});

test('a connection is closed behind what was sent, in order', async (t) => {
  const { carrier, server, told, request } = await opened(t);
  carrier.send(bytes('one'));
  const first = await server.next('send');
  carrier.send(bytes('two'));
  carrier.close(4005, 'left "for good"');
  carrier.close(4005, 'again');
  assert.ok(!carrier.open);
  first.answer(204);
  const second = await server.next('send');
  assert.deepEqual(second.messages, ['two', '!{"code":4005,"reason":"left \\"for good\\""}']);
  assert.deepEqual(told.closed, []);
  second.answer(204);
  await settle();
  assert.deepEqual(told.closed, [{ number: 4005, reason: 'left "for good"' }]);
  assert.ok(request.aborted);
  await server.still();
});

test('one that is abandoned tells the hub so, in a request that outlasts the page', async (t) => {
  const { carrier, server, told, pass, request } = await opened(t);
  carrier.send(bytes('one'));
  carrier.abandon(4104, 'the page is put away');
  const last = await server.next('send');
  assert.deepEqual(last.messages, ['one', '!{"code":4104,"reason":"the page is put away"}']);
  assert.equal(last.how.keepalive, true);
  assert.ok(request.aborted && !last.aborted);
  last.fails();
  await pass(60_000);
  assert.deepEqual(told.closed, []);
  await server.still();
});

test('what is under way when it is abandoned is sent again, and the end behind it', async (t) => {
  const { carrier, server, pass } = await opened(t);
  carrier.send(bytes('one'));
  const first = await server.next('send');
  carrier.send(bytes('two'));
  carrier.abandon(4104, 'away');
  assert.ok(first.aborted);
  const again = await server.next('send');
  const last = await server.next('send');
  assert.deepEqual([again.number, again.messages, again.how.keepalive], ['1', ['one'], true]);
  assert.deepEqual([last.number, last.messages], ['2', ['two', '!{"code":4104,"reason":"away"}']]);
  last.json(409, { expected: 1 });
  await server.still();
  again.answer(204);
  const behind = await server.next('send');
  assert.deepEqual([behind.number, behind.how.body], ['2', last.how.body]);
  behind.answer(204);
  await pass(60_000);
  await server.still();
});

test('an end that is under way when it is abandoned is sent again as it is', async (t) => {
  const { carrier, server } = await opened(t);
  carrier.close(4005, 'left');
  const first = await server.next('send');
  carrier.abandon(4005, 'left');
  const again = await server.next('send');
  assert.deepEqual([again.number, again.how.body], [first.number, first.how.body]);
  await server.still();
});

test('more than a browser sends of a page that is gone is sent as ever', async (t) => {
  const { carrier, server } = await opened(t);
  carrier.send(new Uint8Array(60_000));
  carrier.abandon(4104, '');
  assert.equal((await server.next('send')).how.keepalive, false);
});
