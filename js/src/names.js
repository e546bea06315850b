// What a name may be, as PROTOCOL.md, section 1, has it. The hub decides: a character that
// this side does not know yet is left to it.

import { Code, RefusedError } from './errors.js';

/** The length in bytes of the longest name. */
const MAX_NAME = 128;

/** Finds half of a surrogate pair: by the flag u a whole one is one character. */
export const halfPair = /[\ud800-\udfff]/u;

const encoder = new TextEncoder();

const plain = /^[A-Za-z0-9]$/;
const space = /^[ \u1680\u202f\u3000\u2800\u{13441}\u{13442}]$/u;
const otherSpace = /^\p{Zs}$/u;
const notSeen = /^[\p{Cc}\p{Cf}\p{Co}\p{Zl}\p{Zp}]$/u;
const unseen = /^[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180d\u180f\u3164\ufe00-\ufe0f\uffa0\u{1d159}\u{e0100}-\u{e01ef}]$/u;
const visible = /^[\p{L}\p{N}\p{P}\p{S}\p{Cn}]$/u;

const JOINER = '\u200d';
const NON_JOINER = '\u200c';
const EMOJI_STYLE = '\ufe0f';
const KEYCAP = '\u20e3';
const MALAYALAM_VIRAMA = '\u0d4d';
const BLACK_FLAG = '\u{1f3f4}';

// Scripts whose letters join or stack, so that a joiner between two of them shows.
const scripts = [
  'Arabic', 'Balinese', 'Bengali', 'Chakma', 'Devanagari', 'Grantha', 'Gujarati', 'Gurmukhi', 'Javanese', 'Kannada',
  'Khmer', 'Malayalam', 'Meetei_Mayek', 'Mongolian', 'Myanmar', 'Newa', 'Nko', 'Oriya', 'Sinhala', 'Syriac', 'Tamil',
  'Telugu', 'Tibetan', 'Tirhuta',
];
const joinedScript = new RegExp(`^(?:\u0640|${scripts.map((name) => `\\p{Script=${name}}`).join('|')})$`, 'u');
const letterOrMark = /^[\p{L}\p{M}]$/u;
const harakat = /^[\u064b-\u0655\u0670]$/;

const pictograph = /^\p{Extended_Pictographic}$/u;
const colourful = /^\p{Emoji_Presentation}$/u;
const keys = /^[0-9#*]$/;
const skin = /^[\u{1f3fb}-\u{1f3ff}]$/u;
// Those for which U+FE0F is usual though they are colourful by themselves.
const styledBesides = /^[\u{1f004}\u{1f21a}\u{1f22f}]$/u;

const flagTags = ['gbeng', 'gbsct', 'gbwls'].map((word) => [
  ...[...word].map((letter) => String.fromCodePoint(0xe0000 + letter.codePointAt(0))), '\u{e007f}',
]);

const isJoiner = (c) => c === JOINER || c === NON_JOINER;
const joined = (c) => joinedScript.test(c) && letterOrMark.test(c) && !unseen.test(c);

function joins(before, c, after) {
  if (c === JOINER) {
    if (before === MALAYALAM_VIRAMA && !isJoiner(after)) {
      return true; // a chillu, which may be the end of a word
    }
    const emoji = pictograph.test(before) || before === EMOJI_STYLE || skin.test(before);
    if (emoji && pictograph.test(after)) {
      return true;
    }
  }
  return (joined(before) || harakat.test(before)) && joined(after);
}

function styled(before, after) {
  if (keys.test(before)) {
    return after === KEYCAP;
  }
  return pictograph.test(before)
    && (before.codePointAt(0) <= 0xffff || !colourful.test(before) || styledBesides.test(before));
}

function characterProblem(before, c, after) {
  if (plain.test(c)) {
    return '';
  }
  if (space.test(c)) {
    return before === '' || after === '' ? 'is a space at the end of it, or in front: leave it out' : '';
  }
  if (isJoiner(c)) {
    return joins(before, c, after) ? '' : 'is a joiner where it joins nothing: leave it out';
  }
  if (c === EMOJI_STYLE) {
    return styled(before, after) ? '' : 'cannot be seen there: leave it out';
  }
  if (otherSpace.test(c)) {
    return 'is a space of another kind: write a plain one';
  }
  if (notSeen.test(c)) {
    return 'is not a character that can be seen: leave it out';
  }
  return unseen.test(c) ? 'cannot be seen: leave it out' : '';
}

/** The length in bytes of the longest topic, or key of an attribute. */
const MAX_SHORT_NAME = 64;

/** mustBeShortName lets only what a topic or a key may be pass: a name of at most 64 bytes. */
export function mustBeShortName(what, name) {
  if (typeof name !== 'string') {
    throw new TypeError(`${what} must be a string`);
  }
  const problem = nameProblem(name, MAX_SHORT_NAME);
  if (problem !== '') {
    throw new RefusedError(Code.BAD_FRAME, `${what}: ${problem}`);
  }
}

/** nameProblem says what is wrong with a name and what to do, and is empty where nothing is. */
export function nameProblem(name, most = MAX_NAME) {
  mustBeString(name);
  if (name === '') {
    return 'it is empty';
  }
  if (halfPair.test(name)) {
    return 'it has half of a surrogate pair';
  }
  const { length } = encoder.encode(name);
  if (length > most) {
    return `it has ${length} bytes, and at most ${most} are possible`;
  }
  const characters = [...name];
  let seen = false;
  for (let index = 0; index < characters.length; index++) {
    const c = characters[index];
    const problem = characterProblem(characters[index - 1] ?? '', c, characters[index + 1] ?? '');
    if (problem !== '') {
      const number = c.codePointAt(0).toString(16).toUpperCase().padStart(4, '0');
      return `its character ${index + 1}, U+${number}, ${problem}`;
    }
    seen ||= visible.test(c) && !space.test(c);
    if (c === BLACK_FLAG) {
      const tags = flagTags.find((each) => each.every((tag, at) => characters[index + 1 + at] === tag));
      index += tags?.length ?? 0;
    }
  }
  return seen ? '' : 'it has no letter, number, punctuation mark or symbol';
}

/**
 * sendable reports whether a name can be in a frame, and is not longer than any that is valid. Members
 * may have names that were valid when they entered and would not be now.
 */
export function sendable(name) {
  mustBeString(name);
  return name !== '' && !halfPair.test(name) && encoder.encode(name).length <= MAX_NAME;
}

/**
 * checkNames throws where the names of a create, join or resume are refused. The username of a create
 * or join may be empty: the service may give one. Those of a membership that is resumed
 * were valid once.
 */
export function checkNames({ type, channel, username, expect }) {
  const problemOf = type === 'resume' ? (name) => (sendable(name) ? '' : nameProblem(name)) : (name) => nameProblem(name);
  const check = (field, name) => {
    const problem = problemOf(name);
    if (problem !== '') {
      throw new RefusedError(Code.BAD_NAME, `${field}: ${problem}`);
    }
  };
  check('channel', channel);
  if (username !== '' || type === 'resume') {
    check('username', username);
  }
  if (expect !== undefined && expect !== '') {
    check('master', expect);
  }
}

/** quoted is a name for a text that people read, shortened where it is longer than any valid one. */
export function quoted(name) {
  const whole = JSON.stringify(name);
  return whole.length <= 2 * MAX_NAME ? whole : `${JSON.stringify(name.slice(0, 64))}… (${encoder.encode(name).length} bytes)`;
}

function mustBeString(name) {
  if (typeof name !== 'string') {
    throw new TypeError('a name is a string');
  }
}
