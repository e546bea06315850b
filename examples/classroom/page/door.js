import { h, newId, setText } from './elements.js';

const choices = [
  ['open', 'Open', 'Who has the link comes in.'],
  ['knock', 'Ask me', 'Who comes waits until you say yes or no.'],
  ['locked', 'Locked', 'Nobody comes in. Who is in stays, and comes back after a reload.'],
];

function told(knocks) {
  const [{ username } = {}] = knocks;
  if (knocks.length === 0) {
    return '';
  }
  return knocks.length === 1 ? [{ own: username }, ' is at the door.'] : `${knocks.length} are at the door.`;
}

/**
 * door is how people come into a class, for its teacher: who comes in, and the list of those who wait to be let in. Each of
 * them has a number: one who has gone, and another one of that name, are two.
 *
 * @param {{choose: (door: string) => void, admit: (knock: {number: number, username: string}) => void,
 *   deny: (knock: {number: number, username: string}) => void}} actions choose: open, knock or locked
 */
export function door({ choose, admit, deny }) {
  const name = newId();
  const hint = h('p', { class: 'hint' });
  const radios = new Map(choices.map(([choice]) => [choice, h('input', {
    type: 'radio', name, id: newId(), value: choice, change: () => choose(choice),
  })]));
  const heading = newId();
  const title = h('h2', { id: heading, tabindex: '-1' }, 'At the door');
  const list = h('ul', { class: 'knocks' });
  const shown = h('div', { hidden: true }, h('div', { class: 'section-head' }, title), list);
  // It is there before anybody is, so that it is read out.
  const status = h('p', { class: 'unseen', role: 'status' });
  const rows = new Map();

  function row(knock) {
    const button = (kind, words, unseen, click) => h('button', { type: 'button', class: kind, click }, words,
      h('span', { class: 'unseen' }, unseen, h('bdi', {}, knock.username)));
    return h('li', { class: 'knock' }, h('bdi', { class: 'member-name' }, knock.username),
      h('span', { class: 'knock-actions' },
        button('primary', 'Let in', ' ', () => admit(knock)), button('secondary', 'No', ' to ', () => deny(knock))));
  }

  return {
    /** Who waits. */
    waiting: h('section', { class: 'at-the-door', 'aria-labelledby': heading }, shown, status),

    /** Who comes in. */
    element: h('fieldset', { class: 'door' }, h('legend', {}, 'Who comes in'),
      h('div', { class: 'door-choices' }, ...choices.map(([choice, words]) => h('span', { class: 'option' },
        radios.get(choice), h('label', { for: radios.get(choice).id }, words)))), hint),

    /** tell takes how the door is, and who waits, in their order. */
    tell(choice, knocks) {
      radios.get(choice).checked = true;
      setText(hint, choices.find(([each]) => each === choice)[2]);
      const focused = list.contains(document.activeElement) ? document.activeElement : null;
      const numbers = new Set(knocks.map(({ number }) => number));
      for (const [number, element] of rows) {
        if (!numbers.has(number)) {
          element.remove();
          rows.delete(number);
        }
      }
      for (const knock of knocks) {
        if (!rows.has(knock.number)) {
          rows.set(knock.number, row(knock));
          list.append(rows.get(knock.number));
        }
      }
      shown.hidden = knocks.length === 0;
      setText(status, told(knocks));
      if (focused && !focused.isConnected) {
        // On to the next one; where there is none, to where the choice is.
        (list.querySelector('button') ?? radios.get(choice)).focus();
      }
    },
  };
}
