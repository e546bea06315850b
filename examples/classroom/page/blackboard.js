import { h, newId, setText } from './elements.js';
import { tooLong } from './lengths.js';
import { BOARD } from './talk.js';

function panel(heading) {
  const text = h('p', { class: 'blackboard-text', dir: 'auto' });
  const element = h('div', { class: 'blackboard', role: 'group', tabindex: '0', 'aria-labelledby': heading, 'aria-live': 'polite' }, text);
  return { element, text };
}

function frame(heading, ...content) {
  return h('section', { class: 'on-the-board', 'aria-labelledby': heading }, h('h2', { id: heading, class: 'unseen' }, 'Board'), ...content);
}

/** blackboard is what is on the board, as students see it. */
export function blackboard() {
  const heading = newId();
  const { element, text } = panel(heading);
  const empty = h('p', { class: 'empty' }, 'There is nothing on the board.');
  const section = frame(heading, element, empty);

  return {
    element: section,

    /** tell shows a text, or that there is none, and reports whether it is another one than before. */
    tell(words) {
      const changed = text.textContent !== words;
      section.dataset.empty = words === '';
      element.hidden = words === '';
      empty.hidden = words !== '';
      setText(text, words);
      return changed;
    },
  };
}

/**
 * boardWriter is where a teacher sees what is on the board, and writes on it.
 *
 * @param {{write: (text: string) => void, clear: () => void}} actions
 */
export function boardWriter({ write, clear }) {
  const heading = newId();
  const { element, text } = panel(heading);
  const problem = h('p', { class: 'problem', role: 'alert' });
  const field = h('textarea', { id: newId(), rows: '3', dir: 'auto', autocomplete: 'off' });
  const begin = h('button', { type: 'button', class: 'secondary', click: () => open(text.textContent) });
  const wipe = h('button', {
    type: 'button', class: 'quiet',
    click: () => {
      clear();
      begin.focus();
    },
  }, 'Clear the board');
  const form = h('form', {
    class: 'ask-form',
    submit: (event) => {
      event.preventDefault();
      const words = field.value.trim();
      setText(problem, tooLong([['This', words, BOARD]]));
      if (words === '' || problem.textContent !== '') {
        field.focus();
        return;
      }
      close();
      write(words);
    },
  },
  h('p', { class: 'field' }, h('label', { for: field.id }, 'On the board'), field),
  problem,
  h('div', { class: 'ask-form-actions' },
    h('button', { type: 'button', class: 'quiet', click: () => close() }, 'Cancel'),
    h('button', { class: 'primary' }, 'Put on the board')));
  const actions = h('div', { class: 'blackboard-actions' }, begin, wipe);

  function shows(writing) {
    form.hidden = !writing;
    actions.hidden = writing;
    element.hidden = writing || text.textContent === '';
    wipe.hidden = text.textContent === '';
    setText(begin, text.textContent === '' ? 'Write on the board' : 'Change the board');
  }

  function open(words) {
    field.value = words;
    setText(problem, '');
    shows(true);
    field.focus();
  }

  function close() {
    shows(false);
    begin.focus();
  }

  shows(false);
  return {
    element: frame(heading, element, actions, form),

    /** tell shows what is on the board, or nothing. */
    tell(words) {
      setText(text, words);
      shows(!form.hidden);
    },

    /** refused says why something could not be put on the board, and gives it back. */
    refused(words, why) {
      const focused = document.activeElement === begin;
      if (form.hidden) {
        field.value = words;
        shows(true);
      }
      setText(problem, why);
      if (focused) {
        field.focus();
      }
    },
  };
}
