import { board } from './board.js';
import { composer, draftIn } from './composer.js';
import { steady } from './countdown.js';
import { ask } from './dialogs.js';
import { h, show, words as sentence } from './elements.js';
import { log } from './log.js';
import { Outgoing } from './outgoing.js';
import { questionCard } from './question.js';
import { tabs } from './tabs.js';
import * as talk from './talk.js';
import { refusal } from './words.js';

/** learn is in a class as a student, until it is over; it returns how it ended. */
export async function learn(slave, notebook) {
  const teacher = slave.master.username;
  const head = board({
    title: slave.channel,
    subtitle: sentence`${slave.username}, with ${teacher}`,
    actions: [h('button', { type: 'button', class: 'on-board', click: leave }, 'Leave')],
  });
  const said = log({ title: 'Conversation', empty: `What ${teacher} writes appears here. What you write goes to ${teacher} only.` });
  const outgoing = new Outgoing(notebook, said, (to, payload) => slave.send(payload));
  const writes = composer({
    label: sentence`Write to ${teacher}`, many: false, draft: draftIn(notebook), send: (text) => outgoing.write(text, ''),
  });
  const card = questionCard({ answer: (id, choice) => answer(notebook.question(id), choice) });
  const sections = tabs([
    { id: 'talk', name: 'Talk', content: h('div', { class: 'middle' }, said.element, writes.element) },
    { id: 'question', name: 'Question', content: h('div', { class: 'side' }, card.element) },
  ], { shown: (id) => id === 'talk' && said.toEnd() });
  let presence = slave.master;
  let until = steady(presence.deadline);

  show(h('div', { class: 'class learning' }, head.element, sections.nav, h('main', { class: 'columns' }, sections.contents)),
    `${slave.channel} · Classroom`);
  said.fill(notebook);
  tellTeacher();
  card.tell(notebook.questions.at(-1));
  countOpen();
  outgoing.again();
  notebook.questions.filter(({ state }) => state === 'sending').forEach((question) => reply(question, true));

  for await (const event of slave.events()) {
    if (event.type === 'message') {
      received(event);
    } else if (event.type === 'gap') {
      note('Some messages could not be brought back.');
    } else {
      changed(event);
    }
  }
  head.end();
  return { code: slave.error.code, reason: slave.error.reason, lost: presence.state === 'unknown' };

  function changed(next) {
    const before = presence.state;
    presence = next;
    until = steady(next.deadline);
    if (next.state === 'away' && before !== 'away') {
      note(sentence`${teacher} is away.`);
    } else if (next.state === 'online' && before === 'away') {
      note(sentence`${teacher} is back.`);
    }
    tellTeacher();
  }

  function tellTeacher() {
    const { state } = presence;
    const deadline = until;
    const timeout = slave.timeout;
    if (state === 'unknown') {
      head.tell({ state: 'lost', words: 'Connection lost. Trying to come back for', deadline, timeout });
    } else if (state === 'away') {
      head.tell({ state: 'away', words: sentence`${teacher} is away. The class is over in`, deadline, timeout });
    } else {
      head.tell({ state: 'online', words: sentence`${teacher} is here` });
    }
  }

  function received(message) {
    const words = talk.read(message);
    const key = words && `${message.from} ${words.id}`;
    if (words?.kind === 'text' && !notebook.has(key)) {
      add({ kind: 'said', key, who: teacher, tag: message.private ? 'to you only' : undefined, text: words.text, at: Date.now() });
    } else if (words?.kind === 'question' && message.requestId !== 0) {
      asked(words, message.requestId);
    } else if (words?.kind === 'question over') {
      const question = notebook.question(words.id);
      if (question?.state === 'open') {
        settle(question, 'over');
      }
    }
  }

  // A question that is known already is asked again because the teacher's page
  // was loaded anew: what was answered is said once more.
  function asked({ id, text, choices }, request) {
    const known = notebook.question(id);
    if (known) {
      known.request = request;
      notebook.save();
      if (known.choice !== null) {
        reply(known, true);
      }
      return;
    }
    notebook.questions.filter(({ state }) => state === 'open').forEach((question) => settle(question, 'over'));
    notebook.addQuestion({ id, text, choices, request, choice: null, state: 'open' });
    add({ kind: 'said', key: `question ${id}`, who: teacher, tag: 'Question', text, at: Date.now() });
    card.tell(notebook.question(id));
    countOpen();
    if (!writes.isUsed()) {
      sections.choose('question'); // else its number tells of it, and nobody is cut off in mid-sentence
    }
  }

  function answer(question, choice) {
    question.choice = choice;
    settle(question, 'sending');
    reply(question, false);
  }

  async function reply(question, repeated) {
    const first = question.state === 'sending';
    try {
      await slave.reply({ requestId: question.request }, talk.answer(question.id, question.choice));
    } catch (error) {
      // What was sent before a reload may have arrived then.
      if (!repeated) {
        settle(question, 'over');
        note(error.code === 'no_such_request' ? 'The question was closed before your answer arrived.' : refusal(error));
        return;
      }
    }
    settle(question, 'answered');
    if (first) {
      add({ kind: 'said', key: `answer ${question.id}`, mine: true, who: 'You', tag: 'Answer', text: question.choices[question.choice], at: Date.now() });
    }
  }

  function settle(question, state) {
    question.state = state;
    notebook.save();
    if (question === notebook.questions.at(-1)) {
      card.tell(question);
    }
    countOpen();
  }

  function countOpen() {
    sections.count('question', notebook.questions.filter(({ state }) => state === 'open').length);
  }

  function add(entry) {
    notebook.add(entry);
    said.add(entry);
    if (!entry.mine) {
      sections.news('talk');
    }
  }

  function note(text) {
    said.add(notebook.note(text));
    sections.news('talk');
  }

  async function leave() {
    if (await ask({ title: 'Leave the class?', words: sentence`${teacher} is told. You can join again.`, confirm: 'Leave' })) {
      await slave.leave();
    }
  }
}
