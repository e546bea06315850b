import { Content, payloadIn } from './content.js';
import { later } from './timer.js';

const EMPTY = { kind: 'text', bytes: new Uint8Array() };

/** Attribute is the value of a member's attribute, or that it was deleted. */
export class Attribute extends Content {
  constructor(from, key, payload, seq) {
    super(payload ?? EMPTY);
    this.type = 'attribute';
    this.from = from;
    this.key = key;
    this.seq = seq;
    this.deleted = payload === undefined;
    Object.freeze(this);
  }
}

/** renamed is an attribute, or that it was deleted, as another member's. */
export function renamed(attribute, from) {
  const { key, seq, deleted } = attribute;
  return new Attribute(from, key, deleted ? undefined : payloadIn(attribute), seq);
}

/** Values is a Map of attributes by their keys that does not change: where one changes there is another. */
class Values extends Map {
  /** altered is a copy in which the attribute has the place of the one with its key, or in which that is deleted. */
  altered(attribute) {
    const all = new Values();
    const put = (key, value) => super.set.call(all, key, value);
    this.forEach((value, key) => (key === attribute.key && attribute.deleted) || put(key, value));
    if (!attribute.deleted) {
      put(attribute.key, attribute);
    }
    return all;
  }

  set() {
    throw new TypeError('attributes are set by setAttribute');
  }

  delete() {
    throw new TypeError('attributes are deleted by deleteAttribute');
  }

  clear() {
    this.delete();
  }
}

const NONE = new Values();

// How long after a reset, and after each attribute that is told anew, the next one is waited for where nothing else
// comes, in milliseconds.
const ANEW_WITHIN = 100;

function same(one, other) {
  const [a, b] = [one.bytes(), other.bytes()];
  return one.kind === other.kind && a.length === b.length && a.every((byte, index) => byte === b[index]);
}

/**
 * Attributes are those of the others, as the hub tells them: of its master at a slave, and of its
 * slaves at a master; and those that this side has set itself.
 */
export class Attributes {
  /**
   * The number up to which those of the others are known. It is lower than that of the newest message while
   * they are told anew.
   */
  known = 0;

  #told;
  // By name, and there by key; and the numbers of the last changes in the same way.
  #others = new Map();
  #numbers = new Map();
  #own = NONE;
  // Those that were there before a reset and were not told anew so far, and of whom that is: undefined is
  // of everybody. Null: there was no reset. What is told anew follows right behind it: until then all is as it was, so
  // that what has not changed does not come and go.
  #stale = null;
  #cancel = () => {};

  /** @param {(attribute: Attribute) => void} told is told of each change */
  constructor(told) {
    this.#told = told;
  }

  /** own are those that were set for this member, by this handle or a client before it, by their keys. */
  get own() {
    return this.#own;
  }

  /** of returns those of a member, by their keys. */
  of(username) {
    return this.#others.get(username) ?? NONE;
  }

  /** arrived notes that what has the number has come, and everything before it. */
  arrived(seq) {
    this.known = Math.max(this.known, seq);
  }

  /** changed takes in a change. One that comes a second time is dropped. */
  changed(from, key, payload, seq) {
    if (this.#stale && (this.#stale.from ?? from) !== from) {
      this.settle();
    }
    const before = this.of(from);
    const known = before.get(key);
    const numbers = this.#numbers.get(from) ?? new Map();
    const anew = Boolean(known && this.#stale?.left.delete(known));
    this.#awaitNext();
    const last = numbers.get(key) ?? 0;
    if (known ? seq < last || (seq === last && !anew) : !payload) {
      return;
    }
    const attribute = new Attribute(from, key, payload, seq);
    this.#numbers.set(from, numbers.set(key, seq));
    if (!anew || attribute.deleted || !same(known, attribute)) {
      this.#change(before, attribute);
    }
  }

  #change(before, attribute) {
    const { from, key, deleted } = attribute;
    const after = before.altered(attribute);
    if (deleted) {
      this.#numbers.get(from).delete(key);
    }
    if (after.size > 0) {
      this.#others.set(from, after);
    } else {
      this.forget(from);
    }
    this.#told(attribute);
  }

  /** reset takes in that those of a member, or of everybody, are told anew: others are gone. */
  reset({ from, seq = 0 }) {
    this.settle();
    if (from === undefined) {
      this.known = 0;
    }
    const names = from === undefined ? [...this.#others.keys()] : [from];
    this.#stale = { from, seq, left: new Set(names.flatMap((name) => [...this.of(name).values()])) };
    this.#awaitNext();
  }

  #awaitNext() {
    this.#cancel();
    if (this.#stale?.left.size > 0) {
      this.#cancel = later(ANEW_WITHIN, () => this.settle());
    }
  }

  /** settle is for what is not told anew: it comes behind that, or some time has passed. What was not is gone. */
  settle() {
    if (!this.#stale) {
      return;
    }
    this.#cancel();
    const { seq, left } = this.#stale;
    this.#stale = null;
    for (const attribute of left) {
      const { from, key } = attribute;
      this.#change(this.of(from), new Attribute(from, key, undefined, Math.max(seq, this.#numbers.get(from).get(key))));
    }
  }

  /** forget forgets those of a member whose membership is over. */
  forget(name) {
    this.#others.delete(name);
    this.#numbers.delete(name);
  }

  /** rename has those of a member be another one's from now on. */
  rename(before, name) {
    this.settle();
    const all = this.of(before);
    if (all.size > 0) {
      this.#others.set(name, [...all.values()].reduce((values, each) => values.altered(renamed(each, name)), NONE));
      this.#numbers.set(name, this.#numbers.get(before));
      this.forget(before);
    }
  }

  /** toldOwn keeps those of this side, as the hub tells them. */
  toldOwn(username, all) {
    this.#own = NONE;
    all.forEach((attribute) => this.set(username, attribute));
  }

  /** set keeps what this side has set, and the hub has accepted. */
  set(username, { key, payload }, seq = 0) {
    this.#own = this.#own.altered(new Attribute(username, key, payload, seq));
  }
}
