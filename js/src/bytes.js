const { get: byteLength } = Object.getOwnPropertyDescriptor(ArrayBuffer.prototype, 'byteLength');

/** isBuffer reports whether a value is an ArrayBuffer, of this realm or another. */
export function isBuffer(value) {
  try {
    byteLength.call(value);
    return true;
  } catch {
    return false;
  }
}

/** base64url is the base64url of some bytes, few enough for one call, without padding. */
export function base64url(bytes) {
  return btoa(String.fromCharCode(...bytes)).replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, '');
}

// So many bytes are turned into characters in one call: more arguments than that overflow the stack somewhere.
const AT_ONCE = 8192;

/** base64 is the base64 of any number of bytes. */
export function base64(bytes) {
  let characters = '';
  for (let from = 0; from < bytes.length; from += AT_ONCE) {
    characters += String.fromCharCode(...bytes.subarray(from, from + AT_ONCE));
  }
  return btoa(characters);
}

/** fromBase64 is what base64 was made of, or null where it is none. */
export function fromBase64(text) {
  try {
    return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  } catch {
    return null;
  }
}
