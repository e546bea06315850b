import assert from 'node:assert/strict';
import { test } from 'node:test';

import { FakeHub, joinedFor } from './support/fakehub.js';
import { Terminating } from './support/terminating.js';
import { Stage, WebSocket, fakeClient, happens, inState, member, next, within } from './support/stage.js';

// A WebSocket that tells what it was made with, and what was sent on it.
function watched() {
  const made = [];
  class Watched extends WebSocket {
    constructor(url, protocols) {
      super(url, protocols);
      this.offered = protocols;
      this.sent = 0;
      made.push(this);
    }

    send(data) {
      this.sent++;
      super.send(data);
    }
  }
  return { WebSocket: Watched, made };
}

test('the first create, join or status goes along with the handshake', async (t) => {
  const stage = await Stage.open(t);
  const enters = [
    (client) => client.create('abc123', 'alice'),
    (client) => client.join('abc123', 'user_one'),
    (client) => client.status('abc123'),
  ];
  for (const [index, enter] of enters.entries()) {
    const { made, ...options } = watched();
    await enter(stage.client(options));
    assert.equal(made.length, 1);
    assert.equal(made[0].protocol, 'lectern.v1.first');
    assert.equal(made[0].sent, index === 0 ? 1 : 0, 'a master tells what it has got');
  }
});

test('what follows on the first comes behind it', async (t) => {
  const stage = await Stage.open(t);
  const master = await stage.client().create('abc123', 'alice');
  const { made, ...options } = watched();
  const client = stage.client(options);
  const [slave] = await Promise.all([client.join('abc123', 'user_one'), client.status('abc123')]);
  assert.equal(made[0].sent, 1);
  assert.equal((await slave.send('here')).seq, 1);
  assert.equal((await next(master)).text(), 'here');
});

test('nothing goes along where that is not wanted, or too large', async (t) => {
  const stage = await Stage.open(t);
  await stage.client().create('abc123', 'alice');
  for (const [given, token] of [[{ plainHandshake: true }, ''], [{ tokenInHandshake: true }, 'x'.repeat(3000)]]) {
    const { made, ...options } = watched();
    await stage.client({ ...options, ...given }).join('abc123', `user ${token.length}`, { token });
    assert.deepEqual(made[0].offered, ['lectern.v1']);
    assert.equal(made[0].protocol, 'lectern.v1');
    assert.equal(made[0].sent, 1);
  }
});

test('no secret goes along', async (t) => {
  const stage = await Stage.open(t);
  await stage.client().create('abc123', 'alice');
  const { ticket } = await stage.client().join('abc123', 'user_one');
  const { made, ...options } = watched();
  const { relay, client } = await stage.far(options);
  const slave = await client.resumeSlave(ticket);
  const lost = happens(slave, 'state');
  relay.cut();
  await lost;
  await inState(slave, 'online');
  assert.equal(made.length, 2);
  made.forEach(({ offered }) => assert.deepEqual(offered, ['lectern.v1']));
});

test('a join that is given up while the connection is made does not stay', async (t) => {
  const stage = await Stage.open(t);
  const master = await stage.client().create('abc123', 'alice');
  const { relay, client } = await stage.far();
  relay.stall();
  const controller = new AbortController();
  const joining = client.join('abc123', 'user_one', { signal: controller.signal });
  const attempt = relay.attempt();
  await attempt;
  controller.abort();
  await assert.rejects(joining, { name: 'AbortError' });
  const left = happens(master, 'member', ({ presence }) => presence.state === 'gone');
  relay.stall(false);
  assert.equal((await left).presence.username, 'user_one');
  await stage.client().join('abc123', 'user_one');
  await member(master, 'user_one', 'online');
});

test('a client that is closed while the connection is made leaves', async (t) => {
  const stage = await Stage.open(t);
  const master = await stage.client().create('abc123', 'alice');
  const { relay, client } = await stage.far();
  relay.stall();
  const attempt = relay.attempt();
  const joining = assert.rejects(client.join('abc123', 'user_one'), { code: 'connection' });
  await attempt;
  const left = happens(master, 'member', ({ presence }) => presence.state === 'gone');
  const closed = client.close();
  await joining;
  relay.stall(false);
  await closed;
  assert.equal((await left).presence.reason, 'left');
});

test('a client that is closed while no connection comes about is closed soon', async (t) => {
  const stage = await Stage.open(t);
  const { relay, client } = await stage.far({ closeTimeout: 60_000 });
  relay.stall();
  const attempt = relay.attempt();
  const asking = assert.rejects(client.status('abc123'), { code: 'connection' });
  await attempt;
  await client.close();
  await asking;
});

test('a create that is given up while connecting is not in the way of the next', async (t) => {
  const stage = await Stage.open(t);
  const { relay, client } = await stage.far();
  relay.stall();
  const attempt = relay.attempt();
  const controller = new AbortController();
  const creating = client.create('abc123', 'alice', { signal: controller.signal });
  await attempt;
  controller.abort();
  await assert.rejects(creating, { name: 'AbortError' });
  const again = client.create('abc123', 'alice');
  relay.stall(false);
  const master = await within(again, 'the second create');
  await stage.client().join('abc123', 'user_one');
  await member(master, 'user_one', 'online');
});

