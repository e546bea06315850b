import assert from 'node:assert/strict';
import { test } from 'node:test';

import { FakeHub, createdFor, joinedFor } from './support/fakehub.js';
import { Stage, all, fakeClient, happens, inState, member, next, refused, within } from './support/stage.js';

test('a resume that is given up ends nothing', async (t) => {
  const stage = await Stage.open(t);
  const slave = await stage.client().create('abc123', 'alice').then(() => stage.client().join('abc123', 'user_one'));
  const { relay, client } = await stage.far();
  const other = await client.create('abc124', 'bob');
  const { ticket } = await (await stage.far()).client.create('abc125', 'carol');
  const controller = new AbortController();
  relay.stall();
  const resuming = client.resumeMaster(ticket, { signal: controller.signal });
  controller.abort();
  await assert.rejects(resuming, { name: 'AbortError' });
  const lost = happens(other, 'state');
  relay.stall(false);
  // The connection is given up, so that the membership is away, and the other comes back.
  assert.equal((await lost).state, 'reconnecting');
  await inState(other, 'online');
  const again = await stage.client().resumeMaster(ticket);
  assert.equal((await again.broadcast('still here')).seq, 1);
  assert.equal(slave.state, 'online');
});

test('a join that was given up does not undo the next one', async (t) => {
  const stage = await Stage.open(t);
  const master = await stage.client().create('abc123', 'alice');
  const { relay, client } = await stage.far();
  await client.create('abc124', 'bob'); // so that there is a connection
  relay.stall();
  const controller = new AbortController();
  const first = client.join('abc123', 'user_one', { signal: controller.signal });
  controller.abort();
  await assert.rejects(first, { name: 'AbortError' });
  const second = client.join('abc123', 'user_one');
  relay.stall(false);
  const slave = await within(second, 'the join');
  assert.equal((await slave.send('here')).seq, 1);
  assert.equal((await next(master)).text(), 'here');
  await member(master, 'user_one', 'online');
});

test('a request is withdrawn though the window is full', async (t) => {
  let withdrawn;
  const told = new Promise((resolve) => {
    withdrawn = resolve;
  });
  const hub = await FakeHub.start((peer, frame) => {
    if (frame.type === 'join') {
      peer.send(joinedFor(frame));
    } else if (frame.type === 'send' && frame.asks) {
      peer.send({ type: 'ack', ref: frame.ref, seq: 7 });
    } else if (frame.type === 'withdraw') {
      withdrawn(frame);
    }
  });
  const slave = await fakeClient(t, hub).join('abc123', 'user_one');
  const controller = new AbortController();
  const asked = slave.request('well?', { signal: controller.signal });
  const waiting = Array.from({ length: 32 }, () => slave.send('no answer to this').catch(() => {}));
  setTimeout(() => controller.abort());
  await assert.rejects(asked, { name: 'AbortError' });
  const frame = await within(told, 'the withdrawal');
  assert.equal(frame.request, 7);
  assert.ok(frame.ref > 0, 'so that it is sent again');
  assert.equal(waiting.length, 32);
});

test('many gaps ask the hub one question at a time', async (t) => {
  const questions = [];
  const hub = await FakeHub.start((peer, frame) => {
    const { type, ref, channel, request } = frame;
    if (type === 'create') {
      peer.send({ ...createdFor(frame), members: [{ username: 'one', state: 'online' }] });
    } else if (type === 'send') {
      peer.send({ type: 'ack', ref, seq: 1 });
      for (let gap = 0; gap < 10; gap++) {
        peer.send({ type: 'gap', channel, missed: 1 });
      }
    } else if (type === 'awaiting') {
      questions.push(ref);
      const members = questions.length === 1 ? [{ username: 'one', state: 'online' }] : [];
      peer.send({ type: 'awaiting', ref, channel, request, members });
    }
  });
  const master = await fakeClient(t, hub).create('abc123', 'alice');
  await refused(master.request('one', 'well?'), 'gap');
  assert.equal(questions.length, 2);
});

test('a hub that does not tell at present who is to answer is asked again', async (t) => {
  let questions = 0;
  const hub = await FakeHub.start((peer, frame) => {
    const { type, ref, channel, request } = frame;
    const members = [{ username: 'one', state: 'online' }];
    if (type === 'create') {
      peer.send({ ...createdFor(frame), members });
    } else if (type === 'send') {
      peer.send({ type: 'ack', ref, seq: 1 });
      peer.send({ type: 'gap', channel, missed: 1 });
    } else if (type === 'awaiting' && ++questions === 1) {
      peer.send({ type: 'error', ref, channel, code: 'rate_limited' });
    } else if (type === 'awaiting') {
      peer.send({ type: 'awaiting', ref, channel, request, members: [] });
    }
  });
  const master = await fakeClient(t, hub).create('abc123', 'alice');
  assert.deepEqual(await within(all(master.gather('well?')), 'the part'), [['one', 'gap']]);
  assert.equal(questions, 2);
});

test('a gather that ends before the hub has told who was asked says so', async (t) => {
  const controller = new AbortController();
  const hub = await FakeHub.start((peer, frame) => {
    if (frame.type === 'create' || frame.type === 'resume') {
      peer.send({ ...createdFor(frame), members: [{ username: 'one', state: 'online' }] });
    } else if (frame.type === 'send' && peer.count === 1) {
      peer.terminate();
    } else if (frame.type === 'send') {
      peer.send({ type: 'ack', ref: frame.ref, seq: 1 });
    } else if (frame.type === 'awaiting') {
      controller.abort(new Error('time is up'));
    }
  });
  const master = await fakeClient(t, hub).create('abc123', 'alice');
  const parts = [];
  for await (const { from, message, error } of master.gather('well?', { signal: controller.signal })) {
    parts.push([from, message, error.message]);
  }
  assert.deepEqual(parts, [['', null, 'time is up']]);
});

test('the requests of a page that was loaded again are not open any more', async (t) => {
  const stage = await Stage.open(t);
  const master = await stage.client().create('abc123', 'alice');
  const { relay, client } = await stage.far();
  const slave = await client.join('abc123', 'user_one');
  const asked = slave.request('well?').catch(() => {});
  const question = await next(master);
  const { ticket } = slave;
  relay.bar();
  await member(master, 'user_one', 'away');
  const page = stage.client();
  for (let i = 0; i < 10; i++) {
    await page.status('abc123'); // as it may, before it knows what to come back to
  }
  const again = await page.resumeSlave(ticket);
  await refused(question.reply('yes'), 'no_such_request');
  assert.equal((await again.send('anew')).seq, 2);
  await client.close();
  await asked;
});
