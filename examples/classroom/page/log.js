import { h, newId, setText, time } from './elements.js';

const statuses = { sending: 'sending…', sent: '', failed: 'not sent' };

const statusOf = ({ status, problem }) => problem ?? statuses[status] ?? '';

function entryOf(entry) {
  if (entry.kind === 'note') {
    return { element: h('p', { class: 'note' }, entry.sentence ?? entry.text) };
  }
  const status = h('span', { class: 'status' }, statusOf(entry));
  const element = h('article', { class: entry.mine ? 'said mine' : 'said' },
    h('header', {},
      h('bdi', { class: 'who' }, entry.who),
      entry.tag ? h('span', { class: 'tag' }, entry.tag) : null,
      h('time', { datetime: new Date(entry.at).toISOString() }, time(entry.at)),
      status),
    h('p', { class: 'words', dir: 'auto' }, entry.text));
  element.dataset.status = entry.status ?? 'sent';
  return { element, status };
}

/**
 * log shows what was said, the newest below, and stays at the end while the
 * reader is there.
 *
 * @param {{title: string, empty: string}} what
 */
export function log({ title, empty }) {
  const heading = newId();
  const shown = new Map();
  const list = h('div', {
    class: 'log', role: 'log', tabindex: '0', 'aria-labelledby': heading, 'data-empty': empty,
  });
  const atEnd = () => list.scrollHeight - list.scrollTop - list.clientHeight < 60;
  // Also where its height changes, since the board or a keyboard takes room.
  let follows = true;
  list.addEventListener('scroll', () => {
    follows = atEnd();
  });
  new ResizeObserver(() => follows && api.toEnd()).observe(list);

  const api = {
    element: h('section', { class: 'talk', 'aria-labelledby': heading },
      h('h2', { id: heading, class: 'unseen' }, title), list),

    add(entry) {
      const stay = atEnd() || entry.mine;
      const one = entryOf(entry);
      shown.set(entry.key, one);
      list.append(one.element);
      if (stay) {
        list.scrollTop = list.scrollHeight;
      }
    },

    /** empty says something else where there is nothing. */
    empty(words) {
      list.dataset.empty = words;
    },

    /** update shows what has become of an entry. */
    update(entry) {
      const one = shown.get(entry.key);
      setText(one.status, statusOf(entry));
      one.element.dataset.status = entry.status;
    },

    /** fill shows what a notebook has. */
    fill(notebook) {
      if (notebook.cut) {
        list.append(h('p', { class: 'note' }, 'What was said before is no longer kept.'));
      }
      notebook.entries.forEach((entry) => api.add(entry));
      list.scrollTop = list.scrollHeight;
    },

    toEnd() {
      list.scrollTop = list.scrollHeight;
    },
  };
  return api;
}
