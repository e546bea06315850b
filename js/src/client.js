import { Code, RefusedError } from './errors.js';
import { TransportEvent } from './happenings.js';
import { nameProblem } from './names.js';
import { milliseconds } from './numbers.js';
import { doorOf, noOthers, optionsOf, withPlatform } from './options.js';
import { after, presence } from './presence.js';
import { Session } from './session.js';
import { readTicket } from './tickets.js';

// What relative addresses are relative to: a page may say so by <base href>.
const baseOf = () => globalThis.document?.baseURI ?? globalThis.location?.href;

// Whether an address means anything where there is no page.
function complete(url) {
  try {
    return Boolean(new URL(url));
  } catch {
    return false;
  }
}

function addressOf(url) {
  let address;
  try {
    address = new URL(url, baseOf());
  } catch (cause) {
    throw new TypeError(`no address of a WebSocket: ${url}`, { cause });
  }
  address.protocol = address.protocol.replace(/^http/, 'ws');
  if (address.protocol !== 'ws:' && address.protocol !== 'wss:') {
    throw new TypeError(`no address of a WebSocket: ${url}`);
  }
  address.hash = '';
  return address.href;
}

// Those of a list, or the one.
function listed(urls) {
  const list = Array.isArray(urls) ? urls : [urls];
  if (list.length === 0) {
    throw new TypeError('the list of addresses is empty');
  }
  return list;
}

function ticketFor(role, given) {
  const { ticket, problem } = readTicket(given);
  if (!ticket) {
    throw new TypeError(`this is no ticket: ${problem}`);
  }
  if (ticket.role !== role) {
    throw new RefusedError(Code.FORBIDDEN, 'the ticket is for the other role: resume with the one for it');
  }
  return ticket;
}

/**
 * Client is one connection to a hub, and the memberships that it carries: any
 * number of channels, as master of some and slave of others. It connects when it
 * is first used, and when the connection is lost it connects again and resumes
 * every membership. Its event is transport.
 */
export class Client extends EventTarget {
  #made = null;
  #urls;
  #options;

  constructor(url, options = {}) {
    super();
    this.#urls = listed(url);
    this.#options = optionsOf(options);
    // A module may make its client where pages are prepared, without a location and a
    // WebSocket. It is used where there are both.
    if (baseOf() !== undefined || this.#urls.every(complete)) {
      this.#make();
    }
  }

  #make() {
    const addresses = [...new Set(this.#urls.map(addressOf))];
    this.#made = new Session(addresses, { storageKey: `lectern ${addresses[0]}`, ...withPlatform(this.#options) }, {
      way: (way) => this.dispatchEvent(new TransportEvent(way)),
    });
  }

  get #session() {
    if (!this.#made) {
      this.#make();
    }
    return this.#made;
  }

  /** transport is the way on which the client is connected now, websocket or http, or null. */
  get transport() {
    return this.#made?.way ?? null;
  }

  /** create makes the channel, with the user as its master. */
  async create(channel, username, { token, masterTimeout, attributes, door, signal, ...rest } = {}) {
    noOthers('create', rest);
    const timeout = masterTimeout === undefined ? undefined : milliseconds('masterTimeout', masterTimeout);
    return this.#session.create({ channel, username, token, master_timeout_ms: timeout, attributes, door: doorOf(door) }, signal);
  }

  /** join enters a channel that its master has created before. */
  async join(channel, username, { master, token, attributes, wait, onwaiting, signal, ...rest } = {}) {
    noOthers('join', rest);
    return this.#session.join({ channel, username, expect: master, token, attributes, wait: Boolean(wait) }, signal, onwaiting);
  }

  /** resumeMaster takes over the membership that the ticket is for. */
  async resumeMaster(ticket, { token, signal, ...rest } = {}) {
    noOthers('resumeMaster', rest);
    return this.#session.resume(ticketFor('master', ticket), { token, signal });
  }

  /** resumeSlave takes over the membership that the ticket is for. */
  async resumeSlave(ticket, { token, signal, ...rest } = {}) {
    noOthers('resumeSlave', rest);
    return this.#session.resume(ticketFor('slave', ticket), { token, signal });
  }

  /** restore resumes the memberships that options.storage has kept. */
  async restore({ replay, signal, ...rest } = {}) {
    noOthers('restore', rest);
    return this.#session.restore({ replay, signal });
  }

  /** status tells what anybody may know of a channel. */
  async status(channel, { signal, ...rest } = {}) {
    noOthers('status', rest);
    const problem = nameProblem(channel);
    if (problem !== '') {
      throw new RefusedError(Code.BAD_NAME, `channel: ${problem}`);
    }
    const { exists, master, timeout_ms: timeout } = await this.#session.call({ type: 'status', channel }, signal);
    if (!exists) {
      return { exists: false, master: null };
    }
    const deadline = timeout === undefined ? null : after(timeout);
    return { exists: true, master: presence('master', master.username, master.state, { deadline }) };
  }

  /** close leaves every channel on purpose and closes the connection. */
  async close() {
    return this.#made?.close();
  }

  /** detach ends the client and keeps its seats. */
  async detach() {
    return this.#session.detach();
  }
}
