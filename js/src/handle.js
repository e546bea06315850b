import { Code, RefusedError } from './errors.js';
import { iterate } from './iteration.js';
import { mustBeShortName } from './names.js';
import { whole } from './numbers.js';
import { noOthers } from './options.js';
import { payloadOf } from './payload.js';

/** mustAsk lets only a message pass that can be answered. */
export function mustAsk({ requestId }) {
  if (whole('requestId', requestId) === 0) {
    throw new RefusedError(Code.NO_SUCH_REQUEST, 'the message asks for no answer');
  }
}

/**
 * Handle is what a Master and a Slave have in common. Its events are presence,
 * attribute, gap, state and closed, at a slave also muted and promoted and at a master member, counts and knock.
 */
export class Handle extends EventTarget {
  #membership;

  constructor(membership) {
    super();
    this.#membership = membership;
    membership.handle = this;
  }

  /** The channel's name. */
  get channel() {
    return this.#membership.channel;
  }

  /** The name that the others see, which the service may have given. */
  get username() {
    return this.#membership.username;
  }

  /** How long the master may be away, in milliseconds. */
  get timeout() {
    return this.#membership.timeout;
  }

  /** online, reconnecting or closed. */
  get state() {
    return this.#membership.state;
  }

  /** Why the membership is over, or null. */
  get error() {
    return this.#membership.error;
  }

  /** Resolves with the error that says why, once the membership is over. */
  get closed() {
    return this.#membership.closed;
  }

  /** What it takes to come back from another client. To be kept like a password. */
  get ticket() {
    return this.#membership.ticket;
  }

  /** The attributes that this handle has set, or entered with, by their keys. */
  get attributes() {
    return this.#membership.attributes.own;
  }

  /** setAttribute gives this member an attribute: the last value by key. */
  async setAttribute(key, payload, { signal, ...rest } = {}) {
    noOthers('setAttribute', rest);
    mustBeShortName('key', key);
    return this.#membership.set(key, payloadOf(payload, this.#membership.session.options.maxMessageBytes), signal);
  }

  /** deleteAttribute takes an attribute away. */
  async deleteAttribute(key, { signal, ...rest } = {}) {
    noOthers('deleteAttribute', rest);
    mustBeShortName('key', key);
    return this.#membership.set(key, undefined, signal);
  }

  /** refresh shows the service a new token before what it has granted expires. */
  async refresh(token, { signal, ...rest } = {}) {
    noOthers('refresh', rest);
    return this.#membership.session.refresh(this.#membership, token, signal);
  }

  /** The messages that ask and were not answered yet, by their numbers. */
  get openRequests() {
    return this.#membership.openRequests;
  }

  /** decline says no to a message that asks, in the place of an answer. */
  async decline(message, code, text = '', { signal, ...rest } = {}) {
    noOthers('decline', rest);
    mustAsk(message);
    return this.#membership.decline(message, code, text, signal);
  }

  /**
   * events yields messages, changes of presence and of attributes, gaps, and at a slave that it is muted or
   * no longer, and at last that it is the master, in one order, until the membership is over.
   */
  events({ signal, ...rest } = {}) {
    return iterate((stop) => this.#entries('events', rest, stop, () => true), signal);
  }

  /** messages yields the messages alone. It takes from the same queue as events. */
  messages({ signal, ...rest } = {}) {
    return iterate((stop) => this.#entries('messages', rest, stop, (entry) => entry.type === 'message'), signal);
  }

  async *#entries(what, rest, stop, fits) {
    noOthers(what, rest);
    for (;;) {
      const entry = await this.#membership.inbox.take(stop);
      if (entry === undefined) {
        return;
      }
      if (fits(entry)) {
        yield entry;
      }
    }
  }

  [Symbol.asyncIterator]() {
    return this.messages();
  }
}
