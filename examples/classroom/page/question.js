import { h, newId } from './elements.js';

const endings = {
  kept: 'Your answer is kept until your teacher can take it.',
  sending: 'Your answer is on its way.',
  answered: 'Your teacher has your answer.',
  over: 'The question is closed.',
};

/**
 * questionCard is where a student answers the question that is open.
 *
 * @param {{answer: (id: string, choice: number) => void}} actions
 */
export function questionCard({ answer }) {
  const heading = newId();
  const body = h('div', { class: 'question-body' });
  const told = h('p', { class: 'progress', role: 'status' });
  const title = h('h2', { id: heading, tabindex: '-1' }, 'Question');

  function form(question) {
    const name = newId();
    const button = h('button', { class: 'primary', disabled: true }, 'Send answer');
    const radios = question.choices.map((choice, index) => {
      const input = h('input', {
        type: 'radio', name, id: newId(), value: String(index), change: () => {
          button.disabled = false;
        },
      });
      return h('p', { class: 'option' }, input, h('label', { for: input.id, dir: 'auto' }, choice));
    });
    return h('form', {
      submit: (event) => {
        event.preventDefault();
        const chosen = new FormData(event.target).get(name);
        if (chosen !== null) {
          answer(question.id, Number(chosen));
          title.focus();
        }
      },
    }, h('fieldset', {}, h('legend', { dir: 'auto' }, question.text), ...radios), button);
  }

  function given(question) {
    return h('div', {},
      h('p', { class: 'question-text', dir: 'auto' }, question.text),
      h('ul', { class: 'options-given' }, ...question.choices.map((choice, index) => h('li', {
        class: index === question.choice ? 'option-given mine' : 'option-given',
      }, h('bdi', {}, choice), index === question.choice ? h('span', { class: 'tag' }, 'your answer') : null))));
  }

  return {
    element: h('section', { class: 'question', 'aria-labelledby': heading },
      h('div', { class: 'section-head' }, title), body, told),

    /** tell shows a question as it is now, or that there is none. */
    tell(question) {
      if (!question) {
        body.replaceChildren(h('p', { class: 'empty' }, 'There is no question right now.'));
        told.textContent = '';
        return;
      }
      body.replaceChildren(question.state === 'open' ? form(question) : given(question));
      told.textContent = endings[question.state] ?? '';
    },
  };
}
