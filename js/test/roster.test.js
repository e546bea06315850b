import assert from 'node:assert/strict';
import { test } from 'node:test';

import { FakeHub, createdFor } from './support/fakehub.js';
import { all, fakeClient, within } from './support/stage.js';

const text = (value) => ({ kind: 'text', bytes: new TextEncoder().encode(value) });

const entry = (username, state, number) => ({ username, state, number });

const joins = (username, number) => ({
  type: 'presence', channel: 'abc123', username, role: 'slave', state: 'online', number,
});

const lists = (...members) => ({ type: 'members', channel: 'abc123', members });

// The last thing that each of these hubs tells.
const done = { type: 'message', channel: 'abc123', from: 'eve', seq: 100, payload: text('done') };

/** told are the events of slaves and the messages, up to done. */
async function told(master) {
  const seen = [];
  for await (const event of master.events()) {
    if (event.type === 'message') {
      if (event.seq === done.seq) {
        break;
      }
      seen.push(`${event.from}: ${event.text()}`);
    } else if (event.role === 'slave') {
      seen.push(`${event.username} ${event.joined ? 'joins, ' : ''}${event.state}`);
    }
  }
  return seen;
}

async function toldBy(t, ...frames) {
  const hub = await FakeHub.start((peer, frame) => {
    if (frame.type === 'create') {
      [createdFor(frame), ...frames, done].forEach(peer.send);
    }
  });
  t.after(() => hub.close());
  const master = await fakeClient(t, hub).create('abc123', 'alice');
  return within(told(master), 'the events');
}

test('a list that nobody has asked for stands for the changes since the last one', async (t) => {
  const seen = await toldBy(t, joins('bob', 1), joins('eve', 2), joins('zoe', 3),
    lists(entry('bob', 'online', 5), entry('dan', 'online', 6), entry('eve', 'away', 2)),
    lists(entry('bob', 'online', 5), entry('dan', 'online', 6), entry('eve', 'away', 2)),
    { ...joins('eve'), number: 0 }, // it is back, and the same one
    lists(entry('bob', 'away', 5), entry('dan', 'away', 7), entry('eve', 'online', 2)),
    { type: 'members', ref: 2 ** 50, channel: 'abc123', members: [] }, // an answer
    { type: 'members', channel: 'abc123' }, // a question
    { type: 'members', channel: 'another', members: [] },
    lists());
  assert.deepEqual(seen, [
    'bob joins, online', 'eve joins, online', 'zoe joins, online',
    'dan joins, online', 'eve away', 'bob gone', 'bob joins, online', 'zoe gone',
    'eve online',
    'bob away', 'dan gone', 'dan joins, away',
    'bob gone', 'dan gone', 'eve gone',
  ]);
});

test('without numbers one of the same name is the same', async (t) => {
  const seen = await toldBy(t, joins('bob'), lists(entry('bob', 'online')),
    lists(entry('bob', 'online', 4)), // told from now on
    lists(entry('bob', 'away')), lists(entry('bob', 'online', 4)), lists(entry('bob', 'online', 5)));
  assert.deepEqual(seen, ['bob online', 'bob away', 'bob online', 'bob gone', 'bob joins, online']);
});

test('what was asked of one who has left and joined again ends', async (t) => {
  const hub = await FakeHub.start((peer, frame) => {
    if (frame.type === 'create') {
      [createdFor(frame), joins('bob', 1), joins('eve', 2)].forEach(peer.send);
    } else if (frame.type === 'send') {
      peer.send({ type: 'ack', ref: frame.ref, seq: 1 });
      peer.send(lists(entry('bob', 'online', 3), entry('eve', 'online', 2)));
      peer.send({ type: 'message', channel: 'abc123', from: 'bob', seq: 1, reply: 1, payload: text('was not asked') });
      peer.send({ type: 'message', channel: 'abc123', from: 'eve', seq: 2, reply: 1, payload: text('I am') });
    }
  });
  t.after(() => hub.close());
  const master = await fakeClient(t, hub).create('abc123', 'alice');
  const parts = await within(all(master.gather('who is there?')), 'the parts');
  assert.deepEqual(parts, [['bob', 'no_such_slave'], ['eve', 'I am']]);
});

test('after a resume one who has joined again is told behind what was missed', async (t) => {
  const hub = await FakeHub.start((peer, frame) => {
    if (frame.type === 'create') {
      [createdFor(frame), joins('bob', 1)].forEach(peer.send);
      peer.close(4101);
    } else if (frame.type === 'resume') {
      peer.send({ ...createdFor(frame), seq: 1, members: [entry('bob', 'online', 3)] });
      peer.send({ type: 'message', channel: 'abc123', from: 'bob', seq: 1, payload: text('bye') });
      peer.send(done);
    }
  });
  t.after(() => hub.close());
  const master = await fakeClient(t, hub).create('abc123', 'alice');
  assert.deepEqual(await within(told(master), 'the events'), [
    'bob joins, online', 'bob: bye', 'bob gone', 'bob joins, online']);
});

test('a list that another one follows before its end tells nothing twice', async (t) => {
  const hub = await FakeHub.start((peer, frame) => {
    if (frame.type === 'create') {
      [createdFor(frame), joins('bob', 1)].forEach(peer.send);
      peer.close(4101);
    } else if (frame.type === 'resume') {
      peer.send({ ...createdFor(frame), seq: 1, members: [entry('bob', 'online', 3)] });
      if (peer.count === 2) {
        peer.close(4101);
        return;
      }
      peer.send({ type: 'message', channel: 'abc123', from: 'bob', seq: 1, payload: text('bye') });
      peer.send(done);
    }
  });
  t.after(() => hub.close());
  const master = await fakeClient(t, hub).create('abc123', 'alice');
  assert.deepEqual(await within(told(master), 'the events'), [
    'bob joins, online', 'bob: bye', 'bob gone', 'bob joins, online']);
});

test('who is there when a handle begins has not joined, but in a channel that it has made', async (t) => {
  const hub = await FakeHub.start((peer, frame) => {
    if (frame.type === 'create' && peer.count === 1) {
      peer.terminate();
    } else if (frame.type === 'create' || frame.type === 'resume') {
      peer.send({ ...createdFor(frame), seq: 0, members: [entry('bob', 'online', 3)] });
      peer.send({ ...joins('eve', 4), joined: true });
      peer.send(done);
    }
  });
  t.after(() => hub.close());
  const master = await fakeClient(t, hub).create('abc123', 'alice');
  assert.deepEqual(await within(told(master), 'the events'), ['bob joins, online', 'eve joins, online']);
  assert.deepEqual(master.members.map(({ username, joined }) => [username, joined]), [['bob', true], ['eve', true]]);
  for (const enter of [(client) => client.resumeMaster({ ...master.ticket, last: 0 }), (client) => client.create('abc123', 'alice')]) {
    const another = await enter(fakeClient(t, hub));
    assert.deepEqual(await within(told(another), 'the events'), ['bob online', 'eve joins, online']);
  }
});
