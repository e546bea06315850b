import assert from 'node:assert/strict';
import { test } from 'node:test';

import { FakeHub, createdFor } from './support/fakehub.js';
import { Stage, fakeClient, next, within } from './support/stage.js';

for (const kind of ['messages', 'events']) {
  test(`the return of ${kind} ends a next that is pending, and what comes later is not swallowed`, async (t) => {
    const stage = await Stage.open(t);
    const master = await stage.client().create('abc123', 'alice');
    const slave = await stage.client().join('abc123', 'user_one');
    const iterator = slave[kind]({ signal: new AbortController().signal });
    const pending = [iterator.next(), iterator.next()];
    assert.deepEqual(await within(iterator.return('over'), 'the return'), { done: true, value: 'over' });
    for (const each of pending) {
      assert.deepEqual(await within(each, 'the pending next'), { done: true, value: undefined });
    }
    assert.deepEqual(await iterator.next(), { done: true, value: undefined });
    await master.broadcast('hello');
    assert.equal((await next(slave)).text(), 'hello');
    assert.equal(iterator[Symbol.asyncIterator](), iterator);
  });
}

test('a message that is there when the iteration ends is given or stays', async (t) => {
  const stage = await Stage.open(t);
  const master = await stage.client().create('abc123', 'alice');
  const slave = await stage.client().join('abc123', 'user_one');
  await slave.send('one');
  const iterator = master.messages();
  const taken = iterator.next();
  await within(iterator.return(), 'the return');
  const { done, value } = await taken;
  assert.equal((done ? await next(master) : value).text(), 'one');
});

for (const when of ['before', 'after']) {
  test(`the return of gather ends a next that is pending, ${when} the hub has accepted the question`, async (t) => {
    let asked;
    let withdrawn;
    const asking = new Promise((resolve) => {
      asked = resolve;
    });
    const withdrawing = new Promise((resolve) => {
      withdrawn = resolve;
    });
    const hub = await FakeHub.start((peer, frame) => {
      if (frame.type === 'create') {
        peer.send(createdFor(frame));
        peer.send({ type: 'presence', channel: 'abc123', username: 'one', role: 'slave', state: 'online' });
      } else if (frame.type === 'send') {
        const accept = () => peer.send({ type: 'ack', ref: frame.ref, seq: 7, slaves: 1 });
        if (when === 'after') {
          accept();
        }
        asked(accept);
      } else if (frame.type === 'withdraw') {
        withdrawn(frame.request);
      } else if (frame.type === 'away') {
        peer.send({ type: 'ack', ref: frame.ref });
      }
    });
    const master = await fakeClient(t, hub).create('abc123', 'alice');
    const iterator = master.gather('ready?');
    const pending = iterator.next();
    const accept = await asking;
    if (when === 'after') {
      await master.away(); // its answer is behind the acknowledgement
    }
    assert.equal((await within(iterator.return(), 'the return')).done, true);
    assert.deepEqual(await within(pending, 'the pending next'), { done: true, value: undefined });
    if (when === 'before') {
      accept();
    }
    assert.equal(await within(withdrawing, 'the withdrawal'), 7);
  });
}
