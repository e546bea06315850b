import { h, newId } from './elements.js';

const EVERYBODY = '';

/**
 * composer is where one writes. Enter sends, with Shift it begins a new line.
 *
 * @param {{label: string, many: boolean, send: (text: string, to: string) => void}} what many: there
 *   is a choice of whom to write to, and '' is everybody
 */
export function composer({ label, many, send }) {
  const to = many ? h('select', { id: newId(), class: 'to' }, h('option', { value: EVERYBODY }, 'Everybody')) : null;
  const field = h('textarea', {
    id: newId(), rows: '1', maxlength: '2000', enterkeyhint: 'send', autocomplete: 'off',
    keydown: (event) => {
      if (event.key === 'Enter' && !event.shiftKey && !event.isComposing) {
        event.preventDefault();
        element.requestSubmit();
      }
    },
  });
  const element = h('form', {
    class: 'composer',
    submit: (event) => {
      event.preventDefault();
      const text = field.value.trim();
      if (text !== '') {
        send(text, to?.value ?? EVERYBODY);
        field.value = '';
      }
      field.focus();
    },
  },
  many ? h('div', { class: 'composer-to' }, h('label', { for: to.id }, 'To'), to) : null,
  h('div', { class: 'composer-line' },
    h('label', { for: field.id, class: many ? 'unseen' : 'composer-label' }, label),
    field,
    h('button', { class: 'primary' }, 'Send')));

  return {
    element,

    /** names says who can be written to. One that is chosen stays so while it is there. */
    names(list) {
      const chosen = to.value;
      to.replaceChildren(h('option', { value: EVERYBODY }, 'Everybody'),
        ...list.map((name) => h('option', { value: name }, name)));
      to.value = list.includes(chosen) ? chosen : EVERYBODY;
    },

    writeTo(name) {
      to.value = name;
      field.focus();
    },
  };
}
