import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

import { Client } from '../lectern.js';
import { readTicket } from '../src/tickets.js';
import { Stage, WebSocket } from './support/stage.js';

const vectors = JSON.parse(readFileSync(new URL('../../internal/wire/testdata/tickets.json', import.meta.url), 'utf8'));

test('the vectors are there', () => {
  assert.ok(vectors.tickets.length > 0 && vectors.readings.length > 0 && vectors.refused.length > 0);
});

for (const { name, json, ticket } of [...vectors.tickets, ...vectors.readings]) {
  test(`a ticket that is read: ${name}`, () => {
    const read = readTicket(JSON.parse(json));
    assert.deepEqual(read, { ticket });
    assert.deepEqual(readTicket(JSON.parse(JSON.stringify(read.ticket))), read, 'and again, as it is written');
  });
}

for (const { name, json, field } of vectors.refused) {
  test(`no ticket: ${name}`, async () => {
    const { ticket, problem } = readTicket(JSON.parse(json));
    assert.equal(ticket, undefined);
    assert.ok(problem.startsWith(`${field ?? 'it'} `), problem);
    const client = new Client('ws://localhost', { WebSocket });
    const role = JSON.parse(json)?.role;
    await assert.rejects(client[role === 'slave' ? 'resumeSlave' : 'resumeMaster'](JSON.parse(json)), {
      name: 'TypeError', message: `this is no ticket: ${problem}`,
    });
  });
}

test('a handle\'s ticket has the fields of that form, in JSON', async (t) => {
  const stage = await Stage.open(t);
  const master = await stage.client().create('abc123', 'alice');
  const written = JSON.parse(JSON.stringify(master.ticket));
  assert.deepEqual(Object.keys(written), ['channel', 'username', 'role', 'resume', 'epoch', 'last']);
  assert.deepEqual([written.channel, written.username, written.role, written.epoch, written.last], ['abc123', 'alice', 'master', 1, 0]);
});
