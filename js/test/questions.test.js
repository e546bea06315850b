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
  assert.deepEqual(open(again), ['ready?']);
  await takes(again, 'not taken');
  assert.deepEqual(open(again), ['ready?', 'not taken']);
  await again.openRequests[0].reply('I am');
  assert.equal((await asked).text(), 'I am');
  await takes(again, 'nor this');
  await takes(again, 'after');
  assert.deepEqual(open(again), ['not taken', 'nor this']);
});

test('a resume gives all that is open, however much it is', async (t) => {
  const stage = await Stage.open(t);
  const master = await stage.client().create('abc123', 'alice');
  let slave = await stage.client().join('abc123', 'user_one');
  const questions = Array.from({ length: 30 }, (_, number) => `${number} ${'x'.repeat(16 << 10)}`);
  for (const question of questions) {
    asks(master.request('user_one', question));
    await takes(slave, question);
  }
  for (let round = 0; round < 3; round++) {
    slave = await stage.client().resumeSlave(slave.ticket);
    assert.deepEqual(open(slave), questions);
    await master.broadcast('live');
    await takes(slave, 'live');
  }
});

// A hub that asks again, one part on each connection: script(peer, resume, ask, count).
async function askingHub(t, script) {
  const hub = await FakeHub.start((peer, frame) => {
    if (frame.type === 'resume') {
      script(peer, frame, (...seqs) => seqs.forEach((seq) => peer.send({
        type: 'message', channel: 'abc123', from: 'alice', seq, request: seq, payload: { kind: 'bytes', bytes: new Uint8Array() },
      })));
    }
  });
  t.after(() => hub.close());
  return hub;
}

const ticket = { channel: 'abc123', username: 'user_one', role: 'slave', resume: 's', epoch: 1, last: 9 };
const asking = (frame) => ({ ...joinedFor(frame), epoch: 2, asks: true });
const asked = { type: 'asked', channel: 'abc123' };
const soon = (milliseconds = 30) => new Promise((resolve) => {
  setTimeout(resolve, milliseconds);
});

test('a resume waits for what is asked again, over lost connections', async (t) => {
  let last;
  const hub = await askingHub(t, (peer, frame, ask) => {
    assert.equal(frame.last, 9);
    peer.send(asking(frame));
    ask(2);
    if (peer.count < 3) {
      peer.close(4104);
    } else {
      last = () => {
        ask(5);
        peer.send(asked);
        ask(10);
      };
    }
  });
  let slave = null;
  const resumed = fakeClient(t, hub).resumeSlave(ticket).then((handle) => {
    slave = handle;
  });
  while (!last) {
    await soon();
  }
  await soon();
  assert.equal(slave, null);
  last();
  await within(resumed, 'the resume');
  assert.deepEqual(slave.openRequests.map(({ seq }) => seq), [2, 5]);
  assert.equal((await next(slave)).seq, 10);
});

test('a resume whose connection is lost has all where the next hub says that nothing is left', async (t) => {
  const hub = await askingHub(t, (peer, frame, ask) => {
    if (peer.count === 1) {
      peer.send(asking(frame));
      ask(2);
      peer.close(4104);
    } else {
      peer.send(joinedFor(frame));
    }
  });
  const slave = await within(fakeClient(t, hub).resumeSlave(ticket), 'the resume');
  assert.deepEqual(slave.openRequests.map(({ seq }) => seq), [2]);
});

test('a resume that is given up while it is asked again leaves the seat to the next one', async (t) => {
  const hub = await askingHub(t, (peer, frame) => peer.send(peer.count === 1 ? asking(frame) : joinedFor(frame)));
  const client = fakeClient(t, hub);
  const controller = new AbortController();
  const resumed = client.resumeSlave(ticket, { signal: controller.signal });
  while (hub.peers.length === 0) {
    await soon();
  }
  await soon();
  controller.abort();
  await assert.rejects(resumed, { name: 'AbortError' });
  const slave = await within(client.resumeSlave(ticket), 'the next resume');
  assert.equal(await within(hub.peers[0].closed, 'the end'), 4104);
  assert.equal(slave.state, 'online');
});

test('a membership that ends while it is asked again says so', async (t) => {
  const hub = await askingHub(t, (peer, frame) => {
    peer.send(asking(frame));
    peer.send({ type: 'closed', channel: 'abc123', code: 'kicked' });
  });
  const slave = await within(fakeClient(t, hub).resumeSlave(ticket), 'the resume');
  assert.equal(slave.error.code, 'kicked');
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
