import * as talk from './talk.js';
import { refusal } from './words.js';

const TOO_LATE = 'The question was closed before your answer arrived.';

const isOpen = (question) => question?.state === 'open' || question?.state === 'kept';

/**
 * Asked are the questions that a student is asked. The one that is open is seen by everybody, who comes
 * later too, as an attribute of the teacher's. A request asks for the answer: what is answered before it has come,
 * since the teacher is away for a moment, is kept until then.
 *
 * A question is open, kept, sending, answered or over.
 */
export class Asked {
  #slave;
  #notebook;
  #view;

  /**
   * @param {{tell: (question: object) => void, open: (count: number) => void, add: (entry: object) => void,
   *   note: (text: string) => void, came: () => void}} view tell shows the newest question, and open how many are
   */
  constructor(slave, notebook, view) {
    this.#slave = slave;
    this.#notebook = notebook;
    this.#view = view;
  }

  /** again shows the question that the notebook has, and says again what may not have arrived. */
  again() {
    this.#view.tell(this.#notebook.questions.at(-1));
    this.#countOpen();
    this.#notebook.questions.filter(({ state }) => state === 'sending').forEach((question) => this.#reply(question, true));
  }

  /** shown takes in the question that everybody sees, or null where none is open any more. */
  shown(words) {
    if (words === null) {
      this.#end(this.#notebook.questions.at(-1));
    } else if (!this.#notebook.question(words.id)) {
      this.#begin(words, 0);
    }
  }

  /**
   * requested takes in that an answer is asked for. For a question that is known already it comes after what
   * everybody sees, or because the teacher's page was loaded anew: what was answered is said once more.
   */
  requested(words, request) {
    const known = this.#notebook.question(words.id);
    if (!known) {
      this.#begin(words, request);
      return;
    }
    known.request = request;
    this.#notebook.save();
    if (known.state === 'kept') {
      this.answer(known.id, known.choice);
    } else if (known.choice !== null) {
      this.#reply(known, true);
    }
  }

  /** known takes in that the teacher has an answer of this name, from before. */
  known(id) {
    const question = this.#notebook.question(id);
    if (isOpen(question)) {
      this.#settle(Object.assign(question, { choice: null }), 'answered');
    }
  }

  /** over takes in that a question is closed. */
  over(id) {
    this.#end(this.#notebook.question(id));
  }

  answer(id, choice) {
    const question = this.#notebook.question(id);
    question.choice = choice;
    if (question.request === 0) {
      this.#settle(question, 'kept');
    } else {
      this.#settle(question, 'sending');
      this.#reply(question, false);
    }
  }

  #begin({ id, text, choices }, request) {
    this.#notebook.questions.filter(isOpen).forEach((question) => this.#end(question));
    const question = { id, text, choices, request, choice: null, state: 'open' };
    this.#notebook.addQuestion(question);
    this.#view.add({ kind: 'said', key: `question ${id}`, who: this.#slave.master.username, tag: 'Question', text, at: Date.now() });
    this.#view.tell(question);
    this.#countOpen();
    this.#view.came();
  }

  #end(question) {
    if (isOpen(question)) {
      const kept = question.state === 'kept';
      this.#settle(question, 'over');
      if (kept) {
        this.#view.note(TOO_LATE);
      }
    }
  }

  async #reply(question, repeated) {
    const first = question.state === 'sending';
    try {
      await this.#slave.reply({ requestId: question.request }, talk.answer(question.id, question.choice));
    } catch (error) {
      // What was sent before a reload may have arrived then.
      if (!repeated) {
        this.#settle(question, 'over');
        this.#view.note(error.code === 'no_such_request' ? TOO_LATE : refusal(error));
        return;
      }
    }
    this.#settle(question, 'answered');
    if (first) {
      const text = question.choices[question.choice];
      this.#view.add({ kind: 'said', key: `answer ${question.id}`, mine: true, who: 'You', tag: 'Answer', text, at: Date.now() });
    }
  }

  #settle(question, state) {
    question.state = state;
    this.#notebook.save();
    if (question === this.#notebook.questions.at(-1)) {
      this.#view.tell(question);
    }
    this.#countOpen();
  }

  #countOpen() {
    this.#view.open(this.#notebook.questions.filter(({ state }) => state === 'open').length);
  }
}
