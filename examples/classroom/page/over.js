import { h, show } from './elements.js';
import { log } from './log.js';
import { ending } from './words.js';

// After these, the class may still be there to join.
const MAY_RETURN = new Set(['kicked', 'left', 'resume_failed', 'replaced']);

const titles = {
  kicked: 'You are out of the class', left: 'You have left', replaced: 'Continued elsewhere', resume_failed: 'You were away for too long',
};

/**
 * over says plainly that it is over and why, and keeps what was said to read.
 *
 * @param {{again: () => void, away: () => void}} actions
 */
export function over(notebook, { again, away }) {
  const { who, over: end } = notebook;
  const student = who.role === 'student';
  const title = (student && titles[end.code]) || (end.code === 'replaced' ? titles.replaced : 'The class is over');
  const said = log({ title: 'What was said', empty: 'Nothing was said.' });
  show(h('div', { class: 'start over' },
    h('header', { class: 'board' },
      h('div', { class: 'board-inner start-head' },
        h('p', { class: 'over-class' }, who.channel),
        h('h1', { tabindex: '-1' }, title),
        h('p', { role: 'status', class: 'why' }, ending(who, end))),
      h('div', { class: 'ledge', 'aria-hidden': 'true' })),
    h('main', { class: 'after' },
      h('div', { class: 'after-actions' },
        student && MAY_RETURN.has(end.code)
          ? h('button', { type: 'button', class: 'primary', click: again }, 'Join again') : null,
        h('button', { type: 'button', class: 'secondary', click: away }, 'To the start')),
      said.element)), `${title} · Classroom`);
  said.fill(notebook);
}
