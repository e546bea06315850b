import { later } from './timer.js';

// How long the answer to what has gone along with a handshake is awaited, and then that
// to the leave behind it, in milliseconds.
const FIRST_WAIT = 5000;
const LEAVE_WAIT = 1000;

/**
 * First waits for the answer to the call that has gone along with the handshake of a
 * connection. Some proxies lose what comes right behind the answer to the handshake. Then
 * what the call may have entered is left, and it is made again on another connection.
 */
export class First {
  #ref;
  // The ref of the leave, or zero.
  #undo = 0;
  #lost;
  #cancel;

  /**
   * @param {number} ref the call's
   * @param {Connection} on
   * @param {{leave: () => number, lost: () => void}} handlers leave sends a leave where
   *   something may have been entered, and returns its ref, or zero; lost is called last
   */
  constructor(ref, on, { leave, lost }) {
    this.#ref = ref;
    this.on = on;
    this.#lost = lost;
    this.#cancel = later(FIRST_WAIT, () => {
      this.#undo = leave();
      if (this.#undo === 0) {
        lost();
      } else {
        this.#cancel = later(LEAVE_WAIT, lost);
      }
    });
  }

  /** takes reports whether an answer is this one's, and nothing else is to be done with it. */
  takes({ ref }) {
    if (this.#undo !== 0) {
      if (ref === this.#undo) {
        this.stop();
        this.#lost();
      }
      return ref === this.#undo || ref === this.#ref;
    }
    if (ref === this.#ref) {
      this.stop();
    }
    return false;
  }

  stop() {
    this.#cancel();
  }
}
