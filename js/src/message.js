import { after } from './presence.js';

const kinds = { text: 'text', data: 'json', bytes: 'bytes' };
const decoder = new TextDecoder('utf-8', { ignoreBOM: true });

/** Message is what arrived from the other side. */
export class Message {
  #bytes;
  #handle;

  /** handle is the one that it has come to, and by which it is answered. */
  constructor(frame, handle) {
    this.type = 'message';
    this.from = frame.from;
    this.seq = frame.seq;
    this.private = frame.private ?? false;
    this.requestId = frame.request ?? 0;
    this.replyTo = frame.reply ?? 0;
    this.topic = frame.topic ?? '';
    this.expires = frame.expires_ms === undefined ? null : after(frame.expires_ms);
    this.kind = kinds[frame.payload.kind];
    // The frame's payload lies in the memory of the whole frame.
    this.#bytes = frame.payload.bytes.slice();
    this.#handle = handle;
  }

  /** expired reports whether it is worth nothing any more. */
  get expired() {
    return this.expires !== null && Date.now() >= this.expires.getTime();
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

  /** reply answers a message that asks, and returns the answer's receipt. */
  reply(payload, options) {
    return this.#handle.reply(this, payload, options);
  }

  /** decline says no to a message that asks, in the place of an answer. */
  decline(code, text, options) {
    return this.#handle.decline(this, code, text, options);
  }
}
