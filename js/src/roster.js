import { presence } from './presence.js';

const byName = (a, b) => (a.username < b.username ? -1 : 1);

/** Roster is what a master knows of its slaves. */
export class Roster {
  #told;
  #slaves = new Map();
  // What was last read. Stores of frameworks take another object for a change.
  #members = null;
  // What was last counted, and of which.
  #counted = null;
  // The numbers of the slaves' memberships, by their names, as far as they were told.
  #numbers = new Map();
  // Slaves that have left while the master was away, and those of them that have
  // joined again, to be told behind the messages up to number replayEnd. By their names, the changes of each.
  #departed = new Map();
  #replayEnd = 0;
  // The names in the pages of a list that have come, or null where none is on its way.
  #listed = null;
  #resolveComing = () => {};

  /** Resolves when a list that is on its way has come, or its pages will not. Null: none is. */
  coming = null;

  /**
   * @param {(slave: object, number: number, heard: number) => void} told is told of each change, with the
   *   membership's number; of one that has left, heard is up to which number messages from its name were its own
   */
  constructor(told) {
    this.#told = told;
  }

  /** members are all slaves, by their names. */
  get members() {
    this.#members ??= Object.freeze([...this.#slaves.values()].sort(byName));
    return this.#members;
  }

  /** counts are how many there are in either state. */
  get counts() {
    if (this.#counted?.of !== this.members) {
      const away = this.members.filter(({ state }) => state === 'away').length;
      this.#counted = { of: this.members, counts: Object.freeze({ online: this.members.length - away, away }) };
    }
    return this.#counted.counts;
  }

  /**
   * compare takes in a list. Those who came are told at once; those who went, and those who have
   * joined again since, are told behind the messages that are still to come from them, where last is
   * the newest one that has arrived. follows: who is not known has joined since the list before, or
   * since the channel was made. Where the list comes in pages, who went is known by the last one. forget is told of each whose membership is over: what comes behind the
   * list is of those who are there.
   */
  compare(frame, reason, last, follows, forget) {
    this.#departed.clear(); // the list stands for those before it
    if (!frame.after) {
      this.#listed = frame.more ? new Set() : null;
    }
    const before = this.#slaves.size;
    let met = 0;
    // heard is up to where messages are of the membership that has ended: what is still replayed may be of the next.
    const gone = (name, heard) => {
      forget(name);
      this.#departed.set(name, [{ slave: presence('slave', name, 'gone', { reason }), number: this.#numbers.get(name), heard }]);
    };
    for (const { username, state, number = 0 } of frame.members) {
      const known = this.#numbers.get(username) ?? 0;
      const was = this.#slaves.get(username);
      met += was ? 1 : 0;
      this.#listed?.add(username);
      if (known && number && known !== number) {
        gone(username, last);
        this.#departed.get(username).push({ slave: presence('slave', username, state, { joined: true }), number });
      } else if (was?.state !== state) {
        this.change(presence('slave', username, state, { joined: !was && follows }), number);
      } else if (number && known !== number) {
        this.#numbers.set(username, number);
      }
    }
    if (!frame.more && (this.#listed || met < before)) { // else nobody is missing, and nothing is made for it
      const listed = this.#listed ?? new Set(frame.members.map(({ username }) => username));
      [...this.#slaves.keys()].filter((name) => !listed.has(name)).sort().forEach((name) => gone(name));
    }
    this.#replayEnd = frame.seq ?? 0;
    this.arrived(last);
    if (frame.more) {
      this.coming ??= new Promise((resolve) => {
        this.#resolveComing = resolve;
      });
    } else {
      this.settle();
    }
  }

  /** settle is told that nothing more comes of a list. */
  settle() {
    this.#listed = null;
    this.coming = null;
    this.#resolveComing();
  }

  /** arrived is told the number of the newest message that has arrived. */
  arrived(last) {
    if (last >= this.#replayEnd) {
      this.tellDeparted();
    }
  }

  /** tellDeparted tells what was put off; with a name, of that one alone. */
  tellDeparted(only) {
    for (const name of only === undefined ? [...this.#departed.keys()] : [only]) {
      const changes = this.#departed.get(name) ?? [];
      this.#departed.delete(name);
      changes.forEach(({ slave, number, heard }) => this.change(slave, number, heard));
    }
  }

  /**
   * present returns those who are there, though the application may not have been told yet:
   * the numbers of their memberships by their names. With a name, it is of that one alone.
   */
  present(only) {
    const names = only === undefined ? this.#slaves.keys() : [only];
    const numbers = new Map([...names].map((name) => [name, this.#numbers.get(name) ?? 0]));
    const departed = only === undefined ? [...this.#departed.values()] : [this.#departed.get(only) ?? []];
    for (const { slave: { username, state }, number = 0 } of departed.flat()) {
      if (state === 'gone') {
        numbers.delete(username);
      } else {
        numbers.set(username, number);
      }
    }
    return numbers;
  }

  /** change takes in how a slave is now. number is that of the membership. Without one it is the same as before. */
  change(slave, number = 0, heard = Infinity) {
    this.#members = null;
    const { username } = slave;
    if (slave.state === 'gone') {
      const left = number || (this.#numbers.get(username) ?? 0);
      this.#slaves.delete(username);
      this.#numbers.delete(username);
      this.#told(slave, left, heard);
    } else {
      this.#slaves.set(username, slave);
      this.#listed?.add(username); // what is told in the middle of a list is of those who were in a page
      if (number) {
        this.#numbers.set(username, number);
      }
      this.#told(slave, this.#numbers.get(username) ?? 0);
    }
  }
}
