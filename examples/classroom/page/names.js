// Names as they are typed, or copied from elsewhere.

/** So many characters a name has at the most; the hub counts bytes. */
export const MOST = 128;

const JOINERS = ['\u200c', '\u200d'];
const joinable = /[\p{L}\p{M}\p{Extended_Pictographic}]/u;

/**
 * cleaned is a name as it goes to the hub: spaces of all kinds are plain ones, and what
 * cannot be seen is out, as it comes along when a name is copied. Joiners stay where
 * scripts and emoji need them, within what they join; what the hub thinks of them is its to say.
 */
export function cleaned(typed) {
  const characters = [...typed.replace(/\p{Z}+/gu, ' ').trim()];
  const kept = characters.filter((character, index) => !/\p{C}/u.test(character)
    || (JOINERS.includes(character) && joinable.test(characters[index - 1] ?? '') && joinable.test(characters[index + 1] ?? '')));
  return kept.join('').trim();
}

/** lost reports whether cleaned has taken characters out of a name, other than spaces. */
export function lost(typed) {
  const left = [...typed].filter((character) => /\p{C}/u.test(character)).length;
  const kept = [...cleaned(typed)].filter((character) => /\p{C}/u.test(character)).length;
  return left > kept;
}
