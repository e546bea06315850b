import { h, newId } from './elements.js';

const EVERYBODY = '';

/** draftIn is what a composer has not sent yet, kept in a notebook. */
export const draftIn = (notebook) => ({
  kept: notebook.draft,
  keep: (text) => {
    notebook.draft = text;
    notebook.save();
  },
});

/**
 * composer is where one writes. Enter sends, with Shift it begins a new line.
 *
 * @param {{label: string, many: boolean, draft: {kept: string, keep: (text: string) => void},
 *   send: (text: string, to: string) => void}} what many: there is a choice of whom to write to, and '' is
 *   everybody
 */
export function composer({ label, many, draft, send }) {
  const to = many ? h('select', { id: newId(), class: 'to', change: tellTo }, h('option', { value: EVERYBODY }, 'Everybody')) : null;
  const field = h('textarea', {
    id: newId(), rows: '1', maxlength: '2000', enterkeyhint: 'send', autocomplete: 'off',
    input: () => draft.keep(field.value),
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
        draft.keep('');
      }
      field.focus();
    },
  },
  many ? h('div', { class: 'composer-to' }, h('label', { for: to.id }, 'To'), to) : null,
  h('div', { class: 'composer-line' },
    h('label', { for: field.id, class: many ? 'unseen' : 'composer-label' }, label),
    field,
    h('button', { class: 'primary' }, 'Send')));

  field.value = draft.kept;

  // What goes to one alone looks different, and says so where one writes.
  function tellTo() {
    element.classList.toggle('to-one', to.value !== EVERYBODY);
    field.placeholder = to.value === EVERYBODY ? 'Everybody reads this' : `Only ${to.value} reads this`;
  }
  if (many) {
    tellTo();
  }

  return {
    element,

    /** isUsed reports whether somebody is writing at this moment. */
    isUsed() {
      return document.activeElement === field && field.value !== '';
    },

    /** names says who can be written to. One that is chosen stays so while it is there. */
    names(list) {
      const chosen = to.value;
      to.replaceChildren(h('option', { value: EVERYBODY }, 'Everybody'),
        ...list.map((name) => h('option', { value: name }, name)));
      to.value = list.includes(chosen) ? chosen : EVERYBODY;
      tellTo();
    },

    writeTo(name) {
      to.value = name;
      tellTo();
      field.focus();
    },
  };
}
