import { after, presence } from './presence.js';

/** Waiting is a join, or a switch, that the hub has told to wait: for the channel, or at its door. */
export class Waiting {
  // It was told to wait, at least once.
  told = false;
  #tell;
  // The connection on which it waits, or null, how the hub calls the channel, and what it waits for.
  #on = null;
  #channel = '';
  #for = '';

  /** @param {((waiting: object) => void) | undefined} tell is told what it waits for, each time that it changes */
  constructor(tell) {
    if (tell !== undefined && typeof tell !== 'function') {
      throw new TypeError('onwaiting must be a function, which is told what is waited for');
    }
    this.#tell = tell;
  }

  /** take takes a waiting frame. */
  take(connection, frame) {
    this.told = true;
    this.#on = connection;
    this.#channel = frame.channel;
    this.#for = frame.for;
    this.#changed(frame.master ? { ...frame.master, timeout_ms: frame.timeout_ms } : null);
  }

  /** master takes the presence of the master at whose door it waits. */
  master(connection, frame) {
    if (this.#on === connection && this.#channel === frame.channel && this.#for === 'door') {
      this.#changed(frame);
    }
  }

  // A page that has a fault in its function does not lose its connection by that.
  #changed(master) {
    const deadline = master?.timeout_ms === undefined ? null : after(master?.timeout_ms);
    const waiting = Object.freeze({
      for: this.#for, master: master && presence('master', master.username, master.state, { deadline }),
    });
    if (this.#tell) {
      queueMicrotask(() => this.#tell(waiting));
    }
  }

  /** isOn reports whether it waits on that connection. */
  isOn(connection) {
    return this.#on !== null && this.#on === connection;
  }

  /** over: it does not wait there any more. */
  over() {
    this.#on = null;
  }

  /** takeBack has the hub let nobody in who waits. The join is answered then too. */
  takeBack(ref) {
    this.#on?.send({ type: 'leave', ref: ref(), channel: this.#channel });
    this.#on = null;
  }
}

/** answerOf is the answer to a join, where the end of the channel and a wait that was taken back are refusals. */
export function answerOf(frame) {
  if (frame.type === 'closed') {
    return { ...frame, type: 'error' };
  }
  return frame.type === 'left' ? { ...frame, type: 'error', code: 'left' } : frame;
}
