import assert from 'node:assert/strict';
import { test } from 'node:test';

import { EventStream, MAX_EVENT } from '../src/eventstream.js';

const stream = [
  '\ufeffevent: open\ndata: {}\n\n',
  'id: 1\ndata: {"type":"ack"}\n\n',
  ': a comment\n\n',
  'id: 2\r\nevent: binary\r\ndata: AAECAw==\r\n\r\n',
  'id: 3\rdata: one\rdata: two\r\r',
  'data:no space\ndata:  two spaces\ndata\nretry: 10\nunknown: x\n\n',
  'event: none\n\n',
  'data: ä – 😀\nid\n\n',
  'event:\ndata: :\n\n',
  'event: cut off\ndata: never\n',
].join('');

const events = [
  { type: 'open', data: '{}', id: undefined },
  { type: 'message', data: '{"type":"ack"}', id: '1' },
  { type: 'binary', data: 'AAECAw==', id: '2' },
  { type: 'message', data: 'one\ntwo', id: '3' },
  { type: 'message', data: 'no space\n two spaces\n', id: undefined },
  { type: 'message', data: 'ä – 😀', id: '' },
  { type: 'message', data: ':', id: undefined },
];

function read(pieces) {
  const all = [];
  const reader = new EventStream();
  pieces.forEach((piece) => reader.feed(piece, (event) => all.push(event)));
  return all;
}

test('events are the same in whatever pieces they come', () => {
  const bytes = new TextEncoder().encode(stream);
  assert.deepEqual(read([bytes]), events);
  for (let at = 0; at <= bytes.length; at++) {
    assert.deepEqual(read([bytes.subarray(0, at), bytes.subarray(at)]), events, `in two, at byte ${at}`);
  }
  for (const size of [1, 2, 3, 7]) {
    const pieces = Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) => bytes.subarray(i * size, (i + 1) * size));
    assert.deepEqual(read(pieces), events, `by ${size}`);
  }
});

test('a line, or an event, has no end that is too far', () => {
  const piece = new TextEncoder().encode('x'.repeat(1 << 20));
  const data = new TextEncoder().encode(`data: ${'x'.repeat(1 << 20)}\n`);
  for (const [what, bytes] of [['a line', piece], ['an event of many lines', data]]) {
    const reader = new EventStream();
    const most = MAX_EVENT / piece.length;
    for (let i = 0; i < most - 1; i++) {
      reader.feed(bytes, assert.fail);
    }
    assert.throws(() => [1, 2].forEach(() => reader.feed(bytes, assert.fail)), RangeError, what);
  }
});
