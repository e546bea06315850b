// Nothing that a browser of the stated minimum (browserslist in package.json) lacks: what
// the language has is checked by es-x, what the platform has by compat, and the syntax,
// that of regular expressions too, by esbuild's target.
import compat from 'eslint-plugin-compat';
import esx from 'eslint-plugin-es-x';

const newer = ['2023', '2024', '2025', '2026'].map((year) => esx.configs[`flat/no-new-in-es${year}`]).filter(Boolean);

// Arrays and this source have methods of these names too, so that es-x reports those.
const ofOthers = ['every', 'filter', 'find', 'flatmap', 'foreach', 'map', 'reduce', 'some', 'take'];
const ofIterators = 'every|filter|find|flatMap|forEach|map|reduce|some|take|drop|toArray';

export default [
  ...newer,
  compat.configs['flat/recommended'],
  {
    languageOptions: { ecmaVersion: 2022, sourceType: 'module' },
    linterOptions: { reportUnusedDisableDirectives: 'error' },
    // Methods of what cannot be known to be an array are reported too.
    settings: { 'es-x': { aggressive: true } },
    rules: {
      ...Object.fromEntries(ofOthers.map((name) => [`es-x/no-iterator-prototype-${name}`, 'off'])),
      // compat knows constructors and functions alone.
      'no-restricted-properties': ['error', ...[
        ['AbortSignal', 'timeout'], ['AbortSignal', 'any'], ['signal', 'throwIfAborted'], ['URL', 'canParse'], ['URL', 'parse'],
      ].map(([object, property]) => ({ object, property, message: 'The browsers of the minimum lack it.' }))],
      'no-restricted-syntax': ['error', {
        selector: `CallExpression[callee.property.name=/^(${ofIterators})$/]`
          + '[callee.object.callee.property.name=/^(values|keys|entries|matchAll)$/]'
          + ':not([callee.object.callee.object.name="Object"])',
        message: 'Iterators have no such methods in the browsers of the minimum.',
      }],
    },
  },
];
