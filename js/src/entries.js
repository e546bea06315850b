import { orAborted } from './aborting.js';

// What the clients of this page are undoing, as promises, by address and channel: another
// client for the same hub may be made before the former one has left.
const undoing = new Map();

// The application's turn: who has just got a handle may leave it at once.
const turn = () => new Promise((resolve) => {
  setTimeout(resolve);
});

/**
 * Entries lets the calls of one client enter a channel one after the other. Each waits for
 * the one before, and for what is being undone: a call that was given up, a membership
 * that is left, a client that is closed.
 */
export class Entries {
  #address;
  // The newest entry into each channel, as a promise that is resolved when it has ended.
  #newest = new Map();

  constructor(address) {
    this.#address = address;
  }

  /** under resolves when the newest entry into the channel has ended, if there is one under way. */
  under(channel) {
    return this.#newest.get(channel);
  }

  /** undo tells that something in the channel is undone when the promise is resolved. */
  undo(channel, promise) {
    const key = this.#key(channel);
    const all = undoing.get(key) ?? new Set();
    undoing.set(key, all.add(promise));
    promise.then(() => {
      all.delete(promise);
      if (all.size === 0 && undoing.get(key) === all) {
        undoing.delete(key);
      }
    });
  }

  /** enter calls attempt when the others have ended. It begins in the same turn where there are none. */
  async enter(channel, signal, attempt) {
    const before = this.#newest.get(channel);
    let end;
    const ended = new Promise((resolve) => {
      end = resolve;
    });
    this.#newest.set(channel, ended);
    try {
      if (before) {
        await orAborted(before.then(turn), signal);
      }
      for (let all = this.#undone(channel); all; all = this.#undone(channel)) {
        await orAborted(all, signal);
      }
      return await attempt();
    } finally {
      const over = () => {
        if (this.#newest.get(channel) === ended) {
          this.#newest.delete(channel);
        }
        end();
      };
      // Where one is given up while it waits, those behind it still wait for the one before.
      if (before) {
        before.then(over);
      } else {
        over();
      }
    }
  }

  #undone(channel) {
    const all = undoing.get(this.#key(channel));
    return all && Promise.all(all);
  }

  #key(channel) {
    return `${this.#address} ${channel}`;
  }
}
