import { Handle, mustAsk } from './handle.js';

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
  async send(payload, { signal } = {}) {
    return this.#membership.send({}, payload, { signal });
  }

  /** request sends to the master and waits for its answer. */
  async request(payload, { signal } = {}) {
    return this.#membership.inquiries.ask({}, payload, this.master.username, signal);
  }

  /** reply answers a message of the master that asks. */
  async reply(message, payload, { signal } = {}) {
    mustAsk(message);
    return this.#membership.send({ reply: message.requestId }, payload, { signal });
  }

  /**
   * switch joins another channel under the same name and leaves this one in a
   * single step: where the join is refused, the user stays here.
   */
  async switch(channel, { master, token, signal } = {}) {
    return this.#membership.session.switch(this.#membership, channel, { expect: master, token }, signal);
  }

  /** leave leaves the channel. */
  async leave() {
    return this.#membership.leave();
  }
}
