import { h, newId, setText, show, words as sentence } from './elements.js';
import { tooLong } from './lengths.js';
import { MOST, cleaned, lost } from './names.js';
import { refusal, refusalToJoin } from './words.js';

// How long until the page behind a link looks for the class again, in milliseconds.
const LOOK_AGAIN = 3000;

function field(label, attributes) {
  const input = h('input', { id: newId(), type: 'text', dir: 'auto', autocomplete: 'off', required: true, ...attributes });
  return { label, input, element: h('p', { class: 'field' }, h('label', { for: input.id }, label), input) };
}

/**
 * formCard is a form that tries something with what is written, and says why it has not
 * worked. attempt is given what is written, and whether that is not all that was typed. before is why
 * something has not worked before.
 */
function formCard({ title, words, fields, button, attempt, main, status = null, refused = refusal, before = '' }) {
  const heading = newId();
  const problem = h('p', { id: newId(), class: 'problem', role: 'alert' }, before);
  fields.forEach(({ input }) => input.setAttribute('aria-describedby', problem.id));
  const submit = h('button', { class: main ? 'primary' : 'secondary' }, button);
  return h('form', {
    class: ['card', main && 'main', fields.length > 1 && 'pair'].filter(Boolean).join(' '),
    'aria-labelledby': heading,
    submit: async (event) => {
      event.preventDefault();
      const names = fields.map(({ input }) => cleaned(input.value));
      setText(problem, tooLong(names.map((name, index) => [fields[index].label, name, MOST])));
      if (problem.textContent !== '') {
        return;
      }
      submit.disabled = true;
      try {
        await attempt(...names, { changed: fields.some(({ input }) => lost(input.value)) });
      } catch (error) {
        setText(problem, refused(error));
        submit.disabled = false;
        fields.at(-1).input.focus();
      }
    },
  },
  h('h2', { id: heading }, title), h('p', { class: 'card-words' }, words), status,
  ...fields.map(({ element }) => element), submit, problem);
}

/** frame is what is around the pages without a class. */
export function frame(heading, words, ...content) {
  return h('div', { class: 'start' },
    h('header', { class: 'board' },
      h('div', { class: 'board-inner start-head' }, h('h1', { tabindex: '-1', dir: 'auto' }, heading), h('p', {}, words)),
      h('div', { class: 'ledge', 'aria-hidden': 'true' })),
    h('main', { class: 'cards' }, ...content));
}

/**
 * start is the page without a class: one opens a class or joins one.
 *
 * @param {{open: (channel: string, username: string, how: {changed: boolean}) => Promise<void>,
 *   join: (channel: string, username: string, how: {changed: boolean}) => Promise<void>}} actions
 */
export function start({ open, join }) {
  const opening = formCard({
    title: 'Open a class',
    words: 'You teach, and get a link for your students.',
    fields: [field('Name of the class', { 'data-focus': true }), field('Your name', { autocomplete: 'name' })],
    button: 'Open',
    attempt: open,
    main: true,
  });
  const joining = formCard({
    title: 'Join a class',
    words: 'You know its name, and its teacher has opened it.',
    fields: [field('Name of the class'), field('Your name', { autocomplete: 'name' })],
    button: 'Join',
    attempt: join,
    refused: refusalToJoin,
  });
  show(frame('Classroom', 'One teacher, many students, and nothing from desk to desk.', opening, joining), 'Classroom');
}

function how(status, teacher) {
  if (!status.exists) {
    return ['away', teacher ? sentence`${teacher} has not opened this class yet, or it is over.` : 'This class is not open.'];
  }
  const { username, state } = status.master;
  return state === 'online' ? ['online', sentence`${username} is here.`] : ['away', sentence`${username} is away at the moment.`];
}

/**
 * lookFor tells how a class is, and again and again as long as it is wanted.
 *
 * @param {() => Promise<object>} status
 * @param {string} teacher
 * @param {(mood: string, told: Array | string, exists: boolean) => boolean} tell returns whether it is still wanted
 */
export async function lookFor(status, teacher, tell) {
  let wanted = true;
  if (document.visibilityState === 'visible') {
    const known = await status().catch((error) => ({ exists: false, error }));
    wanted = tell(...(known.error ? ['away', refusal(known.error)] : how(known, teacher)), known.exists);
  }
  if (wanted) {
    setTimeout(() => lookFor(status, teacher, tell), LOOK_AGAIN);
  }
}

/**
 * joinByLink is the page behind a link: all that is missing is one's name.
 *
 * @param {{channel: string, teacher: string, username?: string, problem?: string}} link problem: why one is not in
 * @param {{status: () => Promise<object>, join: (username: string, how: {changed: boolean}) => Promise<void>,
 *   elsewhere: () => void}} actions
 */
export function joinByLink({ channel, teacher, username = '', problem = '' }, { status, join, elsewhere }) {
  const words = h('span', { role: 'status' }, 'Looking for the class…');
  const state = h('p', { class: 'class-state' }, h('span', { class: 'lamp', 'aria-hidden': 'true' }), words);
  const card = formCard({
    title: 'Join',
    words: teacher ? sentence`What you write goes to ${teacher} alone.` : 'What you write goes to the teacher alone.',
    status: state,
    fields: [field('Your name', { autocomplete: 'name', 'data-focus': true, value: username })],
    button: 'Join the class',
    attempt: join,
    refused: refusalToJoin,
    before: problem,
    main: true,
  });
  const other = h('button', { type: 'button', class: 'quiet', click: elsewhere }, 'Open or join another class');
  show(frame(channel, teacher ? sentence`with ${teacher}` : 'You are invited.', h('div', { class: 'one-card' }, card, other)), `${channel} · Classroom`);
  // Students come before their teacher: as long as this is shown, it looks again.
  lookFor(status, teacher, (mood, told) => {
    state.dataset.state = mood;
    setText(words, told);
    return state.isConnected;
  });
}

/** comingBack is the page while it finds its way back into a class. */
export function comingBack({ channel }, { giveUp }) {
  show(frame(channel, 'Coming back to the class…', h('div', { class: 'one-card patient' },
    h('p', { class: 'card-words' }, 'The server does not answer yet. What you wrote is kept.'),
    h('button', { type: 'button', class: 'secondary', click: giveUp }, 'Give up'))), `${channel} · Classroom`);
}
