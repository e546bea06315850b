import { renamed } from './attributes.js';

/**
 * Changes holds the changes of attributes until they are taken. Of an attribute at most two wait: that the
 * value which was taken last is gone, and behind that the newest value. So there are never more than two for each
 * attribute that there is or that was taken, however often it changes.
 */
export class Changes {
  // By member, and there by key: what waits, and whether the one who takes knows a value.
  #members = new Map();
  // {change, behind}, in their order. Where change is null it was followed by a newer one.
  #queue = [];
  #head = 0;
  #followed = 0;

  /** behind is how many other entries are before the first one, or Infinity where there is none. */
  get behind() {
    while (this.#head < this.#queue.length && !this.#queue[this.#head].change) {
      this.#head++;
      this.#followed--;
    }
    return this.#queue[this.#head]?.behind ?? Infinity;
  }

  /** add puts a change behind so many other entries. */
  add(change, behind) {
    const { from, key, deleted } = change;
    const member = this.#members.get(from) ?? new Map();
    const state = member.get(key) ?? { known: false, deletion: null, value: null };
    this.#members.set(from, member.set(key, state));
    this.#follow(state.value);
    state.value = null;
    if (!deleted) {
      state.value = this.#push(change, behind);
    } else if (state.known) {
      state.deletion ??= this.#push(change, behind);
    }
    this.#clean(change, state);
  }

  /** take takes the first one, of which behind has told. */
  take() {
    const { change } = this.#queue[this.#head];
    this.#queue[this.#head++] = undefined;
    const state = this.#members.get(change.from).get(change.key);
    if (change.deleted) {
      state.deletion = null;
    } else {
      state.value = null;
    }
    state.known = !change.deleted;
    this.#clean(change, state);
    this.#compact();
    return change;
  }

  /** forget takes out what is of a member whose membership is over. */
  forget(from) {
    for (const { deletion, value } of this.#members.get(from)?.values() ?? []) {
      this.#follow(deletion);
      this.#follow(value);
    }
    this.#members.delete(from);
    this.#compact();
  }

  /** rename has what is of a member be another one's from now on. */
  rename(before, name) {
    const states = this.#members.get(before);
    if (!states) {
      return;
    }
    this.#members.delete(before);
    this.#members.set(name, states);
    for (const { deletion, value } of states.values()) {
      for (const slot of [deletion, value].filter(Boolean)) {
        slot.change = renamed(slot.change, name);
      }
    }
  }

  clear() {
    this.#members.clear();
    this.#queue = [];
    this.#head = this.#followed = 0;
  }

  #push(change, behind) {
    const slot = { change, behind };
    this.#queue.push(slot);
    return slot;
  }

  #follow(slot) {
    if (slot) {
      slot.change = null;
      this.#followed++;
    }
  }

  #clean({ from, key }, { known, deletion, value }) {
    const member = this.#members.get(from);
    if (!known && !deletion && !value && member.delete(key) && member.size === 0) {
      this.#members.delete(from);
    }
    this.#compact();
  }

  #compact() {
    const idle = this.#head + this.#followed;
    if (idle > 32 && idle * 2 > this.#queue.length) {
      this.#queue = this.#queue.slice(this.#head).filter(({ change }) => change);
      this.#head = this.#followed = 0;
    }
  }
}
