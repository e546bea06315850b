import assert from 'node:assert/strict';
import { test } from 'node:test';

import { FakeHub, joinedFor } from './support/fakehub.js';
import { Storage } from './support/storage.js';
import { Stage, fakeClient, inState, member, next, refused, within } from './support/stage.js';

// The usual ways to write an effect that is in a channel while a component is shown. Each
// begins to enter, tells entered of the handle, and returns what undoes it.
const ways = {
  'a signal': ({ client, enter, entered }) => {
    const controller = new AbortController();
    enter(client, { signal: controller.signal }).then(entered, (error) => {
      if (error.name !== 'AbortError') {
        throw error;
      }
    });
    return () => controller.abort();
  },
  'a flag': ({ client, enter, entered }) => {
    let over = false;
    let handle;
    (async () => {
      handle = await enter(client);
      if (over) {
        await leave(handle);
      } else {
        entered(handle);
      }
    })();
    return () => {
      over = true;
      handle?.leave?.();
    };
  },
  'what is left when it has come about': ({ client, enter, entered }) => {
    const entering = enter(client);
    entering.then(entered);
    return () => entering.then(leave);
  },
  'a client of its own': ({ another, enter, entered }) => {
    const client = another();
    enter(client).then(entered, (error) => {
      if (error.code !== 'connection') {
        throw error;
      }
    });
    return () => client.close();
  },
};

const leave = (handle) => (handle.leave ? handle.leave() : handle.close());

// What a framework does in development: the effect, its end and the effect once more, in one turn.
function doubled(effect, what) {
  effect({ ...what, entered: () => {} })();
  return within(new Promise((resolve) => {
    effect({ ...what, entered: resolve });
  }), 'the second entry');
}

for (const [way, effect] of Object.entries(ways)) {
  for (const connected of [false, true]) {
    const when = connected ? 'over a connection that there is' : 'as the first of a client';
    const prepare = async (stage) => {
      const client = stage.client();
      if (connected) {
        await client.create('other', 'alice');
      }
      return client;
    };

    test(`join, give up and join again in one turn: ${way}, ${when}`, async (t) => {
      const stage = await Stage.open(t);
      const master = await stage.client().create('abc123', 'alice');
      const client = await prepare(stage);
      const slave = await doubled(effect, {
        client, another: () => stage.client(), enter: (by, options) => by.join('abc123', 'user_one', options),
      });
      assert.equal((await slave.send('here')).seq, 1);
      assert.equal((await next(master)).text(), 'here');
      await member(master, 'user_one', 'online');
      assert.equal((await master.broadcast('welcome')).seq, 1);
      assert.equal((await next(slave)).text(), 'welcome');
    });

    test(`create, give up and create again in one turn: ${way}, ${when}`, async (t) => {
      const stage = await Stage.open(t);
      const client = await prepare(stage);
      const master = await doubled(effect, {
        client, another: () => stage.client(), enter: (by, options) => by.create('abc123', 'alice', options),
      });
      const slave = await stage.client().join('abc123', 'user_one');
      await slave.send('here');
      assert.equal((await next(master)).text(), 'here');
      assert.equal(master.state, 'online');
    });
  }
}

test('a restore that is given up and begun again in one turn', async (t) => {
  const stage = await Stage.open(t);
  const storage = new Storage();
  const options = { storage, storageKey: 'kept' };
  await stage.client().create('abc123', 'alice');
  const far = await stage.far(options);
  await far.client.join('abc123', 'user_one');
  const client = stage.client(options);
  const controller = new AbortController();
  const first = client.restore({ signal: controller.signal });
  controller.abort();
  await assert.rejects(first, { name: 'AbortError' });
  const { slaves, lost } = await within(client.restore(), 'the second restore');
  assert.deepEqual(lost, []);
  await inState(slaves[0], 'online');
});

test('who leaves and joins again in one turn is in again', async (t) => {
  const stage = await Stage.open(t);
  const master = await stage.client().create('abc123', 'alice');
  const client = stage.client();
  const slave = await client.join('abc123', 'user_one');
  const leaving = slave.leave();
  const again = await within(client.join('abc123', 'user_one'), 'the second join');
  await leaving;
  assert.equal(slave.error.code, 'left');
  assert.equal(again.state, 'online');
  await again.send('here');
  assert.equal((await next(master)).text(), 'here');
});

