import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runInNewContext } from 'node:vm';

import { Client, json } from '../lectern.js';
import { FakeHub, createdFor } from './support/fakehub.js';
import { Stage, WebSocket, fakeClient, next, within } from './support/stage.js';

const elsewhere = (expression) => runInNewContext(expression, { Blob });

// What JSON.stringify makes {} or null of, leaves out, or numbers the bytes of.
const noJSON = [
  'new Map([[1, 2]])', 'new Set([1])', 'new WeakMap()', 'new WeakSet()', 'Promise.resolve(1)', '/x/', 'new Error("x")',
  'new SharedArrayBuffer(4)', '() => 1', 'class {}', 'Symbol("x")', 'Symbol.iterator', '7n', 'Object(7n)', '[1].values()',
  'new Map().keys()', '(function* () {})()', '(function () { return arguments; })(1)', 'new Blob(["x"])',
  'NaN', 'Infinity', '-Infinity',
];
// These are bytes where they are the whole.
const bytes = [
  'new Uint8Array([1, 2])', 'new Uint8ClampedArray([1, 2])', 'new DataView(new Uint8Array([1, 2]).buffer)',
  'new Uint8Array([1, 2]).buffer', 'new Uint8Array([0, 1, 2, 3]).subarray(1, 3)',
  'new Uint8Array(new SharedArrayBuffer(2)).fill(1)',
];
// What is within each other.
const around = { object: (value) => ({ a: { value } }), array: (value) => ({ a: [value] }), json };

/** sender is a master whose payloads are collected. */
async function sender(t) {
  const sent = [];
  const hub = await FakeHub.start((peer, frame) => {
    if (frame.type === 'create') {
      peer.send(createdFor(frame));
    } else if (frame.type === 'send') {
      sent.push([frame.payload.kind, [...frame.payload.bytes]]);
      peer.send({ type: 'ack', ref: frame.ref, seq: sent.length });
    }
  });
  return { master: await fakeClient(t, hub).create('abc123', 'alice'), sent };
}

test('what has no JSON of its own is a TypeError, of whatever realm and wherever it is', async (t) => {
  const { master, sent } = await sender(t);
  for (const realm of [eval, elsewhere]) {
    for (const expression of noJSON) {
      const value = realm(`(${expression})`);
      await assert.rejects(within(master.broadcast(value), expression), TypeError, expression);
    }
    for (const [where, put] of Object.entries(around)) {
      for (const expression of [...noJSON, ...bytes]) {
        const value = realm(`(${expression})`);
        await assert.rejects(within(master.broadcast(put(value)), expression), TypeError, `${expression} in ${where}`);
      }
    }
  }
  await assert.rejects(master.broadcast(undefined), TypeError);
  await assert.rejects(master.broadcast(json(undefined)), TypeError);
  await assert.rejects(master.broadcast({ toJSON: () => undefined }), TypeError);
  // It would become null.
  await assert.rejects(master.broadcast([undefined]), TypeError);
  await assert.rejects(master.broadcast([, 1]), TypeError); // eslint-disable-line no-sparse-arrays
  await assert.rejects(master.broadcast({ a: { b: new Map() } }), /TypeError.*Map.*"b"/);
  assert.deepEqual(sent, []);
});

test('bytes of every realm are bytes', async (t) => {
  const { master, sent } = await sender(t);
  for (const realm of [eval, elsewhere]) {
    for (const expression of bytes) {
      await master.broadcast(realm(`(${expression})`));
      const expected = expression.includes('Shared') ? [1, 1] : [1, 2];
      assert.deepEqual(sent.pop(), ['bytes', expected], expression);
    }
  }
});

class Point {
  #hidden = 1;
  x = 1;
}

test('what has JSON is sent as it is', async (t) => {
  const { master, sent } = await sender(t);
  for (const [value, text] of [
    [{ a: 1, b: [true, null, 'x', {}], c: undefined }, '{"a":1,"b":[true,null,"x",{}]}'],
    [Object.assign(Object.create(null), { a: 1 }), '{"a":1}'],
    [elsewhere('({ a: [1, { b: 2 }] })'), '{"a":[1,{"b":2}]}'],
    [new Point(), '{"x":1}'], [new Proxy({ a: 1 }, {}), '{"a":1}'], [new Proxy([1], {}), '[1]'],
    [[new Date(0)], '["1970-01-01T00:00:00.000Z"]'], [elsewhere('new Date(0)'), '"1970-01-01T00:00:00.000Z"'],
    [json(new Date(0)), '"1970-01-01T00:00:00.000Z"'],
    [{ url: new URL('http://x/') }, '{"url":"http://x/"}'], [{ toJSON: () => [1] }, '[1]'],
    [[new Number(1), new String('x'), new Boolean(false)], '[1,"x",false]'],
    [json('x'), '"x"'], [json(null), 'null'], [7, '7'], [null, 'null'], [[json([1])], '[[1]]'],
  ]) {
    await master.broadcast(value);
    assert.deepEqual(sent.pop(), ['data', [...new TextEncoder().encode(text)]], text);
  }
});

test('the JSON of another copy of this module is JSON', async (t) => {
  const { master, sent } = await sender(t);
  const other = await import('../lectern.js?another');
  assert.notEqual(other.json, json);
  await master.broadcast(other.json('x'));
  assert.deepEqual(sent, [['data', [...Buffer.from('"x"')]]]);
});

test('what a WebSocket of another realm brings is read', async (t) => {
  const foreign = elsewhere('(bytes) => Uint8Array.from(bytes).buffer');
  class Foreign extends WebSocket {
    set onmessage(listener) {
      super.onmessage = listener && (({ data }) => listener({ data: foreign(new Uint8Array(data)) }));
    }
  }
  const stage = await Stage.open(t);
  const master = await stage.client().create('abc123', 'alice');
  const client = new Client(stage.hub.url, { transport: 'websocket', WebSocket: Foreign });
  t.after(() => client.close());
  const slave = await within(client.join('abc123', 'user_one'), 'the join');
  await master.broadcast('hello');
  assert.equal((await next(slave)).text(), 'hello');
});
