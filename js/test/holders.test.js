import assert from 'node:assert/strict';
import { test } from 'node:test';

import { ClosedError, RefusedError, UnknownOutcomeError } from '../lectern.js';
import { FakeHub, createdFor, joinedFor } from './support/fakehub.js';
import { framed } from './support/frames.js';
import { Stage, fakeClient, happens, inState, member, next, refused, texts, within } from './support/stage.js';
import { Storage } from './support/storage.js';

const options = (storage) => ({ storage, storageKey: 'kept' });
const kept = (storage) => JSON.parse(storage.getItem('kept') ?? '{}');

// A duplicated tab has a copy of the storage.
function copied(storage) {
  const copy = new Storage();
  storage.items.forEach((value, key) => copy.setItem(key, value));
  return copy;
}

for (const written of [false, true]) {
  test(`of two clients with one ticket the older one is told, and acknowledged nothing, ${
    written ? 'whose send was on its way' : 'which had not sent yet'}`, async (t) => {
    const stage = await Stage.open(t);
    const master = await stage.client().create('abc123', 'alice');
    const storage = new Storage();
    const far = await stage.far({ ...options(storage), silence: 3_600_000, patience: 3_600_000 });
    const older = await far.client.join('abc123', 'ada');
    const copy = copied(storage);
    let sending;
    if (written) {
      far.relay.stall();
      sending = older.send('A1');
    } else {
      far.relay.bar();
      await inState(older, 'reconnecting');
      sending = older.send('A1');
    }
    const answered = sending.then((seq) => seq, (error) => error);

    const { slaves: [newer] } = await within(stage.client(options(copy)).restore(), 'the newer one');
    assert.equal((await newer.send('B1')).seq, 1);
    if (written) {
      far.relay.cut();
      far.relay.stall(false);
    } else {
      far.relay.bar(false);
    }
    const end = await within(older.closed, 'the end of the older one');
    assert.ok(end instanceof ClosedError);
    assert.equal(end.code, 'replaced');
    const outcome = await within(answered, 'what became of the send');
    assert.ok(outcome instanceof (written ? UnknownOutcomeError : ClosedError), String(outcome));

    assert.equal(newer.state, 'online', 'the newer one is not put out');
    assert.equal((await newer.send('B2')).seq, 2);
    assert.deepEqual(await texts(master, 2), ['B1', 'B2']);
    assert.deepEqual(kept(storage), {}, 'its ticket is worth nothing');
    assert.deepEqual(Object.keys(kept(copy)), ['abc123']);
    // Nor is it when that page is loaded again.
    await refused(stage.client().resumeSlave(older.ticket), 'replaced', RefusedError);
    await member(master, 'ada', 'online');
  });
}

test('a master has its channel from one client at a time, and the older one is told', async (t) => {
  const stage = await Stage.open(t);
  const far = await stage.far();
  const older = await far.client.create('abc123', 'alice');
  const slave = await stage.client().join('abc123', 'user_one');
  far.relay.bar();
  await inState(older, 'reconnecting');
  const newer = await stage.client().resumeMaster(older.ticket);
  assert.equal((await newer.broadcast('B1')).seq, 1);
  const sending = older.broadcast('A1');
  sending.catch(() => {});
  far.relay.bar(false);
  assert.equal((await within(older.closed, 'the end')).code, 'replaced');
  await refused(sending, 'replaced', ClosedError);
  assert.equal((await newer.broadcast('B2')).seq, 2);
  assert.deepEqual(await texts(slave, 2), ['B1', 'B2']);
});

test('who is refused as replaced leaves alone what its successor holds in the same storage', async (t) => {
  const stage = await Stage.open(t);
  const storage = new Storage();
  await stage.client().create('abc123', 'alice');
  const far = await stage.far(options(storage));
  const older = await far.client.join('abc123', 'ada');
  far.relay.bar();
  await inState(older, 'reconnecting');
  const { slaves: [newer] } = await stage.client(options(storage)).restore();
  const ticket = storage.getItem('kept');
  far.relay.bar(false);
  assert.equal((await within(older.closed, 'the end')).code, 'replaced');
  assert.equal(storage.getItem('kept'), ticket);
  assert.equal(newer.state, 'online');
});

