import { Content } from './content.js';
import { after } from './presence.js';

/** Message is what arrived from the other side. */
export class Message extends Content {
  #handle;

  /** handle is the one that it has come to, and by which it is answered. */
  constructor(frame, handle) {
    super(frame.payload);
    this.type = 'message';
    this.from = frame.from;
    this.seq = frame.seq;
    this.private = frame.private ?? false;
    this.requestId = frame.request ?? 0;
    this.replyTo = frame.reply ?? 0;
    this.topic = frame.topic ?? '';
    this.expires = frame.expires_ms === undefined ? null : after(frame.expires_ms);
    this.#handle = handle;
  }

  /** expired reports whether it is worth nothing any more. */
  get expired() {
    return this.expires !== null && Date.now() >= this.expires.getTime();
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
