import { once } from 'node:events';

import { WebSocketServer } from 'ws';

import { decode, encode } from '../../src/codec.js';

/** A hub that does what a test tells it, for what the real one does not do on demand. */
export class FakeHub {
  #server;
  #closed = false;

  /**
   * @param {(peer: {send: (frame: object) => void, raw: (bytes: Uint8Array | string) => void,
   *   close: (number: number, reason?: string) => void, terminate: () => void, closed: Promise<number>, count: number},
   *   frame: object) => void} script is given every frame that comes; count tells which
   *   connection it is, from 1, and closed resolves with the number that its client closes it with
   * @param {{silent?: boolean, handleProtocols?: (offered: Set<string>) => string,
   *   admit?: (attempt: number) => Promise<boolean> | boolean}} options
   *   handleProtocols chooses the subprotocol; else it is the first that was offered; admit decides about
   *   each attempt to connect, from 1
   */
  static async start(script, { silent = false, handleProtocols, admit = () => true } = {}) {
    const hub = new FakeHub();
    hub.attempts = 0;
    const verifyClient = async (_, done) => done(await admit(++hub.attempts), 503);
    hub.#server = new WebSocketServer({ port: 0, host: '127.0.0.1', autoPong: false, handleProtocols, verifyClient });
    await once(hub.#server, 'listening');
    hub.url = `ws://127.0.0.1:${hub.#server.address().port}/ws`;
    hub.connections = 0;
    hub.peers = [];
    hub.#server.on('connection', (socket) => {
      const count = ++hub.connections;
      const peer = {
        count,
        send: (frame) => socket.send(encode(frame)),
        raw: (bytes) => socket.send(bytes),
        close: (number, reason) => socket.close(number, reason),
        terminate: () => socket.terminate(),
        closed: new Promise((resolve) => {
          socket.on('close', resolve);
        }),
      };
      hub.peers.push(peer);
      socket.on('error', () => {});
      socket.on('message', (data) => {
        if (hub.#closed) {
          return;
        }
        const frame = decode(new Uint8Array(data));
        if (frame.type === 'ping' && !silent) {
          peer.send({ type: 'pong', ref: frame.ref });
        }
        script(peer, frame);
      });
    });
    return hub;
  }

  close() {
    this.#closed = true;
    this.#server.clients.forEach((socket) => socket.terminate());
    this.#server.close();
  }
}

/** joinedFor is the answer that lets a slave in. */
export function joinedFor({ ref, channel, username }) {
  return {
    type: 'joined', ref, channel, username, secret: 'secret', master: { username: 'alice', state: 'online' },
    master_timeout_ms: 30_000,
  };
}

/** createdFor is the answer that makes a master. */
export function createdFor({ ref, channel, username }) {
  return { type: 'created', ref, channel, username, secret: 'secret', epoch: 1, master_timeout_ms: 30_000 };
}
