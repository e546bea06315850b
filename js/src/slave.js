import { Handle, mustAsk } from './handle.js';
import { noOthers } from './options.js';

/** Slave is the handle of one who is in a channel because of its master. */
export class Slave extends Handle {
  #membership;

  constructor(membership) {
    super(membership);
    this.#membership = membership;
  }

  /** What is known of the master, without asking the hub. */
  get master() {
    return this.#membership.master;
  }

  /** send sends to the master, also while it is away, and returns the message's number. */
  async send(payload, { signal, ...rest } = {}) {
    noOthers('send', rest);
    return this.#membership.send({}, payload, { signal });
  }

  /** request sends to the master and waits for its answer. */
  async request(payload, { signal, ...rest } = {}) {
    noOthers('request', rest);
    return this.#membership.inquiries.ask({}, payload, this.master.username, signal);
  }

  /** reply answers a message of the master that asks. */
  async reply(message, payload, { signal, ...rest } = {}) {
    noOthers('reply', rest);
    mustAsk(message);
    return this.#membership.send({ reply: message.requestId }, payload, { signal });
  }

  /**
   * switch joins another channel under the same name and leaves this one in a
   * single step: where the join is refused, the user stays here.
   */
  async switch(channel, { master, token, signal, ...rest } = {}) {
    noOthers('switch', rest);
    return this.#membership.session.switch(this.#membership, channel, { expect: master, token }, signal);
  }

  /** leave leaves the channel. */
  async leave() {
    return this.#membership.leave();
  }
}
