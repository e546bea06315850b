import { MAX_NUMBER } from './shapes.js';

const roles = ['master', 'slave'];
const texts = ['channel', 'username', 'secret'];

/** isTicket reports whether a value has all that a resume is made of. */
export function isTicket(value) {
  return typeof value === 'object' && value !== null && roles.includes(value.role)
    && texts.every((name) => typeof value[name] === 'string' && value[name] !== '')
    && Number.isInteger(value.last) && value.last >= 0 && value.last <= MAX_NUMBER;
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

  /** update keeps the ticket as it is now, unless another client has put one in its place. */
  update(ticket) {
    if ((this.#read()[ticket.channel]?.holder ?? this.#holder) === this.#holder) {
      this.put(ticket);
    }
  }

  /** remove forgets a ticket, unless another client has put one in its place, be it the same. */
  remove({ channel, secret }, holder = this.#holder) {
    const kept = this.#read();
    if (kept[channel]?.secret === secret && (kept[channel].holder ?? holder) === holder) {
      delete kept[channel];
      this.#write(kept);
    }
  }

  #read() {
    try {
      const kept = JSON.parse(this.#storage?.getItem(this.#key) ?? '{}');
      // What is no ticket is somebody else's, or damaged, and must not keep the others from coming back.
      const tickets = Object.entries(kept).filter(([channel, value]) => isTicket(value) && value.channel === channel);
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
