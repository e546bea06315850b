import { decode, encode } from '../../src/codec.js';

/** sockets is a WebSocket that does what a test tells it, and all that were made. */
export function sockets({ fails = () => false } = {}) {
  const all = [];
  class FakeSocket {
    readyState = 0;
    protocol = 'lectern.v1';
    bufferedAmount = 0;
    frames = [];

    constructor(url) {
      all.push(this);
      this.url = url;
      if (fails()) {
        throw new DOMException('not allowed here', 'SecurityError');
      }
    }

    send(data) {
      this.frames.push(decode(new Uint8Array(data)));
    }

    close(number) {
      this.closed = number;
      this.readyState = 3;
    }

    opens() {
      this.readyState = 1;
      this.onopen();
    }

    ends(code = 1006) {
      this.readyState = 3;
      this.onclose?.({ code, reason: '' });
    }

    says(frame) {
      this.onmessage({ data: encode(frame).buffer });
    }
  }
  return { WebSocket: FakeSocket, all };
}
