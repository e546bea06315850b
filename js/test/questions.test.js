import assert from 'node:assert/strict';
import { test } from 'node:test';

import { FakeHub, joinedFor } from './support/fakehub.js';
import { Stage, fakeClient, member, next, refused, within } from './support/stage.js';
import { Storage } from './support/storage.js';

const open = (handle) => handle.openRequests.map((message) => message.text());

// asks sends a request of which nobody wants the answer here.
const asks = (promise) => {
  promise.catch(() => {});
};

async function takes(handle, text) {
  const message = await next(handle);
  assert.equal(message.text(), text);
  return message;
}

test('what was asked is open from when it was taken until it was answered', async (t) => {
  const stage = await Stage.open(t);
  const master = await stage.client().create('abc123', 'alice');
  const one = await stage.client().join('abc123', 'one');
  const two = await stage.client().join('abc123', 'two');
  const answer = one.request('first');
  const controller = new AbortController();
  asks(one.request('second', { signal: controller.signal }));
  asks(one.request('third'));
  await one.send('done');
  asks(two.request('fourth'));
  await two.send('done');
  assert.deepEqual(open(master), []);
  assert.equal(master.openRequests, master.openRequests, 'the same list until it changes');
  await takes(master, 'first');
  const read = master.openRequests;
  assert.deepEqual(open(master), ['first']);
  await takes(master, 'second');
  assert.notEqual(master.openRequests, read);
  await takes(master, 'third');
  await takes(master, 'done');
  await takes(master, 'fourth');
  await master.openRequests[0].reply('yes');
  assert.equal((await answer).text(), 'yes');
  assert.deepEqual(open(master), ['second', 'third', 'fourth']);
  controller.abort();
  await one.send('withdrawn');
  await refused(master.openRequests[0].reply('late'), 'no_such_request');
  await master.openRequests[0].decline('no');
  assert.deepEqual(open(master), ['fourth']);
  const gone = member(master, 'two', 'gone');
  await two.leave();
  await within(gone, 'the leave');
  assert.deepEqual(open(master), []);
  asks(master.request('one', 'and you?'));
  await takes(one, 'and you?');
  assert.deepEqual(open(one), ['and you?']);
  await one.leave();
  assert.deepEqual(open(one), []);
});

test('a page that is loaded again has what it has taken and not answered, and not as an event', async (t) => {
  const stage = await Stage.open(t);
  const master = await stage.client().create('abc123', 'alice');
  const storage = new Storage();
  const slave = await stage.client({ storage }).join('abc123', 'user_one');
  const asked = master.request('user_one', 'ready?');
  await takes(slave, 'ready?');
  asks(master.request('user_one', 'not taken'));
  asks(master.request('user_one', 'nor this'));
  await master.broadcast('after');
  const { slaves: [again] } = await stage.client({ storage }).restore();
  await takes(again, 'not taken');
  assert.deepEqual(open(again), ['ready?', 'not taken']);
  await again.openRequests[0].reply('I am');
  assert.equal((await asked).text(), 'I am');
  await takes(again, 'nor this');
  await takes(again, 'after');
  assert.deepEqual(open(again), ['not taken', 'nor this']);
});

test('of more than the inbox has room for the oldest are forgotten', async (t) => {
  const text = (value) => ({ kind: 'text', bytes: new TextEncoder().encode(value) });
  const hub = await FakeHub.start((peer, frame) => {
    if (frame.type === 'resume') {
      peer.send(joinedFor(frame));
      const question = (seq, value) => peer.send({
        type: 'message', channel: 'abc123', from: 'alice', seq, request: seq, payload: text(value),
      });
      [5, 2, 9, 2, 7].forEach((seq) => question(seq, String(seq))); // 2 comes twice
      question(8, 'x'.repeat(1000));
      peer.send({ type: 'message', channel: 'abc123', from: 'alice', seq: 10, payload: text('new') });
    }
  });
  t.after(() => hub.close());
  const client = fakeClient(t, hub, { inbox: { messages: 3, bytes: 1150 } });
  const slave = await client.resumeSlave({ channel: 'abc123', username: 'user_one', role: 'slave', resume: 's', epoch: 1, last: 9 });
  await takes(slave, 'new');
  assert.deepEqual(slave.openRequests.map(({ seq }) => seq), [8, 9]);
});
