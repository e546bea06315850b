import { words } from './elements.js';
import { refusal } from './words.js';

/**
 * Voice is who has to be quiet, as a teacher wants it: all or not, and by name who is otherwise than all. Of the names
 * the hub tells nobody but the students themselves, so that the notebook has them. A change is there before the
 * hub has it, and is told again where the page was loaded anew meanwhile.
 */
export class Voice {
  #master;
  #notebook;
  #told;
  #busy = false;

  /** @param {(problem: string | Array) => void} told is told when the hub has a change, with '', or has refused one */
  constructor(master, notebook, told) {
    this.#master = master;
    this.#notebook = notebook;
    this.#told = told;
    const kept = notebook.voice;
    // What the hub says of all is so, but for what it has not been told yet.
    if (kept.changes.every(({ name }) => name !== null) && kept.all !== master.allMuted) {
      kept.all = master.allMuted;
      kept.others = [];
    }
  }

  get #kept() {
    return this.#notebook.voice;
  }

  /** Whether all have to be quiet that are not otherwise than all. */
  get all() {
    return this.#kept.all;
  }

  /** The names of those that are otherwise than all. */
  get others() {
    return this.#kept.others;
  }

  /** isQuiet reports whether a student has to be. */
  isQuiet(name) {
    return this.all !== this.others.includes(name);
  }

  /** set has one student be quiet or not, or with null all of them, and then nobody is otherwise. */
  set(name, quiet) {
    const kept = this.#kept;
    kept.changes = [...kept.changes.filter((each) => name !== null && each.name !== name), { name, quiet }];
    this.#put(name, quiet);
    this.again();
  }

  /** again tells the hub what it may not know. */
  async again() {
    if (this.#busy) {
      return;
    }
    this.#busy = true;
    while (this.#kept.changes.length > 0 && !this.#master.error) {
      await this.#send(this.#kept.changes[0]);
    }
    this.#busy = false;
  }

  async #send(change) {
    const { name, quiet } = change;
    let problem = '';
    try {
      if (name === null) {
        await (quiet ? this.#master.muteAll() : this.#master.unmuteAll());
      } else {
        await (quiet ? this.#master.mute(name) : this.#master.unmute(name));
      }
    } catch (error) {
      if (this.#master.error) {
        return; // the class is over
      }
      problem = error.code === 'no_such_slave' ? words`${name} is no longer in the class.` : refusal(error);
    }
    const kept = this.#kept;
    const newest = kept.changes.includes(change); // else something else is wanted by now
    kept.changes = kept.changes.filter((each) => each !== change);
    if (problem !== '' && newest) {
      this.#put(name, !quiet);
    }
    this.#notebook.save();
    this.#told(problem);
  }

  #put(name, quiet) {
    const kept = this.#kept;
    if (name === null) {
      kept.all = quiet;
      kept.others = [];
    } else {
      kept.others = [...kept.others.filter((each) => each !== name), ...(quiet === kept.all ? [] : [name])];
    }
    this.#notebook.save();
  }
}
