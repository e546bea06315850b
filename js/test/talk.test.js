import assert from 'node:assert/strict';
import { test } from 'node:test';

import { ClosedError, RefusedError, json } from '../lectern.js';
import { Stage, happens, inState, member, next, refused, seqs, texts, within } from './support/stage.js';

test('messages go both ways, in every kind of payload', async (t) => {
  const stage = await Stage.open(t);
  const master = await stage.client().create('abc123', 'alice');
  const slave = await stage.client().join('abc123', 'user_one');
  assert.equal(master.channel, 'abc123');
  assert.equal(slave.username, 'user_one');
  assert.equal(slave.timeout, 30_000);
  assert.equal(slave.master.username, 'alice');
  assert.equal(slave.master.state, 'online');

  const bytes = new Uint8Array([0, 255, 16]);
  const payloads = [
    ['', 'text', ''],
    ['hello, \u{1f600}', 'text', 'hello, \u{1f600}'],
    ['\ufeffmark', 'text', '\ufeffmark'],
    [{ question: 7, options: ['a', null] }, 'json', { question: 7, options: ['a', null] }],
    [null, 'json', null],
    [json('quoted'), 'json', 'quoted'],
    [bytes, 'bytes', bytes],
    [bytes.buffer, 'bytes', bytes],
    [new DataView(bytes.buffer, 1, 2), 'bytes', bytes.subarray(1)],
  ];
  for (const [index, [payload, kind, value]] of payloads.entries()) {
    for (const [send, receiver, from] of [
      [() => master.broadcast(payload), slave, 'alice'], [() => slave.send(payload), master, 'user_one'],
    ]) {
      // The master's went to the one slave; a slave's is for its master alone.
      assert.deepEqual(await send(), { seq: index + 1, slaves: from === 'alice' ? 1 : 0 });
      const message = await next(receiver);
      assert.equal(message.type, 'message');
      assert.equal(message.kind, kind);
      assert.equal(message.from, from);
      assert.equal(message.seq, index + 1);
      assert.equal(message.private, false);
      switch (kind) {
        case 'text':
          assert.equal(message.text(), value);
          assert.throws(() => message.json(), TypeError);
          break;
        case 'json':
          assert.deepEqual(message.json(), value);
          assert.equal(message.text(), JSON.stringify(value));
          break;
        default:
          assert.deepEqual(message.bytes(), value);
          assert.equal(message.size, value.length);
      }
    }
  }
});

test('a payload that cannot be sent is refused before it is', async (t) => {
  const stage = await Stage.open(t);
  const master = await stage.client({ maxMessageBytes: 10 }).create('abc123', 'alice');
  await refused(master.broadcast('eleven bytes'), 'too_large', RefusedError);
  await refused(master.broadcast('\ud800'), 'bad_frame', RefusedError);
  await refused(master.broadcast({ half: '\ud800' }), 'bad_frame', RefusedError);
  await assert.rejects(master.broadcast(undefined), TypeError);
  await assert.rejects(master.broadcast(new Blob(['x'])), TypeError);
  let deep = [];
  for (let i = 0; i < 64; i++) {
    deep = [deep];
  }
  await refused(stage.client().create('abc124', 'alice').then((other) => other.broadcast(deep)), 'bad_frame', RefusedError);
  assert.equal((await master.broadcast('ten bytes!')).seq, 1);
});

test('the master writes to one, and the other does not see it', async (t) => {
  const stage = await Stage.open(t);
  const master = await stage.client().create('abc123', 'alice');
  const one = await stage.client().join('abc123', 'user_one');
  const two = await stage.client().join('abc123', 'user_two');
  await master.send('user_two', 'for two');
  await master.broadcast('for all');
  const first = await next(two);
  assert.equal(first.text(), 'for two');
  assert.equal(first.private, true);
  assert.deepEqual(await texts(one, 1), ['for all']);
});

test('messages are sent in the order of the calls, beyond the window too', async (t) => {
  const stage = await Stage.open(t);
  const master = await stage.client().create('abc123', 'alice');
  const slave = await stage.client().join('abc123', 'user_one');
  const numbers = Array.from({ length: 100 }, (_, index) => String(index));
  const sent = Promise.all(numbers.map((number) => slave.send(number)));
  assert.deepEqual(await texts(master, 100), numbers);
  assert.deepEqual(seqs(await sent), numbers.map((number) => Number(number) + 1));
});

test('events yields messages and changes of slaves in one order', async (t) => {
  const stage = await Stage.open(t);
  const master = await stage.client().create('abc123', 'alice');
  const slave = await stage.client().join('abc123', 'user_one');
  await slave.send('hello');
  await slave.leave();
  const seen = [];
  for await (const event of master.events()) {
    seen.push(event.type === 'message' ? event.text() : `${event.username} ${event.state} ${event.reason}`);
    if (seen.length === 3) {
      break;
    }
  }
  assert.deepEqual(seen, ['user_one online ', 'hello', 'user_one gone left']);
  assert.deepEqual(master.members, []);
});

test('listeners that are added after a join miss nothing', async (t) => {
  const stage = await Stage.open(t);
  const master = await stage.client().create('abc123', 'alice', { masterTimeout: 20_000 });
  await master.away();
  const slave = await stage.client().join('abc123', 'user_one');
  assert.equal(slave.timeout, 20_000);
  const { presence } = await happens(slave, 'presence');
  assert.equal(presence.state, 'away');
  assert.ok(presence.deadline - Date.now() > 10_000);
});

