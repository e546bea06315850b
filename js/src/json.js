/** How deep arrays and objects may be inside each other. */
const MAX_DEPTH = 64;

// Without lookbehind, which Safari has from 16.4 on: pairs are taken out first.
const pair = /\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}/g;
const half = /\\u[dD][89a-fA-F][0-9a-fA-F]{2}/;

/**
 * problemInJSON says what keeps a text from being one JSON value as the protocol
 * wants it, or returns an empty string.
 */
export function problemInJSON(text) {
  try {
    JSON.parse(text);
  } catch {
    return 'data is not one JSON value';
  }
  let depth = 0;
  // The text is JSON, so that strings are whatever is between quotes.
  for (const [token] of text.matchAll(/"[^"\\]*(?:\\.[^"\\]*)*"|[[{\]}]/g)) {
    switch (token[0]) {
      case '[':
      case '{':
        if (++depth > MAX_DEPTH) {
          return 'JSON is nested too deeply';
        }
        break;
      case ']':
      case '}':
        depth--;
        break;
      default:
        // An escaped backslash before a u is no escape of a character.
        if (token.includes('\\u') && half.test(token.replaceAll('\\\\', '  ').replace(pair, ' '))) {
          return 'half of a surrogate pair';
        }
    }
  }
  return '';
}
