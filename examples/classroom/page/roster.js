import { h, newId, setText } from './elements.js';

const words = { online: 'online', away: 'away' };
const order = { online: 0, away: 1, gone: 2 };

const hands = (count) => (count === 1 ? '1 hand up' : `${count} hands up`);

/**
 * roster lists the students: first those whose hands are up, in the order in which these went up, then
 * who is online, away, or has left.
 *
 * @param {{write: (name: string) => void, remove: (name: string) => void, lower: (name: string) => void,
 *   handOver: (name: string) => void,
 *   quiet: (name: string | null, on: boolean) => void}} actions
 *   lower: asks a student to lower the hand; quiet: has one be quiet or no longer, or with null all
 */
export function roster({ write, remove, lower, handOver, quiet }) {
  const heading = newId();
  const count = h('span', { class: 'count' });
  const up = h('span', { class: 'tag', role: 'status' });
  const list = h('ul', { class: 'roster-list' });
  const title = h('h2', { id: heading, tabindex: '-1' }, 'Students');
  const rows = new Map();
  const pressed = (button) => button.getAttribute('aria-pressed') === 'true';
  const hush = h('button', {
    type: 'button', class: 'secondary toggle', click: () => quiet(null, !pressed(hush)),
  }, 'Everybody quiet');
  const hushed = h('p', { class: 'hint' });
  let opened = null;

  // What is done to a student now and then is behind a button, for one at a time.
  function open(name) {
    opened = opened === name ? null : name;
    rows.forEach(tellOpen);
  }

  function tellOpen({ element, more, rest }, name) {
    rest.hidden = name !== opened || element.dataset.state === 'gone';
    more.setAttribute('aria-expanded', String(!rest.hidden));
  }

  function row(name) {
    const state = h('span', { class: 'member-state' });
    const id = newId();
    const more = h('button', { type: 'button', class: 'quiet', 'aria-controls': id, click: () => open(name) }, 'More',
      h('span', { class: 'unseen' }, ' about ', h('bdi', {}, name)));
    const buttons = h('span', { class: 'member-actions' },
      h('button', { type: 'button', class: 'quiet', click: () => write(name) }, 'Write',
        h('span', { class: 'unseen' }, ' to ', h('bdi', {}, name))), more);
    const toggle = h('button', { type: 'button', class: 'quiet toggle', click: () => quiet(name, !pressed(toggle)) }, 'Quiet',
      h('span', { class: 'unseen' }, ' ', h('bdi', {}, name)));
    const rest = h('p', { class: 'member-rest', id }, toggle,
      h('button', { type: 'button', class: 'quiet', click: () => handOver(name) }, 'Hand over',
        h('span', { class: 'unseen' }, ' the class to ', h('bdi', {}, name))),
      h('button', { type: 'button', class: 'quiet danger', click: () => remove(name) }, 'Remove',
        h('span', { class: 'unseen' }, ' ', h('bdi', {}, name))));
    const down = h('button', { type: 'button', class: 'quiet', click: () => lower(name) }, 'Lower hand',
      h('span', { class: 'unseen' }, ' of ', h('bdi', {}, name)));
    const hand = h('p', { class: 'member-hand', hidden: true }, h('span', { class: 'tag' }, 'hand up'), down);
    const tag = h('span', { class: 'tag', hidden: true }, 'quiet');
    const element = h('li', { class: 'member' },
      h('span', { class: 'dot', 'aria-hidden': 'true' }),
      h('span', { class: 'member-name' }, h('bdi', {}, name), h('span', { class: 'member-about' }, state, tag)),
      buttons, hand, rest);
    return { element, state, tag, buttons, more, rest, toggle, hand };
  }

  return {
    element: h('section', { class: 'roster', 'aria-labelledby': heading },
      h('div', { class: 'section-head' }, title, up, count),
      h('div', { class: 'roster-voice' }, hush, hushed), list,
      h('p', { class: 'empty' }, 'Nobody has joined yet.')),

    focus() {
      title.focus();
    },

    /**
     * tell takes what is known of everybody: [name, {state, because}], the names of those whose hands
     * are up, in their order, and who has to be quiet.
     */
    tell(members, raised, voice) {
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
        one.tag.hidden = state === 'gone' || !voice.isQuiet(name);
        one.toggle.setAttribute('aria-pressed', String(voice.isQuiet(name)));
        tellOpen(one, name);
      }
      hush.setAttribute('aria-pressed', String(voice.all));
      setText(hushed, voice.all ? 'Students can answer and raise their hands, and cannot write.' : '');
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
