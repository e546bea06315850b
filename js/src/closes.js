import { closes, ends } from './codes.js';

const numbers = { ...ends, ...closes };

/** The numbers with which connections end, under their codes in capitals. */
export const Close = Object.freeze(Object.fromEntries(
  Object.entries(numbers).map(([code, number]) => [code.toUpperCase(), number])));

const words = new Map(Object.entries(numbers).map(([code, number]) => [number, code]));

/** final reports whether coming back makes no sense after this number. */
export const final = (number) => number >= 4000 && number < 4100;

/** wordOf is the code of a number. */
export const wordOf = (number) => words.get(number) ?? String(number);
