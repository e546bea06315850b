import { orAborted } from './aborting.js';
import { ConnectionError } from './errors.js';
import { later } from './timer.js';

/** Tokens gets the tokens that the service behind the hub asks for. */
export class Tokens {
  #make;
  #patience;

  /**
   * @param {((request: {operation: string, channel: string, username: string}) => Promise<string> | string) | undefined} make
   * @param {number} patience bounds how long fresh waits, in milliseconds
   */
  constructor(make, patience) {
    this.#make = make;
    this.#patience = patience;
  }

  /** made: the application makes tokens, where none is given. */
  get made() {
    return this.#make !== undefined;
  }

  /** one is a token for a call that waits for it. */
  async one(request, signal) {
    const made = this.#ask(request);
    // What is awaited is never rejected here.
    await orAborted(made.then(() => {}, () => {}), signal);
    return made;
  }

  /**
   * fresh gives each of those that come back a token, before the next connection is made.
   * Where there is none it is to be tried again later: with one of before, the service might
   * take the member for one that is not to come back.
   *
   * @param {{request: object, take: (token: string) => void}[]} all
   */
  async fresh(all) {
    let cancel;
    const late = new Promise((_, reject) => {
      cancel = later(this.#patience, () => reject(new ConnectionError('there was no token in time')));
    });
    try {
      const tokens = await Promise.race([Promise.all(all.map(({ request }) => this.#ask(request))), late]);
      all.forEach(({ take }, index) => take(tokens[index]));
    } finally {
      cancel();
    }
  }

  async #ask({ operation, channel, username }) {
    const token = await this.#make({ operation, channel, username });
    if (typeof token !== 'string') {
      throw new TypeError(`options.token must give a string, and has given ${token === null ? 'null' : typeof token}`);
    }
    return token;
  }
}
