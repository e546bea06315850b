const count = (number) => number.toLocaleString('en');

/**
 * tooLong says which of some fields is too long, or ''. A browser that is told the most of
 * a field cuts what is pasted into it, without a word.
 *
 * @param {[name: string, text: string, most: number | undefined][]} fields
 */
export function tooLong(fields) {
  for (const [name, text, most = Infinity] of fields) {
    const { length } = [...text];
    if (length > most) {
      return `${name} has ${count(length)} characters, and ${count(most)} are possible. Please shorten it.`;
    }
  }
  return '';
}
