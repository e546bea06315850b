import assert from 'node:assert/strict';
import { test } from 'node:test';

import { FakeHub, createdFor } from './support/fakehub.js';
import { Stage, fakeClient, happens, member, next } from './support/stage.js';

// What every member has, as stores of frameworks read it: the same until it changes.
const readings = ['members', 'master', 'attributes', 'masterAttributes', 'ticket', 'error', 'state', 'closed', 'username', 'timeout'];

test('what is read twice is the same, as long as nothing has changed', async (t) => {
  const stage = await Stage.open(t);
  const master = await stage.client().create('abc123', 'alice');
  const slave = await stage.client().join('abc123', 'user_one');
  await member(master, 'user_one', 'online');
  const same = () => {
    for (const handle of [master, slave]) {
      for (const name of readings) {
        assert.equal(handle[name], handle[name], name);
      }
    }
  };
  same();
  const { members, ticket } = master;
  await slave.send('hello');
  assert.equal((await next(master)).text(), 'hello');
  assert.equal(master.members, members);
  assert.notEqual(master.ticket, ticket);
  assert.equal(master.ticket.last, 1);
  same();
  await slave.leave();
  await master.close();
  assert.equal(master.state, 'closed');
  same();
});

test('the list of members is a new one at each change, before that is told', async (t) => {
  let peer;
  const hub = await FakeHub.start((of, frame) => {
    if (frame.type === 'create') {
      peer = of;
      of.send(createdFor(frame));
    }
  });
  const master = await fakeClient(t, hub).create('abc123', 'alice');
  const lists = [master.members];
  const seen = [];
  master.addEventListener('member', () => seen.push(master.members));
  for (const [username, state] of [['two', 'online'], ['one', 'online'], ['two', 'away'], ['two', 'left']]) {
    const told = happens(master, 'member');
    peer.send({ type: 'presence', channel: 'abc123', username, role: 'slave', state });
    await told;
    assert.ok(!lists.includes(master.members));
    lists.push(master.members);
  }
  assert.deepEqual(lists.map((list) => list.map(({ username, state }) => `${username} ${state}`)),
    [[], ['two online'], ['one online', 'two online'], ['one online', 'two away'], ['one online']]);
  assert.deepEqual(seen, lists.slice(1));
  assert.ok(lists.every(Object.isFrozen));
});
