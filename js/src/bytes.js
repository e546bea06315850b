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
