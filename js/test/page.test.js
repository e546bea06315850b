import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Client, Master, Slave } from '../lectern.js';
import { FakeHub, joinedFor } from './support/fakehub.js';
import { Stage, fakeClient, happens, inState, member, next, refused, texts, within } from './support/stage.js';
import { Storage } from './support/storage.js';

/**
 * asPage makes the globals those of a page, as far as the client looks at them.
 * They stay until the next page takes their place.
 */
function asPage() {
  const page = new EventTarget();
  const document = new EventTarget();
  document.visibilityState = 'visible';
  const listening = new Set();
  for (const target of [page, document]) {
    const { addEventListener, removeEventListener } = target;
    target.addEventListener = (type, listener) => {
      listening.add(listener);
      addEventListener.call(target, type, listener);
    };
    target.removeEventListener = (type, listener) => {
      listening.delete(listener);
      removeEventListener.call(target, type, listener);
    };
  }
  Object.assign(globalThis, {
    document, addEventListener: page.addEventListener, removeEventListener: page.removeEventListener,
  });
  return { page, document, listening };
}

// Long enough that nothing of it happens within a test.
const patient = { silence: 3_600_000, minBackoff: 3_600_000, maxBackoff: 3_600_000 };

test('a page that wakes up looks at its connection at once', async (t) => {
  const { document } = asPage();
  let pinged;
  const hub = await FakeHub.start((peer, frame) => {
    if (frame.type === 'join') {
      peer.send(joinedFor(frame));
    } else if (frame.type === 'ping') {
      pinged?.();
    }
  });
  const slave = await fakeClient(t, hub, patient).join('abc123', 'user_one');
  const ping = new Promise((resolve) => {
    pinged = resolve;
  });
  document.visibilityState = 'visible';
  document.dispatchEvent(new Event('visibilitychange'));
  await within(ping, 'a ping');
  assert.equal(slave.state, 'online');
});

for (const [name, wake] of [
  ['is seen again', ({ document }) => document.dispatchEvent(new Event('visibilitychange'))],
  ['is shown again', ({ page }) => page.dispatchEvent(new Event('pageshow'))],
  ['loses its network', ({ page }) => page.dispatchEvent(new Event('offline'))],
]) {
  test(`a page that ${name} gives up a dead connection soon`, async (t) => {
    const page = asPage();
    const hub = await FakeHub.start((peer, frame) => {
      if (frame.type === 'join') {
        peer.send(joinedFor(frame));
      }
    }, { silent: true });
    const client = fakeClient(t, hub, { ...patient, wakePatience: 30 });
    const slave = await client.join('abc123', 'user_one');
    const lost = happens(slave, 'state');
    wake(page);
    assert.equal((await lost).state, 'reconnecting');
  });
}

for (const [name, wake] of [
  ['is online again', ({ page }) => page.dispatchEvent(new Event('online'))],
  ['is seen again', ({ document }) => document.dispatchEvent(new Event('visibilitychange'))],
]) {
  test(`a page that ${name} does not wait to connect`, async (t) => {
    const page = asPage();
    t.mock.method(Math, 'random', () => 0.9);
    const stage = await Stage.open(t);
    await stage.client().create('abc123', 'alice');
    const { relay, client } = await stage.far(patient);
    const slave = await client.join('abc123', 'user_one');
    relay.cut();
    await inState(slave, 'reconnecting');
    wake(page);
    await inState(slave, 'online');
  });
}

test('a client that is done listens to the page no more', async (t) => {
  const { listening } = asPage();
  const stage = await Stage.open(t);
  const client = stage.client();
  await client.create('abc123', 'alice');
  assert.ok(listening.size > 0);
  await client.close();
  assert.equal(listening.size, 0);
});

/** reload closes a page's connection without a word, and gives its client's successor. */
async function reload(stage, { relay, options }) {
  relay.cut();
  relay.bar();
  return stage.client(options);
}

