import { Content } from './content.js';
import { mustBeShortName } from './names.js';
import { payloadOf } from './payload.js';

const EMPTY = { kind: 'text', bytes: new Uint8Array() };
const NONE = new Map();

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

/** attributesOf are the attributes of an option as a frame has them, or undefined where there are none. */
export function attributesOf(given, limit) {
  const entries = Object.entries(given ?? {}).sort(([one], [other]) => (one < other ? -1 : 1));
  if (entries.length === 0) {
    return undefined;
  }
  return entries.map(([key, value]) => {
    mustBeShortName('attributes: a key', key);
    return { key, payload: payloadOf(value, limit) };
  });
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
  // By name, and there by key. What was read is not changed: stores of frameworks take another
  // object for a change.
  #others = new Map();
  #own = NONE;

  /** @param {(attribute: Attribute) => void} told is told of each change */
  constructor(told) {
    this.#told = told;
  }

  /** own are those that were set by this handle, by their keys. */
  get own() {
    return this.#own;
  }

  /** of returns those of a member, by their keys. */
  of(username) {
    return this.#others.get(username) ?? NONE;
  }

  /** arrived notes that what has the number has come, and everything before it. */
  arrived(seq = 0) {
    this.known = Math.max(this.known, seq);
  }

  /** changed takes in a change. One that comes a second time is dropped. */
  changed(from, key, payload, seq) {
    const before = this.of(from);
    const known = before.get(key);
    if ((known && seq <= known.seq) || (!known && !payload)) {
      return;
    }
    const attribute = new Attribute(from, key, payload, seq);
    this.#others.set(from, altered(before, attribute));
    this.#told(attribute);
  }

  /** reset forgets those of a member, or of everybody, which are told anew. */
  reset({ from, seq = 0 }) {
    if (from === undefined) {
      this.known = 0;
    }
    for (const name of from === undefined ? [...this.#others.keys()] : [from]) {
      const gone = this.of(name);
      this.#others.delete(name);
      for (const { key, seq: last } of gone.values()) {
        this.#told(new Attribute(name, key, undefined, Math.max(seq, last)));
      }
    }
  }

  /** forget forgets those of a member whose membership is over. */
  forget(name) {
    this.#others.delete(name);
  }

  /** set keeps what this side has set, and the hub has accepted. */
  set(username, { key, payload }, seq = 0) {
    this.#own = altered(this.#own, new Attribute(username, key, payload, seq));
  }
}

function altered(before, attribute) {
  const after = new Map(before);
  if (attribute.deleted) {
    after.delete(attribute.key);
  } else {
    after.set(attribute.key, attribute);
  }
  return after;
}
