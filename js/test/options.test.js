import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Client } from '../lectern.js';
import { FakeHub, joinedFor } from './support/fakehub.js';
import { fakeClient, within } from './support/stage.js';

class Unused {}

test('an option that there is not is named at once', async (t) => {
  assert.throws(() => new Client('ws://localhost', { WebSocket: Unused, minBackof: 1 }), /^TypeError: Client has no option minBackof$/);
  assert.throws(() => new Client('ws://localhost', { WebSocket: Unused, inbox: { size: 1 } }), /^TypeError: inbox has no option size$/);
  assert.throws(() => new Client('ws://localhost', { WebSocket: Unused, minBackoff: 10, maxBackoff: 5 }), RangeError);
  assert.throws(() => new Client('ws://localhost', { WebSocket: Unused, token: 'secret' }), /^TypeError: token must be a function/);
  new Client('ws://localhost', { WebSocket: Unused, minBackoff: 10_000 });

  let asked = 0;
  const hub = await FakeHub.start((peer, frame) => {
    asked++;
    if (frame.type === 'join') {
      peer.send(joinedFor(frame));
    }
  });
  const client = fakeClient(t, hub);
  const ticket = { role: 'slave', channel: 'a', username: 'b', secret: 'c', last: 0 };
  for (const [attempt, words] of [
    [() => client.create('abc123', 'alice', { master: 'alice' }), /create has no option master/],
    [() => client.join('abc123', 'bob', { masterTimeout: 1000 }), /join has no option masterTimeout/],
    [() => client.join('abc123', 'bob', { expect: 'alice' }), /join has no option expect/],
    [() => client.resumeSlave(ticket, { master: 'x' }), /resumeSlave has no option master/],
    [() => client.status('abc123', { token: 'x' }), /status has no option token/],
    [() => client.restore({ reply: true }), /restore has no option reply/],
  ]) {
    await assert.rejects(within(attempt(), String(words)), (error) => error instanceof TypeError && words.test(error.message));
  }
  assert.equal(asked, 0, 'nothing was asked of the hub');
  const slave = await client.join('abc123', 'bob', { master: undefined, other: undefined });
  await assert.rejects(slave.send('hello', { to: 'alice' }), /send has no option to/);
  await assert.rejects(slave.switch('abc124', { masterTimeout: 1 }), /switch has no option masterTimeout/);
  await assert.rejects(slave.messages({ timeout: 1 }).next(), /messages has no option timeout/);
});
