// What JSON.stringify knows by itself, as Object.prototype.toString calls it. It makes {}
// of most other things, for instance of a Map, and numbers the bytes of others.
const known = new Set(['Object', 'Array', 'Number', 'String', 'Boolean']);

// What has no JSON of its own: the name of it, or an empty string.
function without(value, inArray) {
  switch (typeof value) {
    case 'object': {
      if (value === null) {
        return '';
      }
      const kind = Object.prototype.toString.call(value).slice('[object '.length, -1);
      return known.has(kind) || Array.isArray(value) ? '' : `${/^[AEIOU]/.test(kind) ? 'an' : 'a'} ${kind}`;
    }
    case 'number':
      return Number.isFinite(value) ? '' : String(value);
    case 'undefined':
      return inArray ? 'undefined in an array' : '';
    case 'string':
    case 'boolean':
      return '';
    default:
      return `a ${typeof value}`;
  }
}

/**
 * stringify is the value's JSON, or undefined. What JSON.stringify would leave out, or
 * make something else of without a word, is a TypeError; but a property that is
 * undefined is one that is not there.
 */
export function stringify(value) {
  return JSON.stringify(value, function check(key, part) {
    const what = without(part, Array.isArray(this));
    if (what !== '') {
      const where = key === '' ? '' : `, at ${JSON.stringify(key)}`;
      throw new TypeError(`${what} has no JSON${where}`);
    }
    return part;
  });
}
