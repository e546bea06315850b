import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Client, ConnectionError } from '../lectern.js';
import { FakeHub, joinedFor } from './support/fakehub.js';
import { WebSocket, happens, refused, within } from './support/stage.js';
import { Storage } from './support/storage.js';

// Hubs whose order is that of their addresses, and a client of all. had is whether a hub has what is resumed, or the
// channel that it has.
async function several(t, had, options = {}, timeout = 30_000) {
  const log = [];
  const hubs = [];
  for (const index of had.keys()) {
    hubs.push(await FakeHub.start((peer, frame) => {
      if (frame.type === 'join' || (frame.type === 'resume' && [true, frame.channel].includes(had[index]))) {
        log.push(`${index} ${frame.type} ${frame.channel}`);
        peer.send({ ...joinedFor(frame), epoch: 1, master_timeout_ms: timeout });
      } else if (frame.type === 'resume') {
        log.push(`${index} lost ${frame.channel}`);
        peer.send({ type: 'error', ref: frame.ref, channel: frame.channel, code: 'hub_lost' });
      } else if (frame.type === 'send') {
        peer.send({ type: 'ack', ref: frame.ref, seq: index + 1 });
      }
    }));
  }
  const urls = hubs.map(({ url }) => url);
  const client = new Client(urls, { transport: 'websocket', WebSocket, minBackoff: 1, maxBackoff: 5, closeTimeout: 1000, ...options });
  t.after(async () => {
    await client.close();
    hubs.forEach((hub) => hub.close());
  });
  return { client, hubs, urls, log };
}

const online = (handle) => happens(handle, 'state', ({ state }) => state === 'online');
const ticket = { channel: 'abc123', username: 'ada', role: 'slave', resume: 'x', epoch: 1, last: 0 };

test('each attempt takes the next address', async (t) => {
  const { client, hubs, log } = await several(t, [true, true, true]);
  const slave = await client.join('abc123', 'ada');
  for (const index of [0, 1, 2]) {
    hubs[index].peers[0].terminate();
    await online(slave);
  }
  assert.deepEqual(log, ['0 join abc123', '1 resume abc123', '2 resume abc123', '0 resume abc123']);
});

test('a move goes to another address than the present one', async (t) => {
  const { client, hubs, log } = await several(t, [true, true]);
  const slave = await client.join('abc123', 'ada');
  hubs[0].peers[0].send({ type: 'shutdown', timeout_ms: 0 });
  await within(hubs[0].peers[0].closed, 'the end of the old one');
  assert.equal((await slave.send('a')).seq, 2);
  hubs[1].peers[0].send({ type: 'shutdown', timeout_ms: 0 });
  await within(hubs[1].peers[0].closed, 'the end of the second one');
  assert.deepEqual(log, ['0 join abc123', '1 resume abc123', '0 resume abc123']);
});

test('a call fails when no address can be reached', async (t) => {
  const { client, hubs } = await several(t, [true, true, true]);
  hubs[0].close();
  hubs[1].close();
  const slave = await within(client.join('abc123', 'ada'), 'the join');
  assert.equal((await slave.send('a')).seq, 3);
  hubs[2].close();
  await assert.rejects(within(client.status('abc123'), 'the status'), ConnectionError);
});

test('a membership is lost when as many addresses in a row do not have it', async (t) => {
  const had = [false, false];
  const { client, hubs, log } = await several(t, had);
  const slave = await client.join('abc123', 'ada');
  hubs[0].peers[0].terminate();
  assert.equal((await within(slave.closed, 'the end')).code, 'hub_lost');
  assert.deepEqual(log, ['0 join abc123', '1 lost abc123', '0 lost abc123']);
});

test('a membership that another address has is back, and counted anew', async (t) => {
  const had = [true, false];
  const { client, hubs, log } = await several(t, had);
  const slave = await client.join('abc123', 'ada');
  hubs[0].peers[0].terminate();
  await online(slave);
  hubs[0].peers[1].terminate();
  await online(slave);
  assert.deepEqual(log, [
    '0 join abc123', '1 lost abc123', '0 resume abc123', '1 lost abc123', '0 resume abc123',
  ]);
});

