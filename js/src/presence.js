// The latest time that a Date can hold.
const LAST_TIME = 8.64e15;

/** after is the time that lies so many milliseconds ahead. */
export function after(milliseconds) {
  return new Date(Math.min(Date.now() + milliseconds, LAST_TIME));
}

/** stateOf is a state of the wire as this side calls it. */
export function stateOf(state) {
  return state === 'left' ? 'gone' : state;
}

/** presence is what is known of one member from now on. */
export function presence(role, username, state, { deadline = null, reason = '', joined = false } = {}) {
  return Object.freeze({ type: 'presence', role, username, state, since: new Date(), deadline, joined, reason });
}
