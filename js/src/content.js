const kinds = { text: 'text', data: 'json', bytes: 'bytes' };
const decoder = new TextDecoder('utf-8', { ignoreBOM: true });

/** Content is a payload that has arrived, or is about to be sent. */
export class Content {
  #bytes;

  constructor({ kind, bytes }) {
    this.kind = kinds[kind];
    // The bytes lie in the memory of the whole frame.
    this.#bytes = bytes.slice();
  }

  /** The payload's size in bytes. */
  get size() {
    return this.#bytes.length;
  }

  /** text returns the text, the JSON text, or the bytes read as UTF-8. */
  text() {
    return decoder.decode(this.#bytes);
  }

  /** json returns the value. It throws a TypeError where the payload is no JSON. */
  json() {
    if (this.kind !== 'json') {
      throw new TypeError(`the payload is ${this.kind}, not JSON`);
    }
    return JSON.parse(this.text());
  }

  /** bytes returns a copy of the payload's bytes. */
  bytes() {
    return this.#bytes.slice();
  }
}

/** payloadIn is the payload of a content as it is in a frame. */
export function payloadIn(content) {
  return { kind: content.kind === kinds.data ? 'data' : content.kind, bytes: content.bytes() };
}
