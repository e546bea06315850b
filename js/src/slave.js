import { Handle, mustAsk } from './handle.js';
import { noOthers } from './options.js';
import { sendOptions } from './sendoptions.js';

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

  /** The attributes of the master, by their keys, as they are known on this side. */
  get masterAttributes() {
    return this.#membership.attributes.of(this.master.username);
  }

  /** Whether the master does not let this slave send of its own accord, as it is known on this side. */
  get muted() {
    return this.#membership.voice.muted;
  }

  /** The handle of the master that this slave has become, or null. */
  get promoted() {
    return this.#membership.next?.handle ?? null;
  }

  /** send sends to the master, also while it is away, and returns the receipt, with its number. */
  async send(payload, options) {
    const { fields, signal } = sendOptions('send', options);
    return this.#membership.send(fields, payload, { signal });
  }

  /** request sends to the master and waits for its answer. */
  async request(payload, options) {
    const { fields, signal } = sendOptions('request', options);
    return this.#membership.inquiries.ask(fields, payload, this.master.username, signal);
  }

  /** reply answers a message of the master that asks. */
  async reply(message, payload, options) {
    const { fields, signal } = sendOptions('reply', options);
    mustAsk(message);
    return this.#membership.send({ ...fields, reply: message.requestId }, payload, { signal });
  }

  /**
   * switch joins another channel under the same name and leaves this one in a
   * single step: where the join is refused, the user stays here.
   */
  async switch(channel, { master, token, attributes, wait, onwaiting, signal, ...rest } = {}) {
    noOthers('switch', rest);
    const how = { expect: master, token, attributes, wait: Boolean(wait) };
    return this.#membership.session.switch(this.#membership, channel, how, signal, onwaiting);
  }

  /** leave leaves the channel. */
  async leave() {
    return this.#membership.leave();
  }
}
