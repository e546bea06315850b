import { ends, own, refusals } from './codes.js';

/** Code has every code under its name in capitals, for instance Code.NO_SUCH_CHANNEL. */
export const Code = Object.freeze(Object.fromEntries(
  [...refusals, ...Object.keys(ends), ...own].map((code) => [code.toUpperCase(), code])));

/** LecternError is what every error of this module is, but for wrong arguments. */
export class LecternError extends Error {
  /**
   * @param {string} code
   * @param {string} [reason] says more, for people; it may come from the other side
   * @param {ErrorOptions} [options]
   */
  constructor(code, reason = '', options) {
    super(reason === '' ? code : `${code}: ${reason}`, options);
    this.name = new.target.name;
    this.code = code;
    this.reason = reason;
  }
}

/** RefusedError: it was refused, and nothing has happened. */
export class RefusedError extends LecternError {}

/** ClosedError: the membership is over. */
export class ClosedError extends LecternError {}

/** GapError: messages were dropped, and the answer may have been among them. */
export class GapError extends LecternError {
  constructor(missed) {
    super(Code.GAP, missed === 0 ? 'messages were dropped' : `${missed} messages were dropped`);
    /** How many, where that is known, else 0. */
    this.missed = missed;
  }
}

/** DeclinedError: the one who was asked has said no. */
export class DeclinedError extends LecternError {
  constructor(peerCode, message = '') {
    super(Code.DECLINED, message === '' ? peerCode : `${peerCode}: ${message}`);
    /** For programs, and the other side's. */
    this.peerCode = peerCode;
    /** For people, and the other side's. */
    this.reason = message;
  }
}

/**
 * UnknownOutcomeError: the membership ended after it was sent and before the
 * hub's answer came. The hub may have carried it out or not.
 */
export class UnknownOutcomeError extends LecternError {
  constructor(cause) {
    super(Code.UNKNOWN_OUTCOME, `the hub may have carried it out or not (${cause.message})`, { cause });
  }
}

/** ConnectionError: the hub could not be reached, or the connection was lost. */
export class ConnectionError extends LecternError {
  constructor(reason, cause) {
    super(Code.CONNECTION, reason, cause && { cause });
  }
}

const passing = new Set([Code.BUSY, Code.SHUTTING_DOWN, Code.RATE_LIMITED]);

/** passes reports whether a refusal says nothing about the membership or its requests. */
export function passes(error) {
  return error instanceof RefusedError && passing.has(error.code);
}

/** refusalIn is the error that an answer carries, or undefined. */
export function refusalIn(frame) {
  return frame.type === 'error' ? new RefusedError(frame.code, frame.reason) : undefined;
}