test('the master steps away and comes back', async (t) => {
  const stage = await Stage.open(t);
  const master = await stage.client().create('abc123', 'alice');
  const slave = await stage.client().join('abc123', 'user_one');
  const away = happens(slave, 'presence');
  await master.away();
  assert.equal((await away).presence.state, 'away');
  assert.equal(slave.master.state, 'away');
  const left = slave.master.deadline - Date.now();
  assert.ok(left > 20_000 && left <= 30_000, String(left));
  const status = await stage.client().status('abc123');
  assert.equal(status.master.state, 'away');
  assert.ok(status.master.deadline > Date.now());

  const back = happens(slave, 'presence');
  await master.back();
  assert.equal((await back).presence.state, 'online');
  assert.equal(slave.master.deadline, null);
});

test('status tells whether there is a channel', async (t) => {
  const stage = await Stage.open(t);
  const client = stage.client();
  assert.deepEqual(await client.status('abc123'), { exists: false, master: null });
  const master = await client.create('abc123', 'alice');
  const status = await client.status('abc123');
  assert.equal(status.exists, true);
  assert.equal(status.master.username, 'alice');
  await master.close();
  assert.equal((await client.status('abc123')).exists, false);
});

test('a slave switches, and stays where the join is refused', async (t) => {
  const stage = await Stage.open(t);
  const first = await stage.client().create('abc123', 'alice');
  const second = await stage.client().create('abc124', 'carol');
  const client = stage.client();
  const slave = await client.join('abc123', 'user_one');
  await refused(slave.switch('abc125'), 'no_such_channel');
  await refused(slave.switch('abc124', { master: 'alice' }), 'wrong_master');
  assert.equal(slave.state, 'online');
  const moved = await slave.switch('abc124', { master: 'carol' });
  assert.equal(moved.username, 'user_one');
  assert.equal((await within(slave.closed, 'the end')).code, 'left');
  await member(first, 'user_one', 'gone');
  await second.broadcast('welcome');
  assert.deepEqual(await texts(moved, 1), ['welcome']);
});

test('a client is in many channels at once', async (t) => {
  const stage = await Stage.open(t);
  const one = stage.client();
  const two = stage.client();
  const masters = [await one.create('first', 'alice'), await two.create('second', 'bob')];
  const slaves = [await two.join('first', 'bob'), await one.join('second', 'alice')];
  await Promise.all(masters.map((master) => master.broadcast(`of ${master.channel}`)));
  assert.deepEqual(await texts(slaves[0], 1), ['of first']);
  assert.deepEqual(await texts(slaves[1], 1), ['of second']);
  await refused(one.join('first', 'other'), 'forbidden', RefusedError);
});

test('a slave is removed, with the reason, and may come again', async (t) => {
  const stage = await Stage.open(t);
  const master = await stage.client().create('abc123', 'alice');
  const client = stage.client();
  const slave = await client.join('abc123', 'user_one');
  const closed = happens(slave, 'closed');
  await master.kick('user_one', { reason: 'too loud' });
  const { code, reason, error } = await closed;
  assert.deepEqual([code, reason], ['kicked', 'too loud']);
  assert.ok(error instanceof ClosedError);
  assert.equal(slave.state, 'closed');
  assert.equal(slave.error, error);
  assert.equal(slave.master.state, 'gone');
  await refused(slave.send('still here'), 'kicked', ClosedError);
  const messages = [];
  for await (const message of slave) {
    messages.push(message);
  }
  assert.deepEqual(messages, []);
  await refused(master.kick('user_one'), 'no_such_slave', RefusedError);
  const again = await client.join('abc123', 'user_one');
  await inState(again, 'online');
});

test('a banned name stays out', async (t) => {
  const stage = await Stage.open(t);
  const master = await stage.client().create('abc123', 'alice');
  const slave = await stage.client().join('abc123', 'user_one');
  await master.ban('user_one');
  assert.equal((await within(slave.closed, 'the end')).code, 'kicked');
  await master.ban('user_two', { reason: 'not again' });
  await refused(stage.client().join('abc123', 'user_one'), 'banned', RefusedError);
  await refused(stage.client().join('abc123', 'user_two'), 'banned', RefusedError);
});

test('the channel ends for everybody when the master closes it', async (t) => {
  const stage = await Stage.open(t);
  const master = await stage.client().create('abc123', 'alice');
  const slave = await stage.client().join('abc123', 'user_one');
  await master.broadcast('the end');
  await master.close();
  assert.equal(master.error.code, 'left');
  const heard = [];
  for await (const message of slave) {
    heard.push(message.text());
  }
  assert.deepEqual(heard, ['the end']);
  assert.equal(slave.error.code, 'master_left');
});

test('a client that is closed leaves its channels', async (t) => {
  const stage = await Stage.open(t);
  const master = await stage.client().create('abc123', 'alice');
  const client = stage.client();
  const slave = await client.join('abc123', 'user_one');
  await client.close();
  assert.equal(slave.error.code, 'left');
  await member(master, 'user_one', 'gone');
  await refused(client.join('abc123', 'user_one'), 'connection');
});
