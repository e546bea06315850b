import { later } from './timer.js';

// How long a message may be unconfirmed, in milliseconds, where not so many come that it is
// confirmed earlier.
const CONFIRM_AFTER = 1000;

/**
 * Confirming tells the hub what has arrived. What a master has not confirmed, the hub keeps
 * for it, and takes no more of its slaves when that is too much.
 */
export class Confirming {
  #membership;
  // The hub's: after so many messages, or bytes of payload, they are to be confirmed. Zero:
  // it needs no confirmation.
  #mostMessages = 0;
  #mostBytes = 0;
  // What has arrived since something was confirmed.
  #messages = 0;
  #bytes = 0;
  #cancel = null;

  constructor(membership) {
    this.#membership = membership;
  }

  /** begin takes what created or joined says, and starts anew: a resume has told what has arrived. */
  begin({ confirm_messages: messages = 0, confirm_bytes: bytes = 0 }) {
    this.#mostMessages = messages;
    this.#mostBytes = bytes;
    this.#confirmed();
  }

  /**
   * confirm tells what has arrived. Where it is the first frame of a membership on its
   * connection, the hub takes this client for its holder from then on.
   */
  confirm() {
    const { channel, epoch, last } = this.#membership;
    this.#confirmed();
    if (epoch > 0) { // else it is a hub of before instances, which does not know of this
      this.#membership.push(this.#shown({ type: 'ping', channel, seen: last }));
    }
  }

  /** along is a member's frame with what is to be confirmed, and the epoch where that is to be shown. */
  along(frame) {
    if (frame.type === 'join') {
      return frame;
    }
    const shown = this.#shown(frame);
    if (this.#messages === 0) {
      return shown;
    }
    this.#confirmed();
    return { ...shown, seen: this.#membership.last };
  }

  #shown(frame) {
    const { shows, epoch } = this.#membership;
    return shows ? { ...frame, epoch } : frame;
  }

  /** arrived counts a message. */
  arrived(bytes) {
    if (this.#mostMessages === 0) {
      return;
    }
    this.#messages++;
    this.#bytes += bytes;
    if (this.#messages >= this.#mostMessages || this.#bytes >= this.#mostBytes) {
      this.confirm();
    }
    this.#cancel ??= later(CONFIRM_AFTER, () => {
      this.#cancel = null;
      if (this.#messages > 0) {
        this.confirm();
      }
    });
  }

  stop() {
    this.#cancel?.();
    this.#cancel = null;
    this.#confirmed();
  }

  #confirmed() {
    this.#messages = this.#bytes = 0;
  }
}
