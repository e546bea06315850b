import assert from 'node:assert/strict';
import { test } from 'node:test';

import { FakeHub, createdFor } from './support/fakehub.js';
import { framed } from './support/frames.js';
import { LIMIT, Stage, fakeClient, happens, inState, next, texts, within } from './support/stage.js';

const utf8 = new TextEncoder();

// A hub that wants to be told after so much, and the master there. seen resolves with the next
// frame that tells.
async function confirming(t, { messages = 100, bytes = 1 << 20 } = {}) {
  let peer;
  let tell;
  const seen = () => within(new Promise((resolve) => {
    tell = resolve;
  }), 'what was seen');
  const all = [];
  const hub = await FakeHub.start((from, frame) => {
    peer = from;
    all.push(frame);
    if (frame.seen !== undefined) {
      tell?.(frame);
    }
    if (frame.type === 'create' || frame.type === 'resume') {
      from.send({ ...createdFor(frame), confirm_messages: messages, confirm_bytes: bytes });
    } else if (frame.type === 'send') {
      from.send({ type: 'ack', ref: frame.ref, seq: 1 });
    }
  });
  const announced = seen();
  const master = await fakeClient(t, hub).create('abc123', 'alice');
  assert.equal((await announced).seen, 0);
  let count = 0;
  const message = (text = 'x') => peer.send({
    type: 'message', channel: 'abc123', from: 'ada', seq: ++count, payload: { kind: 'text', bytes: utf8.encode(text) },
  });
  return { hub, master, message, seen, all, peer: () => peer };
}

test('a master confirms at once after as many messages as the hub says', async (t) => {
  const { message, seen, all } = await confirming(t, { messages: 3 });
  const told = seen();
  for (let count = 0; count < 7; count++) {
    message();
  }
  assert.equal((await told).seen, 3);
  assert.equal((await seen()).seen, 7, 'what is left within a second');
  assert.deepEqual(all.filter(({ seen: number }) => number).map(({ type, seen: number }) => [type, number]), [
    ['ping', 3], ['ping', 6], ['ping', 7],
  ]);
});

test('a master confirms at once after as many bytes as the hub says', async (t) => {
  const { message, seen } = await confirming(t, { bytes: 1000 });
  const told = seen();
  message('x'.repeat(600));
  message('x'.repeat(600));
  message();
  assert.equal((await told).seen, 2);
});

test('a master confirms a second after a message, though it takes none', async (t) => {
  const { message, seen } = await confirming(t);
  const told = seen();
  const began = performance.now();
  message();
  assert.equal((await told).seen, 1);
  const took = performance.now() - began;
  assert.ok(took > 900 && took < LIMIT, String(took));
});

test('what a master sends anyway confirms as well', async (t) => {
  const { master, message, all } = await confirming(t);
  message();
  await next(master);
  await master.broadcast('one');
  await master.broadcast('two');
  const sends = all.filter(({ type }) => type === 'send');
  assert.deepEqual(sends.map(({ seen }) => seen), [1, undefined]);
});

test('a resume tells what has arrived, and nothing is confirmed twice', async (t) => {
  const { master, message, all, seen, peer } = await confirming(t);
  message();
  await next(master);
  const announced = seen();
  const lost = happens(master, 'state', ({ state }) => state === 'reconnecting');
  peer().terminate();
  await lost;
  await inState(master, 'online');
  assert.equal((await announced).seen, 1);
  assert.equal(all.find(({ type }) => type === 'resume').last, 1);
  await new Promise((resolve) => {
    setTimeout(resolve, 1500);
  });
  assert.equal(all.filter(({ seen: number }) => number === 1).length, 1);
});

test('what was acknowledged for a master is there when it is back, however much it was', async (t) => {
  const stage = await Stage.open(t);
  let told;
  const { WebSocket } = framed(({ seen }) => told?.(seen));
  const { relay, client } = await stage.far({ WebSocket, inbox: { messages: 100_000 } });
  const master = await client.create('abc123', 'alice');
  const slaves = await Promise.all(Array.from({ length: 4 }, (_, index) => stage.client().join('abc123', `slave ${index}`)));
  relay.lose('down'); // it is written, and does not arrive
  const acknowledged = [];
  await Promise.all(slaves.map(async (slave) => {
    for (let count = 0; count < 150; count++) {
      const text = `${slave.username} ${count}`;
      try {
        await slave.send(text);
        acknowledged.push(text);
      } catch (error) {
        assert.equal(error.code, 'busy');
      }
    }
  }));
  assert.ok(acknowledged.length > 0 && acknowledged.length < 600, String(acknowledged.length));
  const confirmed = new Promise((resolve) => {
    told = (seen) => seen === acknowledged.length && resolve();
  });
  relay.cut();
  relay.lose('down', false);
  const got = await within(texts(master, acknowledged.length), 'what was acknowledged');
  assert.deepEqual(got.sort(), acknowledged.sort());
  // When it has confirmed that, there is room again.
  await within(confirmed, 'the confirmation');
  await client.status('abc123'); // behind it
  assert.equal((await within(slaves[0].send('more'), 'the next')).seq, acknowledged.length + 1);
});
