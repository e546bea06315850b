/** Backoff is how long to wait before the next attempt: longer each time, and a random part of it. */
export class Backoff {
  #least;
  #most;
  #failures = 0;

  constructor({ minBackoff, maxBackoff }) {
    this.#least = minBackoff;
    this.#most = Math.max(minBackoff, maxBackoff);
  }

  /** steady is told that the last attempt was good for a while. */
  steady() {
    this.#failures = 0;
  }

  next() {
    const limit = Math.min(this.#most, this.#least * 2 ** Math.min(this.#failures, 30));
    this.#failures++;
    return Math.random() * limit;
  }

  /** longest is a wait after which the hub has had its rest. */
  longest() {
    this.#failures++;
    return this.#most * (1 + Math.random()) / 2;
  }
}
