import { randomId } from './notebook.js';
import { Own } from './own.js';
import * as talk from './talk.js';

/**
 * Questions are those that a teacher asks, each by a gather. The one that is open is an attribute besides,
 * so that who comes later sees it at once, also while the teacher is away. Whoever joins while
 * one is open is asked too. When the page is loaded again, those who are still to
 * answer are asked again under the question's id: a student's page that has
 * answered meanwhile says the same once more, without bothering anybody.
 */
export class Questions {
  #master;
  #notebook;
  #view;
  #shown;
  // The questions that are open, by their ids: {question, awaited, closing, asking}.
  #running = new Map();

  constructor(master, notebook, view) {
    this.#master = master;
    this.#notebook = notebook;
    this.#view = view;
    this.#shown = new Own(master, notebook, 'question', (problem) => problem !== '' && view.note(problem));
  }

  /** ask begins a question, and returns what is wrong with it, or ''. */
  ask(text, choices) {
    if (new Set(choices).size < choices.length || choices.length < talk.CHOICES.least) {
      return 'A question needs two choices or more, no two of them alike.';
    }
    const asked = this.#master.members.map(({ username }) => username);
    if (asked.length === 0) {
      return 'There is nobody to ask yet.';
    }
    const question = { id: randomId(), text, choices, asked, answers: [], open: true, told: true };
    this.#notebook.addQuestion(question);
    const run = this.#run(question);
    asked.forEach((name) => run.awaited.add(name));
    this.#view.tell(question);
    this.#show();
    this.#collect(run, this.#master.gather(talk.question(question), { signal: run.closing.signal }));
    return '';
  }

  /** again goes on with the questions that the notebook has. */
  again() {
    const present = this.#master.members.map(({ username }) => username);
    for (const question of this.#notebook.questions) {
      this.#view.tell(question);
      if (question.open) {
        this.#goOn(question, present);
      } else if (!question.told) {
        this.#tellOver(question);
      }
    }
    this.#show();
  }

  #goOn(question, present) {
    const run = this.#run(question);
    for (const name of question.asked) {
      if (!present.includes(name) && !entryOf(question, name)) {
        question.answers.push([name, null]);
      }
    }
    present.forEach((name) => this.#askOne(run, name));
    present.forEach((name) => this.#tellKnown(question, name));
    this.#changed(question);
    this.#endIfAnswered(run);
  }

  /** joined asks one who has come just now. */
  joined(name) {
    for (const run of this.#running.values()) {
      this.#askOne(run, name);
      this.#tellKnown(run.question, name);
      this.#changed(run.question);
    }
  }

  close(id) {
    const run = this.#running.get(id);
    if (run) {
      this.#end(run);
    }
  }

  #run(question) {
    const run = { question, awaited: new Set(), closing: new AbortController(), asking: 0 };
    this.#running.set(question.id, run);
    return run;
  }

  #askOne(run, name) {
    const { question, awaited, closing } = run;
    const entry = entryOf(question, name);
    if (awaited.has(name) || (entry && entry[1] !== null)) {
      return;
    }
    question.answers = question.answers.filter((each) => each !== entry);
    if (!question.asked.includes(name)) {
      question.asked.push(name);
    }
    awaited.add(name);
    this.#collect(run, this.#request(name, question, closing.signal));
  }

  async *#request(from, question, signal) {
    try {
      yield { from, message: await this.#master.request(from, talk.question(question), { signal }), error: null };
    } catch (error) {
      yield { from, message: null, error };
    }
  }

  async #collect(run, parts) {
    run.asking++;
    try {
      for await (const part of parts) {
        this.#take(run, part);
      }
    } catch {
      // It was closed before the hub had it, it was refused, or the class is over.
    }
    run.asking--;
    this.#endIfAnswered(run);
  }

  #take(run, { from, message, error }) {
    const { question, awaited } = run;
    if (!question.open || error?.code === 'handed_over') {
      return; // then another teacher asks on
    }
    awaited.delete(from);
    if (error?.code === 'gap') {
      this.#askOne(run, from); // the answer was lost: that page says it again
      return;
    }
    const given = message && talk.read(message);
    const fits = given?.kind === 'answer' && given.id === question.id && given.choice < question.choices.length;
    if (fits || error?.code === 'no_such_slave') {
      if (!question.asked.includes(from)) {
        question.asked.push(from);
      }
      const entry = entryOf(question, from);
      if (!entry) {
        question.answers.push([from, fits ? given.choice : null]);
      } else if (fits) {
        entry[1] = given.choice;
      }
    }
    this.#changed(question);
    this.#endIfAnswered(run);
  }

  // Where nobody is being asked any more it is over too, whatever has become of
  // the answers. When the class ends, its questions stay as they are.
  #endIfAnswered(run) {
    if (run.question.open && !this.#master.error && (run.awaited.size === 0 || run.asking === 0)) {
      this.#end(run);
    }
  }

  #end({ question, closing }) {
    this.#running.delete(question.id);
    question.open = false;
    closing.abort();
    this.#changed(question);
    this.#show();
    this.#tellOver(question);
  }

  // What everybody sees is the newest question that is open.
  #show() {
    const open = this.#notebook.questions.filter((question) => question.open).at(-1);
    this.#shown.set(open ? talk.question(open) : null);
  }

  // Who comes anew sees the question, and does not know that there is an answer of that name.
  async #tellKnown({ id, answers }, name) {
    if (answers.some(([each, choice]) => each === name && choice !== null)) {
      await this.#master.send(name, talk.answered(id)).catch(() => {}); // who has gone need not know
    }
  }

  // Until the hub has it, a reload tells it again.
  async #tellOver(question) {
    question.told = false;
    this.#notebook.save();
    try {
      await this.#master.broadcast(talk.questionOver(question.id));
    } catch {
      return; // the class is over
    }
    question.told = true;
    this.#notebook.save();
  }

  #changed(question) {
    this.#notebook.save();
    this.#view.tell(question);
  }
}

function entryOf({ answers }, name) {
  return answers.find(([each]) => each === name);
}
