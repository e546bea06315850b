import assert from 'node:assert/strict';
import { test } from 'node:test';

import { CountsEvent } from '../lectern.js';
import { FakeHub, createdFor } from './support/fakehub.js';
import { Stage, all, fakeClient, happens, next, within } from './support/stage.js';

const CHANNEL = 'abc123';
const entry = (number, state = 'online', username = `user_${number}`) => ({ username, state, number });
const page = (members, rest = {}) => ({ type: 'members', channel: CHANNEL, members, ...rest });
const joins = (number, username = `user_${number}`) => ({
  type: 'presence', channel: CHANNEL, username, role: 'slave', state: 'online', number, joined: true,
});

const names = ({ members }) => members.map(({ username, state }) => `${username} ${state}`);

test('a list in pages stands for the changes when its last page is there', async (t) => {
  let peer;
  const hub = await FakeHub.start((one, frame) => {
    if (frame.type === 'create') {
      assert.equal(frame.roster, 'pages');
      peer = one;
      [createdFor(frame), joins(1), joins(2), joins(3), joins(5)].forEach(one.send);
    }
  });
  t.after(() => hub.close());
  const master = await fakeClient(t, hub).create(CHANNEL, 'alice');
  const seen = [];
  master.addEventListener('member', ({ presence: { username, state, joined } }) => seen.push(`${username}${joined ? ' joins' : ''} ${state}`));
  const told = async (until) => {
    while (seen.at(-1) !== until) {
      await happens(master, 'member');
    }
    return seen.splice(0);
  };
  await told('user_5 joins online');

  peer.send(page([entry(1), entry(3, 'away')], { more: true, online: 2, away: 1 }));
  assert.deepEqual(await told('user_3 away'), ['user_3 away']);
  assert.deepEqual(names(master), ['user_1 online', 'user_2 online', 'user_3 away', 'user_5 online'], 'who is missing is not known yet');
  peer.send({ type: 'presence', channel: CHANNEL, username: 'user_1', role: 'slave', state: 'left', reason: 'left' });
  peer.send(page([entry(7, 'online', 'user_5')], { after: 3 }));
  assert.deepEqual(await told('user_2 gone'), ['user_1 gone', 'user_5 gone', 'user_5 joins online', 'user_2 gone']);
  assert.deepEqual(names(master), ['user_3 away', 'user_5 online']);
  assert.deepEqual(master.counts, { online: 1, away: 1 });
  assert.equal(master.counts, master.counts);

  // One that begins anew stands for the one before, of which the end never came.
  peer.send(page([entry(9, 'online', 'user_9')], { more: true }));
  peer.send(page([entry(3)], { more: true }));
  peer.send(page([entry(10)], { after: 3 }));
  assert.deepEqual((await told('user_9 gone')).sort(), ['user_10 joins online', 'user_3 online', 'user_5 gone', 'user_9 gone', 'user_9 joins online']);
  assert.deepEqual(names(master), ['user_10 online', 'user_3 online']);
});

test('a ticket leads back when all pages are there, over whatever connection', async (t) => {
  const sent = [];
  const hub = await FakeHub.start((peer, frame) => {
    if (frame.type === 'resume') {
      sent.push(frame.roster);
      peer.send({ ...createdFor(frame), epoch: 2, members: [entry(1)], more: true, online: 2 });
      if (peer.count === 1) {
        peer.close(4101);
        return;
      }
      peer.send(page([entry(2)], { after: 1 }));
    }
  });
  t.after(() => hub.close());
  const ticket = { channel: CHANNEL, username: 'alice', role: 'master', resume: 's', epoch: 1, last: 0 };
  const master = await within(fakeClient(t, hub).resumeMaster(ticket), 'the handle');
  assert.deepEqual(names(master), ['user_1 online', 'user_2 online']);
  assert.deepEqual(sent, ['pages', 'pages']);
});

test('who is still to answer is asked page by page', async (t) => {
  let asked = [];
  const hub = await FakeHub.start((peer, frame) => {
    const { ref, type } = frame;
    if (type === 'create') {
      peer.send(createdFor(frame));
      [1, 2, 3].forEach((number) => peer.send(joins(number)));
    } else if (type === 'send') {
      peer.send({ type: 'ack', ref, seq: 4 });
      peer.send({ type: 'gap', channel: CHANNEL, missed: 1, seq: 1 });
    } else if (type === 'awaiting') {
      asked.push([frame.after ?? 0, frame.limit]);
      if (frame.after === undefined) {
        peer.send({ type, ref, channel: CHANNEL, request: 4, members: [entry(2)], more: true });
        return;
      }
      // One that was in a page answers before the next one comes.
      peer.send({ type: 'message', channel: CHANNEL, from: 'user_2', seq: 2, reply: 4, payload: { kind: 'text', bytes: new TextEncoder().encode('two') } });
      peer.send({ type, ref, channel: CHANNEL, request: 4, members: [entry(3)], after: frame.after });
      peer.send({ type: 'message', channel: CHANNEL, from: 'user_3', seq: 3, reply: 4, payload: { kind: 'text', bytes: new TextEncoder().encode('three') } });
    }
  });
  t.after(() => hub.close());
  const master = await fakeClient(t, hub).create(CHANNEL, 'alice');
  const parts = await within(all(master.gather('who is there?')), 'the parts');
  assert.deepEqual(parts, [['user_1', 'gap'], ['user_2', 'two'], ['user_3', 'three']]);
  assert.deepEqual(asked, [[0, 1024], [2, 1024]]);
});

test('a master that counts its slaves is told how many there are, and asks who', async (t) => {
  const stage = await Stage.open(t);
  const client = stage.client({ countSlaves: true });
  const master = await client.create(CHANNEL, 'alice');
  assert.deepEqual(master.counts, { online: 0, away: 0 });
  master.addEventListener('member', ({ presence }) => assert.fail(`told of ${presence.username}`));
  const two = happens(master, 'counts', (event) => event instanceof CountsEvent && event.counts.online === 2);
  const slaves = {};
  for (const name of ['zoe', 'ada']) {
    slaves[name] = await stage.client().join(CHANNEL, name);
  }
  await two;
  assert.deepEqual(master.counts, { online: 2, away: 0 });
  assert.equal(master.counts, master.counts);
  assert.deepEqual(master.members, []);
  const there = [];
  for await (const { username, state, role } of master.allMembers()) {
    there.push([username, state, role]);
  }
  assert.deepEqual(there, [['zoe', 'online', 'slave'], ['ada', 'online', 'slave']]);
  await slaves.ada.send('hello');
  assert.equal((await next(master)).from, 'ada');

  // Each who was asked has a part: the answer of one, and that the other one has left.
  let parts;
  const asked = within(new Promise((resolve) => {
    parts = within(all(master.gather('who is there?', { asked: resolve })), 'the parts');
  }), 'who is asked');
  const question = await next(slaves.zoe);
  assert.deepEqual((await asked).sort(), ['ada', 'zoe']);
  await slaves.ada.leave();
  await question.reply('me');
  assert.deepEqual(await parts, [['ada', 'no_such_slave'], ['zoe', 'me']]);
  if (master.counts.online !== 1) {
    await happens(master, 'counts', ({ counts }) => counts.online === 1);
  }
});
