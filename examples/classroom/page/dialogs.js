import { h, newId, setText } from './elements.js';
import { tooLong } from './lengths.js';

/** tell says something in a dialog, and resolves when it was read. */
export async function tell({ title, words }) {
  await ask({ title, words, confirm: 'OK', choice: false });
}

/**
 * ask asks in a dialog, and resolves with the values of its fields by their
 * names, or with null where the answer is no.
 *
 * @param {{title: string, words: string, fields?: {name: string, label: string, type: string,
 *   most?: number}[], confirm: string, choice?: boolean}} what most: so many characters; choice: the
 *   answer may be no
 */
export function ask({ title, words, fields = [], confirm, choice = true }) {
  const heading = newId();
  const inputs = fields.map(({ name, label, type }) => {
    const input = h('input', { id: newId(), name, type, autocomplete: 'off', dir: type === 'text' && 'auto' });
    const caption = h('label', { for: input.id }, label);
    return h('p', { class: type === 'checkbox' ? 'check' : 'field' },
      ...(type === 'checkbox' ? [input, caption] : [caption, input]));
  });
  const problem = h('p', { class: 'problem', role: 'alert' });
  const form = h('form', { method: 'dialog', class: 'ask' },
    h('h2', { id: heading }, title), h('p', {}, words), ...inputs, problem,
    h('div', { class: 'ask-actions' },
      choice ? h('button', { type: 'button', class: 'secondary', click: () => dialog.close() }, 'Cancel') : null,
      h('button', { class: choice ? 'primary danger' : 'primary', value: 'yes' }, confirm)));
  const dialog = h('dialog', { 'aria-labelledby': heading }, form);
  const before = document.activeElement;
  document.body.append(dialog);
  dialog.showModal();
  return new Promise((resolve) => {
    let values = null;
    // The dialog is closed by hand: what the page's policy says of forms that are
    // sent is not asked then.
    form.addEventListener('submit', (event) => {
      event.preventDefault();
      const long = tooLong(fields.map(({ name, label, most }) => [label, form.elements[name].value.trim(), most]));
      if (long !== '') {
        setText(problem, long);
        return;
      }
      values = Object.fromEntries([...form.querySelectorAll('input')].map(
        (input) => [input.name, input.type === 'checkbox' ? input.checked : input.value.trim()]));
      dialog.close();
    });
    dialog.addEventListener('close', () => {
      dialog.remove();
      before?.focus();
      resolve(values);
    }, { once: true });
  });
}
