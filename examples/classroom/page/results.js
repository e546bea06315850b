import { chart } from './chart.js';
import { h, newId } from './elements.js';

// A table's program may take these for the beginning of a formula.
const FORMULA = /^[=+\-@\t\r]/;

const cell = (text) => `"${(FORMULA.test(text) ? `'${text}` : text).replaceAll('"', '""')}"`;

/** table is the answers to a class's questions as CSV: a row for each student who was asked. */
export function table(questions) {
  const rows = [['Question', 'Student', 'Answer']];
  for (const { text, choices, asked, answers } of questions) {
    for (const name of asked) {
      const [, choice] = answers.find(([each]) => each === name) ?? [];
      rows.push([text, name, choices[choice] ?? '']);
    }
  }
  // The mark at the beginning tells programs for tables that it is UTF-8.
  return `\ufeff${rows.map((row) => row.map(cell).join(',')).join('\r\n')}\r\n`;
}

/** saveResults gives a teacher the answers so far as a file. */
export function saveResults({ who, questions }) {
  const url = URL.createObjectURL(new Blob([table(questions)], { type: 'text/csv' }));
  const name = `${who.channel.replace(/[^\p{L}\p{M}\p{N} ]+/gu, '-')} results.csv`;
  h('a', { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url));
}

/** results are what a teacher keeps of a class that is over, or null where nothing was asked. */
export function results(notebook) {
  const { questions } = notebook;
  if (questions.length === 0) {
    return null;
  }
  const heading = newId();
  const charts = questions.map((question) => {
    const one = chart(question);
    one.tell({ ...question, open: false });
    return one.element;
  });
  return h('section', { class: 'results', 'aria-labelledby': heading },
    h('div', { class: 'section-head' }, h('h2', { id: heading }, 'Questions'),
      h('button', { type: 'button', class: 'secondary', click: () => saveResults(notebook) }, 'Save as a file')),
    ...charts);
}
