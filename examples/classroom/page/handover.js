// What the page of a class keeps when the class is handed from one teacher to the next.

import { words } from './elements.js';
import { linkTo } from './invite.js';

// The link in the address names the teacher.
function address({ channel, teacher }) {
  if (new URL(location.href).searchParams.has('with')) {
    history.replaceState(null, '', linkTo({ channel, teacher }));
  }
}

// A draft stays for whom it was written: the writer is asked before anybody else reads it.
function keepDraft(notebook, before, now) {
  const whose = notebook.draftFor ?? before;
  notebook.draftFor = notebook.draft === '' || whose === now ? null : whose;
}

/** hasTeacher notes who a student's teacher is. */
export function hasTeacher(notebook, teacher) {
  const { who } = notebook;
  const before = who.teacher;
  if (before === teacher) {
    return;
  }
  keepDraft(notebook, before, teacher);
  who.teacher = teacher;
  address(who);
  notebook.note(words`${before} has handed the class to ${teacher}.`);
}

/**
 * becomesTeacher makes of a student's notebook that of the class's teacher. The board and the question that is open are the class's:
 * who is asked for an answer again says the same once more. What was seen of both is in the notebook.
 */
export function becomesTeacher(notebook, { username, timeout, allMuted, members }) {
  const { who, seen, taught, quiet } = notebook;
  const before = who.teacher;
  const had = (value) => ({ value, known: value, sure: true });
  const board = seen.board === '' ? null : seen.board;
  const question = seen.question && { kind: 'question', ...seen.question };
  notebook.draftTo = notebook.draft === '' ? '' : notebook.draftFor ?? before;
  Object.assign(notebook, {
    who: { ...who, role: 'teacher', username, teacher: username, timeout },
    own: { board: had(board), question: had(question) },
    voice: { all: allMuted, others: quiet.filter((name) => name !== username), changes: [] },
    questions: taught.map((each) => ({ ...each, open: false })),
    members: [],
    draftFor: null,
    taught: [],
    quiet: [],
  });
  if (question) {
    const { id, text, choices } = question;
    const known = notebook.question(id);
    notebook.questions = notebook.questions.filter((each) => each !== known);
    notebook.questions.push({
      id, text, choices, answers: [], told: true, ...known, open: true, asked: members.map((member) => member.username),
    });
  }
  address(notebook.who);
  notebook.note(words`${before} has handed the class to you. You are the teacher now.`);
}

/** becomesStudent makes of a teacher's notebook that of a student who was the teacher, and keeps the answers. */
export function becomesStudent(notebook, { username, timeout, master }) {
  const { who, questions, draftTo } = notebook;
  keepDraft(notebook, draftTo, master.username);
  Object.assign(notebook, {
    who: { ...who, role: 'student', username, teacher: master.username, timeout },
    own: {},
    questions: [],
    members: [],
    draftTo: '',
    taught: questions,
  });
  notebook.note(words`You have handed the class to ${master.username}. You are a student now.`);
}
