import { chart } from './chart.js';
import { h, newId, setText } from './elements.js';
import { tooLong } from './lengths.js';
import { CHOICES } from './talk.js';

/** choiceFields are the fields for the choices: two at first, and more on demand. */
function choiceFields() {
  const list = h('div', { class: 'choice-fields' });
  const add = h('button', { type: 'button', class: 'quiet', click: () => more().focus() }, 'Add a choice');
  function more() {
    const number = list.children.length + 1;
    const input = h('input', { id: newId(), dir: 'auto', autocomplete: 'off', required: number <= CHOICES.least });
    list.append(h('p', { class: 'field' }, h('label', { for: input.id }, `Choice ${number}`), input));
    add.hidden = number === CHOICES.most;
    return input;
  }
  function reset() {
    list.replaceChildren();
    for (let count = 0; count < CHOICES.least; count++) {
      more();
    }
  }
  reset();
  const values = () => [...list.querySelectorAll('input')].map((input) => input.value.trim()).filter((value) => value !== '');
  return { list, add, reset, values };
}

/**
 * poll is where a teacher asks a question with choices, one at a time, and watches
 * the answers come.
 *
 * @param {{ask: (text: string, choices: string[]) => string, close: (id: string) => void, save: () => void}} actions
 *   ask returns what is wrong, or ''; save gives the answers so far as a file
 */
export function poll({ ask, close, save }) {
  const heading = newId();
  const text = h('input', { id: newId(), dir: 'auto', autocomplete: 'off', required: true });
  const choices = choiceFields();
  const problem = h('p', { class: 'problem', role: 'alert' });
  const form = h('form', {
    class: 'ask-form',
    submit: (event) => {
      event.preventDefault();
      const long = tooLong([['The question', text.value.trim(), CHOICES.question],
        ...choices.values().map((choice, index) => [`Choice ${index + 1}`, choice, CHOICES.length])]);
      setText(problem, long || ask(text.value.trim(), choices.values()));
      if (problem.textContent === '') {
        text.value = '';
        choices.reset();
        // The question is what is to be seen, not only its button.
        end.focus({ preventScroll: true });
        element.parentElement.scrollTop = 0;
      }
    },
  },
  h('p', { class: 'field' }, h('label', { for: text.id }, 'Question for everybody'), text),
  choices.list,
  h('div', { class: 'ask-form-actions' }, choices.add, h('button', { class: 'primary' }, 'Ask')),
  problem);

  let current = null;
  const end = h('button', { type: 'button', class: 'secondary', click: () => close(current) }, 'Close the question');
  const again = h('button', {
    type: 'button', class: 'secondary',
    click: () => {
      shows(null);
      text.focus();
    },
  }, 'Ask another');
  const present = h('div', { class: 'present' });
  const actions = h('div', { class: 'present-actions' }, end, again);
  const earlier = h('div', { class: 'earlier' });
  const charts = new Map();
  const keep = h('button', { type: 'button', class: 'quiet', hidden: true, click: save }, 'Save as a file');

  // The question that is open or was the last one, or the form.
  function shows(question) {
    current = question?.id ?? null;
    form.hidden = question !== null;
    present.hidden = actions.hidden = question === null;
    for (const [id, { element }] of charts) {
      (id === current ? present : earlier).prepend(element);
    }
    if (question) {
      end.hidden = !question.open;
      again.hidden = question.open;
    }
  }

  const element = h('section', { class: 'poll', 'aria-labelledby': heading },
    h('div', { class: 'section-head' }, h('h2', { id: heading }, 'Question'), keep), present, actions, form, earlier);

  shows(null);
  return {
    element,

    /** tell shows a question as it is now. */
    tell(question) {
      let one = charts.get(question.id);
      if (!one) {
        one = chart(question);
        charts.set(question.id, one);
        keep.hidden = false;
        shows(question);
      }
      one.tell(question);
      if (question.id === current) {
        const focused = document.activeElement === end;
        end.hidden = !question.open;
        again.hidden = question.open;
        if (focused && end.hidden) {
          again.focus();
        }
      }
    },
  };
}
