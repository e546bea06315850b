import assert from 'node:assert/strict';
import { test } from 'node:test';

import { ClosedError, UnknownOutcomeError } from '../lectern.js';
import { FakeHub, createdFor, joinedFor } from './support/fakehub.js';
import { Stage, fakeClient, inState, member, next, refused, seqs, texts, within } from './support/stage.js';
import { Storage } from './support/storage.js';

test('who detaches keeps the seats, and another client goes on where it stood', async (t) => {
  const stage = await Stage.open(t);
  const master = await stage.client().create('abc123', 'alice');
  const storage = new Storage();
  const client = stage.client({ storage, storageKey: 'kept' });
  const own = await client.create('own', 'ada');
  const guest = await stage.client().join('own', 'user_one');
  const slave = await client.join('abc123', 'ada');
  await master.broadcast('one');
  await master.broadcast('two');
  assert.equal((await next(slave)).text(), 'one');

  const tickets = JSON.parse(JSON.stringify(await within(client.detach(), 'the tickets')));
  assert.deepEqual(tickets.map(({ channel, username, role }) => [channel, username, role]), [
    ['abc123', 'ada', 'slave'], ['own', 'ada', 'master'],
  ]);
  assert.ok(own.error instanceof ClosedError);
  assert.deepEqual([own.error.code, slave.error.code, slave.state], ['detached', 'detached', 'closed']);
  await member(master, 'ada', 'away');
  assert.deepEqual(Object.keys(JSON.parse(storage.getItem('kept'))).sort(), ['abc123', 'own']);
  for await (const message of slave) {
    assert.fail(`what was not taken is for who goes on: ${message.text()}`);
  }
  await refused(slave.send('no more'), 'detached', ClosedError);
  await refused(client.join('abc124', 'ada'), 'detached');
  await assert.rejects(client.detach(), { code: 'connection' });
  await client.close();

  const other = stage.client();
  const again = await other.resumeSlave(tickets[0]);
  assert.equal((await next(again)).text(), 'two');
  await member(master, 'ada', 'online');
  const owner = await other.resumeMaster(tickets[1]);
  assert.equal((await owner.broadcast('here again')).seq, 1);
  assert.equal((await next(guest)).text(), 'here again');
});

test('what was sent is answered before a client is detached, and nothing new is begun', async (t) => {
  const stage = await Stage.open(t);
  const master = await stage.client().create('abc123', 'alice');
  await stage.client().create('abc124', 'bob');
  const client = stage.client();
  const slave = await client.join('abc123', 'ada');
  const sends = Array.from({ length: 50 }, (_, index) => slave.send(String(index)));
  const joining = client.join('abc124', 'ada');
  const detaching = client.detach();
  await refused(joining, 'detached');
  await refused(slave.send('late'), 'detached');
  assert.deepEqual(await within(Promise.all(sends), 'the answers').then(seqs), sends.map((_, index) => index + 1));
  const tickets = await detaching;
  assert.deepEqual(tickets.map(({ channel }) => channel), ['abc123']);
  assert.equal((await texts(master, 50)).at(-1), '49');
  // What was being entered is left.
  assert.equal((await stage.client().join('abc124', 'ada')).state, 'online');
});

test('a client that cannot reach its hub is detached in time, and what became of its sends is not known', async (t) => {
  const stage = await Stage.open(t);
  await stage.client().create('abc123', 'alice');
  const { relay, client } = await stage.far({ closeTimeout: 50 });
  const slave = await client.join('abc123', 'ada');
  relay.lose('down');
  const written = slave.send('on its way').catch((error) => error);
  const tickets = await within(client.detach(), 'the tickets');
  assert.equal(tickets.length, 1);
  assert.ok(await written instanceof UnknownOutcomeError);
  relay.bar();
  const again = await stage.client().resumeSlave(tickets[0]);
  assert.equal(again.state, 'online');
});

test('a client that is not connected is detached, and one that has nothing', async (t) => {
  const stage = await Stage.open(t);
  assert.deepEqual(await stage.client().detach(), []);
  await stage.client().create('abc123', 'alice');
  const { relay, client } = await stage.far();
  const slave = await client.join('abc123', 'ada');
  relay.bar();
  await inState(slave, 'reconnecting');
  const [ticket] = await within(client.detach(), 'the tickets');
  assert.deepEqual(ticket, slave.ticket);
  assert.equal(slave.error.code, 'detached');
});

test('what is being left is no seat, and a switch under way is given up', async (t) => {
  const left = [];
  const hub = await FakeHub.start((peer, frame) => {
    const { type, ref, channel } = frame;
    if (type === 'create') {
      peer.send(createdFor(frame));
    } else if (type === 'join' && frame.from) {
      setTimeout(() => peer.send(joinedFor(frame)), 20);
    } else if (type === 'join') {
      peer.send(joinedFor(frame));
    } else if (type === 'leave') {
      left.push(channel);
      setTimeout(() => peer.send({ type: 'left', ref, channel }), 20);
    }
  });
  const client = fakeClient(t, hub);
  const one = await client.join('one', 'ada');
  const two = await client.join('two', 'ada');
  await client.create('three', 'ada');
  const leaving = one.leave();
  const switching = two.switch('four');
  const detaching = client.detach();
  await refused(switching, 'detached');
  const tickets = await within(detaching, 'the tickets');
  await leaving;
  assert.deepEqual(tickets.map(({ channel }) => channel), ['three']);
  assert.deepEqual(left, ['one', 'four']);
  assert.equal(one.error.code, 'left');
});
