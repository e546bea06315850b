import assert from 'node:assert/strict';
import { test } from 'node:test';

import { ClosedError } from '../lectern.js';
import { FakeHub, createdFor, joinedFor } from './support/fakehub.js';
import { Stage, fakeClient, happens, inState, member, next, refused, seqs, texts, within } from './support/stage.js';

test('a cut loses nothing, and brings nothing twice', async (t) => {
  const stage = await Stage.open(t);
  const above = await stage.far();
  const below = await stage.far();
  const master = await above.client.create('abc123', 'alice');
  const slave = await below.client.join('abc123', 'user_one');
  const sent = Array.from({ length: 200 }, (_, index) => String(index));
  const down = texts(slave, sent.length);
  const up = texts(master, sent.length);
  const numbers = [];
  for (const [index, text] of sent.entries()) {
    if (index % 20 === 5) {
      above.relay.cut();
    }
    if (index % 20 === 15) {
      below.relay.cut();
    }
    const both = Promise.all([master.broadcast(text), slave.send(text)]);
    numbers.push(both);
    if (index % 7 === 0) {
      await within(both, text);
    }
  }
  assert.deepEqual(await within(down, 'what the master sent'), sent);
  assert.deepEqual(await within(up, 'what the slave sent'), sent);
  assert.deepEqual(await within(Promise.all(numbers), 'the answers').then((all) => all.map(seqs)), sent.map((_, index) => [index + 1, index + 1]));
});

test('the states of a membership whose connection is lost', async (t) => {
  const stage = await Stage.open(t);
  const above = await stage.far();
  const below = await stage.far();
  const master = await above.client.create('abc123', 'alice');
  const slave = await below.client.join('abc123', 'user_one');
  const states = [];
  slave.addEventListener('state', ({ state }) => states.push(state));
  const unknown = happens(slave, 'presence');
  below.relay.bar();
  assert.equal((await unknown).presence.state, 'unknown');
  assert.equal(slave.state, 'reconnecting');
  assert.ok(slave.master.deadline > Date.now());
  await member(master, 'user_one', 'away');
  await master.send('user_one', 'while you were away');
  below.relay.bar(false);
  await inState(slave, 'online');
  assert.equal(slave.master.state, 'online');
  await member(master, 'user_one', 'online');
  assert.deepEqual(await texts(slave, 1), ['while you were away']);

  const own = happens(master, 'presence');
  const away = happens(slave, 'presence');
  above.relay.bar();
  const { presence } = await own;
  assert.deepEqual([presence.role, presence.username, presence.state], ['master', 'alice', 'unknown']);
  assert.equal((await away).presence.state, 'away');
  const other = await stage.client().join('abc123', 'user_two');
  await slave.leave();
  above.relay.bar(false);
  await inState(master, 'online');
  await member(master, 'user_two', 'online');
  assert.deepEqual(master.members.map(({ username }) => username), ['user_two']);
  assert.equal(other.state, 'online');
  assert.deepEqual(states, ['reconnecting', 'online', 'closed']);
});

test('the channel ends when the master is down for X', async (t) => {
  const stage = await Stage.open(t, { masterTimeout: '300ms' });
  const { relay, client } = await stage.far();
  const master = await client.create('abc123', 'alice');
  const slave = await stage.client().join('abc123', 'user_one');
  assert.equal(slave.timeout, 300);
  relay.bar();
  const error = await within(slave.closed, 'the end');
  assert.equal(error.code, 'master_down');
  assert.equal((await within(master.closed, 'the end of the master')).code, 'master_down');
});

test('a slave without its hub for X ends by itself', async (t) => {
  const stage = await Stage.open(t, { masterTimeout: '300ms' });
  await stage.client().create('abc123', 'alice');
  const { relay, client } = await stage.far();
  const slave = await client.join('abc123', 'user_one');
  const waiting = texts(slave, 1);
  waiting.catch(() => {});
  relay.bar();
  await inState(slave, 'reconnecting');
  const sending = slave.send('never');
  const error = await within(slave.closed, 'the end');
  assert.ok(error instanceof ClosedError);
  assert.equal(error.code, 'master_down');
  assert.match(error.reason, /0\.3 s/);
  await refused(sending, 'master_down', ClosedError);
  await assert.rejects(client.status('abc123'), { code: 'connection' });
});

