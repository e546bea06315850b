import { Code, RefusedError } from './errors.js';
import { mustBeShortName } from './names.js';
import { payloadOf } from './payload.js';
import { MAX_ATTRIBUTES } from './shapes.js';

// The sizes in bytes, keys and values together: of all that a member may have, and of those that come with a create or
// a join.
const MOST = { master: 256 << 10, slave: 4 << 10 };
const MOST_ENTERING = 4 << 10;

const encoder = new TextEncoder();

const sizeOf = ({ key, payload }) => encoder.encode(key).length + payload.bytes.length;

/** checkFits throws where a member of the role cannot have the attribute, though it has no other one. */
export function checkFits(role, attribute) {
  const size = sizeOf(attribute);
  if (size > MOST[role]) {
    throw new RefusedError(Code.ATTRIBUTES_FULL,
      `the key and the value have ${size} bytes, and the attributes of a ${role} have at most ${MOST[role]}`);
  }
}

/**
 * attributesOf are the attributes of an option as a frame has them, or undefined where there are none. What is no
 * attribute is an error at once.
 */
export function attributesOf(given, limit) {
  if (given === undefined) {
    return undefined;
  }
  if (Object.prototype.toString.call(given) !== '[object Object]') {
    throw new TypeError('attributes must be an object, which has values by their keys');
  }
  const entries = Object.entries(given).filter(([, value]) => value !== undefined);
  if (entries.length > MAX_ATTRIBUTES) {
    throw new RefusedError(Code.BAD_FRAME,
      `attributes: there are ${entries.length} keys, and at most ${MAX_ATTRIBUTES} are possible`);
  }
  const all = entries.map(([key, value]) => {
    mustBeShortName('attributes: a key', key);
    return { key, payload: payloadOf(value, limit) };
  });
  const size = all.reduce((sum, attribute) => sum + sizeOf(attribute), 0);
  if (size > MOST_ENTERING) {
    throw new RefusedError(Code.ATTRIBUTES_FULL,
      `attributes: they have ${size} bytes, and one enters with at most ${MOST_ENTERING}: set the others afterwards`);
  }
  return all.length === 0 ? undefined : all;
}
