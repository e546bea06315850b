import assert from 'node:assert/strict';
import { test } from 'node:test';

import { FakeHub, joinedFor } from './support/fakehub.js';
import { Stage, fakeClient, inState, member, next, within } from './support/stage.js';
import { Storage } from './support/storage.js';

const options = (storage) => ({ storage, storageKey: 'kept' });
const channels = (storage) => Object.keys(JSON.parse(storage.getItem('kept') ?? '{}'));
const ticket = (channel) => ({ role: 'slave', channel, username: 'user_one', secret: 'secret', last: 0 });

test('a second restore gives the handles that there are', async (t) => {
  const stage = await Stage.open(t);
  const storage = new Storage();
  const far = await stage.far(options(storage));
  const other = await stage.client().create('other', 'bob');
  await far.client.create('lesson', 'alice');
  await far.client.join('other', 'alice');
  far.relay.bar();

  const client = stage.client(options(storage));
  const first = await within(client.restore(), 'the restore');
  assert.deepEqual([first.masters.length, first.slaves.length, first.lost], [1, 1, []]);
  const kept = storage.getItem('kept');
  const second = await within(client.restore({ replay: true }), 'the second restore');
  assert.equal(second.masters[0], first.masters[0]);
  assert.equal(second.slaves[0], first.slaves[0]);
  assert.deepEqual(second.lost, []);
  assert.equal(storage.getItem('kept'), kept);
  await other.broadcast('hello');
  assert.equal((await next(second.slaves[0])).text(), 'hello');
});

test('two restores at once give the same handles, also where the way is lost meanwhile', async (t) => {
  let connections = 0;
  const hub = await FakeHub.start((peer, frame) => {
    if (frame.type === 'resume') {
      connections = peer.count;
      if (peer.count < 3) {
        peer.terminate();
      } else if (frame.channel === 'gone') {
        peer.send({ type: 'error', ref: frame.ref, channel: frame.channel, code: 'resume_failed' });
      } else {
        peer.send(joinedFor(frame));
      }
    }
  });
  const storage = new Storage();
  storage.setItem('kept', JSON.stringify({ one: ticket('one'), gone: ticket('gone'), two: ticket('two') }));
  const client = fakeClient(t, hub, options(storage));
  const aborted = assert.rejects(client.restore({ signal: AbortSignal.abort(new Error('no more')) }), /no more/);
  const [one, two] = await within(Promise.all([client.restore(), client.restore()]), 'the restores');
  await aborted;
  assert.equal(connections, 3);
  assert.deepEqual(one.slaves.map(({ channel }) => channel), ['one', 'two']);
  assert.deepEqual(two.slaves.map((slave) => one.slaves.indexOf(slave)), [0, 1]);
  assert.deepEqual([...one.lost, ...two.lost].map(({ channel }) => channel), ['gone', 'gone']);
  assert.deepEqual(channels(storage), ['one', 'two']);
});

test('a restore beside a join into the same channel gives what the join has made', async (t) => {
  const hub = await FakeHub.start((peer, frame) => {
    if (frame.type === 'join') {
      peer.send(joinedFor(frame));
    }
  });
  const storage = new Storage();
  storage.setItem('kept', JSON.stringify({ one: ticket('one') }));
  const client = fakeClient(t, hub, options(storage));
  const joining = client.join('one', 'user_two');
  const controller = new AbortController();
  const aborted = client.restore({ signal: controller.signal });
  controller.abort();
  await assert.rejects(within(aborted, 'the abort'), { name: 'AbortError' });
  const { slaves } = await within(client.restore(), 'the restore');
  assert.deepEqual(slaves, [await joining]);
});

for (const order of ['while it still has its connection', 'while it is away']) {
  test(`who is replaced leaves alone what its successor holds in the same storage, ${order}`, async (t) => {
    const stage = await Stage.open(t);
    const storage = new Storage();
    const master = await stage.client().create('abc123', 'alice');
    const far = await stage.far(options(storage));
    const before = await far.client.join('abc123', 'user_one');
    if (order === 'while it is away') {
      far.relay.bar();
      await member(master, 'user_one', 'away');
    }
    const { slaves } = await stage.client(options(storage)).restore();
    if (order !== 'while it is away') {
      assert.equal((await within(before.closed, 'the end')).code, 'replaced');
    }
    assert.deepEqual(channels(storage), ['abc123']);
    await master.broadcast('hello');
    assert.equal((await next(slaves[0])).text(), 'hello');
    assert.equal(JSON.parse(storage.getItem('kept')).abc123.last, 1);
    if (order === 'while it is away') {
      await far.client.close();
    }
    assert.deepEqual(channels(storage), ['abc123']);
    await slaves[0].leave();
    assert.deepEqual(channels(storage), []);
  });
}

test('what a ghost takes does not become the ticket of its successor', async (t) => {
  const stage = await Stage.open(t);
  const storage = new Storage();
  const master = await stage.client().create('abc123', 'alice');
  const far = await stage.far({ ...options(storage), silence: 3_600_000 });
  const ghost = await far.client.join('abc123', 'user_one');
  await master.broadcast('one');
  await master.broadcast('two');
  assert.equal((await next(ghost)).text(), 'one');
  await stage.client(options(storage)).restore();
  const kept = storage.getItem('kept');
  assert.equal((await next(ghost)).text(), 'two');
  assert.equal(storage.getItem('kept'), kept);
});

test('an end that the hub has not told leaves the ticket', async (t) => {
  const stage = await Stage.open(t, { masterTimeout: '300ms' });
  const storage = new Storage();
  const master = await stage.client().create('abc123', 'alice');
  const { relay, client } = await stage.far(options(storage));
  const slave = await client.join('abc123', 'user_one');
  relay.bar();
  assert.equal((await within(slave.closed, 'the end')).code, 'master_down');
  assert.deepEqual(channels(storage), ['abc123']);
  relay.bar(false);
  const { slaves } = await within(client.restore(), 'the restore');
  await master.send('user_one', 'here again?');
  assert.equal((await next(slaves[0])).text(), 'here again?');
});

test('a refusal that says nothing of the membership leaves the ticket', async (t) => {
  const codes = { full: 'too_many_channels', denied: 'unauthorized', new: 'from_the_future', over: 'resume_failed' };
  let refuses = true;
  const hub = await FakeHub.start((peer, frame) => {
    if (frame.type === 'resume' && refuses) {
      peer.send({ type: 'error', ref: frame.ref, channel: frame.channel, code: codes[frame.channel] });
    } else if (frame.type === 'resume') {
      peer.send(joinedFor(frame));
    } else if (frame.type === 'send') {
      peer.terminate();
    }
  });
  const storage = new Storage();
  storage.setItem('kept', JSON.stringify(
    Object.fromEntries(Object.keys(codes).map((channel) => [channel, ticket(channel)]))));
  const client = fakeClient(t, hub, options(storage));
  const { lost } = await within(client.restore(), 'the restore');
  assert.deepEqual(lost.map(({ channel, error }) => [channel, error.code]), Object.entries(codes));
  assert.deepEqual(channels(storage), ['full', 'denied', 'new']);

  // The same where a membership comes back by itself.
  refuses = false;
  const { slaves } = await within(client.restore(), 'the second restore');
  refuses = true;
  slaves[0].send('x').catch(() => {});
  await Promise.all(slaves.map((slave) => inState(slave, 'closed')));
  assert.deepEqual(slaves.map(({ error }) => error.code), ['too_many_channels', 'unauthorized', 'from_the_future']);
  assert.deepEqual(channels(storage), ['full', 'denied', 'new']);
});