test('a return that comes too late is told as the end', async (t) => {
  const stage = await Stage.open(t, { slaveTimeout: '1ms' });
  const master = await stage.client().create('abc123', 'alice');
  const { relay, client } = await stage.far();
  const slave = await client.join('abc123', 'user_one');
  relay.bar();
  await member(master, 'user_one', 'gone');
  relay.bar(false);
  assert.equal((await within(slave.closed, 'the end')).code, 'resume_failed');
});

test('messages that are no longer kept are told as a gap', async (t) => {
  const stage = await Stage.open(t);
  const master = await stage.client().create('abc123', 'alice');
  const { relay, client } = await stage.far();
  const slave = await client.join('abc123', 'user_one');
  await master.broadcast('before');
  assert.deepEqual(await texts(slave, 1), ['before']);
  relay.bar();
  await member(master, 'user_one', 'away');
  await Promise.all(Array.from({ length: 300 }, (_, index) => master.broadcast(String(index))));
  const gap = happens(slave, 'gap');
  relay.bar(false);
  assert.equal((await gap).missed, 300 - 256);
  const seen = [];
  for await (const event of slave.events()) {
    if (event.type !== 'presence') {
      seen.push(event.type === 'gap' ? event.missed : event.text());
    }
    if (seen.length === 257) {
      break;
    }
  }
  assert.deepEqual(seen, [44, ...Array.from({ length: 256 }, (_, index) => String(44 + index))]);
});

test('what is not taken in time is dropped, and told in its place', async (t) => {
  const stage = await Stage.open(t);
  const master = await stage.client().create('abc123', 'alice');
  const slave = await stage.client({ inbox: { messages: 3 } }).join('abc123', 'user_one');
  for (let index = 0; index < 5; index++) {
    await master.broadcast(String(index));
  }
  const away = happens(slave, 'presence'); // behind the messages, and one of the three that are kept
  await master.away();
  await away;
  const gap = happens(slave, 'gap');
  assert.deepEqual(await texts(slave, 2), ['3', '4']);
  assert.equal((await gap).missed, 3);
});

test('a hub that is silent is given up, and the next one found', async (t) => {
  const stage = await Stage.open(t);
  await stage.client().create('abc123', 'alice');
  const { relay, client } = await stage.far({ silence: 50, patience: 2000 });
  const slave = await client.join('abc123', 'user_one');
  const lost = happens(slave, 'state');
  relay.stall();
  assert.equal((await lost).state, 'reconnecting');
  const back = happens(slave, 'state');
  relay.stall(false);
  assert.equal((await back).state, 'online');
});

test('a quiet hub that answers is not given up', async (t) => {
  let pings = 0;
  let enough;
  const third = new Promise((resolve) => {
    enough = resolve;
  });
  const hub = await FakeHub.start((peer, frame) => {
    if (frame.type === 'join') {
      peer.send(joinedFor(frame));
    } else if (frame.type === 'ping' && ++pings === 3) {
      enough();
    }
  });
  const slave = await fakeClient(t, hub, { silence: 20, patience: 5000 }).join('abc123', 'user_one');
  await within(third, 'three pings');
  assert.equal(slave.state, 'online');
  assert.equal(hub.connections, 1);
});

test('a hub whose process has stopped is noticed', async (t) => {
  const stage = await Stage.open(t);
  await stage.client().create('abc123', 'alice');
  const slave = await stage.client({ silence: 50, patience: 2000 }).join('abc123', 'user_one');
  const lost = happens(slave, 'state');
  stage.hub.signal('SIGSTOP');
  assert.equal((await lost).state, 'reconnecting');
  const back = happens(slave, 'state');
  stage.hub.signal('SIGCONT');
  assert.equal((await back).state, 'online');
});

