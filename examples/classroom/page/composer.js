import { h, newId, plain, setText, words } from './elements.js';
import { tooLong } from './lengths.js';

const EVERYBODY = '';

// The choice of one who has left. No name has a line end.
const GONE = '\n';

// The most characters that are sent at once.
const MOST = 2000;

/** draftIn is what a composer has not sent yet, and to whom it goes, kept in a notebook. */
export const draftIn = (notebook) => ({
  text: notebook.draft,
  to: notebook.draftTo,
  whose: notebook.draftFor,
  keep: (text, to, whose) => {
    notebook.draft = text;
    notebook.draftTo = to;
    notebook.draftFor = whose;
    notebook.save();
  },
});

/**
 * composer is where one writes. Enter sends, with Shift it begins a new line. What is
 * written stays for whom it was written: where that one has left, it is not sent until
 * somebody is chosen.
 *
 * @param {{label: string | Array, many: boolean, draft: object, send: (text: string, to: string) => void}} what
 *   many: there is a choice of whom to write to, and '' is everybody
 */
export function composer({ label, many, draft, send }) {
  let addressee = many ? draft.to : EVERYBODY;
  // Where the teacher is another one than before: for whom it was written.
  let { whose } = draft;
  let gone = false;
  let present = [];
  const to = many ? h('select', { id: newId(), class: 'to', change: choose }) : null;
  const problem = h('p', { class: 'problem', role: 'alert' });
  const silence = h('p', { id: newId(), class: 'silence' });
  const button = h('button', { class: 'primary' }, 'Send');
  const field = h('textarea', {
    id: newId(), rows: '1', dir: 'auto', enterkeyhint: 'send', autocomplete: 'off', 'aria-describedby': silence.id,
    input: () => {
      whose = field.value === '' ? null : whose;
      setText(problem, longer(field.value));
      keep();
    },
    keydown: (event) => {
      // 229: what an input method takes, which in Safari comes behind the end of its composing.
      if (event.key === 'Enter' && !event.shiftKey && !event.isComposing && event.keyCode !== 229) {
        event.preventDefault();
        element.requestSubmit();
      }
    },
  });
  const caption = h('label', { for: field.id, class: many ? 'unseen' : 'composer-label' }, label);
  const element = h('form', {
    class: 'composer',
    submit: (event) => {
      event.preventDefault();
      submit(field.value.trim());
    },
  },
  many ? h('div', { class: 'composer-to' }, h('label', { for: to.id }, 'To'), to) : null,
  h('div', { class: 'composer-line' },
    caption,
    field,
    button), silence, problem);

  field.value = draft.text;
  if (many) {
    tellTo();
  }

  function longer(text) {
    return tooLong([['This', text.trim(), MOST]]);
  }

  function submit(text) {
    if (text === '') {
      field.focus();
    } else if (silence.textContent !== '') {
      setText(problem, 'Not sent. It stays here until you can write again.');
      field.focus();
    } else if (whose !== null) {
      setText(problem, whose === EVERYBODY ? 'Not sent: this was for everybody. Send it again, and only your teacher reads it.'
        : words`Not sent: this was for ${whose}. Send it again, and your teacher reads it.`);
      whose = null;
      keep();
      field.focus();
    } else if (gone) {
      setText(problem, words`Not sent: ${addressee} has left the class. Choose who is to read this.`);
      to.focus();
    } else if (longer(text) !== '') {
      setText(problem, longer(text));
      field.focus();
    } else {
      send(text, addressee);
      field.value = '';
      setText(problem, '');
      keep();
      field.focus();
    }
  }

  function keep() {
    draft.keep(field.value, addressee, whose);
  }

  function choose() {
    if (to.value !== GONE) {
      writesTo(to.value);
    }
  }

  function writesTo(name) {
    addressee = name;
    gone = false;
    setText(problem, longer(field.value));
    keep();
    tellTo();
  }

  // What goes to one alone looks different, and says so where one writes.
  function tellTo() {
    const option = (value, text) => h('option', { value, dir: 'auto' }, text);
    const names = present.includes(addressee) || addressee === EVERYBODY || gone ? present : [...present, addressee];
    to.replaceChildren(option(EVERYBODY, 'Everybody'), ...names.map((name) => option(name, name)),
      ...(gone ? [option(GONE, `\u2068${addressee}\u2069 (has left)`)] : []));
    to.value = gone ? GONE : addressee;
    element.classList.toggle('to-one', addressee !== EVERYBODY);
    field.placeholder = placeholder();
  }

  function placeholder() {
    if (addressee === EVERYBODY) {
      return 'Everybody reads this';
    }
    return gone ? `\u2068${addressee}\u2069 has left` : `Only \u2068${addressee}\u2069 reads this`;
  }

  return {
    element,

    /** isUsed reports whether somebody is writing at this moment. */
    isUsed() {
      return document.activeElement === field && field.value !== '';
    },

    /** names says who can be written to. Who is chosen stays so, and has left if no longer among them. */
    names(list) {
      present = list;
      // One who comes under the same name may be somebody else.
      gone ||= addressee !== EVERYBODY && !list.includes(addressee);
      tellTo();
    },

    /** quiet says why nothing can be sent at present, and with '' that it can. What is written stays. */
    quiet(why) {
      setText(silence, why);
      setText(problem, longer(field.value));
      // It keeps the focus, so that it is not disabled.
      button.setAttribute('aria-disabled', String(plain(why) !== ''));
    },

    /** goesTo says to whom goes from now on what is written, and for whom it was where it was for somebody else. */
    goesTo(name, before) {
      whose = before;
      setText(caption, name);
      keep();
    },

    /** giveBack puts a text that was not sent behind what is written. */
    giveBack(text) {
      field.value = field.value === '' ? text : `${field.value}\n${text}`;
      setText(problem, longer(field.value));
      keep();
    },

    writeTo(name) {
      writesTo(name);
      field.focus();
    },
  };
}
