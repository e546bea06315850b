import { randomId } from './notebook.js';
import * as talk from './talk.js';

/**
 * Questions are those that a teacher asks, each by a gather. One that is open when
 * the page is loaded again is asked again under its id: whoever has answered says
 * the same once more, without being bothered.
 */
export class Questions {
  #master;
  #notebook;
  #view;
  #closes = new Map();

  constructor(master, notebook, view) {
    this.#master = master;
    this.#notebook = notebook;
    this.#view = view;
  }

  /** ask begins a question, and returns what is wrong with it, or ''. */
  ask(text, choices) {
    if (new Set(choices).size < talk.CHOICES.least) {
      return 'A question needs two different choices.';
    }
    const asked = this.#master.members.map(({ username }) => username);
    if (asked.length === 0) {
      return 'There is nobody to ask yet.';
    }
    const question = { id: randomId(), text, choices, asked, answers: [], open: true };
    this.#notebook.addQuestion(question);
    this.#gather(question);
    return '';
  }

  /** again shows the questions that the notebook has, and asks the open ones again. */
  again() {
    for (const question of this.#notebook.questions) {
      this.#view.tell(question);
      if (question.open) {
        this.#gather(question);
      }
    }
  }

  close(id) {
    this.#closes.get(id)?.abort();
  }

  async #gather(question) {
    const closing = new AbortController();
    this.#closes.set(question.id, closing);
    this.#view.tell(question);
    try {
      for await (const part of this.#master.gather(talk.question(question), { signal: closing.signal })) {
        this.#take(question, part);
      }
    } catch {
      // It was closed before the hub had it, or the class is over.
    }
    this.#closes.delete(question.id);
    if (this.#master.error) {
      return; // the notebook is read no more, and a reload must not ask again
    }
    question.open = false;
    this.#changed(question);
    if (closing.signal.aborted) {
      await this.#master.broadcast(talk.questionOver(question.id)).catch(() => {});
    }
  }

  #take(question, { from, message, error }) {
    const given = message && talk.read(message);
    const fits = given?.kind === 'answer' && given.id === question.id && given.choice < question.choices.length;
    if (!fits && error?.code !== 'no_such_slave') {
      return;
    }
    if (!question.asked.includes(from)) {
      question.asked.push(from);
    }
    const known = question.answers.find(([name]) => name === from);
    if (!known) {
      question.answers.push([from, fits ? given.choice : null]);
    } else if (fits) {
      known[1] = given.choice;
    }
    this.#changed(question);
  }

  #changed(question) {
    this.#notebook.save();
    this.#view.tell(question);
  }
}
