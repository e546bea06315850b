import { sendable } from './names.js';
import { MAX_NUMBER } from './shapes.js';

const roles = ['master', 'slave'];

const isText = (value) => typeof value === 'string' && value !== '';
const isName = (value) => isText(value) && sendable(value);
const isCount = (value) => Number.isInteger(value) && value >= 0 && value <= MAX_NUMBER;

const rules = {
  channel: [isName, 'is no name'],
  username: [isName, 'is no name'],
  role: [(value) => roles.includes(value), 'is neither master nor slave'],
  resume: [isText, 'is no secret'],
  epoch: [isCount, 'is no whole number from 0 to 2^53'],
  last: [isCount, 'is no whole number from 0 to 2^53'],
};

/**
 * readTicket is the ticket that a value holds, and what is wrong with it where it is none. Those
 * of before have no epoch, and call what resumes secret. What is wrong names the field, and does
 * not repeat what is in it.
 */
export function readTicket(value) {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return { problem: 'it is no object' };
  }
  const { channel, username, role, resume = value.secret, epoch = 0, last = 0 } = value;
  const ticket = { channel, username, role, resume, epoch, last };
  const wrong = Object.keys(rules).find((field) => !rules[field][0](ticket[field]));
  return wrong ? { problem: `${wrong} ${rules[wrong][1]}` } : { ticket };
}

/**
 * Tickets keeps the tickets of a client's memberships in a Storage, if there is one.
 * Each has the mark of the client that holds the membership: another one may have
 * the same storage, take the membership over, and keep its ticket in the same place.
 */
export class Tickets {
  #holder = crypto.getRandomValues(new Uint32Array(4)).join('-');
  #storage;
  #key;

  /**
   * @param {Pick<Storage, 'getItem' | 'setItem' | 'removeItem'> | undefined} storage
   * @param {string} key
   */
  constructor(storage, key) {
    this.#storage = storage;
    this.#key = key;
  }

  list() {
    return Object.values(this.#read());
  }

  /** put keeps the ticket of a membership that this client has entered. */
  put(ticket) {
    if (this.#storage) {
      this.#write({ ...this.#read(), [ticket.channel]: { ...ticket, holder: this.#holder } });
    }
  }

  /**
   * claim makes a ticket this client's, or another holder's, where it is kept as it was listed. Who
   * is about to use it does so first: the one whose place it takes leaves it alone then.
   */
  claim(ticket, holder = this.#holder) {
    const kept = this.#read();
    const { [ticket.channel]: found } = kept;
    if (found?.resume === ticket.resume && found.epoch === ticket.epoch && found.holder === ticket.holder) {
      this.#write({ ...kept, [ticket.channel]: { ...found, holder } });
    }
    return { ...ticket, holder };
  }

  /** update keeps the ticket as it is now, unless another client has put one in its place. */
  update(ticket) {
    if ((this.#read()[ticket.channel]?.holder ?? this.#holder) === this.#holder) {
      this.put(ticket);
    }
  }

  /** remove forgets a ticket, unless another client has put one in its place, be it the same. */
  remove({ channel, resume, epoch }, holder = this.#holder) {
    const kept = this.#read();
    const { [channel]: found } = kept;
    if (found?.resume === resume && found.epoch === epoch && (found.holder ?? holder) === holder) {
      delete kept[channel];
      this.#write(kept);
    }
  }

  #read() {
    try {
      const kept = JSON.parse(this.#storage?.getItem(this.#key) ?? '{}');
      // What is no ticket is somebody else's, or damaged, and must not keep the others from coming back.
      const tickets = Object.entries(kept).flatMap(([channel, value]) => {
        const { ticket } = readTicket(value);
        return ticket?.channel === channel ? [[channel, { ...ticket, holder: value.holder }]] : [];
      });
      return Object.assign(Object.create(null), Object.fromEntries(tickets));
    } catch {
      return Object.create(null); // not ours, or forbidden: there is nothing to restore
    }
  }

  // A storage that is full or forbidden must not end what goes on.
  #write(kept) {
    try {
      if (Object.keys(kept).length > 0) {
        this.#storage.setItem(this.#key, JSON.stringify(kept));
      } else {
        this.#storage.removeItem(this.#key);
      }
    } catch (error) {
      globalThis.reportError?.(error);
    }
  }
}