test('a switch that was given up is undone before the next entry', async (t) => {
  const stage = await Stage.open(t);
  await stage.client().create('abc123', 'alice');
  const master = await stage.client().create('abc124', 'alice');
  const { relay, client } = await stage.far();
  const slave = await client.join('abc123', 'user_one');
  relay.stall();
  const controller = new AbortController();
  const switching = slave.switch('abc124', { signal: controller.signal });
  controller.abort();
  await assert.rejects(switching, { name: 'AbortError' });
  const joining = client.join('abc124', 'user_two');
  relay.stall(false);
  const again = await within(joining, 'the join');
  assert.equal(again.username, 'user_two');
  await member(master, 'user_one', 'gone');
  await member(master, 'user_two', 'online');
});

test('an entry into a channel that the client stays in is refused, once that is known', async (t) => {
  const stage = await Stage.open(t);
  const master = await stage.client().create('abc123', 'alice');
  const client = stage.client();
  const first = client.join('abc123', 'user_one');
  const second = client.join('abc123', 'user_one');
  const third = client.join('abc123', 'user_two');
  await refused(second, 'forbidden');
  await refused(third, 'forbidden');
  assert.equal((await first).state, 'online');
  await member(master, 'user_one', 'online');
  await refused(client.join('abc123', 'user_one'), 'forbidden');
});

test('the next entry has its turn when the one before is refused', async (t) => {
  const stage = await Stage.open(t);
  await stage.client().create('abc123', 'alice');
  await stage.client().join('abc123', 'user_one');
  const client = stage.client();
  const [first, second] = [client.join('abc123', 'user_one'), client.join('abc123', 'user_two')];
  await refused(first, 'name_taken');
  assert.equal((await second).username, 'user_two');
});

test('who waits to enter can give up, and those behind it go on waiting', async (t) => {
  const joins = [];
  let answer;
  const hub = await FakeHub.start((peer, frame) => {
    if (frame.type === 'join') {
      joins.push(frame.username);
      answer = () => peer.send(frame.username === 'one'
        ? { type: 'error', ref: frame.ref, code: 'banned' } : joinedFor(frame));
      if (frame.username !== 'one') {
        answer();
      }
    } else if (frame.type === 'status') {
      peer.send({ type: 'status', ref: frame.ref, channel: frame.channel, exists: false });
    }
  });
  const client = fakeClient(t, hub);
  const first = client.join('abc123', 'one');
  const controller = new AbortController();
  const second = client.join('abc123', 'two', { signal: controller.signal });
  const third = client.join('abc123', 'three');
  controller.abort();
  await assert.rejects(second, { name: 'AbortError' });
  await client.status('abc123');
  assert.deepEqual(joins, ['one']);
  answer();
  await refused(first, 'banned');
  assert.equal((await within(third, 'the third join')).username, 'three');
  assert.deepEqual(joins, ['one', 'three']);
});

test('what was given up is left before the next frame that enters', async (t) => {
  const seen = [];
  const hub = await FakeHub.start((peer, frame) => {
    seen.push(frame.type);
    if (frame.type === 'join') {
      // The answer takes its time, as where a service is asked.
      setTimeout(() => peer.send(joinedFor(frame)), 20);
    } else if (frame.type === 'leave') {
      setTimeout(() => peer.send({ type: 'left', ref: frame.ref, channel: frame.channel }), 20);
    } else if (frame.type === 'status') {
      peer.send({ type: 'status', ref: frame.ref, channel: frame.channel, exists: false });
    }
  });
  const client = fakeClient(t, hub);
  await client.status('abc123');
  const controller = new AbortController();
  const first = client.join('abc123', 'user_one', { signal: controller.signal });
  controller.abort();
  await assert.rejects(first, { name: 'AbortError' });
  const slave = await within(client.join('abc123', 'user_one'), 'the second join');
  assert.equal(slave.state, 'online');
  assert.deepEqual(seen, ['status', 'join', 'leave', 'join']);
});
