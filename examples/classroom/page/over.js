import { h, setText, show } from './elements.js';
import { log } from './log.js';
import { results } from './results.js';
import { lookFor } from './start.js';
import { ending, refusal } from './words.js';

// After these, a student may find the class again, or its teacher opens it again.
const MAY_RETURN = new Set(['kicked', 'left', 'resume_failed', 'hub_lost', 'replaced', 'master_down']);

// After these, a teacher has not meant it to end.
const CUT_SHORT = new Set(['resume_failed', 'hub_lost', 'master_down', 'channel_closed']);

// After these the class is over, and one of its name is another one.
const OVER = new Set(['master_left', 'master_down', 'channel_closed', 'hub_lost']);

// After these, the class goes on without a teacher's page.
const BOTH = new Set(['replaced', 'handed_over']);

const titles = {
  handed_over: 'You have handed the class over',
  kicked: 'You are out of the class', left: 'You have left', replaced: 'Continued elsewhere', resume_failed: 'Your place was given up',
};

/** classIsOver reports whether the class itself is over, and not only the part of this page in it. */
export const classIsOver = (who, { code }) => OVER.has(code) || (who.role === 'teacher' && !BOTH.has(code));

/**
 * over says plainly that it is over and why, and keeps what was said to read, and what was
 * answered to a teacher.
 *
 * @param {{join: () => void, open: () => Promise<void>, status: () => Promise<object>, here: () => Promise<void>,
 *   away: () => void}} actions join: as a student, once more; open: as a teacher, a class of the same name;
 *   here: go on with what goes on elsewhere
 */
export function over(notebook, { join, open, status, here, away }) {
  const { who, over: end } = notebook;
  const student = who.role === 'student';
  const questions = student ? notebook.taught : notebook.questions;
  const title = (student || BOTH.has(end.code)) && titles[end.code] ? titles[end.code] : 'The class is over';
  const said = log({ title: 'What was said', empty: 'Nothing was said.' });
  const problem = h('p', { class: 'problem', role: 'alert' });
  const button = (name, click, kind = 'primary') => h('button', { type: 'button', class: kind, click }, name);
  const trying = (attempt) => async ({ currentTarget }) => {
    currentTarget.disabled = true;
    setText(problem, '');
    try {
      await attempt();
    } catch (error) {
      setText(problem, refusal(error));
      currentTarget.disabled = false;
      currentTarget.focus();
    }
  };
  const replaced = end.code === 'replaced';
  const again = student || end.code === 'handed_over' ? button('Join again', join, replaced ? 'secondary' : 'primary') : null;
  const opened = h('p', { role: 'status' });
  if (student && !MAY_RETURN.has(end.code)) {
    again.hidden = true;
  }
  show(h('div', { class: 'start over' },
    h('header', { class: 'board' },
      h('div', { class: 'board-inner start-head' },
        h('p', { class: 'over-class', dir: 'auto' }, who.channel),
        h('h1', { tabindex: '-1' }, title),
        h('p', { role: 'status', class: 'why' }, ending(who, end))),
      h('div', { class: 'ledge', 'aria-hidden': 'true' })),
    h('main', { class: 'after' },
      h('div', { class: 'after-actions' },
        replaced ? button('Continue here', trying(here)) : null,
        again,
        !student && CUT_SHORT.has(end.code) ? button('Open it again', trying(open)) : null,
        button('To the start', away, 'secondary'), opened, problem),
      results({ who, questions }),
      said.element)), `${title} · Classroom`);
  said.fill(notebook);
  if (student && classIsOver(who, end)) {
    lookFor(status, who.teacher, (mood, told, exists) => {
      again.hidden = !exists && !MAY_RETURN.has(end.code);
      setText(opened, exists ? 'The class is open again.' : '');
      return problem.isConnected;
    });
  }
}
