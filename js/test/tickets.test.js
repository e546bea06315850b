import assert from 'node:assert/strict';
import { test } from 'node:test';

import { FakeHub, joinedFor } from './support/fakehub.js';
import { Stage, fakeClient, within } from './support/stage.js';
import { Storage } from './support/storage.js';

const options = { storageKey: 'kept' };
const ticket = (channel) => ({ role: 'slave', channel, username: 'user_one', secret: 'secret', last: 0 });
const stored = (items) => {
  const storage = new Storage();
  storage.setItem('kept', typeof items === 'string' ? items : JSON.stringify(items));
  return storage;
};

test('what is no ticket in the storage is dropped, and the others are restored', async (t) => {
  const hub = await FakeHub.start((peer, frame) => {
    if (frame.type === 'resume') {
      peer.send(joinedFor(frame));
    }
  });
  const good = ticket('good');
  const storage = stored({
    good, text: 'abc', number: 7, nothing: null, list: [], empty: {}, role: { ...good, role: 'judge' },
    channel: { ...good, channel: 7 }, other: good, username: { ...good, username: null },
    secret: { ...good, secret: undefined }, last: { ...good, last: -1 }, '': ticket(''), nameless: { ...ticket('nameless'), username: '' },
  });
  const client = fakeClient(t, hub, { ...options, storage });
  const { slaves, masters, lost } = await within(client.restore(), 'the restore');
  assert.deepEqual([slaves.map(({ channel }) => channel), masters, lost], [['good'], [], []]);
  assert.deepEqual(Object.keys(JSON.parse(storage.getItem('kept'))), ['good']);
});

for (const items of ['"abc"', '["abc"]', '7', 'null', 'true', '', '{', '{"a":"abc"}']) {
  test(`nothing is restored of ${items || 'nothing'}, and the next ticket is kept`, async (t) => {
    const hub = await FakeHub.start((peer, frame) => {
      if (frame.type === 'join') {
        peer.send(joinedFor(frame));
      }
    });
    const storage = stored(items);
    const client = fakeClient(t, hub, { ...options, storage });
    assert.deepEqual(await client.restore(), { masters: [], slaves: [], lost: [] });
    const slave = await client.join('abc123', 'user_one');
    const { abc123: { holder, ...kept } } = JSON.parse(storage.getItem('kept'));
    assert.deepEqual(kept, slave.ticket);
    assert.equal(typeof holder, 'string');
  });
}

test('a ticket that the hub cannot read is lost, and the others are restored', async (t) => {
  const hub = await FakeHub.start((peer, frame) => {
    if (frame.channel === 'bad') {
      // The hub names no channel where it could not read the frame.
      peer.send({ type: 'error', ref: frame.ref, code: 'bad_frame', reason: 'unreadable' });
    } else if (frame.type === 'resume') {
      peer.send(joinedFor(frame));
    }
  });
  const storage = stored({ first: ticket('first'), bad: ticket('bad'), second: ticket('second') });
  const client = fakeClient(t, hub, { ...options, storage });
  const { slaves, lost } = await within(client.restore(), 'the restore');
  assert.deepEqual(slaves.map(({ channel }) => channel), ['first', 'second']);
  assert.deepEqual(Object.keys(JSON.parse(storage.getItem('kept'))), ['first', 'second']);
  assert.deepEqual(lost.map(({ channel, error }) => [channel, error.code]), [['bad', 'bad_frame']]);
});

test('tickets whose names no hub takes are lost', async (t) => {
  const stage = await Stage.open(t);
  const storage = stored(Object.fromEntries(
    [' spaced ', 'x'.repeat(200), '\ud800', 'fine'].map((channel) => [channel, ticket(channel)])));
  const { slaves, lost } = await within(stage.client({ ...options, storage }).restore(), 'the restore');
  assert.deepEqual(slaves, []);
  assert.deepEqual(lost.map(({ channel }) => channel), [' spaced ', 'fine']);
  assert.equal(storage.items.size, 0);
});

test('an error that names no channel is for the resume of its ref, also where another one is given up', async (t) => {
  const refs = {};
  const hub = await FakeHub.start((peer, frame) => {
    if (frame.type === 'resume') {
      refs[frame.channel] = frame.ref;
      if (frame.channel === 'three') {
        peer.send({ type: 'error', ref: refs.two, code: 'bad_frame' });
        peer.send({ type: 'error', ref: refs.three, channel: 'three', code: 'resume_failed' });
      }
    }
  });
  const client = fakeClient(t, hub);
  const controller = new AbortController();
  const { signal } = controller;
  const one = client.resumeSlave(ticket('one'), { signal });
  const two = client.resumeSlave(ticket('two'));
  const three = client.resumeSlave(ticket('three'));
  controller.abort();
  await assert.rejects(one, { name: 'AbortError' });
  await assert.rejects(within(two, 'the second'), { code: 'bad_frame' });
  await assert.rejects(within(three, 'the third'), { code: 'resume_failed' });
});

test('a ticket without a name is none', async (t) => {
  const stage = await Stage.open(t);
  for (const none of [ticket(''), { ...ticket('abc123'), username: '' }, { ...ticket('abc123'), secret: '' }]) {
    await assert.rejects(within(stage.client().resumeSlave(none), 'the refusal'), TypeError);
  }
});
