import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Connection } from '../src/connection.js';
import { FakeHub, createdFor, joinedFor } from './support/fakehub.js';
import { fakeClient, inState, refused, within } from './support/stage.js';

// A WebSocket whose network takes as many bytes as a test says.
class Narrow {
  static made;
  readyState = 1;
  protocol = 'lectern.v1';
  bufferedAmount = 0;
  // What the system takes at once.
  room = 0;

  constructor() {
    Narrow.made = this;
  }

  send(data) {
    const taken = Math.min(this.room, data.length);
    this.room -= taken;
    this.bufferedAmount += data.length - taken;
  }

  close() {
    this.readyState = 3;
  }
}

function narrow(t) {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  let now = 1000;
  t.mock.method(performance, 'now', () => now);
  const told = { ended: null, seconds: 0 };
  const options = { WebSocket: Narrow, dialTimeout: 10_000, silence: 10_000, patience: 5000, wakePatience: 2000 };
  const connection = new Connection({ url: 'ws://localhost/ws', way: 'websocket', patience: 10_000, proof: 0 }, options, null, {
    opened: () => {}, frame: () => {}, ended: (how) => {
      told.ended = how;
    },
  });
  const socket = Narrow.made;
  socket.onopen();
  return {
    connection,
    socket,
    told,
    // so many seconds, in each of which so many bytes go out
    pass: (seconds, bytes) => {
      for (let i = 0; i < seconds && !told.ended; i++) {
        socket.bufferedAmount = Math.max(0, socket.bufferedAmount - bytes);
        now += 1000;
        told.seconds++;
        t.mock.timers.tick(1000);
      }
    },
  };
}

const large = (bytes) => ({ type: 'send', ref: 2, channel: 'abc123', payload: { kind: 'bytes', bytes: new Uint8Array(bytes) } });

test('a connection on which bytes move is not given up, until they do not', (t) => {
  const { connection, socket, told, pass } = narrow(t);
  connection.send(large(60_000));
  pass(40, 1400);
  assert.equal(told.ended, null);
  assert.ok(socket.bufferedAmount > 0);
  pass(60, 0);
  assert.deepEqual(told.ended, { number: 0, reason: 'no sign of life', silent: true });
  assert.ok(told.seconds <= 50, `${told.seconds} s`);
});

test('what trickles is no sign of life, and neither is what the system takes of a dead connection', (t) => {
  const trickling = narrow(t);
  trickling.connection.send(large(60_000));
  trickling.pass(30, 500);
  assert.equal(trickling.told.seconds, 15);
  t.mock.timers.reset();
  t.mock.restoreAll();

  const dead = narrow(t);
  dead.socket.room = 1 << 20;
  for (let i = 0; i < 30; i++) {
    dead.connection.send(large(2000));
    dead.pass(1, 0);
  }
  assert.equal(dead.told.seconds, 15);
});

test('when all has gone out the answer still has its time, once', (t) => {
  const { connection, told, pass } = narrow(t);
  connection.send(large(14_000));
  pass(60, 1100);
  assert.equal(told.seconds, 20);
});

// A hub that closes a connection as slow each time that something large comes.
async function slowHub(number = 4101) {
  const seen = [];
  const hub = await FakeHub.start((peer, frame) => {
    const size = frame.payload?.bytes.length ?? 0;
    if (frame.type === 'join' || frame.type === 'resume') {
      peer.send(frame.channel === 'own' ? createdFor(frame) : joinedFor(frame));
    } else if (frame.type === 'create') {
      peer.send(createdFor(frame));
    } else if (frame.type === 'send') {
      seen.push(size);
      if (peer.over) {
        return;
      }
      if (size >= 20_000) {
        peer.over = true;
        peer.close(number, 'too slow');
      } else {
        peer.send({ type: 'ack', ref: frame.ref, seq: seen.length });
      }
    }
  });
  return { hub, seen };
}

test('a send that was closed as slow three times fails, and what is behind it arrives', async (t) => {
  const { hub, seen } = await slowHub();
  const client = fakeClient(t, hub);
  const slave = await client.join('abc123', 'user_one');
  const before = slave.send('before');
  const sending = slave.send(new Uint8Array(20_000));
  const behind = slave.send('behind');
  await refused(sending, 'connection');
  await assert.rejects(sending, /3 connections were too slow for these 20000 bytes/);
  await within(behind, 'what is behind');
  await before;
  assert.equal(hub.connections, 4);
  assert.equal(seen.filter((size) => size === 20_000).length, 3);
  assert.equal(slave.state, 'online');
});

test('it is the send that was on its way, whatever channel it is of', async (t) => {
  const { hub } = await slowHub();
  const client = fakeClient(t, hub);
  const master = await client.create('own', 'alice');
  const slave = await client.join('abc123', 'user_one');
  const sending = slave.send(new Uint8Array(20_000));
  const behind = [master.broadcast('one'), slave.send('two')];
  await refused(sending, 'connection');
  await within(Promise.all(behind), 'what is behind');
});

test('a connection that is lost otherwise counts for nothing', async (t) => {
  let sends = 0;
  const hub = await FakeHub.start((peer, frame) => {
    if (frame.type === 'join' || frame.type === 'resume') {
      peer.send(joinedFor(frame));
    } else if (frame.type === 'send' && ++sends <= 5) {
      peer.close([4101, 4104, 4101, 4106, 1001][sends - 1], 'for people');
    } else if (frame.type === 'send') {
      peer.send({ type: 'ack', ref: frame.ref, seq: 1 });
    }
  });
  const slave = await fakeClient(t, hub).join('abc123', 'user_one');
  assert.equal((await within(slave.send('hello'), 'the answer')).seq, 1);
  await inState(slave, 'online');
});

test('what this side gives up for want of a sign of life counts where the send is large enough to be the reason', async (t) => {
  const sizes = [];
  const hub = await FakeHub.start((peer, frame) => {
    if (frame.type === 'join' || frame.type === 'resume') {
      peer.send(joinedFor(frame));
    } else if (frame.type === 'send') {
      sizes.push(frame.payload.bytes.length);
      if (frame.payload.bytes.length < 100 && peer.count > 4) {
        peer.send({ type: 'ack', ref: frame.ref, seq: 1 });
      }
    }
  }, { silent: true });
  const slave = await fakeClient(t, hub, { silence: 20, patience: 20 }).join('abc123', 'user_one');
  const sending = slave.send(new Uint8Array(1000));
  const behind = slave.send(new Uint8Array(30));
  await refused(sending, 'connection');
  assert.equal((await within(behind, 'what is behind')).seq, 1);
  assert.equal(sizes.filter((size) => size === 1000).length, 3);
  assert.ok(sizes.filter((size) => size === 30).length > 3);
});