test('another hub takes the place of one that shuts down', async (t) => {
  const stage = await Stage.open(t);
  const client = stage.client();
  const master = await client.create('abc123', 'alice');
  const slave = await stage.client().join('abc123', 'user_one');
  const lost = happens(slave, 'state');
  assert.equal(await stage.hub.stop(), 0);
  assert.equal((await lost).state, 'reconnecting');
  await stage.another({ port: stage.hub.port });
  // A hub keeps what it knows in memory: the next one knows nothing of this.
  assert.equal((await within(slave.closed, 'the end')).code, 'hub_lost');
  assert.equal((await within(master.closed, 'the end')).code, 'hub_lost');
  const again = await client.create('abc123', 'alice');
  assert.equal(again.state, 'online');
});

test('after a shutdown that was announced, a random part of its time passes', async (t) => {
  t.mock.method(Math, 'random', () => 0.5);
  const at = [];
  const hub = await FakeHub.start((peer, frame) => {
    at.push(performance.now());
    if (frame.type === 'join') {
      peer.send(joinedFor(frame));
      peer.send({ type: 'shutdown', timeout_ms: 400 });
      peer.close(4106, 'the hub shuts down');
    } else if (frame.type === 'resume') {
      peer.send(joinedFor(frame));
    }
  });
  const slave = await fakeClient(t, hub).join('abc123', 'user_one');
  await happens(slave, 'state', (event) => event.state === 'online');
  assert.ok(at[1] - at[0] >= 199, String(at[1] - at[0]));
});

/** closedWith is what becomes of a membership whose connection ends with that number. */
async function closedWith(t, number) {
  const hub = await FakeHub.start((peer, frame) => {
    if (frame.type === 'join' || frame.type === 'resume') {
      peer.send(joinedFor(frame));
    } else if (frame.type === 'send') {
      peer.close(number, 'for people');
    }
  });
  const slave = await fakeClient(t, hub).join('abc123', 'user_one');
  const lost = happens(slave, 'state');
  const sending = slave.send('hello');
  sending.catch(() => {});
  await lost;
  return slave;
}

for (const [number, code] of [
  [4001, 'master_left'], [4002, 'master_down'], [4003, 'kicked'], [4004, 'channel_closed'], [4005, 'left'], [4050, '4050'],
]) {
  test(`after ${number} it does not come back`, async (t) => {
    const slave = await closedWith(t, number);
    assert.equal(slave.state, 'closed');
    assert.deepEqual([slave.error.code, slave.error.reason], [code, 'for people']);
  });
}

for (const number of [1000, 1001, 1011, 3000, 4101, 4102, 4104, 4105, 4106, 4200]) {
  test(`after ${number} it comes back`, async (t) => {
    const slave = await closedWith(t, number);
    await happens(slave, 'state', (event) => event.state === 'online');
  });
}

test('a hub that goes on saying protocol_error is believed', async (t) => {
  const slave = await closedWith(t, 4103);
  assert.equal((await within(slave.closed, 'the end')).code, 'protocol_error');
});

test('who is replaced does not come back', async (t) => {
  const stage = await Stage.open(t);
  const master = await stage.client().create('abc123', 'alice');
  const slave = await stage.client().join('abc123', 'user_one');
  await master.broadcast('one');
  assert.deepEqual(await texts(slave, 1), ['one']);
  const ticket = JSON.parse(JSON.stringify(slave.ticket));
  await master.broadcast('two');
  const second = await stage.client().resumeSlave(ticket);
  assert.equal((await within(slave.closed, 'the end')).code, 'replaced');
  assert.deepEqual(await texts(second, 1), ['two']);
  await refused(stage.client().resumeMaster(ticket), 'forbidden');
  await refused(stage.client().resumeMaster({ ...second.ticket, role: 'master' }), 'forbidden');
});

