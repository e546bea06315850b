import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Client } from '../lectern.js';
import { encode } from '../src/codec.js';
import { FakeHub, createdFor, joinedFor } from './support/fakehub.js';
import { fakeClient } from './support/stage.js';

class NeverMade {
  constructor() {
    throw new Error('a connection was made');
  }
}

const client = () => new Client('ws://127.0.0.1:1/ws', { transport: 'websocket', WebSocket: NeverMade });

const noNumbers = ['5', null, 5n, {}, true];
const never = [NaN, Infinity, -Infinity, -1, 2 ** 60];
// Zero has no meaning for these.
const times = ['minBackoff', 'maxBackoff', 'dialTimeout', 'silence', 'patience', 'wakePatience'];

for (const [names, values, make] of [
  [times, [...never, 0, 2 ** 31], (name, value) => ({ [name]: value })],
  [['closeTimeout'], [...never, 2 ** 31], (name, value) => ({ [name]: value })],
  [['maxMessageBytes'], [...never, 0, 1.5], (name, value) => ({ [name]: value })],
  [['messages', 'bytes'], [...never, 0, 1.5], (name, value) => ({ inbox: { [name]: value } })],
]) {
  for (const name of names) {
    test(`an option that makes no sense is named at once: ${name}`, () => {
      for (const value of values) {
        assert.throws(() => new Client('ws://localhost/ws', { WebSocket: NeverMade, ...make(name, value) }),
          (error) => error instanceof RangeError && error.message.includes(name), String(value));
      }
      for (const value of noNumbers) {
        assert.throws(() => new Client('ws://localhost/ws', { WebSocket: NeverMade, ...make(name, value) }),
          (error) => error instanceof TypeError && error.message.includes(name), String(value));
      }
      for (const value of [undefined, 1, 2 ** 31 - 1]) {
        assert.ok(new Client('ws://localhost/ws', { WebSocket: NeverMade, ...make(name, value) }));
      }
    });
  }
}

test('an inbox that is no object', () => {
  for (const inbox of [5, 'much', null]) {
    assert.throws(() => new Client('ws://localhost/ws', { WebSocket: NeverMade, inbox }), /TypeError.*inbox/);
  }
});

test("a master's timeout that makes no sense is refused before anything is sent", async () => {
  for (const masterTimeout of never) {
    await assert.rejects(client().create('abc123', 'alice', { masterTimeout }),
      (error) => error instanceof RangeError && error.message.includes('masterTimeout'), String(masterTimeout));
  }
  for (const masterTimeout of noNumbers) {
    await assert.rejects(client().create('abc123', 'alice', { masterTimeout }),
      (error) => error instanceof TypeError && error.message.includes('masterTimeout'), String(masterTimeout));
  }
});

test('times may have fractions, and zero is one', async (t) => {
  const asked = [];
  const hub = await FakeHub.start((peer, frame) => {
    if (frame.type === 'create') {
      asked.push(frame.master_timeout_ms);
      peer.send(createdFor(frame));
    } else if (frame.type === 'leave') {
      peer.send({ type: 'left', ref: frame.ref, channel: frame.channel });
    }
  });
  const made = fakeClient(t, hub, { closeTimeout: 999.5 });
  const master = await made.create('one', 'alice', { masterTimeout: 1.5 });
  await made.create('two', 'alice', { masterTimeout: 0 });
  await made.create('three', 'alice', { masterTimeout: undefined });
  await made.create('four', 'alice', { masterTimeout: 2 ** 53 });
  assert.deepEqual(asked, [2, 0, undefined, 2 ** 53]);
  await master.close();
});

test('a ticket with a number that is none is no ticket', async () => {
  const ticket = { channel: 'abc123', username: 'alice', resume: 'secret', epoch: 1, last: 0 };
  for (const number of ['5', null, NaN, Infinity, -1, 1.5, 2 ** 60]) {
    for (const name of ['last', 'epoch']) {
      const wrong = { ...ticket, [name]: number };
      await assert.rejects(client().resumeMaster({ ...wrong, role: 'master' }), TypeError, `${name} ${number}`);
      await assert.rejects(client().resumeSlave({ ...wrong, role: 'slave' }), TypeError, `${name} ${number}`);
    }
  }
  for (const none of ['abc', null, undefined, 7]) {
    await assert.rejects(client().resumeSlave(none), { name: 'TypeError', message: 'this is no ticket: it is no object' });
  }
});

test('an answer to a number that is none is not sent as a message', async (t) => {
  const sent = [];
  const hub = await FakeHub.start((peer, frame) => {
    if (frame.type === 'create') {
      peer.send(createdFor(frame));
    } else if (frame.type === 'join') {
      peer.send(joinedFor(frame));
    } else if (frame.type === 'send') {
      sent.push(frame);
    }
  });
  const made = fakeClient(t, hub);
  const master = await made.create('one', 'alice');
  const slave = await made.join('two', 'alice');
  for (const requestId of ['5', null, undefined, 5n, NaN, Infinity, -1, 1.5, 2 ** 60]) {
    const named = (error) => (error instanceof TypeError || error instanceof RangeError)
      && error.message.includes('requestId');
    await assert.rejects(master.reply({ from: 'x', requestId }, 'yes'), named, String(requestId));
    await assert.rejects(slave.reply({ requestId }, 'yes'), named, String(requestId));
  }
  assert.deepEqual(sent, []);
});

test('nothing that is no number is written as one', () => {
  for (const request of [Infinity, -Infinity, -1, 1.5, 2 ** 60]) {
    assert.throws(() => encode({ type: 'withdraw', channel: 'abc123', request }), RangeError, String(request));
  }
});
