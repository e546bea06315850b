import { h, newId } from './elements.js';

/**
 * ask asks in a dialog, and resolves with the values of its fields by their
 * names, or with null where the answer is no.
 *
 * @param {{title: string, words: string, fields?: {name: string, label: string, type: string,
 *   hint?: string}[], confirm: string}} what
 */
export function ask({ title, words, fields = [], confirm }) {
  const heading = newId();
  const inputs = fields.map(({ name, label, type }) => {
    const input = h('input', { id: newId(), name, type, autocomplete: 'off', maxlength: type === 'text' && '100' });
    const caption = h('label', { for: input.id }, label);
    return h('p', { class: type === 'checkbox' ? 'check' : 'field' },
      ...(type === 'checkbox' ? [input, caption] : [caption, input]));
  });
  const form = h('form', { method: 'dialog', class: 'ask' },
    h('h2', { id: heading }, title), h('p', {}, words), ...inputs,
    h('div', { class: 'ask-actions' },
      h('button', { type: 'button', class: 'secondary', click: () => dialog.close() }, 'Cancel'),
      h('button', { class: 'primary danger', value: 'yes' }, confirm)));
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
