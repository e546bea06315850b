import { MAX_NUMBER } from './shapes.js';

function numeric(name, value) {
  if (typeof value !== 'number') {
    throw new TypeError(`${name} must be a number, and is ${value === null ? 'null' : typeof value}`);
  }
}

/**
 * whole returns a value that is a whole number in its range, which frames can carry.
 * Anything else is an error that has the name.
 */
export function whole(name, value, least = 0, most = MAX_NUMBER) {
  numeric(name, value);
  if (!Number.isInteger(value) || value < least || value > most) {
    throw new RangeError(`${name} must be a whole number from ${least} to ${most}, and is ${value}`);
  }
  return value;
}

/** milliseconds returns a time that may have a fraction, rounded up to a whole number in its range. */
export function milliseconds(name, value, least = 0, most = MAX_NUMBER) {
  numeric(name, value);
  const rounded = Math.ceil(value);
  // Written so that NaN is none.
  if (!(value >= least && rounded <= most)) {
    throw new RangeError(`${name} must be a number of milliseconds from ${least} to ${most}, and is ${value}`);
  }
  return rounded;
}
