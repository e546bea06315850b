import { boardWriter } from './blackboard.js';
import { composer, draftIn } from './composer.js';
import { steady } from './countdown.js';
import { ask } from './dialogs.js';
import { door } from './door.js';
import { h, newId, show, words as sentence } from './elements.js';
import { raised } from './hand.js';
import { classHead } from './head.js';
import { invite } from './invite.js';
import { log } from './log.js';
import { randomId } from './notebook.js';
import { Outgoing } from './outgoing.js';
import { Own } from './own.js';
import { Questions } from './questions.js';
import { poll } from './poll.js';
import { saveResults } from './results.js';
import { roster } from './roster.js';
import { tabs } from './tabs.js';
import * as talk from './talk.js';
import { Voice } from './voice.js';
import { goneBecause, refusal, seconds } from './words.js';

const wait = (count) => (count === 1 ? 'waits' : 'wait');

/**
 * teach runs a class from its teacher's side, until it is over, and returns how it ended. next is there where the
 * class was handed over: this page goes on as a student's.
 */
export async function teach(master, notebook) {
  const members = new Map(notebook.members);
  let sinceAway = null; // when the teacher will be given up, having stepped away
  let chosen = null; // how the door is to be, until the hub has it
  let handing = null; // the class is being handed over: what becomes of this page
  let lost = null; // the same, where the connection is lost

  const hint = h('p', { class: 'board-hint', id: newId() });
  const steps = h('button', { type: 'button', class: 'on-board', 'aria-describedby': hint.id, click: step }, 'Step away');
  const head = classHead({
    title: master.channel,
    subtitle: sentence`with ${master.username}`,
    actions: [steps, h('button', { type: 'button', class: 'on-board', click: finish }, 'End class')],
    hint,
  });
  const said = log({ title: 'Conversation', empty: 'What you write, and what your students write to you, appears here.' });
  const outgoing = new Outgoing(notebook, said, (to, payload) => (
    to === '' ? master.broadcast(payload) : master.send(to, payload)), ({ text }) => writes.giveBack(text));
  const writes = composer({
    label: 'Message',
    many: true,
    draft: draftIn(notebook),
    send: (text, to) => outgoing.write(text, to, to === '' ? undefined : sentence`to ${to} only`),
  });
  const writing = boardWriter({ write: (text) => putOnBoard(text), clear: () => putOnBoard(null) });
  const onBoard = new Own(master, notebook, 'board', (problem, text) => {
    if (problem !== '') {
      writing.refused(text ?? '', problem);
    }
    tellBoard();
  });
  const asks = poll({
    ask: (text, choices) => questions.ask(text, choices), close: (id) => questions.close(id), save: () => saveResults(notebook),
  });
  const questions = new Questions(master, notebook, {
    tell: (question) => {
      asks.tell(question);
      sections.count('question', question.open ? question.answers.length : 0);
    },
    note,
  });
  const people = roster({
    write: (name) => {
      sections.choose('talk');
      writes.writeTo(name);
    },
    remove,
    lower,
    handOver,
    quiet: (name, on) => {
      voice.set(name, on);
      tellMembers();
    },
  });
  const voice = new Voice(master, notebook, (problem) => {
    if (problem !== '') {
      note(problem);
    }
    tellMembers();
  });
  const entrance = door({
    choose: async (choice) => {
      chosen = choice;
      await atDoor(master.setDoor(choice));
      chosen = chosen === choice ? null : chosen;
      tellDoor();
    },
    admit: ({ number, username }) => atDoor(master.admit(number), username),
    deny: ({ number, username }) => atDoor(master.deny(number), username),
  });
  const sections = tabs([
    { id: 'people', name: 'Students', content: h('div', { class: 'side' }, entrance.waiting, invite(notebook.who, entrance.element), people.element) },
    { id: 'board', name: 'Board', content: h('div', { class: 'side top' }, writing.element) },
    { id: 'talk', name: 'Talk', content: h('div', { class: 'middle' }, said.element, writes.element) },
    { id: 'question', name: 'Question', content: h('div', { class: 'side' }, asks.element) },
  ], { first: 'people', shown: (id) => id === 'talk' && said.toEnd() });

  show(h('div', { class: 'class teaching' }, head.element, sections.nav, h('main', { class: 'columns' }, sections.contents)),
    `${master.channel} · Classroom`);
  said.fill(notebook);
  tellMembers(true);
  tellDoor();
  tellState();
  tellBoard();
  onBoard.again();
  outgoing.again();
  questions.again();
  voice.again();

  for await (const event of master.events()) {
    if (event.type === 'message') {
      received(event);
    } else if (event.type === 'gap') {
      note('Some messages could not be brought back.');
    } else if (event.type === 'attribute') {
      tellMembers();
    } else if (event.type === 'knock') {
      tellDoor();
      if (!event.over) {
        sections.news('people');
      }
    } else if (event.role === 'slave') {
      const came = event.state !== 'gone' && (members.get(event.username)?.state ?? 'gone') === 'gone';
      members.set(event.username, { state: event.state, because: event.state === 'gone' ? goneBecause(event.reason) : '' });
      tellMembers();
      if (came) {
        questions.joined(event.username);
      }
    } else {
      lost = event.state === 'unknown' ? steady(event.deadline) : null;
      if (event.state === 'online') {
        sinceAway = null; // who returns is back, whatever was declared before
      }
      tellState();
    }
  }
  head.end();
  await outgoing.done();
  return { next: await handing, code: master.error.code, reason: master.error.reason, lost: lost !== null };

  function received(message) {
    const words = talk.read(message);
    const key = words && `${message.from} ${words.id}`;
    if (words?.kind !== 'text' || notebook.has(key)) {
      return;
    }
    const entry = { kind: 'said', key, who: message.from, text: words.text, at: Date.now() };
    notebook.add(entry);
    said.add(entry);
    sections.news('talk');
  }

  function note(text) {
    said.add(notebook.note(text));
  }

  function putOnBoard(text) {
    onBoard.set(text);
    tellBoard();
  }

  function tellBoard() {
    writing.tell(onBoard.value ?? '');
  }

  // What the hub says now, and from the notebook those who have left meanwhile.
  function tellMembers(anew = false) {
    if (anew) {
      const present = new Map(master.members.map(({ username, state }) => [username, { state, because: '' }]));
      for (const [name, known] of members) {
        if (known.state !== 'gone' && !present.has(name)) {
          members.set(name, { state: 'gone', because: 'left' });
        }
      }
      present.forEach((known, name) => members.set(name, known));
    }
    notebook.members = [...members];
    notebook.save();
    const present = notebook.members.filter(([, { state }]) => state !== 'gone').map(([name]) => name);
    const hands = raised(master, present);
    people.tell(notebook.members, hands, voice);
    tellWhoWants(hands.length);
    writes.names(present);
    sections.count('people', notebook.members.filter(([, { state }]) => state === 'online').length);
  }

  function tellDoor() {
    entrance.tell(chosen ?? master.door, master.knocks);
    tellWhoWants(raised(master, master.members.map(({ username }) => username)).length);
  }

  // Who is at the door comes before hands.
  function tellWhoWants(hands) {
    const { length } = master.knocks;
    sections.also('people', length || hands, length === 0 ? 'up' : wait(length));
  }

  async function atDoor(doing, name) {
    try {
      await doing;
    } catch (error) {
      note(error.code === 'no_such_slave' ? sentence`${name} is not at the door any more.` : refusal(error));
    }
    tellDoor();
  }

  function tellState() {
    steps.textContent = sinceAway === null ? 'Step away' : 'I’m back';
    steps.disabled = lost !== null;
    hint.textContent = sinceAway === null ? `Stepping away ends the class after ${seconds(master.timeout)}, unless you are back by then.` : '';
    const timeout = master.timeout;
    if (lost !== null) {
      head.tell({ state: 'lost', words: 'Connection lost. Trying to come back for', deadline: Math.min(lost, sinceAway ?? Infinity), timeout });
    } else if (sinceAway !== null) {
      head.tell({ state: 'away', words: 'You are away. The class is over in', deadline: sinceAway, timeout });
    } else {
      head.tell({ state: 'online', words: 'You are here' });
    }
  }

  async function step() {
    const leaves = sinceAway === null;
    try {
      await (leaves ? master.away() : master.back());
      sinceAway = leaves ? performance.now() + master.timeout : null;
      tellState();
    } catch (error) {
      note(refusal(error));
    }
  }

  async function finish() {
    if (await ask({ title: 'End the class?', words: 'It is over for everybody then.', confirm: 'End class' })) {
      await master.close();
    }
  }

  async function handOver(name) {
    const sure = await ask({
      title: sentence`Hand the class to ${name}?`,
      words: sentence`${name} is the teacher then, and only ${name} can hand it back. You stay, as a student.`,
      confirm: 'Hand over',
    });
    if (sure) {
      handing = give(name);
      if (!await handing) {
        people.focus();
      }
    }
  }

  // Who is quiet by name the hub tells nobody: the one who follows hears it before.
  async function give(name) {
    try {
      await master.send(name, talk.quiet(randomId(), voice.others.slice(0, talk.NAMES)));
      return await master.handOver(name, { stay: true });
    } catch (error) {
      if (!master.error) {
        note(error.code === 'no_such_slave' ? sentence`${name} has no connection at the moment, and cannot take the class.` : refusal(error));
      }
      return null;
    }
  }

  // The hand is the student's: that page lowers it.
  async function lower(name) {
    try {
      await master.send(name, talk.lowerHand(randomId()));
    } catch (error) {
      note(refusal(error));
    }
  }

  async function remove(name) {
    const chosen = await ask({
      title: sentence`Remove ${name}?`,
      words: 'They are told at once, with your reason.',
      fields: [
        { name: 'reason', label: 'Reason (optional)', type: 'text', most: 100 },
        { name: 'ban', label: 'Do not let this name in again', type: 'checkbox' },
      ],
      confirm: 'Remove',
    });
    if (!chosen) {
      return;
    }
    try {
      const reason = chosen.reason === '' ? undefined : chosen.reason;
      await (chosen.ban ? master.ban(name, { reason }) : master.kick(name, { reason }));
      note([...sentence`You have removed ${name}`, ...(reason ? sentence`: “${reason}”` : []), chosen.ban ? ', for the whole class.' : '.']);
    } catch (error) {
      note(refusal(error));
    }
    people.focus();
  }
}