test('a ticket that another client has used is lost, and not kept', async (t) => {
  const stage = await Stage.open(t);
  const storage = new Storage();
  await stage.client().create('abc123', 'alice');
  const far = await stage.far(options(storage));
  await far.client.join('abc123', 'ada');
  const copy = copied(storage);
  far.relay.bar();
  const { slaves: [newer] } = await stage.client(options(copy)).restore();
  await newer.send('here');
  const { slaves, lost } = await within(stage.client(options(storage)).restore(), 'the restore');
  assert.deepEqual(slaves, []);
  assert.deepEqual(lost.map(({ channel, error }) => [channel, error.code]), [['abc123', 'replaced']]);
  assert.deepEqual(kept(storage), {});
  assert.equal(newer.state, 'online');
});

test('a page that is loaded again twice, quickly, is in: nothing came back to the first one', async (t) => {
  const stage = await Stage.open(t);
  const storage = new Storage();
  const master = await stage.client().create('abc123', 'alice');
  const first = await stage.client(options(storage)).join('abc123', 'ada');
  const far = await stage.far(options(storage));
  await far.client.status('abc123'); // so that there is a connection
  far.relay.lose('down');
  const second = far.client.restore();
  second.catch(() => {});
  assert.equal((await within(first.closed, 'the hub has the resume')).code, 'replaced');
  const { slaves: [third] } = await within(stage.client(options(copied(storage))).restore(), 'the third page');
  assert.equal((await third.send('here')).seq, 1);
  assert.equal((await next(master)).text(), 'here');
});

test('a page that is loaded again twice, quickly, is in: the first one could only just store the ticket', async (t) => {
  const stage = await Stage.open(t);
  const storage = new Storage();
  const master = await stage.client().create('abc123', 'alice');
  const first = await stage.client(options(storage)).join('abc123', 'ada');
  const copy = copied(storage);
  const far = await stage.far(options(copy));
  const { setItem } = copy;
  copy.setItem = (...item) => {
    setItem.apply(copy, item);
    if (kept(copy).abc123.epoch > first.ticket.epoch) {
      far.relay.lose('up'); // what it says after that does not arrive
    }
  };
  await within(far.client.restore(), 'the second page');
  assert.equal((await within(first.closed, 'the end')).code, 'replaced');
  assert.ok(kept(copy).abc123.epoch > first.ticket.epoch);
  far.relay.bar();
  const { slaves: [third] } = await within(stage.client(options(copied(copy))).restore(), 'the third page');
  assert.equal((await third.send('here')).seq, 1);
  assert.equal((await next(master)).text(), 'here');
});

test('a stored ticket outlives lost connections', async (t) => {
  const stage = await Stage.open(t);
  await stage.client().create('abc123', 'alice');
  const { relay, client } = await stage.far();
  const slave = await client.join('abc123', 'ada');
  const { ticket } = slave;
  for (let count = 0; count < 3; count++) {
    const lost = happens(slave, 'state', ({ state }) => state === 'reconnecting');
    relay.cut();
    await lost;
    await inState(slave, 'online');
  }
  assert.equal(slave.ticket.epoch, ticket.epoch + 3);
  const again = await stage.client().resumeSlave(ticket);
  assert.equal((await again.send('here')).seq, 1);
  assert.equal((await within(slave.closed, 'the end')).code, 'replaced');
});

