// What teachers and students say to each other, as JSON. What arrives may come
// from any program, so that everything is looked at before it is used.

// In units of UTF-16, of which a character has one or two.
const MAX_TEXT = 4000;
const MAX_ID = 40;
const MAX_NAME = 128;

// So many names there are in a list at the most.
const MAX_NAMES = 400;

/** How many choices a question has, and how long they and the question may be. */
export const CHOICES = { least: 2, most: 6, length: 120, question: 300 };

/** How many characters there may be on the board. */
export const BOARD = 1000;

export const text = (id, words) => ({ kind: 'text', id, text: words });
export const question = ({ id, text: words, choices }) => ({ kind: 'question', id, text: words, choices });
export const questionOver = (id) => ({ kind: 'question over', id });
export const answer = (id, choice) => ({ kind: 'answer', id, choice });
export const answered = (id) => ({ kind: 'answered', id });
export const lowerHand = (id) => ({ kind: 'lower hand', id });
export const quiet = (id, names) => ({ kind: 'quiet', id, names });

/** NAMES is how many names quiet can have. */
export const NAMES = MAX_NAMES;

const cut = (text) => (text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT)} … (there was more)` : text);

const isText = (value, most) => typeof value === 'string' && value.length > 0 && value.length <= most;

const readers = {
  text: ({ id, text: words }) => isText(words, MAX_TEXT) && { kind: 'text', id, text: words },

  question: ({ id, text: words, choices }) => isText(words, 2 * CHOICES.question) && Array.isArray(choices)
    && choices.length >= CHOICES.least && choices.length <= CHOICES.most
    && choices.every((choice) => isText(choice, 2 * CHOICES.length)) && { kind: 'question', id, text: words, choices },

  'question over': ({ id }) => ({ kind: 'question over', id }),

  answer: ({ id, choice }) => Number.isInteger(choice) && choice >= 0 && choice < CHOICES.most
    && { kind: 'answer', id, choice },

  answered: ({ id }) => ({ kind: 'answered', id }),

  'lower hand': ({ id }) => ({ kind: 'lower hand', id }),

  quiet: ({ id, names }) => Array.isArray(names) && names.length <= MAX_NAMES && names.every((name) => isText(name, MAX_NAME))
    && { kind: 'quiet', id, names },
};

/**
 * read is what a message says, or null where it is nothing that this page knows.
 * Plain text, as somebody may type it into any WebSocket client, is said too.
 */
export function read(message) {
  if (message.kind === 'text') {
    return { kind: 'text', id: `#${message.seq}`, text: cut(message.text()) };
  }
  if (message.kind !== 'json') {
    return null;
  }
  const value = message.json();
  if (value === null || typeof value !== 'object' || !isText(value.id, MAX_ID)
    || !Object.hasOwn(readers, value.kind)) {
    return null;
  }
  return readers[value.kind](value) || null;
}

/** readBoard is what a teacher's attribute says that is on the board, or ''. */
export const readBoard = (attribute) => (attribute?.kind === 'text' ? cut(attribute.text()) : '');

/** readQuestion is the question that is open by a teacher's attribute, or null. */
export function readQuestion(attribute) {
  const words = attribute ? read(attribute) : null;
  return words?.kind === 'question' ? words : null;
}
