import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

import { RefusedError } from '../lectern.js';
import { nameProblem } from '../src/names.js';
import { FakeHub, joinedFor } from './support/fakehub.js';
import { Stage, fakeClient, next, refused, within } from './support/stage.js';

// The rows of the Go test, in which a name is a Go string.
function rowsOfGo() {
  const source = readFileSync(new URL('../../internal/wire/names_test.go', import.meta.url), 'utf8');
  const [table] = source.split('func TestValidName')[1].split('for _, test := range');
  return [...table.matchAll(/\{"([^"]*)", ("(?:[^"\\]|\\.)*"), (true|false)\},/g)].map(([, what, literal, valid]) => {
    const text = literal.replace(/\\U000([0-9a-f]{5})/g, '\\u{$1}');
    return { what, name: Function(`return ${text}`)(), valid: valid === 'true' };
  });
}

test('the client takes for names what the hub does', () => {
  const rows = rowsOfGo().filter(({ what }) => !/half a character|not UTF-8|a surrogate/.test(what));
  assert.ok(rows.length > 70, `${rows.length} rows`);
  for (const { what, name, valid } of rows) {
    assert.equal(nameProblem(name) === '', valid, `${what}: ${JSON.stringify(name)}: ${nameProblem(name)}`);
  }
});

test('a refusal says which name, and names the character', async (t) => {
  const stage = await Stage.open(t);
  const client = stage.client();
  const master = await client.create('abc123', 'alice');
  for (const [attempt, words] of [
    [() => stage.client().join('abc123', 'alice\u3164'), /^username: .*character 6, U\+3164/],
    [() => stage.client().join('abc\u200b', 'bob'), /^channel: .*character 4, U\+200B/],
    [() => stage.client().join('abc123', 'bob', { master: 'a\u00a0' }), /^master: .*U\+00A0/],
    [() => stage.client().join('abc123', ''), /^username: it is empty/],
    [() => stage.client().create('x'.repeat(100_000), 'bob'), /^channel: it has 100000 bytes/],
    [() => stage.client().status('\ud800'), /^channel: .*surrogate/],
    [() => master.send('x'.repeat(100_000), 'hello'), /"x{64}"… \(100000 bytes\)/],
    [() => master.send('nobody', 'hello'), /"nobody" in "abc123"/],
    [() => stage.client().join('nowhere', 'bob'), /"nowhere".*create/],
  ]) {
    await assert.rejects(within(attempt(), String(words)), (error) => {
      assert.ok(error instanceof RefusedError);
      assert.match(error.reason, words);
      assert.ok(error.message.length < 500);
      return true;
    });
  }
  await refused(stage.client().resumeSlave({
    role: 'slave', channel: 'abc123', username: 'was\u3164', secret: 'x', last: 0,
  }), 'bad_name', RefusedError);
  const { username } = await stage.client().join('abc123', '山田\u3000太郎');
  assert.equal(username, '山田\u3000太郎');
});

test('a membership is under the names that the service has made', async (t) => {
  const hub = await FakeHub.start((peer, frame) => {
    if (frame.type === 'join') {
      peer.send(joinedFor({ ...frame, channel: frame.channel.toLowerCase(), username: 'given' }));
    } else if (frame.type === 'send') {
      peer.send({ type: 'ack', ref: frame.ref, seq: 1 });
      peer.send({ type: 'message', channel: 'room', from: 'alice', seq: 1, payload: { kind: 'text', bytes: new TextEncoder().encode(`to ${frame.channel}`) } });
    }
  });
  const client = fakeClient(t, hub);
  const slave = await client.join('Room', '');
  assert.deepEqual([slave.channel, slave.username, slave.ticket.channel], ['room', 'given', 'room']);
  await slave.send('hello');
  assert.equal((await next(slave)).text(), 'to room');
  await refused(client.join('ROOM', 'given'), 'forbidden', RefusedError);
  await slave.send('still');
});
