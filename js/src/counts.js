import { CountsEvent } from './happenings.js';

/** Counts is how many slaves a master has, where it is told no more of them. */
export class Counts {
  // Stores of frameworks take another object for a change.
  current = Object.freeze({ online: 0, away: 0 });

  #told;

  /** @param {(entry: object, event: Event) => void} told is told of each change of which the application hears */
  constructor(told) {
    this.#told = told;
  }

  /** becomes notes what the hub has said. quietly: the application is about to look. */
  becomes({ online = 0, away = 0 }, quietly = false) {
    if (online === this.current.online && away === this.current.away) {
      return;
    }
    this.current = Object.freeze({ online, away });
    if (!quietly) {
      this.#told(Object.freeze({ type: 'counts', online, away }), new CountsEvent(this.current));
    }
  }
}
