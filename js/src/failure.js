// An answer that says no has a code and a message in the place of a payload.

import { Code, RefusedError } from './errors.js';
import { halfPair } from './names.js';

export const MAX_CODE = 64;
const MAX_MESSAGE = 1024;

const word = /^[A-Za-z0-9_.-]{1,64}$/;

/** failureProblem says what is wrong with a code, or with a message of so many bytes. It is empty where nothing is. */
export function failureProblem(code, bytes) {
  if (typeof code !== 'string' || !word.test(code)) {
    return 'failed: code: not a word of 1 to 64 letters and digits of ASCII, _, - and .';
  }
  return bytes > MAX_MESSAGE ? 'failed: message: not a string of at most 1,024 bytes' : '';
}

/** failureOf is what is sent for a code and a message, which must be of the kind that can be. */
export function failureOf(code, message) {
  if (typeof message !== 'string' || halfPair.test(message)) {
    throw new RefusedError(Code.BAD_FRAME, 'failed: message: not a string, or with half of a surrogate pair');
  }
  const wrong = failureProblem(code, new TextEncoder().encode(message).length);
  if (wrong !== '') {
    throw new RefusedError(Code.BAD_FRAME, wrong);
  }
  return { code, message };
}
