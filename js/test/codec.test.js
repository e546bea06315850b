import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

import { DecodeError, decode, encode } from '../src/codec.js';
import { shapesByType } from '../src/shapes.js';

const vectors = JSON.parse(readFileSync(
  new URL('../../internal/wire/testdata/vectors.json', import.meta.url), 'utf8'));

const unhex = (hex) => new Uint8Array(Buffer.from(hex, 'hex'));
const hex = (bytes) => Buffer.from(bytes).toString('hex');

/** ours is a frame of the vectors as the codec spells it. */
function ours(neutral) {
  const frame = { ...neutral };
  if (neutral.payload) {
    const { kind, utf8 = '', hex: digits } = neutral.payload;
    frame.payload = { kind, bytes: digits ? unhex(digits) : new TextEncoder().encode(utf8) };
  }
  if (neutral.attributes) {
    frame.attributes = neutral.attributes.map(ours);
  }
  if (neutral.knocks) {
    frame.knocks = neutral.knocks.map(ours);
  }
  return frame;
}

test('the vectors are there, and of every type', () => {
  const seen = new Set(vectors.frames.map((vector) => vector.frame.type));
  assert.deepEqual([...shapesByType.keys()].filter((type) => !seen.has(type)), []);
  assert.ok(vectors.readings.some((vector) => vector.binary));
  assert.ok(vectors.refused.some((vector) => vector.name.startsWith('binary')));
});

for (const vector of vectors.frames) {
  test(`written and read: ${vector.name}`, () => {
    assert.equal(hex(encode(ours(vector.frame))), vector.binary);
    assert.deepEqual(decode(unhex(vector.binary)), ours(vector.frame));
  });
}

for (const vector of vectors.readings.filter((each) => each.binary)) {
  test(`read: ${vector.name}`, () => {
    assert.deepEqual(decode(unhex(vector.binary)), ours(vector.frame));
  });
}

// What is in the text form, or begins like it, is not read by this codec at all.
for (const vector of vectors.refused.filter((each) => !(each.text ?? unhex(each.hex).toString()).startsWith('{')
  && !(each.hex ?? '').startsWith('7b'))) {
  test(`refused: ${vector.name}`, () => {
    const input = vector.text === undefined ? unhex(vector.hex) : new TextEncoder().encode(vector.text);
    assert.throws(() => decode(input), (error) => {
      assert.ok(error instanceof DecodeError, String(error));
      assert.deepEqual(
        { code: error.code, ref: error.ref, noForm: error.noForm },
        { code: vector.code, ref: vector.ref, noForm: vector.no_form ?? false });
      return true;
    });
  });
}