test('one that the present hub does not have does not put out those that it has', async (t) => {
  const { client, hubs, log } = await several(t, ['abc123', 'abc124']);
  const one = await client.join('abc123', 'ada');
  const other = await client.join('abc124', 'ada');
  hubs[0].peers[0].terminate();
  await online(other);
  assert.equal((await other.send('a')).seq, 2);
  assert.deepEqual([one.state, other.state], ['reconnecting', 'online']);
  assert.deepEqual(log.slice(2), ['1 lost abc123', '1 resume abc124']);
  hubs[1].peers[0].terminate();
  await online(one);
  assert.deepEqual(log.slice(4), ['0 resume abc123', '0 lost abc124']);
});

test('one that no hub in reach has ends when its time is over', async (t) => {
  const { client, hubs } = await several(t, ['abc124', 'abc124'], {}, 300);
  const one = await client.join('abc123', 'ada');
  const other = await client.join('abc124', 'ada');
  hubs[0].peers[0].terminate();
  assert.equal((await within(one.closed, 'the end')).code, 'hub_lost');
  assert.equal(other.state, 'online');
});

test('a ticket is worth nothing when no address has what it is for', async (t) => {
  const storage = new Storage();
  storage.setItem('kept', JSON.stringify({ abc123: ticket }));
  const { client, log } = await several(t, [false, false], { storage, storageKey: 'kept' });
  const { slaves, lost } = await within(client.restore(), 'what is restored');
  assert.deepEqual([slaves.length, lost.length], [0, 1]);
  assert.deepEqual([lost[0].channel, lost[0].error.code], ['abc123', 'hub_lost']);
  assert.equal(storage.getItem('kept'), null);
  assert.deepEqual(log, ['0 lost abc123', '1 lost abc123']);
  await refused(client.resumeSlave(ticket), 'hub_lost');
});

test('a ticket leads back by the address that has it', async (t) => {
  const storage = new Storage();
  storage.setItem('kept', JSON.stringify({ abc123: ticket }));
  const { client, log } = await several(t, [false, true], { storage, storageKey: 'kept' });
  const { slaves } = await within(client.restore(), 'what is restored');
  assert.deepEqual(slaves.map(({ state }) => state), ['online']);
  assert.deepEqual(log, ['0 lost abc123', '1 resume abc123']);
});

test('with one address a hub that is lost is the end, and the ticket is dropped', async (t) => {
  const storage = new Storage();
  const { client, hubs } = await several(t, [false], { storage, storageKey: 'kept' });
  const slave = await client.join('abc123', 'ada');
  hubs[0].peers[0].terminate();
  assert.equal((await within(slave.closed, 'the end')).code, 'hub_lost');
  storage.setItem('kept', JSON.stringify({ abc123: ticket }));
  const { lost } = await client.restore();
  assert.equal(lost[0].error.code, 'hub_lost');
  assert.equal(storage.getItem('kept'), null);
});

test('tickets are kept under the first address', async (t) => {
  const storage = new Storage();
  const { client, urls } = await several(t, [true, true], { storage });
  await client.join('abc123', 'ada');
  assert.deepEqual([...storage.items.keys()], [`lectern ${urls[0]}`]);
});

test('an address that is wrong is named', () => {
  const made = (urls) => () => new Client(urls, { WebSocket });
  assert.throws(made(['wss://a.example/ws', 'ftp://b.example']), { name: 'TypeError', message: /ftp:\/\/b\.example/ });
  assert.throws(made(['wss://a.example/ws', new URL('file:///ws')]), { name: 'TypeError', message: /file:\/\/\/ws/ });
  assert.throws(made([]), { name: 'TypeError', message: /empty/ });
  made(['wss://a.example/ws', new URL('https://b.example/ws')])();
});

test('a relative address in a list is one where there is a page', async () => {
  const client = new Client(['wss://a.example/ws', '/ws'], { WebSocket });
  await assert.rejects(client.status('abc123'), { name: 'TypeError', message: /\/ws/ });
});