for (const role of ['master', 'slave']) {
  test(`a ${role}'s ticket is stored before the first frame that takes the membership`, async (t) => {
    const stage = await Stage.open(t);
    const storage = new Storage();
    const other = role === 'slave' ? await stage.client().create('abc123', 'alice') : null;
    const before = await stage.client(options(storage))[other ? 'join' : 'create']('abc123', 'ada');
    const copy = copied(storage);
    const steps = [];
    const { setItem } = copy;
    copy.setItem = (key, value) => {
      setItem.call(copy, key, value);
      steps.push(`stored ${kept(copy).abc123.epoch}`);
    };
    const { WebSocket } = framed(({ type, channel, seen }) => steps.push(channel ? `${type} ${seen ?? ''}`.trim() : type));
    const { relay, client } = await stage.far({ ...options(copy), WebSocket });
    const { slaves, masters } = await client.restore();
    const [handle] = [...slaves, ...masters];
    assert.equal((await within(before.closed, 'the end')).code, 'replaced');
    assert.deepEqual(steps, ['stored 1', 'resume', 'stored 2', 'ping 0']);
    relay.cut();
    await happens(handle, 'state', ({ state }) => state === 'online');
    assert.deepEqual(steps.slice(4), ['resume', 'stored 3', 'ping 0']);
  });
}

test('a slave that has joined needs no more frames than before, also after a loss', async (t) => {
  const stage = await Stage.open(t);
  await stage.client().create('abc123', 'alice');
  const { WebSocket, sent } = framed();
  const { relay, client } = await stage.far({ WebSocket });
  const slave = await client.join('abc123', 'ada');
  relay.cut();
  await happens(slave, 'state', ({ state }) => state === 'online');
  await slave.send('here');
  assert.deepEqual(sent.map(({ type }) => type), ['join', 'resume', 'send']);
});

test('each client is an instance of its own, shows the epoch, and its refs rise for its life', async (t) => {
  const frames = [];
  let cuts = false;
  const hub = await FakeHub.start((peer, frame) => {
    frames.push(frame);
    const epoch = frames.length;
    if (frame.type === 'create') {
      peer.send({ ...createdFor(frame), epoch });
    } else if (frame.type === 'join') {
      peer.send({ ...joinedFor(frame), epoch });
    } else if (frame.type === 'resume') {
      peer.send({ ...(frame.channel === 'one' ? createdFor : joinedFor)(frame), epoch });
    } else if (frame.type === 'send') {
      peer[cuts ? 'terminate' : 'send']({ type: 'ack', ref: frame.ref, seq: 1 });
      cuts = false;
    }
  });
  const enter = async (client) => {
    await client.create('one', 'alice');
    const slave = await client.join('two', 'alice');
    const taken = await client.resumeSlave({ ...slave.ticket, channel: 'three', epoch: 7 });
    const moved = await slave.switch('four');
    const lost = happens(moved, 'state', ({ state }) => state === 'reconnecting');
    cuts = true;
    const sending = moved.send('x');
    await lost;
    await Promise.all([sending, inState(taken, 'online')]);
    return frames.splice(0).filter(({ type }) => ['create', 'join', 'resume'].includes(type));
  };
  const shown = [await enter(fakeClient(t, hub)), await enter(fakeClient(t, hub))];
  for (const entering of shown) {
    assert.equal(new Set(entering.map(({ instance }) => instance)).size, 1);
    assert.match(entering[0].instance, /^[\w-]{22}$/, '128 bits in base64url');
    assert.equal(Buffer.from(entering[0].instance, 'base64url').length, 16);
    const refs = entering.map(({ ref }) => ref);
    assert.deepEqual(refs, [...new Set(refs)].sort((one, other) => one - other));
    assert.deepEqual(entering.map(({ type }) => type), ['create', 'join', 'resume', 'join', 'resume', 'resume', 'resume']);
    assert.equal(entering[2].epoch, 7, 'that of the ticket');
    assert.ok(entering.slice(4).every(({ epoch }) => epoch > 0), 'that of the membership');
  }
  assert.notEqual(shown[0][0].instance, shown[1][0].instance);
});

test('the storage has the ticket as it is after a loss', async (t) => {
  const stage = await Stage.open(t);
  const storage = new Storage();
  await stage.client().create('abc123', 'alice');
  const { relay, client } = await stage.far(options(storage));
  const slave = await client.join('abc123', 'ada');
  relay.cut();
  await happens(slave, 'state', ({ state }) => state === 'online');
  const { holder, ...ticket } = kept(storage).abc123;
  assert.equal(typeof holder, 'string');
  assert.deepEqual(ticket, slave.ticket);
  assert.equal(ticket.epoch, 2);
});
