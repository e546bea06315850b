import { plain } from './elements.js';

const KEY = 'classroom';

/** Where the client keeps the tickets of the same class. */
export const TICKETS = 'classroom tickets';

// What is kept: the newest entries, and questions.
const MAX_ENTRIES = 300;
const MAX_CHARACTERS = 200_000;
const MAX_QUESTIONS = 20;

// Where a browser keeps nothing for a page, so does the page for itself: it works as long as it is not loaded again.
function inMemory() {
  const items = new Map();
  return {
    getItem: (key) => items.get(key) ?? null,
    setItem: (key, value) => items.set(key, value),
    removeItem: (key) => items.delete(key),
  };
}

function ofTab() {
  try {
    sessionStorage.getItem(KEY);
    return sessionStorage;
  } catch {
    return null;
  }
}

/** keeps reports whether the browser keeps anything for the page. */
export const keeps = ofTab() !== null;

/** storage is the tab's session storage, or where site data are blocked one of the page's own. */
export const storage = ofTab() ?? inMemory();

/** randomId is an id that nobody else takes. */
export function randomId() {
  const bytes = crypto.getRandomValues(new Uint8Array(9));
  return Array.from(bytes, (byte) => byte.toString(36).padStart(2, '0')).join('');
}

/**
 * Notebook is what a page keeps of its class over a reload, in the tab's session
 * storage: who it is, what was said and asked, and how the class ended.
 *
 * An entry has a key of its own. What a page writes itself has its status: sending,
 * sent, or what has become of it instead.
 */
export class Notebook {
  /** @param {{role: string, channel: string, username: string, teacher: string}} who */
  constructor(who) {
    this.who = who;
    this.entries = [];
    this.questions = [];
    // Those whom a teacher knows: [name, {state, reason}].
    this.members = [];
    // Earlier entries are no longer kept.
    this.cut = false;
    // One's own attributes, by their keys: see Own.
    this.own = {};
    // Who has to be quiet, at a teacher: see Voice.
    this.voice = { all: false, others: [], changes: [] };
    // What is written and not yet sent, and to whom. draftFor is for whom it was written, or '' for everybody, where that is
    // somebody else than it would go to now, and otherwise null.
    this.draft = '';
    this.draftTo = '';
    this.draftFor = null;
    // What a student has seen on the board, the question that is open, and who is otherwise than all of who has to be quiet.
    this.seen = { board: '', question: null };
    this.quiet = [];
    // The questions that one has asked who was the teacher before, and is a student.
    this.taught = [];
    // How the class ended: {code, reason, lost}, and where it goes on elsewhere the ticket.
    this.over = null;
  }

  /** kept is the notebook that this tab has, or null. */
  static kept() {
    try {
      const kept = JSON.parse(storage.getItem(KEY));
      return kept && Notebook.of(kept);
    } catch {
      return null; // another page's
    }
  }

  /** of makes a notebook of what was written down. */
  static of(kept) {
    return Object.assign(new Notebook(kept.who), kept);
  }

  /** forget leaves the tab as if it had never been in a class. */
  static forget() {
    storage.removeItem(KEY);
    storage.removeItem(TICKETS);
  }

  has(key) {
    return this.entries.some((entry) => entry.key === key);
  }

  add(entry) {
    this.entries.push(entry);
    let size = this.entries.reduce((sum, { text }) => sum + text.length, 0);
    while (this.entries.length > MAX_ENTRIES || (size > MAX_CHARACTERS && this.entries.length > 1)) {
      size -= this.entries.shift().text.length;
      this.cut = true;
    }
    this.save();
  }

  /** note adds what the page itself has to say. */
  note(sentence) {
    const entry = { kind: 'note', key: `note ${Date.now()} ${Math.random()}`, text: plain(sentence), sentence };
    this.add(entry);
    return entry;
  }

  question(id) {
    return this.questions.find((question) => question.id === id);
  }

  addQuestion(question) {
    this.questions.push(question);
    this.questions.splice(0, this.questions.length - MAX_QUESTIONS);
    this.save();
  }

  /** save writes it down. It is called in the same turn as the change. */
  save() {
    try {
      storage.setItem(KEY, JSON.stringify(this));
    } catch {
      // A storage that is full or forbidden costs the reload, not the class.
    }
  }
}
