import { base64url, isBuffer } from './bytes.js';

const PROTOCOL = 'lectern.v1';

// What a hub chooses that has taken the message which has come along with the
// handshake, as one more subprotocol.
const PROTOCOL_FIRST = `${PROTOCOL}.first`;

// The size in bytes of the largest message that goes along.
const MAX_FIRST = 2048;

function protocols(first) {
  return first && first.length <= MAX_FIRST
    ? [PROTOCOL, PROTOCOL_FIRST, `${PROTOCOL_FIRST}.${base64url(first)}`] : [PROTOCOL];
}

/** WebSocketCarrier is the carrier, as carrier.js says what that is, over a WebSocket of the platform's. */
export class WebSocketCarrier {
  #socket;
  #told;
  #wasOpen = false;
  #ended = false;

  constructor(url, { WebSocket }, first, told) {
    this.#told = told;
    this.#socket = new WebSocket(url, protocols(first));
    this.#socket.binaryType = 'arraybuffer';
    this.#socket.onopen = () => {
      this.#wasOpen = true;
      told.opened(this.#socket.protocol === PROTOCOL_FIRST);
    };
    // Text is none of Lectern's binary form, and neither is nothing.
    this.#socket.onmessage = ({ data }) => told.message(isBuffer(data) ? new Uint8Array(data) : new Uint8Array());
    this.#socket.onerror = () => this.#failed();
    // 1005 and 1006 are the platform's, for no number at all.
    this.#socket.onclose = ({ code, reason }) => this.#end({ number: code === 1005 || code === 1006 ? 0 : code, reason });
  }

  get connecting() {
    return this.#socket.readyState === 0;
  }

  get open() {
    return this.#socket.readyState === 1;
  }

  get waiting() {
    return this.#socket.bufferedAmount ?? 0;
  }

  send(bytes) {
    this.#socket.send(bytes);
  }

  close(number, reason) {
    this.#socket.close(number, reason);
  }

  abandon(number, reason) {
    this.#ended = true;
    this.#socket.onopen = this.#socket.onmessage = this.#socket.onclose = null;
    const { open } = this;
    if (open) {
      this.#socket.close(number, reason);
    }
    // Outside of browsers the closing handshake of a dead peer can be cut short.
    if (typeof this.#socket.terminate === 'function') {
      this.#socket.terminate();
    } else if (!open) {
      this.#socket.close();
    }
  }

  // An error is followed by a close, which tells more. But where a connection
  // could not be made, some versions of Node tell an error alone.
  #failed() {
    if (!this.#wasOpen) {
      setTimeout(() => {
        if (!this.#ended) {
          this.abandon();
          this.#told.closed({ number: 0, reason: 'could not connect' });
        }
      }, 0);
    }
  }

  #end(how) {
    if (!this.#ended) {
      this.#ended = true;
      this.#told.closed(how);
    }
  }
}