test('a page that is loaded again resumes by its tickets', async (t) => {
  const stage = await Stage.open(t);
  const above = await stage.far();
  const below = await stage.far();
  const master = await above.client.create('abc123', 'alice');
  const slave = await below.client.join('abc123', 'user_one');
  await master.broadcast('one');
  await slave.send('un');
  assert.deepEqual(await texts(slave, 1), ['one']);
  assert.deepEqual(await texts(master, 1), ['un']);
  const tickets = [master, slave].map((each) => JSON.parse(JSON.stringify(each.ticket)));
  await master.broadcast('two');
  await slave.send('deux');

  const nextMaster = await (await reload(stage, above)).resumeMaster(tickets[0]);
  const nextSlave = await (await reload(stage, below)).resumeSlave(tickets[1]);
  assert.ok(nextMaster instanceof Master);
  assert.ok(nextSlave instanceof Slave);
  assert.deepEqual(nextMaster.members.map(({ username }) => username), ['user_one']);
  // What the new client sends is not taken for what the old one has sent.
  assert.equal((await nextMaster.broadcast('three')).seq, 3);
  assert.equal((await nextSlave.send('trois')).seq, 3);
  assert.deepEqual(await texts(nextSlave, 2), ['two', 'three']);
  assert.deepEqual(await texts(nextMaster, 2), ['deux', 'trois']);
});

test('a page that is loaded again is restored from its storage', async (t) => {
  const stage = await Stage.open(t);
  const storage = new Storage();
  const far = { ...await stage.far({ storage, storageKey: 'kept' }), options: { storage, storageKey: 'kept' } };
  const teacher = await far.client.create('lesson', 'alice');
  const student = await stage.client().join('lesson', 'user_one');
  const other = await stage.client().create('other', 'bob');
  const visitor = await far.client.join('other', 'alice');
  const gone = await far.client.create('gone', 'alice');
  await student.send('one');
  await student.send('two');
  await other.broadcast('hello');
  assert.deepEqual(await texts(teacher, 1), ['one']);
  assert.equal(visitor.state, 'online');
  await gone.close();
  assert.deepEqual(Object.keys(JSON.parse(storage.getItem('kept'))), ['lesson', 'other']);

  const client = await reload(stage, far);
  const { masters, slaves, lost } = await within(client.restore(), 'the restore');
  assert.deepEqual(lost, []);
  assert.deepEqual(masters.map(({ channel }) => channel), ['lesson']);
  assert.deepEqual(slaves.map(({ channel }) => channel), ['other']);
  assert.deepEqual(await texts(masters[0], 1), ['two']);
  assert.deepEqual(await texts(slaves[0], 1), ['hello']);
  assert.equal(JSON.parse(storage.getItem('kept')).other.last, 1);

  await masters[0].close();
  await slaves[0].leave();
  assert.equal(storage.items.size, 0);
  assert.deepEqual(await client.restore(), { masters: [], slaves: [], lost: [] });
});

test('a page that shows what was said before asks for it again', async (t) => {
  const stage = await Stage.open(t);
  const storage = new Storage();
  const options = { storage, storageKey: 'kept' };
  const master = await stage.client().create('abc123', 'alice');
  await master.broadcast('before');
  const far = { ...await stage.far(options), options };
  const slave = await far.client.join('abc123', 'user_one');
  await master.broadcast('one');
  await master.broadcast('two');
  assert.deepEqual(await texts(slave, 2), ['one', 'two']);
  const client = await reload(stage, far);
  const { slaves } = await client.restore({ replay: true });
  assert.deepEqual(await texts(slaves[0], 2), ['one', 'two']);
});

