import { HTTPStream } from './httpstream.js';
import { WebSocketCarrier } from './websocket.js';

/** The ways to a hub, as options.transport and Client.transport call them. */
export const WEBSOCKET = 'websocket';
export const HTTP = 'http';

/**
 * A carrier takes whole messages to a hub and brings those of the hub, in order and once, until it ends. It connects by
 * itself as it is made.
 *
 * @typedef {object} Carrier
 * @property {boolean} connecting it is neither open nor over yet
 * @property {boolean} open messages can be sent; else they are lost
 * @property {number} waiting how many bytes of what was sent have not gone out, as far as that is known
 * @property {(bytes: Uint8Array) => void} send
 * @property {(number: number, reason: string) => void} close ends it in order: closed follows when the hub knows
 * @property {(number: number, reason: string) => void} abandon ends it at once, and the hub learns of it if it can;
 *   nothing is told any more
 *
 * @typedef {object} Told what is told of it
 * @property {(tookFirst: boolean) => void} opened whether the hub has taken the first message
 * @property {(bytes: Uint8Array) => void} message
 * @property {() => void} heard there was a sign of life beside messages
 * @property {(how: {number: number, reason: string}) => void} closed last, and once; number is 0 where nobody has
 *   said one
 */

/**
 * carrierBy makes one.
 *
 * @param {string} way
 * @param {string} url of a WebSocket
 * @param {object} options the client's
 * @param {Uint8Array | null} first a message to send along with the handshake of a WebSocket
 * @param {Told} told
 * @returns {Carrier}
 */
export function carrierBy(way, url, options, first, told) {
  return way === HTTP ? new HTTPStream(url, options, told) : new WebSocketCarrier(url, options, first, told);
}
