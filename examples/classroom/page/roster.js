import { h, newId, setText } from './elements.js';

const words = { online: 'online', away: 'away' };
const order = { online: 0, away: 1, gone: 2 };

const hands = (count) => (count === 1 ? '1 hand up' : `${count} hands up`);

/**
 * roster lists the students: first those whose hands are up, in the order in which these went up, then
 * who is online, away, or has left.
 *
 * @param {{write: (name: string) => void, remove: (name: string) => void, lower: (name: string) => void}} actions
 *   lower: asks a student to lower the hand
 */
export function roster({ write, remove, lower }) {
  const heading = newId();
  const count = h('span', { class: 'count' });
  const up = h('span', { class: 'tag', role: 'status' });
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
    const down = h('button', { type: 'button', class: 'quiet', click: () => lower(name) }, 'Lower hand',
      h('span', { class: 'unseen' }, ' of ', h('bdi', {}, name)));
    const hand = h('p', { class: 'member-hand', hidden: true }, h('span', { class: 'tag' }, 'hand up'), down);
    const element = h('li', { class: 'member' },
      h('span', { class: 'dot', 'aria-hidden': 'true' }),
      h('span', { class: 'member-name' }, h('bdi', {}, name), state),
      buttons, hand);
    return { element, state, buttons, hand, down };
  }

  return {
    element: h('section', { class: 'roster', 'aria-labelledby': heading },
      h('div', { class: 'section-head' }, title, up, count), list,
      h('p', { class: 'empty' }, 'Nobody has joined yet.')),

    focus() {
      title.focus();
    },

    /**
     * tell takes what is known of everybody: [name, {state, because}], and the names of those whose hands
     * are up, in their order.
     */
    tell(members, raised) {
      const turn = (name) => (raised.includes(name) ? raised.indexOf(name) : raised.length);
      const sorted = [...members].sort(([one, { state: a }], [other, { state: b }]) =>
        turn(one) - turn(other) || order[a] - order[b] || one.localeCompare(other));
      const focused = document.activeElement;
      for (const [name, { state, because }] of sorted) {
        if (!rows.has(name)) {
          rows.set(name, row(name));
        }
        const one = rows.get(name);
        one.element.dataset.state = state;
        setText(one.state, words[state] ?? because);
        one.buttons.hidden = state === 'gone';
        one.hand.hidden = !raised.includes(name);
      }
      // Rows are moved only where their order has changed.
      sorted.forEach(([name], index) => {
        const { element } = rows.get(name);
        if (list.children[index] !== element) {
          list.insertBefore(element, list.children[index] ?? null);
        }
      });
      if (list.contains(focused)) {
        // It stays where it was, or where the list is, when its button is there no more.
        (focused.closest('[hidden]') ? title : focused).focus({ preventScroll: true });
      }
      const there = sorted.filter(([, { state }]) => state === 'online').length;
      setText(up, raised.length === 0 ? '' : hands(raised.length));
      setText(count, members.length === 0 ? '' : `${there} online`);
    },
  };
}
