import { h, newId, setText } from './elements.js';

const words = { online: 'online', away: 'away' };
const order = { online: 0, away: 1, gone: 2 };

/**
 * roster lists the students: who is online, away, or has left.
 *
 * @param {{write: (name: string) => void, remove: (name: string) => void}} actions
 */
export function roster({ write, remove }) {
  const heading = newId();
  const count = h('span', { class: 'count' });
  const list = h('ul', { class: 'roster-list' });
  const title = h('h2', { id: heading, tabindex: '-1' }, 'Students');
  const rows = new Map();

  function row(name) {
    const state = h('span', { class: 'member-state' });
    const buttons = h('span', { class: 'member-actions' },
      h('button', { type: 'button', class: 'quiet', click: () => write(name) }, 'Write',
        h('span', { class: 'unseen' }, ' to ', h('bdi', {}, name))),
      h('button', { type: 'button', class: 'quiet danger', click: () => remove(name) }, 'Remove',
        h('span', { class: 'unseen' }, ' ', h('bdi', {}, name))));
    const element = h('li', { class: 'member' },
      h('span', { class: 'dot', 'aria-hidden': 'true' }),
      h('span', { class: 'member-name' }, h('bdi', {}, name), state),
      buttons);
    return { element, state, buttons };
  }

  return {
    element: h('section', { class: 'roster', 'aria-labelledby': heading },
      h('div', { class: 'section-head' }, title, count), list,
      h('p', { class: 'empty' }, 'Nobody has joined yet.')),

    focus() {
      title.focus();
    },

    /** tell takes what is known of everybody: [name, {state, because}]. */
    tell(members) {
      const sorted = [...members].sort(([one, { state: a }], [other, { state: b }]) =>
        order[a] - order[b] || one.localeCompare(other));
      for (const [name, { state, because }] of sorted) {
        if (!rows.has(name)) {
          rows.set(name, row(name));
        }
        const one = rows.get(name);
        one.element.dataset.state = state;
        setText(one.state, words[state] ?? because);
        one.buttons.hidden = state === 'gone';
      }
      // Rows are moved only where their order has changed, so that the focus stays.
      sorted.forEach(([name], index) => {
        const { element } = rows.get(name);
        if (list.children[index] !== element) {
          list.insertBefore(element, list.children[index] ?? null);
        }
      });
      const there = sorted.filter(([, { state }]) => state === 'online').length;
      setText(count, members.length === 0 ? '' : `${there} online`);
    },
  };
}