test('frames that it does not know are passed over, and what is no frame ends the connection', async (t) => {
  const hub = await FakeHub.start((peer, frame) => {
    if (frame.type === 'join' || frame.type === 'resume') {
      peer.send(joinedFor(frame));
      peer.raw(new Uint8Array([0x1f, 0x50, 0x01, 0x78]));
    } else if (frame.type === 'send' && peer.count === 1) {
      peer.raw('{"type":"ack"}');
    } else if (frame.type === 'send') {
      peer.send({ type: 'ack', ref: frame.ref, seq: 9 });
    }
  });
  const slave = await fakeClient(t, hub).join('abc123', 'user_one');
  assert.equal((await within(slave.send('hello'), 'the answer')).seq, 9);
  assert.equal(hub.connections, 2);
});

test('a kick whose answer was lost has worked', async (t) => {
  const hub = await FakeHub.start((peer, frame) => {
    if (frame.type === 'create' || frame.type === 'resume') {
      peer.send(createdFor(frame));
    } else if (peer.count === 1) {
      peer.terminate();
    } else {
      peer.send({ type: 'error', ref: frame.ref, code: 'no_such_slave' });
    }
  });
  const master = await fakeClient(t, hub).create('abc123', 'alice');
  await within(master.kick('user_one'), 'the answer');
  await refused(master.kick('user_one'), 'no_such_slave');
});

test('a refusal of a resume that passes is tried again', async (t) => {
  const hub = await FakeHub.start((peer, frame) => {
    if (frame.type === 'join') {
      peer.send(joinedFor(frame));
      peer.terminate();
    } else if (frame.type === 'resume' && peer.count < 4) {
      peer.send({ type: 'error', ref: frame.ref, code: ['busy', 'shutting_down'][peer.count % 2] });
    } else if (frame.type === 'resume') {
      peer.send(joinedFor(frame));
    }
  });
  const slave = await fakeClient(t, hub).join('abc123', 'user_one');
  await happens(slave, 'state', (event) => event.state === 'online');
  assert.equal(hub.connections, 4);
});

test('what was sent again has its ref, and stands before what is new', async (t) => {
  const refs = [];
  const hub = await FakeHub.start((peer, frame) => {
    if (frame.type === 'join' || frame.type === 'resume') {
      peer.send(joinedFor(frame));
    } else if (frame.type === 'send') {
      refs.push([peer.count, frame.ref, new TextDecoder().decode(frame.payload.bytes)]);
      if (peer.count === 1 && refs.length === 2) {
        peer.terminate();
      } else if (peer.count === 2) {
        peer.send({ type: 'ack', ref: frame.ref, seq: refs.length });
      }
    }
  });
  const slave = await fakeClient(t, hub).join('abc123', 'user_one');
  const lost = happens(slave, 'state');
  const sends = [slave.send('a'), slave.send('b')];
  await lost;
  sends.push(slave.send('c'));
  assert.deepEqual(await within(Promise.all(sends), 'the answers').then(seqs), [3, 4, 5]);
  assert.deepEqual(refs.map(([count, , text]) => [count, text]), [[1, 'a'], [1, 'b'], [2, 'a'], [2, 'b'], [2, 'c']]);
  assert.deepEqual(refs.slice(0, 2).map(([, ref]) => ref), refs.slice(2, 4).map(([, ref]) => ref));
  assert.ok(refs[4][1] > refs[3][1]);
});

test('leaving while cut off', async (t) => {
  const stage = await Stage.open(t);
  const master = await stage.client().create('abc123', 'alice');
  const { relay, client } = await stage.far();
  const slave = await client.join('abc123', 'user_one');
  relay.bar();
  await inState(slave, 'reconnecting');
  const leaving = slave.leave();
  relay.bar(false);
  await within(leaving, 'the leave');
  assert.equal(slave.error.code, 'left');
  await member(master, 'user_one', 'gone');
  assert.equal((await master.broadcast('nobody there')).seq, 1);
  await assert.rejects(next(slave), { code: 'left' });
});
