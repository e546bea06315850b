import { Asked } from './asked.js';
import { blackboard } from './blackboard.js';
import { composer, draftIn } from './composer.js';
import { steady } from './countdown.js';
import { ask } from './dialogs.js';
import { h, show, words as sentence } from './elements.js';
import { hand } from './hand.js';
import { hasTeacher } from './handover.js';
import { classHead } from './head.js';
import { log } from './log.js';
import { Outgoing } from './outgoing.js';
import { questionCard } from './question.js';
import { tabs } from './tabs.js';
import * as talk from './talk.js';

/**
 * learn is in a class as a student, until it is over, and returns how it ended. next is there where the class was
 * handed to this student: the page goes on as the teacher's.
 */
export async function learn(slave, notebook) {
  let teacher = slave.master.username;
  let next = null;
  hasTeacher(notebook, teacher);
  const ownHand = hand(slave, notebook, { note });
  const head = classHead({
    title: slave.channel,
    subtitle: subtitle(),
    actions: [ownHand.button, h('button', { type: 'button', class: 'on-board', click: leave }, 'Leave')],
    hint: ownHand.words,
  });
  const said = log({ title: 'Conversation', empty: empty() });
  const outgoing = new Outgoing(notebook, said, (to, payload) => slave.send(payload), ({ text }) => writes.giveBack(text));
  const writes = composer({
    label: label(), many: false, draft: draftIn(notebook), send: (text) => outgoing.write(text, ''),
  });
  const onBoard = blackboard();
  const card = questionCard({ answer: (id, choice) => asked.answer(id, choice) });
  const asked = new Asked(slave, notebook, {
    tell: (question) => card.tell(question),
    open: (count) => sections.count('question', count),
    add,
    note,
    came: () => {
      if (!writes.isUsed()) {
        sections.choose('question'); // else its number tells of it, and nobody is cut off in mid-sentence
      }
    },
  });
  const sections = tabs([
    { id: 'board', name: 'Board', content: h('div', { class: 'side top' }, onBoard.element) },
    { id: 'talk', name: 'Talk', content: h('div', { class: 'middle' }, said.element, writes.element) },
    { id: 'question', name: 'Question', content: h('div', { class: 'side' }, card.element) },
  ], { first: 'talk', shown: (id) => id === 'talk' && said.toEnd() });
  let presence = slave.master;
  let until = steady(presence.deadline);

  show(h('div', { class: 'class learning' }, head.element, sections.nav, h('main', { class: 'columns' }, sections.contents)),
    `${slave.channel} · Classroom`);
  said.fill(notebook);
  tellTeacher();
  tellBoard();
  tellQuiet();
  asked.again();
  tellQuestion();
  ownHand.again();
  outgoing.again();

  for await (const event of slave.events()) {
    if (event.type === 'message') {
      received(event);
    } else if (event.type === 'gap') {
      note('Some messages could not be brought back.');
    } else if (event.type === 'attribute') {
      tellAttribute(event);
    } else if (event.type === 'promoted') {
      next = event.master;
    } else if (event.type === 'muted') {
      note(event.on ? sentence`${teacher} wants you to be quiet now. You can answer questions and raise your hand.` : 'You can write again.');
      tellQuiet();
    } else {
      changed(event);
    }
  }
  head.end();
  await outgoing.done();
  return { next, code: slave.error.code, reason: slave.error.reason, lost: presence.state === 'unknown' };

  function changed(now) {
    const before = presence.state;
    presence = now;
    until = steady(now.deadline);
    if (now.username !== teacher) {
      follow(now.username);
    } else if (now.state === 'away' && before !== 'away') {
      note(sentence`${teacher} is away.`);
    } else if (now.state === 'online' && before === 'away') {
      note(sentence`${teacher} is back.`);
    }
    tellTeacher();
  }

  // The class was handed to another student.
  function follow(name) {
    teacher = name;
    hasTeacher(notebook, teacher);
    writes.goesTo(label(), notebook.draftFor);
    said.add(notebook.entries.at(-1));
    sections.news('talk');
    said.empty(empty());
    head.subtitle(subtitle());
    tellQuiet();
  }

  function empty() {
    return `What ${teacher} writes appears here. What you write goes to ${teacher} only.`;
  }

  function label() {
    return sentence`Write to ${teacher}`;
  }

  function subtitle() {
    return sentence`${slave.username}, with ${teacher}`;
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

  function tellQuiet() {
    writes.quiet(slave.muted ? sentence`You cannot write now: ${teacher} wants you to be quiet. You can answer and raise your hand.` : '');
  }

  function tellBoard() {
    const text = talk.readBoard(slave.masterAttributes.get('board'));
    see({ board: text });
    if (onBoard.tell(text) && text !== '') {
      sections.news('board');
    }
  }

  // It is the class's, whoever is the teacher.
  function see(what) {
    Object.assign(notebook.seen, what);
    notebook.save();
  }

  function tellQuestion() {
    const words = talk.readQuestion(slave.masterAttributes.get('question'));
    see({ question: words });
    if (words) {
      asked.shown(words);
    }
  }

  function tellAttribute({ key, deleted }) {
    if (key === 'board') {
      tellBoard();
    } else if (key === 'question' && deleted) {
      see({ question: null });
      asked.shown(null);
    } else if (key === 'question') {
      tellQuestion();
    }
  }

  function received(message) {
    const words = talk.read(message);
    const key = words && `${message.from} ${words.id}`;
    if (words?.kind === 'text' && !notebook.has(key)) {
      add({ kind: 'said', key, who: message.from || teacher, tag: message.private ? 'to you only' : undefined, text: words.text, at: Date.now() });
    } else if (words?.kind === 'question' && message.requestId !== 0) {
      asked.requested(words, message.requestId);
    } else if (words?.kind === 'question over') {
      asked.over(words.id);
    } else if (words?.kind === 'answered') {
      asked.known(words.id);
    } else if (words?.kind === 'quiet') {
      notebook.quiet = words.names;
      notebook.save();
    } else if (words?.kind === 'lower hand' && ownHand.lower()) {
      note(sentence`${teacher} has lowered your hand.`);
    }
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
