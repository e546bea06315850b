import { h, newId, setText } from './elements.js';

// So many who are still to answer are named.
const NAMED = 3;

const answers = (count) => (count === 1 ? '1 answer' : `${count} answers`);

/** tally counts a question's answers by choice. Those without one have left before. */
export function tally({ choices, answers: given }) {
  const counts = choices.map(() => 0);
  for (const [, choice] of given) {
    if (choice !== null) {
      counts[choice]++;
    }
  }
  return counts;
}

/** progress says in words how far a question is. */
function progress({ asked, answers: given, open }) {
  const answered = given.filter(([, choice]) => choice !== null).length;
  const gone = given.length - answered;
  const parts = [`${answered} of ${asked.length} answered`];
  if (gone > 0) {
    parts.push(`${gone} left before`);
  }
  const missing = asked.filter((name) => !given.some(([each]) => each === name));
  if (!open) {
    parts.push(answered === asked.length ? 'everybody has' : 'closed');
  } else if (missing.length > 0 && missing.length <= NAMED) {
    parts.push(['waiting for ', ...missing.flatMap((name, index) => (index > 0 ? [', ', { own: name }] : [{ own: name }]))]);
  }
  return parts.flatMap((part, index) => (index > 0 ? [' · ', part] : [part])).flat();
}

/** chart shows a question and its answers as bars, which grow as answers come. */
export function chart(question) {
  const heading = newId();
  const bars = question.choices.map((choice) => {
    const bar = h('span', { class: 'bar' });
    const count = h('span', { class: 'bar-count' });
    const element = h('li', { class: 'choice' },
      h('span', { class: 'choice-words', dir: 'auto' }, choice), count,
      h('span', { class: 'bar-track', 'aria-hidden': 'true' }, bar));
    return { element, bar, count };
  });
  const told = h('p', { class: 'progress', role: 'status' });
  const element = h('figure', { class: 'chart', 'aria-labelledby': heading },
    h('figcaption', { id: heading, dir: 'auto' }, question.text),
    h('ul', { class: 'choices' }, ...bars.map((bar) => bar.element)), told);

  return {
    element,

    tell(current) {
      const counts = tally(current);
      const total = Math.max(1, current.asked.length);
      const most = Math.max(...counts);
      counts.forEach((count, index) => {
        const { element: row, bar, count: words } = bars[index];
        bar.style.clipPath = `inset(0 ${100 - (100 * count) / total}% 0 0)`;
        setText(words, answers(count));
        row.classList.toggle('leads', count > 0 && count === most);
      });
      setText(told, progress(current));
      element.dataset.open = current.open;
    },
  };
}
