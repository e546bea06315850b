/** clock writes a duration in milliseconds as minutes and seconds, rounded up. */
export function clock(milliseconds) {
  const seconds = Math.max(0, Math.ceil(milliseconds / 1000));
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`;
}

/**
 * steady is a time of the wall clock as one of the clock that nobody sets. It is to be
 * asked for when the time is told.
 */
export const steady = (time) => (time === null ? null : performance.now() + (time - Date.now()));

/** Countdown tells, until a time has come, each second how much is left. */
export class Countdown {
  #tick;
  #deadline = 0;
  #timer;

  /** @param {(left: number) => void} tick told in milliseconds, at once and on each whole second */
  constructor(tick) {
    this.#tick = tick;
  }

  /** until starts it, in place of what it counted before. The deadline is a steady one. */
  until(deadline) {
    this.#deadline = deadline;
    this.#run();
  }

  stop() {
    clearTimeout(this.#timer);
  }

  #run() {
    clearTimeout(this.#timer);
    const left = Math.max(0, this.#deadline - performance.now());
    this.#tick(left);
    if (left > 0) {
      // A little late, so that it is never the same second twice.
      this.#timer = setTimeout(() => this.#run(), (left % 1000 || 1000) + 5);
    }
  }
}
