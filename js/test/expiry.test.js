import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import { GapError, RefusedError, UnknownOutcomeError } from '../lectern.js';
import { FakeHub, createdFor, joinedFor } from './support/fakehub.js';
import { Stage, all, fakeClient, inState, member, next, refused, within } from './support/stage.js';

// What comes next of a handle that is no presence.
async function nextEvent(handle) {
  for await (const event of handle.events({ signal: AbortSignal.timeout(20_000) })) {
    if (event.type !== 'presence') {
      return event.type === 'gap' ? { gap: event.missed } : event.text();
    }
  }
  throw handle.error;
}

const payload = (text) => ({ kind: 'text', bytes: new TextEncoder().encode(text) });
const message = (seq, expires) => ({
  type: 'message', channel: 'abc123', from: 'alice', seq, expires_ms: expires, payload: payload(String(seq)),
});

/** A slave of a hub that is played: it gives the slave, its peer, and what was sent. */
async function played(t, script = () => {}) {
  const sent = [];
  const hub = await FakeHub.start((peer, frame) => {
    if (frame.type === 'join' || frame.type === 'resume') {
      peer.send(joinedFor(frame));
    }
    sent.push(frame);
    script(peer, frame);
  });
  const slave = await fakeClient(t, hub).join('abc123', 'user_one');
  return { hub, slave, sent };
}

test('what is left is told in both directions', async (t) => {
  const stage = await Stage.open(t);
  const master = await stage.client().create('abc123', 'alice');
  const slave = await stage.client().join('abc123', 'user_one');
  const began = Date.now();
  await master.broadcast('go', { expires: 60_000, topic: 'drive' });
  let got = await next(slave);
  assert.equal(got.topic, 'drive');
  assert.ok(got.expires instanceof Date && !got.expired);
  assert.ok(Math.abs(got.expires.getTime() - began - 60_000) < 5000);
  await slave.send('going', { expires: 86_400_000 });
  got = await next(master);
  assert.ok(got.expires.getTime() > began + 86_000_000);
  await slave.send('for ever');
  assert.equal((await next(master)).expires, null);
});

test('what is no time is refused before anything is sent', async (t) => {
  const stage = await Stage.open(t);
  const master = await stage.client().create('abc123', 'alice');
  const slave = await stage.client().join('abc123', 'user_one');
  for (const [expires, type] of [
    [0, RangeError], [-1, RangeError], [86_400_001, RangeError], [NaN, RangeError], ['5', TypeError], [null, TypeError],
  ]) {
    for (const attempt of [
      () => master.broadcast('x', { expires }), () => master.send('user_one', 'x', { expires }),
      () => master.request('user_one', 'x', { expires }), () => master.gather('x', { expires }).next(),
      () => master.reply({ from: 'user_one', requestId: 1 }, 'x', { expires }),
      () => slave.send('x', { expires }), () => slave.request('x', { expires }), () => slave.reply({ requestId: 1 }, 'x', { expires }),
    ]) {
      await assert.rejects(within(attempt(), 'an error'), (error) => error instanceof type && /^expires must be/.test(error.message));
    }
  }
  assert.equal((await master.broadcast('x', { expires: 1000.5 })).seq, 1);
});

test('what has expired before it is taken is a gap in its place', async (t) => {
  let told;
  const confirmed = new Promise((resolve) => {
    told = resolve;
  });
  const { hub, slave, sent } = await played(t, (peer, frame) => frame.type === 'send' && told());
  const gaps = [];
  slave.addEventListener('gap', ({ missed }) => gaps.push(missed));
  const [peer] = hub.peers;
  [[1, 100], [2, 100], [3], [4, 100], [6, 60_000]].forEach(([seq, expires]) => peer.send(message(seq, expires)));
  slave.send('is there').catch(() => {});
  await within(confirmed, 'a frame');
  await sleep(150);
  assert.equal(slave.ticket.last, 0);
  const got = [];
  for (let i = 0; i < 4; i++) {
    got.push(await nextEvent(slave));
  }
  assert.deepEqual(got, [{ gap: 2 }, '3', { gap: 1 }, '6']);
  assert.deepEqual(gaps, [2, 1]);
  assert.equal(slave.ticket.last, 6);
  peer.send(message(7, 1));
  await sleep(50);
  assert.deepEqual(await nextEvent(slave), { gap: 1 });
  assert.equal(slave.ticket.last, 7, 'nobody is told again');
  assert.ok(sent.length > 1);
});

