import { h, setText, show } from './elements.js';
import { log } from './log.js';
import { ending, refusal } from './words.js';

// After these, a student may find the class again, or its teacher opens it again.
const MAY_RETURN = new Set(['kicked', 'left', 'resume_failed', 'replaced', 'master_down']);

// After these, a teacher has not meant it to end.
const CUT_SHORT = new Set(['resume_failed', 'master_down', 'channel_closed']);

const titles = {
  kicked: 'You are out of the class', left: 'You have left', replaced: 'Continued elsewhere', resume_failed: 'Your place was given up',
};

/**
 * over says plainly that it is over and why, and keeps what was said to read.
 *
 * @param {{join: () => void, open: () => Promise<void>, away: () => void}} actions join: as a student, once
 *   more; open: as a teacher, a class of the same name
 */
export function over(notebook, { join, open, away }) {
  const { who, over: end } = notebook;
  const student = who.role === 'student';
  const title = (student && titles[end.code]) || (end.code === 'replaced' ? titles.replaced : 'The class is over');
  const said = log({ title: 'What was said', empty: 'Nothing was said.' });
  const problem = h('p', { class: 'problem', role: 'alert' });
  const main = (name, click) => h('button', { type: 'button', class: 'primary', click }, name);
  const openAgain = async (event) => {
    const button = event.currentTarget;
    button.disabled = true;
    setText(problem, '');
    try {
      await open();
    } catch (error) {
      setText(problem, refusal(error));
      button.disabled = false;
      button.focus();
    }
  };
  show(h('div', { class: 'start over' },
    h('header', { class: 'board' },
      h('div', { class: 'board-inner start-head' },
        h('p', { class: 'over-class' }, who.channel),
        h('h1', { tabindex: '-1' }, title),
        h('p', { role: 'status', class: 'why' }, ending(who, end))),
      h('div', { class: 'ledge', 'aria-hidden': 'true' })),
    h('main', { class: 'after' },
      h('div', { class: 'after-actions' },
        student && MAY_RETURN.has(end.code) ? main('Join again', join) : null,
        !student && CUT_SHORT.has(end.code) ? main('Open it again', openAgain) : null,
        h('button', { type: 'button', class: 'secondary', click: away }, 'To the start'), problem),
      said.element)), `${title} · Classroom`);
  said.fill(notebook);
}
