const SVG = 'http://www.w3.org/2000/svg';

// What is made of a child: a name keeps its direction to itself.
const node = (child) => (typeof child === 'object' && 'own' in child ? h('bdi', {}, child.own) : child);

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === 'function') {
      element.addEventListener(name, value);
    } else if (value !== false && value !== null && value !== undefined) {
      element.setAttribute(name, value === true ? '' : value);
    }
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false).map(node));
  return element;
}

/**
 * h makes an element. A function among the attributes is a listener of the event
 * of that name; true is an attribute without value. Children are elements, and
 * strings, which stay text whatever is in them, and what words makes.
 */
export function h(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

/** svg is h for a drawing. */
export function svg(tag, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

/**
 * words is a template for a sentence. What is put into it is of other people, and of any
 * direction: it does not turn what is around it.
 */
export const words = (strings, ...values) => strings.flatMap((text, index) => (
  index < values.length ? [text, { own: String(values[index]) }] : [text]));

/** plain is a sentence as a string, where there can be no elements. */
export const plain = (sentence) => [sentence].flat().map((part) => part.own ?? part).join('');

/** setText writes a sentence, and only where it has changed, so that nothing is read out twice. */
export function setText(element, sentence) {
  if (element.textContent !== plain(sentence)) {
    element.replaceChildren(...[sentence].flat().map(node));
  }
}

let ids = 0;

/** newId is an id for an element that another one refers to. */
export function newId() {
  ids++;
  return `e${ids}`;
}

/** show makes the page show a screen, and no other, and moves the focus there. */
export function show(screen, title) {
  document.title = title;
  document.getElementById('page').replaceChildren(screen);
  (screen.querySelector('[data-focus]') ?? screen.querySelector('h1')).focus();
}

/** time is the time of day as people write it. */
export function time(milliseconds) {
  return new Date(milliseconds).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' });
}
