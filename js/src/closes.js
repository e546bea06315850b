import { closes, ends } from './codes.js';

const numbers = { ...ends, ...closes };

/** The numbers with which connections end, under their codes in capitals. */
export const Close = Object.freeze(Object.fromEntries(
  Object.entries(numbers).map(([code, number]) => [code.toUpperCase(), number])));

const words = new Map(Object.entries(numbers).map(([code, number]) => [number, code]));

/** final reports whether coming back makes no sense after this number. */
export const final = (number) => number >= 4000 && number < 4100;

// A hub that closes with one of these may do so because of what was asked of it, and that is
// not to be asked again.
const blames = new Set([Close.TOO_LARGE, Close.PROTOCOL_ERROR, Close.RATE_LIMITED, Close.SHUTDOWN]);

/** blamed reports whether what has no answer may be the reason for this number. */
export const blamed = (number) => blames.has(number);

/** wordOf is the code of a number. */
export const wordOf = (number) => words.get(number) ?? String(number);
