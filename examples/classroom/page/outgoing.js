import { ConnectionError, RefusedError } from '/lectern.js';
import { randomId } from './notebook.js';
import * as talk from './talk.js';
import { refusal } from './words.js';

// After these, what was written is given back: it may be said later, or to somebody else.
const RETURNED = new Set(['muted', 'role_changed', 'handed_over']);

function problem(error) {
  if (error.code === 'handed_over') {
    return refusal({ code: 'role_changed' });
  }
  if (error instanceof ConnectionError) {
    return 'Not sent: the network is too slow for a text of this length.';
  }
  return error instanceof RefusedError || error.code === 'unknown_outcome' ? refusal(error) : 'Not sent: the class was over.';
}

/**
 * Outgoing is what one writes: each text is in the notebook before it is sent, and
 * is sent again where the page was loaded anew before the hub has answered. The
 * other side knows by its id that it is the same.
 */
export class Outgoing {
  #notebook;
  #log;
  #deliver;
  #giveBack;
  #sending = new Set();

  /**
   * @param {(to: string, payload: object) => Promise<object>} deliver
   * @param {(entry: object) => void} giveBack takes what was not sent and may be later
   */
  constructor(notebook, log, deliver, giveBack) {
    this.#notebook = notebook;
    this.#log = log;
    this.#deliver = deliver;
    this.#giveBack = giveBack;
  }

  write(text, to, tag) {
    const key = randomId();
    const entry = { kind: 'said', key, mine: true, who: 'You', to, tag, text, at: Date.now(), status: 'sending' };
    this.#notebook.add(entry);
    this.#log.add(entry);
    this.#start(entry);
  }

  /** done resolves when it is known what has become of everything. */
  async done() {
    await Promise.all(this.#sending);
  }

  /** again sends what no answer has come to. */
  again() {
    this.#notebook.entries.filter((entry) => entry.status === 'sending').forEach((entry) => this.#start(entry));
  }

  #start(entry) {
    const sent = this.#send(entry).finally(() => this.#sending.delete(sent));
    this.#sending.add(sent);
  }

  async #send(entry) {
    try {
      await this.#deliver(entry.to, talk.text(entry.key, entry.text));
      entry.status = 'sent';
    } catch (error) {
      entry.status = 'failed';
      entry.problem = problem(error);
      if (RETURNED.has(error.code)) {
        this.#giveBack(entry);
      }
    }
    this.#notebook.save();
    this.#log.update(entry);
  }
}