test('what has expired takes no more room than anything else', async (t) => {
  const hub = await FakeHub.start((peer, frame) => frame.type === 'join' && peer.send(joinedFor(frame)));
  const slave = await fakeClient(t, hub, { inbox: { messages: 3 } }).join('abc123', 'user_one');
  for (let seq = 1; seq <= 10; seq++) {
    hub.peers[0].send(message(seq, seq > 8 ? 60_000 : 1));
  }
  await sleep(50);
  assert.deepEqual([await nextEvent(slave), await nextEvent(slave), await nextEvent(slave)], [{ gap: 8 }, '9', '10']);
});

test('a gap with a number counts as what has arrived', async (t) => {
  const { hub, slave, sent } = await played(t);
  const gap = (missed, seq) => ({ type: 'gap', channel: 'abc123', missed, seq });
  [message(3), gap(2, 5), message(5), gap(2, 5), gap(1), message(6), gap(1, 7)].forEach((frame) => hub.peers[0].send(frame));
  const got = [];
  for (let i = 0; i < 5; i++) {
    got.push(await nextEvent(slave));
  }
  assert.deepEqual(got, ['3', { gap: 2 }, { gap: 1 }, '6', { gap: 1 }]);
  assert.equal(slave.ticket.last, 7);
  hub.peers[0].terminate();
  await inState(slave, 'reconnecting');
  await inState(slave, 'online');
  assert.equal(sent.find(({ type }) => type === 'resume').last, 7);
});

test('what is left when it is written is written', async (t) => {
  const { hub, slave, sent } = await played(t, (peer, frame) => {
    if (frame.type === 'send' && peer.count > 1) {
      peer.send({ type: 'ack', ref: frame.ref, seq: 1 });
    }
  });
  const done = slave.send('x', { expires: 60_000 });
  while (!sent.some(({ type }) => type === 'send')) {
    await sleep(5);
  }
  await sleep(50);
  hub.peers[0].terminate();
  assert.equal((await within(done, 'the ack')).seq, 1);
  const [first, again] = sent.filter(({ type }) => type === 'send');
  assert.equal(first.ref, again.ref);
  assert.equal(first.expires_ms > 59_000, true);
  assert.ok(again.expires_ms <= first.expires_ms - 50, `${first.expires_ms}, then ${again.expires_ms}`);
});

test('what is left does not grow where the clock is set back', async (t) => {
  const { hub, slave, sent } = await played(t, (peer, frame) => {
    if (frame.type === 'send' && peer.count > 1) {
      peer.send({ type: 'ack', ref: frame.ref, seq: 1 });
    }
  });
  const done = slave.send('x', { expires: 86_400_000 });
  while (!sent.some(({ type }) => type === 'send')) {
    await sleep(5);
  }
  const now = Date.now;
  t.mock.method(Date, 'now', () => now() - 3_600_000);
  hub.peers[0].terminate();
  await within(done, 'the ack');
  const [first, again] = sent.filter(({ type }) => type === 'send');
  assert.ok(again.expires_ms <= first.expires_ms, `${first.expires_ms}, then ${again.expires_ms}`);
});

