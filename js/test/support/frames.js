import { decode } from '../../src/codec.js';
import { WebSocket } from './stage.js';

/**
 * framed is a WebSocket that tells of each frame that is sent on it, also along with the
 * handshake: sent has them in their order, with count, which connection it was, from 1.
 */
export function framed(told = () => {}) {
  const sent = [];
  let connections = 0;
  const tell = (frame) => {
    sent.push(frame);
    told(frame);
  };
  class Framed extends WebSocket {
    constructor(url, protocols) {
      super(url, protocols);
      this.count = ++connections;
      const first = protocols.find((each) => each.startsWith('lectern.v1.first.'));
      if (first) {
        tell({ ...decode(new Uint8Array(Buffer.from(first.split('.').at(-1), 'base64url'))), count: this.count });
      }
    }

    send(data) {
      tell({ ...decode(new Uint8Array(data)), count: this.count });
      super.send(data);
    }
  }
  return { WebSocket: Framed, sent };
}
