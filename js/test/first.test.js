import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Stage, WebSocket, happens, inState, member, next, within } from './support/stage.js';

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
  for (const enter of enters) {
    const { made, ...options } = watched();
    await enter(stage.client(options));
    assert.equal(made.length, 1);
    assert.equal(made[0].protocol, 'lectern.v1.first');
    assert.equal(made[0].sent, 0);
  }
});

test('what follows on the first comes behind it', async (t) => {
  const stage = await Stage.open(t);
  const master = await stage.client().create('abc123', 'alice');
  const { made, ...options } = watched();
  const client = stage.client(options);
  const [slave] = await Promise.all([client.join('abc123', 'user_one'), client.status('abc123')]);
  assert.equal(made[0].sent, 1);
  assert.equal(await slave.send('here'), 1);
  assert.equal((await next(master)).text(), 'here');
});

test('nothing goes along where that is not wanted, or too large', async (t) => {
  const stage = await Stage.open(t);
  await stage.client().create('abc123', 'alice');
  for (const [given, token] of [[{ plainHandshake: true }, ''], [{}, 'x'.repeat(3000)]]) {
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