test('what is too late is not written', async (t) => {
  let admits = true;
  const hub = await FakeHub.start((peer, frame) => {
    if (frame.type === 'join' || frame.type === 'resume') {
      peer.send(joinedFor(frame));
    }
    if (frame.type === 'send') {
      assert.equal(new TextDecoder().decode(frame.payload.bytes), peer.count === 1 ? 'written' : 'last');
      if (peer.count > 1) {
        peer.send({ type: 'ack', ref: frame.ref, seq: 1 });
      } else {
        admits = false;
        peer.terminate();
      }
    }
  }, { admit: () => admits });
  const slave = await fakeClient(t, hub).join('abc123', 'user_one');
  const written = slave.send('written', { expires: 200 });
  written.catch(() => {});
  await inState(slave, 'reconnecting');
  await refused(slave.send('unwritten', { expires: 20 }), 'too_late', RefusedError);
  const last = slave.send('last');
  await sleep(250);
  admits = true;
  assert.equal((await within(last, 'the ack')).seq, 1);
  await assert.rejects(written, (error) => error instanceof UnknownOutcomeError && error.cause.code === 'too_late');
});

test('requests end with their messages', async (t) => {
  const stage = await Stage.open(t);
  const master = await stage.client().create('abc123', 'alice');
  const one = await stage.client().join('abc123', 'user_one');
  const two = await stage.client().join('abc123', 'user_two');
  await member(master, 'user_one', 'online');
  await member(master, 'user_two', 'online');
  const parts = all(master.gather('ready?', { expires: 500 }));
  await (await next(one)).reply('I am');
  const late = await next(two);
  assert.deepEqual(await within(parts, 'the parts'), [['user_one', 'I am'], ['user_two', 'too_late']]);
  await refused(late.reply('me too'), 'no_such_request', RefusedError);
  const asked = one.request('may I?', { expires: 100 });
  await refused(asked, 'too_late', RefusedError);
  const down = master.request('user_one', 'well?', { expires: 100 });
  await refused(down, 'too_late', RefusedError);
});

test('whoever is listed when a request is over has answered in time', async (t) => {
  const hub = await FakeHub.start((peer, frame) => {
    if (frame.type === 'create') {
      peer.send({ ...createdFor(frame), members: [{ username: 'ada', state: 'online', number: 1 }, { username: 'bob', state: 'online', number: 2 }] });
    }
    if (frame.type === 'send') {
      const over = { type: 'awaiting', channel: 'abc123', request: 7, code: 'too_late', members: [{ username: 'bob', state: 'online', number: 2 }] };
      peer.send({ type: 'ack', ref: frame.ref, seq: 7 });
      peer.send({ ...over, request: 8, members: [] });
      peer.send({ ...over, code: 'other', members: [] });
      peer.send(over);
      peer.send({ type: 'message', channel: 'abc123', from: 'bob', seq: 1, reply: 7, payload: payload('in time') });
    }
  });
  const master = await fakeClient(t, hub).create('abc123', 'alice');
  assert.deepEqual(await within(all(master.gather('who?', { expires: 1000 })), 'the parts'), [['ada', 'too_late'], ['bob', 'in time']]);
});

test('an answer that expires before it is taken is lost', async (t) => {
  const stage = await Stage.open(t);
  const master = await stage.client().create('abc123', 'alice');
  const slave = await stage.client().join('abc123', 'user_one');
  await member(master, 'user_one', 'online');
  const parts = master.gather('ready?');
  const first = parts.next();
  const asked = await next(slave);
  await asked.reply('I am');
  assert.equal((await first).value.message.text(), 'I am');
  const again = master.gather('once more?');
  const part = again.next();
  const second = await next(slave);
  await second.reply('yes', { expires: 60_000 });
  assert.equal((await part).value.message.text(), 'yes');
  const other = await stage.client().join('abc123', 'user_two');
  await member(master, 'user_two', 'online');
  const last = master.gather('and now?');
  const one = last.next();
  await (await next(slave)).reply('first');
  await one;
  await (await next(other)).reply('second', { expires: 30 });
  await sleep(100);
  assert.ok((await last.next()).value.error instanceof GapError);
});
