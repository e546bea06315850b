import { Attribute } from './attributes.js';
import { KnockEvent } from './happenings.js';
import { MAX_KNOCKS } from './shapes.js';

/** Knock is one who waits at the door of a master. over: it does not wait there any more. */
function knockOf({ knock, username, attributes = [] }, over = false) {
  return Object.freeze({
    type: 'knock',
    number: knock,
    username,
    attributes: new Map(attributes.map(({ key, payload }) => [key, new Attribute(username, key, payload, 0)])),
    over,
  });
}

/** Door is what a master knows of its door, and of who waits there. */
export class Door {
  mode = 'open';

  #knocks = [];
  #told;

  /** @param {(knock: object, event: Event) => void} told is told of each change of who waits */
  constructor(told) {
    this.#told = told;
  }

  /** knocks are those who wait, in the order in which they have knocked. */
  get knocks() {
    return [...this.#knocks];
  }

  /** listed takes what a created says. Who is not in it does not wait any more. */
  listed({ door = 'open', knocks = [] }) {
    this.mode = door;
    for (const { number } of this.knocks) {
      if (!knocks.some(({ knock }) => knock === number)) {
        this.#over(number);
      }
    }
    knocks.forEach((knock) => this.#add(knock));
  }

  /** knocked takes a knock. */
  knocked(frame) {
    if (frame.on) {
      this.#add(frame);
    } else {
      this.#over(frame.knock);
    }
  }

  #add(frame) {
    // No hub has more wait.
    if (this.#knocks.some(({ number }) => number === frame.knock) || this.#knocks.length >= MAX_KNOCKS) {
      return;
    }
    const knock = knockOf(frame);
    this.#knocks.push(knock);
    this.#tell(knock);
  }

  #over(number) {
    const knock = this.#knocks.find((each) => each.number === number);
    if (knock) {
      this.#knocks = this.#knocks.filter((each) => each !== knock);
      this.#tell(Object.freeze({ ...knock, over: true }));
    }
  }

  #tell(knock) {
    this.#told(knock, new KnockEvent(knock));
  }
}
