/** The longest time that setTimeout takes as it is. */
export const LONGEST = 2 ** 31 - 1;

/** later calls back after a time of any length. It returns what cancels that. */
export function later(milliseconds, callback) {
  let timer;
  const wait = (rest) => {
    timer = setTimeout(() => (rest > LONGEST ? wait(rest - LONGEST) : callback()), Math.min(rest, LONGEST));
  };
  wait(milliseconds);
  return () => clearTimeout(timer);
}
