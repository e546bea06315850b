import { Code, RefusedError } from './errors.js';
import { Handle, mustAsk } from './handle.js';
import { iterate } from './iteration.js';
import { quoted, sendable } from './names.js';
import { doorOf, noOthers } from './options.js';
import { presence } from './presence.js';
import { sendOptions } from './sendoptions.js';

function mustBeSendable(username) {
  if (!sendable(username)) {
    throw new RefusedError(Code.NO_SUCH_SLAVE, `there is no slave ${quoted(username)}: members tells who is there`);
  }
}

function numbered(knock) {
  if (!Number.isSafeInteger(knock) || knock < 1) {
    throw new TypeError('a knock is named by its number');
  }
  return knock;
}

/** Master is the handle of the one who is in charge of a channel. */
export class Master extends Handle {
  #membership;

  constructor(membership) {
    super(membership);
    this.#membership = membership;
  }

  /** The slaves of the channel, those away included, by their names. */
  get members() {
    return this.#membership.roster.members;
  }

  /** How many slaves there are, online and away, as it is known on this side. */
  get counts() {
    const { counted, counts, roster } = this.#membership;
    return counted ? counts.current : roster.counts;
  }

  /** allMembers asks the hub who is there, and yields the slaves in the order in which they have joined. */
  allMembers({ signal, ...rest } = {}) {
    noOthers('allMembers', rest);
    return iterate((stop) => this.#allMembers(stop), signal);
  }

  async *#allMembers(signal) {
    for (let after = 0, more = true; more;) {
      const page = await this.#membership.page(after, signal);
      for (const { username, state, number } of page.members) {
        yield presence('slave', username, state);
        after = number;
      }
      more = page.more;
    }
  }

  /** attributesOf returns the attributes of a slave, by their keys, as they are known on this side. */
  attributesOf(username) {
    return this.#membership.attributes.of(username);
  }

  /** broadcast sends to all slaves, and returns the receipt: its number, and to how many it was queued. */
  async broadcast(payload, options) {
    const { fields, signal } = sendOptions('broadcast', options);
    return this.#membership.send(fields, payload, { signal });
  }

  /** send sends to one slave, also while it is away. */
  async send(to, payload, options) {
    const { fields, signal } = sendOptions('send', options);
    mustBeSendable(to);
    return this.#membership.send({ ...fields, to }, payload, { signal });
  }

  /** request sends to one slave and waits for its answer. */
  async request(to, payload, options) {
    const { fields, signal } = sendOptions('request', options);
    mustBeSendable(to);
    return this.#membership.inquiries.ask({ ...fields, to }, payload, to, signal);
  }

  /**
   * gather asks all slaves that are members at the moment at which the hub accepts
   * the question, and yields the part of each once. The question is sent when
   * the iteration begins. asked is told who is asked; with newcomers those are asked too who join
   * meanwhile.
   */
  gather(payload, { signal, ...options } = {}) {
    return iterate((stop) => this.#gather(payload, stop, options), signal);
  }

  async *#gather(payload, signal, { asked, newcomers = false, ...options }) {
    const { fields } = sendOptions('gather', options);
    if (asked !== undefined && typeof asked !== 'function') {
      throw new TypeError('asked must be a function, which is told who is asked');
    }
    const { inquiries } = this.#membership;
    const inquiry = await inquiries.gather(fields, payload, { asked, newcomers }, signal);
    yield* inquiries.partsOf(inquiry, signal);
  }

  /** reply answers a message of a slave that asks. */
  async reply(message, payload, options) {
    const { fields, signal } = sendOptions('reply', options);
    mustAsk(message);
    return this.#membership.send({ ...fields, to: message.from, reply: message.requestId }, payload, { signal });
  }

  /** kick removes a slave, which is told the reason. It may join again. */
  async kick(username, { reason, signal, ...rest } = {}) {
    noOthers('kick', rest);
    mustBeSendable(username);
    return this.#membership.operate({ type: 'kick', to: username, reason }, signal);
  }

  /** ban removes a slave, if it is there, and refuses its name for the life of the channel. */
  async ban(username, { reason, signal, ...rest } = {}) {
    noOthers('ban', rest);
    mustBeSendable(username);
    return this.#membership.operate({ type: 'kick', to: username, reason, ban: true }, signal);
  }

  /** mute has a slave be quiet: what it sends of its own accord is refused. Its answers are not. */
  async mute(username, options) {
    return this.#mute('mute', { to: username, on: true }, options);
  }

  /** unmute lets a slave speak that was muted. */
  async unmute(username, options) {
    return this.#mute('unmute', { to: username, on: false }, options);
  }

  /** muteAll has all slaves be quiet, those too that join later. There are no exceptions any more. */
  async muteAll(options) {
    return this.#mute('muteAll', { on: true }, options);
  }

  /** unmuteAll lets all slaves speak. There are no exceptions any more. */
  async unmuteAll(options) {
    return this.#mute('unmuteAll', { on: false }, options);
  }

  /** Whether all slaves are muted that are no exceptions. */
  get allMuted() {
    return this.#membership.voice.muted;
  }

  async #mute(what, fields, { signal, ...rest } = {}) {
    noOthers(what, rest);
    if ('to' in fields) {
      mustBeSendable(fields.to);
    }
    return this.#membership.operate({ type: 'mute', ...fields }, signal);
  }

  /** setDoor says what becomes of who joins: 'open' lets them in, 'knock' has them wait, 'locked' refuses them. */
  async setDoor(door, { signal, ...rest } = {}) {
    noOthers('setDoor', rest);
    if (door === undefined) {
      throw new TypeError("a door is 'open', 'knock' or 'locked'");
    }
    return this.#membership.operate({ type: 'door', door: doorOf(door) }, signal);
  }

  /** What becomes of who joins, as far as it is known on this side. */
  get door() {
    return this.#membership.door.mode;
  }

  /** Those who wait at the door, in the order in which they have knocked, as far as it is known on this side. */
  get knocks() {
    return this.#membership.door.knocks;
  }

  /** admit lets the one in who has knocked under the number. */
  async admit(knock, { signal, ...rest } = {}) {
    noOthers('admit', rest);
    return this.#membership.operate({ type: 'admit', knock: numbered(knock) }, signal);
  }

  /** deny refuses the one who has knocked under the number. It may knock again. */
  async deny(knock, reason, { signal, ...rest } = {}) {
    noOthers('deny', rest);
    return this.#membership.operate({ type: 'deny', knock: numbered(knock), reason }, signal);
  }

  /** away tells the slaves that the master is not there, though it is connected. */
  async away({ signal, ...rest } = {}) {
    noOthers('away', rest);
    return this.#membership.operate({ type: 'away' }, signal);
  }

  /** back ends what away has begun. */
  async back({ signal, ...rest } = {}) {
    noOthers('back', rest);
    return this.#membership.operate({ type: 'back' }, signal);
  }

  /**
   * handOver makes a slave the master, in one step. This handle is over then: with stay the member goes on as a
   * slave, whose handle is returned, and otherwise it has left, and null is.
   */
  async handOver(username, { stay = false, signal, ...rest } = {}) {
    noOthers('handOver', rest);
    mustBeSendable(username);
    return this.#membership.handOver(username, Boolean(stay), signal);
  }

  /** close closes the channel: every slave is told master_left and let go. */
  async close() {
    return this.#membership.leave();
  }
}
