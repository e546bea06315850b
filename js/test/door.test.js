import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

import { KnockEvent, RefusedError } from '../lectern.js';
import { FakeHub, joinedFor } from './support/fakehub.js';
import { Stage, fakeClient, happens, inState, member, next, refused, within } from './support/stage.js';
import { Storage } from './support/storage.js';

/** knocks resolves with the knock of that name, whenever it comes. */
async function knocks(master, username) {
  const known = master.knocks.find((knock) => knock.username === username);
  return known ?? (await happens(master, 'knock', ({ knock }) => !knock.over && knock.username === username)).knock;
}

/** joining is a join under way, with what it was told. times resolves when it was told so often that it waits. */
function joining(client, channel, username, options = {}) {
  const told = [];
  let look = () => {};
  const onwaiting = (waiting) => {
    told.push(waiting);
    look();
  };
  const promise = client.join(channel, username, { onwaiting, ...options });
  promise.catch(() => {});
  const times = (count) => within(new Promise((resolve) => {
    look = () => told.length >= count && resolve();
    look();
  }), `that ${username} waits, ${count} times`);
  return { promise, told, times };
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

test('a lost connection takes the knock with it, and the client knocks on the next one, however often that is', async (t) => {
  const stage = await Stage.open(t);
  const { relay, client } = await stage.far();
  const master = await stage.client().create('abc123', 'alice', { door: 'knock' });
  const bob = joining(client, 'abc123', 'bob', { attributes: { class: '7b' } });
  const numbers = [(await knocks(master, 'bob')).number];
  joining(stage.client(), 'abc123', 'eve');
  await knocks(master, 'eve');
  for (let count = 0; count < 5; count++) {
    const over = happens(master, 'knock', ({ knock }) => knock.over);
    relay.bar();
    assert.equal((await over).knock.number, numbers.at(-1));
    relay.bar(false);
    const { number, attributes } = await knocks(master, 'bob');
    assert.equal(attributes.get('class').text(), '7b');
    numbers.push(number);
  }
  await bob.times(numbers.length);
  assert.deepEqual(numbers, [...new Set(numbers)].sort((one, other) => one - other));
  assert.deepEqual(master.knocks.map(({ username }) => username), ['eve', 'bob'], 'it stands at the end');
  await refused(master.admit(numbers[0]), 'no_such_slave', RefusedError);
  await master.admit(numbers.at(-1));
  const slave = await within(bob.promise, 'the join');
  await slave.send('hello');
  assert.equal((await next(master)).text(), 'hello');
});

test('who waits for a channel that is made while the connection is lost comes to its door', async (t) => {
  const stage = await Stage.open(t);
  const { relay, client } = await stage.far();
  const bob = joining(client, 'abc123', 'bob', { wait: true });
  await bob.times(1);
  const attempt = relay.attempt();
  relay.bar();
  await within(attempt, 'an attempt to come back');
  const master = await stage.client().create('abc123', 'alice', { door: 'knock' });
  relay.bar(false);
  const { number } = await knocks(master, 'bob');
  await bob.times(2);
  assert.deepEqual(bob.told.map((waiting) => waiting.for), ['master', 'door']);
  await master.admit(number);
  assert.equal((await within(bob.promise, 'the join')).master.username, 'alice');
});

test('where the hub has not noticed the loss, who waits keeps the place', async (t) => {
  const stage = await Stage.open(t);
  const { relay, client } = await stage.far({ silence: 50, patience: 50 });
  const master = await stage.client().create('abc123', 'alice', { door: 'knock' });
  const bob = joining(client, 'abc123', 'bob');
  const { number } = await knocks(master, 'bob');
  joining(stage.client(), 'abc123', 'eve');
  await knocks(master, 'eve');
  const told = [];
  master.addEventListener('knock', ({ knock }) => told.push(knock));
  relay.strand();
  await bob.times(2);
  await master.setDoor('knock'); // behind all that the hub had to tell by then
  assert.deepEqual(told, []);
  assert.deepEqual(master.knocks.map(({ username }) => username), ['bob', 'eve']);
  await master.admit(number);
  const slave = await within(bob.promise, 'the join');
  await master.send('bob', 'welcome');
  assert.equal((await next(slave)).text(), 'welcome');
});

test('a master that comes back has those who wait, and is told who has come and gone', async (t) => {
  const stage = await Stage.open(t);
  const storage = new Storage();
  const kept = { storage, storageKey: 'kept' };
  const { relay, client } = await stage.far(kept);
  const master = await client.create('abc123', 'alice', { door: 'knock' });
  const ann = joining(stage.client(), 'abc123', 'ann', { attributes: { class: '7b' } });
  const first = await knocks(master, 'ann');
  const [guest, gone] = [stage.client(), new AbortController()];
  const left = joining(guest, 'abc123', 'bob', { signal: gone.signal });
  const second = await knocks(master, 'bob');
  const told = [];
  master.addEventListener('knock', ({ knock }) => told.push([knock.number, knock.username, knock.over]));
  relay.bar();
  await inState(master, 'reconnecting');
  gone.abort(new Error('enough'));
  await assert.rejects(left.promise, /enough/);
  const bob = joining(guest, 'abc123', 'bob'); // behind the end of the first one
  await bob.times(1);
  assert.deepEqual(master.knocks, [first, second], 'what is known on this side');
  const anew = happens(master, 'knock', ({ knock }) => !knock.over);
  relay.bar(false);
  const { knock: third } = await anew;
  assert.ok(third.number > second.number);
  assert.deepEqual(told, [[second.number, 'bob', true], [third.number, 'bob', false]]);
  assert.deepEqual([master.door, master.knocks], ['knock', [first, third]]);
  await refused(master.admit(second.number), 'no_such_slave', RefusedError);
  await master.admit(third.number);
  assert.equal((await within(bob.promise, 'the join of bob')).username, 'bob');

  const { masters: [again] } = await within(stage.client(kept).restore(), 'the restore');
  assert.deepEqual([again.door, again.knocks.map(({ number }) => number)], ['knock', [first.number]]);
  assert.equal(again.knocks[0].attributes.get('class').text(), '7b');
  await again.admit(first.number);
  assert.equal((await within(ann.promise, 'the join of ann')).username, 'ann');
});

test('a switch that waits does so over connections that cannot be made, as often as that is so', async (t) => {
  const stage = await Stage.open(t);
  const { relay, client } = await stage.far();
  await stage.client().create('old', 'alice');
  const slave = await client.join('old', 'bob');
  const master = await stage.client().create('new', 'carol', { door: 'knock' });
  const given = slave.switch('new');
  await knocks(master, 'bob');
  const over = happens(master, 'knock', ({ knock }) => knock.over);
  relay.bar();
  for (let count = 0; count < 5; count++) {
    await within(relay.attempt(), 'an attempt');
  }
  await over;
  relay.bar(false);
  await master.admit((await knocks(master, 'bob')).number);
  assert.equal((await within(given, 'the switch')).channel, 'new');
});

for (const number of [4101, 4102, 4104, 4105, 4106]) {
  test(`a join that waits outlasts that its connection is closed with ${number}, because of another membership`, async (t) => {
    const refs = [];
    const hub = await FakeHub.start((peer, frame) => {
      if (frame.type !== 'join') {
        return;
      }
      refs.push(frame.ref);
      if (peer.count === 1) {
        peer.send({ type: 'waiting', ref: frame.ref, channel: frame.channel, for: 'master' });
        peer.close(number);
      } else {
        peer.send(joinedFor(frame));
      }
    });
    const bob = joining(fakeClient(t, hub), 'abc123', 'bob', { wait: true });
    assert.equal((await within(bob.promise, 'the join')).username, 'bob');
    assert.ok(refs[1] > refs[0], `${refs}`);
  });
}

test('a call outlasts connections that the client ends itself, since a membership cannot be resumed yet', async (t) => {
  const hub = await FakeHub.start((peer, frame) => {
    const { type, ref, channel } = frame;
    if (type === 'join' && channel === 'held') {
      peer.send(joinedFor(frame));
    } else if (type === 'join' && peer.count === 1) {
      peer.terminate();
    } else if (type === 'resume') {
      peer.send(peer.count < 8 ? { type: 'error', ref, channel, code: 'busy' } : joinedFor(frame));
    } else if (type === 'join' && peer.count === 8) {
      peer.send(joinedFor(frame));
    }
  });
  const client = fakeClient(t, hub);
  await client.join('held', 'bob');
  assert.equal((await within(client.join('abc123', 'bob'), 'the join')).channel, 'abc123');
  assert.equal(hub.connections, 8);
});

test('the README tells what is so', async (t) => {
  const stage = await Stage.open(t);
  const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8');
  const [, section] = readme.split('## Who comes in\n');
  const [guard, wait] = [...section.split('\n## ')[0].matchAll(/^```js\n(.*?)^```$/gms)].map(([, code]) => code);
  const AsyncFunction = (async () => {}).constructor;
  const run = (code, given) => new AsyncFunction(...Object.keys(given), code)(...Object.values(given));
  const [asked, told, logged, button] = [[], [], [], {}];
  const master = await stage.client().create('abc123', 'alice');
  let answer = () => true;
  const confirm = (question) => asked.push(question) && answer();
  await run(guard, { master, confirm, alert: (words) => told.push(words) });
  const joins = (log) => run(`${wait}\nreturn slave;`, { client: stage.client(), document: { querySelector: () => button }, console: { log } });
  const slave = await within(joins((line) => logged.push(line)), 'the join');
  assert.deepEqual([slave.username, asked, logged], ['user_one', ['Let user_one in?'], ['alice is asked']]);
  await slave.leave();
  answer = () => { // it is refused before the yes
    master.deny(master.knocks[0].number, 'no');
    return true;
  };
  await refused(joins(() => {}), 'denied', RefusedError);
  await master.setDoor('knock');
  assert.match(told.join(), /^knock: nobody waits any more under the number \d+$/);
  answer = () => false;
  await assert.rejects(joins(() => button.onclick()), { name: 'AbortError' });
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
