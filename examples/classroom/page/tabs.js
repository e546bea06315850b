import { h, setText } from './elements.js';

/**
 * tabs are the parts of a class: beside each other where there is room, and one
 * at a time on a phone, chosen above.
 *
 * @param {{id: string, name: string, content: Element}[]} parts
 * @param {{first: string, shown: (id: string) => void}} how first: the one that is chosen at first
 */
export function tabs(parts, { first, shown }) {
  const buttons = new Map();
  const nav = h('nav', { class: 'tabs', 'aria-label': 'Parts of the class' }, ...parts.map(({ id, name }) => {
    const badge = h('span', { class: 'badge' });
    const also = h('span', { class: 'badge also' });
    const mark = h('span', { class: 'news', hidden: true }, h('span', { class: 'unseen' }, '(new)'));
    const button = h('button', { type: 'button', click: () => choose(id) }, name, ' ', badge, ' ', also, mark);
    buttons.set(id, { button, badge, also, mark });
    return button;
  }));
  let chosen = first;

  function choose(id) {
    chosen = id;
    for (const part of parts) {
      part.content.classList.toggle('chosen', part.id === id);
      const { button, mark } = buttons.get(part.id);
      if (part.id === id) {
        button.setAttribute('aria-current', 'true');
        mark.hidden = true;
      } else {
        button.removeAttribute('aria-current');
      }
    }
    shown(id);
  }
  choose(chosen);

  return {
    nav,
    contents: parts.map(({ content }) => content),
    choose,

    /** count shows a number beside a part's name. */
    count(id, number) {
      setText(buttons.get(id).badge, number > 0 ? String(number) : '');
    },

    /** also shows another number beside that, and says of what it is. */
    also(id, number, words) {
      setText(buttons.get(id).also, number > 0 ? `${number} ${words}` : '');
    },

    /** news marks a part that is not chosen. */
    news(id) {
      if (id !== chosen) {
        buttons.get(id).mark.hidden = false;
      }
    },
  };
}
