import assert from 'node:assert/strict';
import { test } from 'node:test';

import { ConnectionError } from '../lectern.js';
import { FakeHub, joinedFor } from './support/fakehub.js';
import { framed } from './support/frames.js';
import { Stage, fakeClient, inState, member, next, refused, within } from './support/stage.js';
import { Storage } from './support/storage.js';

// A client whose connection is there, and that hears nothing from now on.
async function deaf(stage, options) {
  const { relay, client } = await stage.far(options);
  await client.status('abc123');
  relay.lose('down');
  return { relay, client };
}

// What has been asked for has been carried out, and its answer is lost with the connection.
function cut(relay) {
  relay.cut();
  relay.lose('down', false);
}

test('a join whose answer was lost is in, with all that was sent since', async (t) => {
  const stage = await Stage.open(t);
  const master = await stage.client().create('abc123', 'alice');
  const storage = new Storage();
  const { WebSocket, sent } = framed();
  const { relay, client } = await deaf(stage, { WebSocket, storage, storageKey: 'kept' });
  const joining = client.join('abc123', 'ada');
  await member(master, 'ada', 'online');
  await master.broadcast('welcome');
  cut(relay);
  const slave = await within(joining, 'the join');
  assert.equal((await next(slave)).text(), 'welcome');
  assert.equal((await slave.send('here')).seq, 1);
  assert.equal((await next(master)).text(), 'here');
  await member(master, 'ada', 'online');
  const joins = sent.filter(({ type }) => type === 'join');
  assert.equal(joins.length, 2);
  assert.ok(joins[1].ref > joins[0].ref);
  assert.equal(joins[1].instance, joins[0].instance);
  // It says at once that it is in: there are two secrets until then.
  const index = sent.indexOf(joins[1]);
  assert.deepEqual([sent[index + 1].type, sent[index + 1].channel, sent[index + 1].seen], ['ping', 'abc123', 0]);
  // And its ticket is the one that counts.
  const again = await stage.client().resumeSlave(JSON.parse(storage.getItem('kept')).abc123);
  assert.equal((await again.send('again')).seq, 2);
});

test('a create whose answer was lost is the master, with the slaves that have come', async (t) => {
  const stage = await Stage.open(t);
  const { relay, client } = await deaf(stage);
  const creating = client.create('abc123', 'alice');
  const there = async () => (await stage.client().status('abc123')).exists;
  while (!await there()) {
    // asked again: each question is a round trip
  }
  const slave = await stage.client().join('abc123', 'ada');
  await slave.send('here');
  cut(relay);
  const master = await within(creating, 'the create');
  assert.deepEqual(master.members.map(({ username }) => username), ['ada']);
  assert.equal((await next(master)).text(), 'here');
  assert.equal((await master.broadcast('welcome')).seq, 1);
});

test('a switch whose answer was lost is carried out once, before anything is resumed', async (t) => {
  const stage = await Stage.open(t);
  const old = await stage.client().create('abc123', 'alice');
  const master = await stage.client().create('abc124', 'bob');
  const { WebSocket, sent } = framed();
  const { relay, client } = await stage.far({ WebSocket });
  const slave = await client.join('abc123', 'ada');
  await member(old, 'ada', 'online');
  relay.lose('down');
  const switching = slave.switch('abc124');
  await member(old, 'ada', 'gone');
  cut(relay);
  const moved = await within(switching, 'the switch');
  assert.equal((await within(slave.closed, 'the end of the old one')).code, 'left');
  assert.equal((await moved.send('here')).seq, 1);
  assert.equal((await next(master)).text(), 'here');
  assert.deepEqual(sent.map(({ type, count }) => [count, type]), [[1, 'join'], [1, 'join'], [2, 'join'], [2, 'ping'], [2, 'send']]);
  assert.ok(sent[2].ref > sent[1].ref);
});

test('a switch that has not arrived is made behind the resume', async (t) => {
  const stage = await Stage.open(t);
  const old = await stage.client().create('abc123', 'alice');
  const master = await stage.client().create('abc124', 'bob');
  const { WebSocket, sent } = framed();
  const { relay, client } = await stage.far({ WebSocket });
  const slave = await client.join('abc123', 'ada');
  relay.lose('up');
  slave.send('before').catch(() => {}); // its answer may come behind that to the switch
  const switching = slave.switch('abc124');
  relay.cut();
  relay.lose('up', false);
  const moved = await within(switching, 'the switch');
  assert.equal((await next(old)).text(), 'before');
  await member(master, 'ada', 'online');
  assert.equal(moved.state, 'online');
  assert.deepEqual(sent.slice(3).map(({ type }) => type).filter((type) => type !== 'ping'), ['join', 'resume', 'send', 'join']);
});

