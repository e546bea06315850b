import assert from 'node:assert/strict';
import { test } from 'node:test';

import { KnockEvent, RefusedError } from '../lectern.js';
import { Stage, happens, member, next, refused, within } from './support/stage.js';

/** knocks resolves with the knock of that name, whenever it comes. */
async function knocks(master, username) {
  const known = master.knocks.find((knock) => knock.username === username);
  return known ?? (await happens(master, 'knock', ({ knock }) => !knock.over && knock.username === username)).knock;
}

/** joining is a join under way, with what it was told. */
function joining(client, channel, username, options = {}) {
  const told = [];
  const promise = client.join(channel, username, { onwaiting: (waiting) => told.push(waiting), ...options });
  promise.catch(() => {});
  return { promise, told };
}

test('who knocks is let in, or not', async (t) => {
  const stage = await Stage.open(t);
  const master = await stage.client().create('abc123', 'alice', { door: 'knock' });
  assert.equal(master.door, 'knock');
  const bob = joining(stage.client(), 'abc123', 'bob', { attributes: { class: '7b' } });
  const event = await happens(master, 'knock');
  assert.ok(event instanceof KnockEvent);
  const { knock } = event;
  assert.ok(Object.isFrozen(knock));
  assert.deepEqual([knock.username, knock.over, knock.attributes.get('class').text()], ['bob', false, '7b']);
  assert.deepEqual(master.knocks, [knock]);
  const over = happens(master, 'knock');
  await master.admit(knock.number);
  const slave = await bob.promise;
  assert.deepEqual([(await over).knock.number, (await over).knock.over], [knock.number, true]);
  assert.deepEqual(master.knocks, []);
  assert.deepEqual(bob.told.map((waiting) => [waiting.for, waiting.master.username, waiting.master.state]), [['door', 'alice', 'online']]);
  await member(master, 'bob', 'online');
  await slave.send('hello');
  assert.equal((await next(master)).text(), 'hello');

  const eve = joining(stage.client(), 'abc123', 'eve');
  await master.deny((await knocks(master, 'eve')).number, 'who are you?');
  await refused(eve.promise, 'denied', RefusedError);
  await assert.rejects(eve.promise, /who are you/);
  await refused(master.admit(knock.number), 'no_such_slave', RefusedError);
  const kim = joining(stage.client(), 'abc123', 'kim');
  await knocks(master, 'kim');
  await master.setDoor('locked');
  await refused(kim.promise, 'locked', RefusedError);
  await master.setDoor('open');
  assert.equal(master.door, 'open');
  await stage.client().join('abc123', 'kim');
  await assert.rejects(master.setDoor('ajar'), TypeError);
  await assert.rejects(master.setDoor(), TypeError);
  await assert.rejects(master.admit('bob'), TypeError);
  await assert.rejects(stage.client().join('abc123', 'x', { onwaiting: 7 }), TypeError);
});

test('who waits for a channel comes to its door', async (t) => {
  const stage = await Stage.open(t);
  const told = [];
  let isTold;
  const waits = new Promise((resolve) => {
    isTold = resolve;
  });
  const bob = stage.client().join('abc123', 'bob', {
    wait: true,
    onwaiting: (waiting) => {
      told.push(waiting);
      isTold();
    },
  });
  await within(waits, 'that it waits');
  assert.deepEqual(told.map((waiting) => [waiting.for, waiting.master]), [['master', null]]);
  await refused(stage.client().join('abc123', 'eve'), 'no_such_channel', RefusedError);
  const master = await stage.client().create('abc123', 'alice', { door: 'knock' });
  const { number } = await knocks(master, 'bob');
  assert.deepEqual(master.members, []);
  await master.admit(number);
  await bob;
  assert.equal(told.at(-1).for, 'door');
});

test('a signal takes the knock back, and the next one of the client waits for that', async (t) => {
  const stage = await Stage.open(t);
  const client = stage.client();
  const controller = new AbortController();
  const master = await stage.client().create('abc123', 'alice', { door: 'knock' });
  const bob = joining(client, 'abc123', 'bob', { signal: controller.signal });
  const first = await knocks(master, 'bob');
  const over = happens(master, 'knock', ({ knock }) => knock.over);
  controller.abort();
  await assert.rejects(bob.promise, { name: 'AbortError' });
  assert.equal((await over).knock.number, first.number);
  const again = joining(client, 'abc123', 'bob');
  const second = await knocks(master, 'bob');
  assert.ok(second.number > first.number);
  await master.close();
  await refused(again.promise, 'master_left');
});

test('a switch stays where it is until it is in', async (t) => {
  const stage = await Stage.open(t);
  const old = await stage.client().create('old', 'alice');
  const slave = await stage.client().join('old', 'bob');
  const master = await stage.client().create('new', 'carol', { door: 'knock' });
  const controller = new AbortController();
  const given = slave.switch('new', { signal: controller.signal });
  await knocks(master, 'bob');
  const over = happens(master, 'knock', ({ knock }) => knock.over);
  controller.abort();
  await assert.rejects(given, { name: 'AbortError' });
  await over;
  const switched = slave.switch('new');
  const { number } = await knocks(master, 'bob');
  await slave.send('still here');
  assert.equal((await next(old)).text(), 'still here');
  const left = happens(old, 'member', ({ presence }) => presence.state === 'gone');
  await master.admit(number);
  const moved = await switched;
  await left;
  assert.equal(moved.channel, 'new');
  assert.equal(slave.error.code, 'left');
});

test('a list in the place of what was known', async () => {
  const { Door } = await import('../src/door.js');
  const told = [];
  const door = new Door((knock) => told.push([knock.number, knock.over]));
  door.listed({ door: 'knock', knocks: [{ knock: 3, username: 'bob' }, { knock: 4, username: 'eve' }] });
  door.listed({ door: 'knock', knocks: [{ knock: 4, username: 'eve' }, { knock: 5, username: 'bob' }] });
  door.knocked({ knock: 5, username: 'bob', on: true });
  door.knocked({ knock: 9, username: 'x', on: false });
  assert.deepEqual(told, [[3, false], [4, false], [3, true], [5, false]]);
  assert.deepEqual(door.knocks.map(({ number }) => number), [4, 5]);
  for (let knock = 6; knock < 600; knock++) {
    door.knocked({ knock, username: `n${knock}`, on: true });
  }
  assert.equal(door.knocks.length, 256);
  door.listed({});
  assert.deepEqual([door.mode, door.knocks], ['open', []]);
});
