/** Finds half of a surrogate pair: by the flag u a whole one is one character. */
export const halfPair = /[\ud800-\udfff]/u;

/**
 * writable reports whether a name can be written at all: half of a surrogate pair
 * has no UTF-8. Whether it is a name is the hub's to say.
 */
export function writable(name) {
  if (typeof name !== 'string') {
    throw new TypeError('a name is a string');
  }
  return !halfPair.test(name);
}
