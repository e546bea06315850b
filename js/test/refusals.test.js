import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Client, ClosedError, Code, ConnectionError, LecternError, RefusedError } from '../lectern.js';
import { refusals } from '../src/codes.js';
import { FakeHub, joinedFor } from './support/fakehub.js';
import { Stage, fakeClient, inState, next, refused, within } from './support/stage.js';

test('what a real hub refuses comes with its code', async (t) => {
  const stage = await Stage.open(t);
  const client = stage.client({ maxMessageBytes: 1 << 20 });
  const master = await client.create('abc123', 'alice');
  const slave = await stage.client().join('abc123', 'user_one');

  await refused(stage.client().join('nowhere', 'user_one'), 'no_such_channel', RefusedError);
  await refused(stage.client().create('abc123', 'bob'), 'channel_exists', RefusedError);
  await refused(stage.client().join('abc123', 'x', { master: 'bob' }), 'wrong_master', RefusedError);
  await refused(stage.client().join('abc123', 'user_one'), 'name_taken', RefusedError);
  await refused(stage.client().join('abc123', 'alice'), 'name_taken', RefusedError);
  await refused(stage.client().join('abc123', ' spaced '), 'bad_name', RefusedError);
  await refused(stage.client().create('', 'alice'), 'bad_name', RefusedError);
  await refused(stage.client().create('half \ud800', 'alice'), 'bad_name', RefusedError);
  await refused(stage.client().status('\ud800'), 'bad_name', RefusedError);
  await refused(client.join('abc123', 'alice2'), 'forbidden', RefusedError);
  await refused(master.broadcast('x'.repeat(70_000)), 'too_large', RefusedError);
  await refused(master.send('nobody', 'hello'), 'no_such_slave', RefusedError);
  await refused(master.send('\ud800', 'hello'), 'no_such_slave', RefusedError);
  await refused(master.request('nobody', 'hello'), 'no_such_slave', RefusedError);
  await refused(stage.client().resumeMaster({ ...master.ticket, resume: 'wrong' }), 'resume_failed', RefusedError);
  await refused(stage.client().resumeSlave({ ...slave.ticket, last: 99 }), 'resume_failed', RefusedError);
  await assert.rejects(client.join('abc124'), TypeError);
  await assert.rejects(client.resumeSlave({}), TypeError);
  assert.equal(master.state, 'online');
  assert.equal(slave.state, 'online');
});

test('too many channels', async (t) => {
  const stage = await Stage.open(t);
  const client = stage.client();
  await Promise.all(Array.from({ length: 64 }, (_, index) => client.create(`channel ${index}`, 'alice')));
  await refused(client.create('one more', 'alice'), 'too_many_channels', RefusedError);
});

test('busy, where too many requests are open', async (t) => {
  const stage = await Stage.open(t);
  const master = await stage.client().create('abc123', 'alice');
  const slave = await stage.client().join('abc123', 'user_one');
  const open = Array.from({ length: 32 }, (_, index) => slave.request(String(index)));
  const first = await next(master);
  for (let index = 1; index < 32; index++) {
    await next(master);
  }
  await refused(slave.request('one more'), 'busy', RefusedError);
  await master.reply(first, 'answer');
  assert.equal((await open[0]).text(), 'answer');
  const rest = Promise.allSettled(open.slice(1));
  await master.close();
  for (const { reason } of await within(rest, 'the end of the requests')) {
    assert.ok(reason instanceof ClosedError);
    assert.equal(reason.code, 'master_left');
  }
});

test('a message over the limit of the transport is given up, and the rest goes on', async (t) => {
  const stage = await Stage.open(t);
  const client = stage.client({ maxMessageBytes: 1 << 20 });
  const master = await client.create('abc123', 'alice');
  const slave = await stage.client().join('abc123', 'user_one');
  await refused(master.broadcast('x'.repeat(200_000)), 'too_large', RefusedError);
  await inState(master, 'online');
  await master.broadcast('smaller');
  assert.equal((await next(slave)).text(), 'smaller');
});

// What a hub that shuts down refuses is asked again: moving.test.js.
const codes = [...refusals.filter((code) => code !== 'shutting_down'), 'from_the_future'];

test('every code, on whatever is refused', async (t) => {
  let code;
  const hub = await FakeHub.start((peer, frame) => {
    if (frame.channel === 'abc123' && frame.type === 'join') {
      peer.send(joinedFor(frame));
    } else if (frame.ref) {
      peer.send({ type: 'error', ref: frame.ref, channel: frame.channel, code, reason: 'not today' });
    }
  });
  const client = fakeClient(t, hub);
  const slave = await client.join('abc123', 'user_one');
  for (code of codes) {
    for (const attempt of [
      client.create('abc124', 'alice'), client.join('abc125', 'user_one', { token: 'a.b.c' }), client.status('abc126'),
      slave.send('hello'), slave.request('hello'), slave.switch('abc127'),
    ]) {
      await assert.rejects(within(attempt, code), (error) => {
        assert.ok(error instanceof RefusedError && error instanceof LecternError);
        assert.deepEqual(
          [error.name, error.code, error.reason, error.message],
          ['RefusedError', code, 'not today', `${code}: not today`]);
        return true;
      });
    }
    if (code !== 'from_the_future') {
      assert.equal(Code[code.toUpperCase()], code);
    }
  }
  assert.equal(slave.state, 'online');
});

