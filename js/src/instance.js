import { base64url } from './bytes.js';

/**
 * newInstance makes the id of a client. It is new with each one, and kept nowhere: two pages
 * that have the same ticket are told apart by it.
 */
export function newInstance() {
  return base64url(crypto.getRandomValues(new Uint8Array(16)));
}
