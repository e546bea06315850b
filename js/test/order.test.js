import assert from 'node:assert/strict';
import { test } from 'node:test';

import { FakeHub, createdFor, joinedFor } from './support/fakehub.js';
import { fakeClient, seqs, texts, within } from './support/stage.js';

const text = (value) => ({ kind: 'text', bytes: new TextEncoder().encode(value) });

test('what a replay brings a second time is dropped', async (t) => {
  const hub = await FakeHub.start((peer, frame) => {
    if (frame.type === 'join' || frame.type === 'resume') {
      peer.send(joinedFor(frame));
      for (const seq of peer.count === 1 ? [1, 2] : [1, 2, 3]) {
        peer.send({ type: 'message', channel: frame.channel, from: 'alice', seq, payload: text(String(seq)) });
      }
      if (peer.count === 1) {
        peer.close(4101);
      }
    }
  });
  const slave = await fakeClient(t, hub).join('abc123', 'user_one');
  assert.deepEqual(await within(texts(slave, 3), 'the messages'), ['1', '2', '3']);
});

test('no more is unanswered at a time than the hub remembers', async (t) => {
  const waiting = [];
  let counted;
  const hub = await FakeHub.start((peer, frame) => {
    if (frame.type === 'join') {
      peer.send(joinedFor(frame));
    } else if (frame.type === 'send') {
      waiting.push(frame.ref);
      if (counted > 0) {
        peer.send({ type: 'ack', ref: frame.ref, seq: waiting.length });
      }
    } else if (frame.type === 'ping' && counted === undefined && waiting.length > 0) {
      // It is silent because it waits: whatever could be sent is here.
      counted = waiting.length;
      waiting.forEach((ref, index) => peer.send({ type: 'ack', ref, seq: index + 1 }));
    }
  });
  const slave = await fakeClient(t, hub, { silence: 100, patience: 10_000 }).join('abc123', 'user_one');
  const sends = Promise.all(Array.from({ length: 100 }, (_, index) => slave.send(String(index))));
  assert.deepEqual(await within(sends, 'the answers').then(seqs), Array.from({ length: 100 }, (_, index) => index + 1));
  assert.equal(counted, 32);
});

test('a slave that has left is told behind what it had sent', async (t) => {
  const hub = await FakeHub.start((peer, frame) => {
    const { type, channel } = frame;
    if (type === 'create') {
      peer.send({ ...createdFor(frame), members: [{ username: 'one', state: 'online' }] });
      peer.close(4101);
    } else if (type === 'resume') {
      peer.send({ ...createdFor(frame), seq: 2, members: [] });
      peer.send({ type: 'message', channel, from: 'one', seq: 1, payload: text('first') });
      peer.send({ type: 'message', channel, from: 'one', seq: 2, payload: text('last') });
      peer.send({ type: 'message', channel, from: 'two', seq: 3, payload: text('another') });
    }
  });
  const master = await fakeClient(t, hub).create('abc123', 'alice');
  const seen = [];
  for await (const event of master.events()) {
    if (event.type === 'message') {
      seen.push(event.text());
    } else if (event.role === 'slave') {
      seen.push(`${event.username} ${event.state}`);
    }
    if (event.type === 'message' && event.seq === 3) {
      break;
    }
  }
  assert.deepEqual(seen, ['one online', 'first', 'last', 'one gone', 'another']);
});

test('a leave whose answer is lost has worked', async (t) => {
  const hub = await FakeHub.start((peer, frame) => {
    if (frame.type === 'join') {
      peer.send(joinedFor(frame));
    } else if (frame.type === 'leave') {
      peer.terminate();
    } else if (frame.type === 'resume') {
      peer.send({ type: 'error', ref: frame.ref, channel: frame.channel, code: 'resume_failed' });
    }
  });
  const slave = await fakeClient(t, hub).join('abc123', 'user_one');
  await within(slave.leave(), 'the leave');
  assert.equal(slave.error.code, 'left');
});

test('a page that was asleep does not take its own sleep for the silence of the hub', async (t) => {
  let pinged;
  const hub = await FakeHub.start((peer, frame) => {
    if (frame.type === 'join') {
      peer.send(joinedFor(frame));
    } else if (frame.type === 'ping') {
      pinged?.(peer);
    }
  }, { silent: true });
  // A ping may come before the answer to the join, too: only from here on they count.
  const ping = (what) => within(new Promise((resolve) => {
    pinged = resolve;
  }), what);
  const slave = await fakeClient(t, hub, { silence: 20, patience: 2000, wakePatience: 10_000 }).join('abc123', 'user_one');
  slave.addEventListener('state', ({ state }) => assert.notEqual(state, 'reconnecting'));
  await ping('a ping');
  // Asleep: the clock goes on, and no timer fires.
  const now = performance.now.bind(performance);
  const clock = t.mock.method(performance, 'now', () => now() + 60_000);
  const peer = await ping('another ping, in place of the end');
  peer.send({ type: 'pong' });
  clock.mock.restore();
  assert.equal(slave.state, 'online');
  assert.equal(hub.connections, 1);
});

test('what the service says comes in the order, from nobody, to a slave and to a master', async (t) => {
  const hub = await FakeHub.start((peer, frame) => {
    const { type, channel } = frame;
    if (type === 'create' || type === 'join') {
      peer.send(type === 'create' ? createdFor(frame) : joinedFor(frame));
      peer.send({ type: 'message', channel, from: 'alice', seq: 1, payload: text('first') });
      peer.send({ type: 'message', channel, from: '', seq: 2, payload: text('from the service') });
      peer.send({ type: 'message', channel, from: 'alice', seq: 3, payload: text('last') });
    }
  });
  const client = fakeClient(t, hub);
  for (const handle of [await client.join('abc123', 'user_one'), await client.create('abc124', 'bob')]) {
    const seen = [];
    for await (const event of handle.events()) {
      if (seen.push([event.from, event.seq, event.text()]) === 3) {
        break;
      }
    }
    assert.deepEqual(seen, [['alice', 1, 'first'], ['', 2, 'from the service'], ['alice', 3, 'last']]);
  }
});
