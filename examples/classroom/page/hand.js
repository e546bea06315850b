import { h, setText } from './elements.js';
import { Own } from './own.js';

/** HAND is the key of a student's attribute that is there as long as the hand is up. */
export const HAND = 'hand';

/**
 * hand is a student's hand: a button that raises and lowers it, and a line that says how it is.
 *
 * @param {{note: (text: string) => void}} told
 */
export function hand(slave, notebook, { note }) {
  const own = new Own(slave, notebook, HAND, (problem) => {
    if (problem !== '') {
      note(problem);
    }
    tell();
  });
  const isUp = () => own.value !== null;
  const button = h('button', { type: 'button', class: 'on-board', click: () => put(!isUp()) });
  const words = h('p', { class: 'board-hint', role: 'status' });

  function put(up) {
    own.set(up ? 'up' : null);
    tell();
  }

  function tell() {
    button.classList.toggle('up', isUp());
    setText(button, isUp() ? 'Lower hand' : 'Raise hand');
    const arrived = own.arrived ? 'Your hand is up.' : 'Your hand is going up…';
    setText(words, isUp() ? arrived : '');
  }

  tell();
  return {
    button,
    words,

    /** again tells the hub what it may not know. */
    again: () => own.again(),

    /** lower lowers the hand, and reports whether it was up. */
    lower() {
      const was = isUp();
      if (was) {
        put(false);
      }
      return was;
    },
  };
}

/** raised are the names of those whose hands are up, in the order in which these went up. */
export function raised(master, names) {
  return names.map((name) => [name, master.attributesOf(name).get(HAND)?.seq])
    .filter(([, seq]) => seq !== undefined)
    .sort(([, one], [, other]) => one - other)
    .map(([name]) => name);
}