test('what is over by the time of the reload is told as lost, and forgotten', async (t) => {
  const stage = await Stage.open(t);
  const storage = new Storage();
  const options = { storage, storageKey: 'kept' };
  const master = await stage.client().create('abc123', 'alice');
  const far = { ...await stage.far(options), options };
  const slave = await far.client.join('abc123', 'user_one');
  const kept = storage.getItem('kept');
  await master.kick('user_one');
  await within(slave.closed, 'the end');
  assert.equal(storage.items.size, 0);
  storage.setItem('kept', kept);
  const { lost } = await (await reload(stage, far)).restore();
  assert.deepEqual(lost.map(({ role, channel, username, error }) => [role, channel, username, error.code]),
    [['slave', 'abc123', 'user_one', 'resume_failed']]);
  assert.equal(storage.items.size, 0);
});

test('a restore goes on while the hub cannot be reached, and ends with its signal', async (t) => {
  const stage = await Stage.open(t);
  const storage = new Storage();
  const options = { storage, storageKey: 'kept' };
  await stage.client().create('abc123', 'alice');
  const far = await stage.far(options);
  await far.client.join('abc123', 'user_one');
  const kept = storage.getItem('kept');
  const again = await stage.far(options);
  again.relay.bar();
  const controller = new AbortController();
  const aborted = again.client.restore({ signal: controller.signal });
  await within(again.relay.attempt(), 'an attempt');
  controller.abort();
  await assert.rejects(aborted, { name: 'AbortError' });
  assert.equal(storage.getItem('kept'), kept);

  const restoring = again.client.restore();
  await within(again.relay.attempt(), 'an attempt');
  await within(again.relay.attempt(), 'another attempt');
  again.relay.bar(false);
  const { slaves } = await within(restoring, 'the restore');
  assert.equal(slaves[0].username, 'user_one');
});

test('a storage that fails ends nothing', async (t) => {
  const stage = await Stage.open(t);
  const reported = [];
  globalThis.reportError = (error) => reported.push(error.message);
  t.after(() => {
    delete globalThis.reportError;
  });
  const storage = {
    getItem: () => '}',
    setItem: () => {
      throw new Error('full');
    },
    removeItem: () => {},
  };
  const client = stage.client({ storage });
  assert.deepEqual(await client.restore(), { masters: [], slaves: [], lost: [] });
  const master = await client.create('abc123', 'alice');
  assert.equal(master.state, 'online');
  assert.deepEqual(reported, ['full']);
});

test('two pages with the same tickets: the later one has them', async (t) => {
  const stage = await Stage.open(t);
  const first = new Storage();
  await stage.client().create('abc123', 'alice');
  const slave = await stage.client({ storage: first, storageKey: 'kept' }).join('abc123', 'user_one');
  const second = new Storage();
  second.setItem('kept', first.getItem('kept'));
  const { slaves } = await stage.client({ storage: second, storageKey: 'kept' }).restore();
  assert.equal((await within(slave.closed, 'the end')).code, 'replaced');
  assert.equal(first.items.size, 0);
  assert.equal(slaves[0].state, 'online');
  assert.equal(second.items.size, 1);
});

test('a WebSocket that cannot be made is a hub that cannot be reached', async (t) => {
  class Forbidden {
    constructor() {
      throw new Error('not on this page');
    }
  }
  const client = new Client('ws://127.0.0.1:1/ws', { transport: 'websocket', WebSocket: Forbidden });
  await refused(client.join('abc123', 'user_one'), 'connection');
  await client.close();
});

test('a connection that is not made in time is given up', async (t) => {
  const stage = await Stage.open(t);
  const { relay, client } = await stage.far({ dialTimeout: 50 });
  relay.stall();
  await refused(client.status('abc123'), 'connection');
});

test('a slave whose page was loaded again is the same to its master', async (t) => {
  const stage = await Stage.open(t);
  const master = await stage.client().create('abc123', 'alice');
  const far = await stage.far();
  const slave = await far.client.join('abc123', 'user_one');
  const asked = master.request('user_one', 'well?');
  const ticket = slave.ticket;
  far.relay.bar();
  await member(master, 'user_one', 'away');
  const again = await stage.client().resumeSlave(ticket);
  await (await next(again)).reply('here again');
  assert.equal((await within(asked, 'the answer')).text(), 'here again');
});
