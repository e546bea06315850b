import { Code, RefusedError, UnknownOutcomeError } from './errors.js';
import { later } from './timer.js';

// Messages that are worth nothing any more from some time on. Their ends are times of the clock:
// what runs by itself may stand still while a device sleeps.

/** endOf is when something ends that has so many milliseconds left, or zero where that is undefined. */
export function endOf(left) {
  return left === undefined ? 0 : Date.now() + left;
}

/** isOver reports whether that is over. Where it is zero, it never is. */
export function isOver(end) {
  return end !== 0 && Date.now() >= end;
}

/** leftOf is how many milliseconds something still has that is not over. */
export function leftOf(end) {
  return Math.max(end - Date.now(), 1);
}

/** whenOver calls back when that is over, if it ever is. It returns what cancels that. */
export function whenOver(end, callback) {
  return end === 0 ? () => {} : later(leftOf(end), () => callback());
}

/** tooLate is the error of a request whose time was over before the hub has answered it. */
export function tooLate({ written }) {
  const error = new RefusedError(Code.TOO_LATE, 'the time of the message was over before the hub had taken it');
  return written ? new UnknownOutcomeError(error) : error;
}
