import { MutedEvent } from './happenings.js';

/**
 * Voice is what is known of who may send of its own accord: at a slave whether it is muted, and at a
 * master whether all are who are no exceptions. The hub decides, so nothing is refused on this side.
 */
export class Voice {
  muted = false;

  #told;

  /** @param {(entry: object, event: Event) => void} told is told of each change of which the application hears */
  constructor(told) {
    this.#told = told;
  }

  /** becomes notes what the hub has said. quietly: the application knows, or is about to look. */
  becomes(muted, quietly = false) {
    if (muted === this.muted) {
      return;
    }
    this.muted = muted;
    if (!quietly) {
      this.#told(Object.freeze({ type: 'muted', on: muted }), new MutedEvent(muted));
    }
  }
}