test('nothing goes along where a WebSocket does not tell its protocol', async (t) => {
  const stage = await Stage.open(t);
  class Plain {
    #socket;

    constructor(url, protocols) {
      assert.deepEqual(protocols, ['lectern.v1']);
      this.#socket = new WebSocket(url, protocols);
    }

    get readyState() { return this.#socket.readyState; }
    set binaryType(type) { this.#socket.binaryType = type; }
    set onopen(listener) { this.#socket.onopen = listener; }
    set onmessage(listener) { this.#socket.onmessage = listener; }
    set onerror(listener) { this.#socket.onerror = listener; }
    set onclose(listener) { this.#socket.onclose = listener; }
    send(data) { this.#socket.send(data); }
    close(code, reason) { this.#socket.close(code, reason); }
  }
  await stage.client({ WebSocket: Plain }).create('abc123', 'alice');
});

test('a token goes along only where that is asked for', async (t) => {
  const stage = await Stage.open(t);
  await stage.client().create('abc123', 'alice');
  for (const [given, protocol] of [[{}, 'lectern.v1'], [{ tokenInHandshake: true }, 'lectern.v1.first']]) {
    const { made, ...options } = watched();
    await stage.client({ ...options, ...given }).join('abc123', `user ${protocol}`, { token: 'secret' });
    assert.equal(made[0].protocol, protocol);
    assert.equal(made[0].offered.length, protocol === 'lectern.v1' ? 1 : 3);
  }
});

test('behind a proxy that lets the first message come twice, each call has its effect once', async (t) => {
  const stage = await Stage.open(t);
  const proxy = await Terminating.to(stage.hub.url);
  t.after(() => proxy.close());
  const master = await stage.client({}, proxy.url).create('abc123', 'alice');
  const client = stage.client({}, proxy.url);
  const slave = await client.join('abc123', 'user_one');
  assert.equal((await slave.send('here')).seq, 1);
  assert.equal((await next(master)).text(), 'here');
  assert.equal((await master.send('user_one', 'there')).seq, 1);
  assert.equal((await next(slave)).text(), 'there');
  assert.deepEqual(master.members.map(({ username, state }) => [username, state]), [['user_one', 'online']]);
  assert.equal((await stage.client({}, proxy.url).status('abc123')).exists, true);
  await assert.rejects(stage.client({}, proxy.url).create('abc123', 'bob'), { code: 'channel_exists' });
  assert.equal((await stage.client().status('abc123')).exists, true);
  assert.equal(slave.state, 'online');
  assert.equal(proxy.connections, 4);

  const left = happens(master, 'member', ({ presence }) => presence.state === 'gone');
  await slave.leave();
  await left;
  await client.join('abc123', 'user_one');
  await member(master, 'user_one', 'online');
});

// A hub of whose answers those to what goes along are lost. It tells what was offered for
// each connection, and the frames that came behind.
async function losingHub() {
  const hub = await FakeHub.start((peer, frame) => {
    hub.frames.push([peer.count, frame.type]);
    if (frame.type === 'leave') {
      peer.send({ type: 'left', ref: frame.ref, channel: frame.channel });
    } else if (frame.type === 'join') {
      peer.send(joinedFor(frame));
    } else if (frame.type === 'status' && peer.count === 2) {
      peer.terminate();
    } else if (frame.type === 'status') {
      peer.send({ type: 'status', ref: frame.ref, channel: frame.channel, exists: false });
    }
    hub.came?.(frame);
  }, {
    handleProtocols: (offered) => {
      hub.offered.push(offered.size);
      return offered.has('lectern.v1.first') ? 'lectern.v1.first' : 'lectern.v1';
    },
  });
  return Object.assign(hub, { offered: [], frames: [] });
}

// The two that wait for seconds do so at the same time.
test('where the answer to what goes along is lost', { concurrency: true }, async (t) => {
  await Promise.all([
    t.test('the client connects plainly and stays with that', async (t) => {
      const hub = await losingHub();
      const client = fakeClient(t, hub);
      const slave = await within(client.join('abc123', 'user_one'), 'the join on the second connection');
      assert.deepEqual(hub.offered, [3, 1]);
      assert.deepEqual(hub.frames, [[1, 'leave'], [2, 'join']]);
      await slave.leave();
      assert.equal((await client.status('abc123')).exists, false);
      assert.deepEqual(hub.offered, [3, 1, 1]);
    }),
    t.test('what was given up by then does not stay', async (t) => {
      const hub = await losingHub();
      const client = fakeClient(t, hub);
      const controller = new AbortController();
      const left = new Promise((resolve) => {
        hub.came = resolve;
      });
      const joining = client.join('abc123', 'user_one', { signal: controller.signal });
      setTimeout(() => controller.abort(), 1000);
      await assert.rejects(joining, { name: 'AbortError' });
      assert.equal((await within(left, 'the leave')).channel, 'abc123');
      await within(client.join('abc123', 'user_one'), 'the next join');
      assert.deepEqual(hub.frames[0], [1, 'leave']);
    }),
  ]);
});
