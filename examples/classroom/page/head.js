import { Countdown, clock } from './countdown.js';
import { h, setText } from './elements.js';
import { way } from './way.js';

/**
 * classHead is the head of a class: its name, how the teacher is, and the way to the hub where that is not the usual one. While the
 * teacher is away the ledge beneath burns down with the time that is left.
 *
 * @param {{title: string, subtitle: Array, actions: Node[], hint?: Node}} what
 */
export function classHead({ title, subtitle, actions, hint = null }) {
  const sentence = h('span', { class: 'state-words', role: 'status' });
  const beneath = h('p', { class: 'board-subtitle' }, subtitle);
  const left = h('span', { class: 'state-time', role: 'timer' });
  const ledge = h('div', { class: 'ledge-left' });
  let total = 1;
  const countdown = new Countdown((milliseconds) => {
    setText(left, clock(milliseconds));
    // It shrinks to where it will be at the next tick.
    ledge.style.transform = `scaleX(${Math.max(0, Math.min(1, (milliseconds - 1000) / total))})`;
  });
  const element = h('header', { class: 'board' },
    h('div', { class: 'board-inner' },
      h('div', { class: 'board-name' },
        h('h1', { tabindex: '-1', dir: 'auto' }, title),
        beneath),
      h('div', { class: 'board-state' },
        h('span', { class: 'lamp', 'aria-hidden': 'true' }), sentence, left, way),
      h('div', { class: 'board-actions' }, ...actions), hint),
    h('div', { class: 'ledge', 'aria-hidden': 'true' }, ledge));

  return {
    element,

    /**
     * tell says how it is: state is connecting, online, away or lost; with a
     * steady deadline, the time until then is counted down out of so many milliseconds.
     */
    tell({ state, words, deadline = null, timeout = 1 }) {
      element.dataset.state = state;
      setText(sentence, words);
      left.hidden = deadline === null;
      if (deadline === null) {
        countdown.stop();
        ledge.style.transform = '';
      } else {
        total = timeout;
        countdown.until(deadline);
      }
    },

    /** subtitle says something else beneath the name. */
    subtitle(words) {
      setText(beneath, words);
    },

    end() {
      countdown.stop();
    },
  };
}