test('who is told that nothing came about with the handshake, and tries again, is in', async (t) => {
  const stage = await Stage.open(t);
  const { relay, client } = await stage.far();
  relay.lose('down');
  const creating = client.create('abc123', 'alice');
  creating.catch(() => {});
  while (!(await stage.client().status('abc123')).exists) {
    // asked again: each question is a round trip
  }
  cut(relay);
  await refused(creating, 'connection', ConnectionError);
  const master = await within(client.create('abc123', 'alice'), 'the second create');
  assert.equal((await master.broadcast('here')).seq, 1);
  // Another client is no repetition.
  await refused(stage.client().create('abc123', 'alice'), 'channel_exists');
});

test('a resume by a ticket whose answer was lost is in', async (t) => {
  const stage = await Stage.open(t);
  const master = await stage.client().create('abc123', 'alice');
  const before = await stage.client().join('abc123', 'ada');
  const { relay, client } = await deaf(stage);
  const resuming = client.resumeSlave(before.ticket);
  assert.equal((await within(before.closed, 'the end')).code, 'replaced');
  cut(relay);
  const slave = await within(resuming, 'the resume');
  await slave.send('here');
  assert.equal((await next(master)).text(), 'here');
});

for (const type of ['join', 'switch']) {
  test(`a ${type} that is lost on three connections is given up`, async (t) => {
    const refs = [];
    const hub = await FakeHub.start((peer, frame) => {
      if (frame.type === 'join' && (type === 'switch') === (frame.from === undefined)) {
        peer.send(joinedFor(frame));
      } else if (frame.type === 'join') {
        refs.push(frame.ref);
        peer.terminate();
      } else if (frame.type === 'resume') {
        peer.send(joinedFor(frame));
      } else if (frame.type === 'status') {
        peer.send({ type: 'status', ref: frame.ref, channel: frame.channel, exists: false });
      }
    });
    const client = fakeClient(t, hub);
    let entering;
    if (type === 'join') {
      await client.status('abc123');
      entering = client.join('abc123', 'ada');
    } else {
      const slave = await client.join('abc122', 'ada');
      entering = slave.switch('abc123');
    }
    await refused(entering, 'connection', ConnectionError);
    assert.equal(refs.length, 3);
    assert.deepEqual(refs, [...new Set(refs)].sort((one, other) => one - other));
  });
}

test('what may be the reason of an end is not asked again', async (t) => {
  let asked = 0;
  const hub = await FakeHub.start((peer, frame) => {
    if (frame.type === 'join') {
      asked++;
      peer.close([1009, 4103, 4105, 4106][asked - 1]);
    }
  });
  const client = fakeClient(t, hub, { plainHandshake: true });
  for (let count = 1; count <= 4; count++) {
    await refused(client.join('abc123', 'ada'), 'connection', ConnectionError);
    assert.equal(asked, count);
  }
});

test('a name that is taken by somebody else is still taken after a loss', async (t) => {
  const stage = await Stage.open(t);
  await stage.client().create('abc123', 'alice');
  const other = await stage.client().join('abc123', 'ada');
  const { relay, client } = await deaf(stage);
  const joining = client.join('abc123', 'ada');
  cut(relay);
  await refused(joining, 'name_taken');
  await inState(other, 'online');
});

test('an answer that comes before the ack of its request, as where the channel moves to another hub', async (t) => {
  const hub = await FakeHub.start((peer, frame) => {
    if (frame.type === 'join') {
      peer.send(joinedFor(frame));
    } else if (frame.type === 'send') {
      const answer = (seq, reply, text) => peer.send({
        type: 'message', channel: 'abc123', from: 'alice', seq, reply,
        payload: { kind: 'text', bytes: new TextEncoder().encode(text) },
      });
      answer(1, 6, 'of another one');
      answer(2, 7, 'yes');
      peer.send({ type: 'ack', ref: frame.ref, channel: 'abc123', seq: 7 });
    }
  });
  const client = fakeClient(t, hub);
  const slave = await client.join('abc123', 'ada');
  assert.equal((await within(slave.request('ready?'), 'the answer')).text(), 'yes');
});

test('who is put out of a channel while it switches, and is let in elsewhere all the same, leaves that', async (t) => {
  let leaves;
  const left = new Promise((resolve) => {
    leaves = resolve;
  });
  const hub = await FakeHub.start((peer, frame) => {
    if (frame.type === 'join' && frame.from === undefined) {
      peer.send(joinedFor(frame));
    } else if (frame.type === 'join') {
      peer.send({ type: 'closed', channel: frame.from, code: 'kicked', reason: 'enough' });
      peer.send(joinedFor(frame));
    } else if (frame.type === 'leave') {
      leaves(frame.channel);
    }
  });
  const slave = await fakeClient(t, hub).join('abc123', 'ada');
  await assert.rejects(slave.switch('def456'));
  assert.equal(await within(left, 'the leave'), 'def456');
});