test('every end of a membership comes with its code', async (t) => {
  let code;
  const hub = await FakeHub.start((peer, frame) => {
    if (frame.type === 'join') {
      peer.send(joinedFor(frame));
    } else if (frame.type === 'send') {
      peer.send({ type: 'closed', channel: frame.channel, code, reason: 'so it is' });
    }
  });
  const client = fakeClient(t, hub);
  for (code of ['master_left', 'master_down', 'kicked', 'channel_closed', 'replaced', 'from_the_future']) {
    const slave = await client.join('abc123', 'user_one');
    await refused(slave.send('hello'), 'unknown_outcome');
    const error = await within(slave.closed, code);
    assert.ok(error instanceof ClosedError);
    assert.deepEqual([error.code, error.reason], [code, 'so it is']);
    await refused(slave.send('again'), code, ClosedError);
  }
});

test('a hub that is not there', async (t) => {
  const stage = await Stage.open(t);
  const { relay, client } = await stage.far();
  relay.bar();
  await refused(client.join('abc123', 'user_one'), 'connection', ConnectionError);
  await refused(client.status('abc123'), 'connection', ConnectionError);
  relay.bar(false);
  assert.equal((await client.status('abc123')).exists, false);
});

test('an abort ends what waits, with its reason', async (t) => {
  const stage = await Stage.open(t);
  const master = await stage.client().create('abc123', 'alice');
  const { relay, client } = await stage.far();
  const slave = await client.join('abc123', 'user_one');
  const aborted = AbortSignal.abort(new Error('no more'));
  const why = { message: 'no more' };
  await assert.rejects(client.join('abc124', 'x', { signal: aborted }), why);
  await assert.rejects(client.create('abc124', 'x', { signal: aborted }), why);
  await assert.rejects(client.status('abc124', { signal: aborted }), why);
  await assert.rejects(client.restore({ signal: aborted }).then(() => slave.send('x', { signal: aborted })), why);
  await assert.rejects(slave.switch('abc124', { signal: aborted }), why);
  await assert.rejects(client.resumeSlave({ ...slave.ticket, channel: 'other' }, { signal: aborted }), why);
  for (const call of [
    (signal) => master.broadcast('x', { signal }), (signal) => master.send('user_one', 'x', { signal }),
    (signal) => master.request('user_one', 'x', { signal }), (signal) => master.kick('user_one', { signal }),
    (signal) => master.ban('user_one', { signal }), (signal) => master.away({ signal }),
    (signal) => master.back({ signal }), (signal) => master.gather('x', { signal }).next(),
    (signal) => master.messages({ signal }).next(), (signal) => master.events({ signal }).next(),
  ]) {
    await assert.rejects(call(aborted), why);
  }

  relay.stall();
  const controller = new AbortController();
  const { signal } = controller;
  const waiting = [
    slave.send('x', { signal }), slave.request('x', { signal }), slave.messages({ signal }).next(),
    client.join('abc124', 'x', { signal }), client.status('abc124', { signal }), slave.switch('abc125', { signal }),
  ];
  controller.abort(new Error('no more'));
  for (const each of waiting) {
    await assert.rejects(within(each, 'the abort'), why);
  }
});

test('a join that was aborted leaves no membership', async (t) => {
  const hub = await FakeHub.start((peer, frame) => {
    frames.push(frame);
    if (frame.type === 'join') {
      controller.abort();
      peer.send(joinedFor(frame));
    } else if (frame.type === 'leave') {
      left();
    }
  });
  const frames = [];
  const controller = new AbortController();
  let left;
  const leaving = new Promise((resolve) => {
    left = resolve;
  });
  const client = fakeClient(t, hub);
  await assert.rejects(client.join('abc123', 'user_one', { signal: controller.signal }), { name: 'AbortError' });
  await within(leaving, 'leave');
  assert.deepEqual(frames.map(({ type, channel }) => [type, channel]), [['join', 'abc123'], ['leave', 'abc123']]);
});

test('what cannot be an address, and a platform without WebSocket', () => {
  class WebSocket {}
  assert.throws(() => new Client('ftp://localhost/ws', { WebSocket }), TypeError);
  if (globalThis.WebSocket === undefined) {
    assert.throws(() => new Client('ws://localhost/ws', { transport: 'websocket' }), TypeError);
  }
  globalThis.location = { href: 'https://example.com/class/7' };
  try {
    assert.ok(new Client('/ws', { WebSocket }));
  } finally {
    delete globalThis.location;
  }
});
