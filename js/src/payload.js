import { isBuffer } from './bytes.js';
import { Code, RefusedError } from './errors.js';
import { problemInJSON } from './json.js';
import { halfPair } from './names.js';
import { stringify } from './stringify.js';

class JSONPayload {
  #value;

  constructor(value) {
    this.#value = value;
  }

  // So another copy of this module knows one too.
  toJSON(key) {
    const value = this.#value;
    return typeof value?.toJSON === 'function' ? value.toJSON(key) : value;
  }
}

/** json makes a payload of the value's JSON, also where it is a string. */
export function json(value) {
  return new JSONPayload(value);
}

const encoder = new TextEncoder();

/**
 * payloadOf is what is sent for a value: a string as text, an ArrayBuffer or a
 * view of one as a copy of its bytes, and anything else as JSON.
 */
export function payloadOf(value, limit) {
  const payload = convert(value);
  if (payload.bytes.length > limit) {
    throw new RefusedError(Code.TOO_LARGE, `the payload has ${payload.bytes.length} bytes, and this client sends ${limit} at most`);
  }
  return payload;
}

function convert(value) {
  if (typeof value === 'string') {
    if (halfPair.test(value)) {
      throw new RefusedError(Code.BAD_FRAME, 'the text has half of a surrogate pair');
    }
    return { kind: 'text', bytes: encoder.encode(value) };
  }
  if (ArrayBuffer.isView(value)) {
    return { kind: 'bytes', bytes: new Uint8Array(value.buffer, value.byteOffset, value.byteLength).slice() };
  }
  if (isBuffer(value)) {
    return { kind: 'bytes', bytes: new Uint8Array(value).slice() };
  }
  if (typeof Blob === 'function' && value instanceof Blob) {
    throw new TypeError('a Blob is read first, for instance by its arrayBuffer()');
  }
  const text = stringify(value);
  if (text === undefined) {
    throw new TypeError('the value has no JSON');
  }
  const problem = problemInJSON(text);
  if (problem !== '') {
    throw new RefusedError(Code.BAD_FRAME, problem);
  }
  return { kind: 'data', bytes: encoder.encode(text) };
}
