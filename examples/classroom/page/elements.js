const SVG = 'http://www.w3.org/2000/svg';

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === 'function') {
      element.addEventListener(name, value);
    } else if (value !== false && value !== null && value !== undefined) {
      element.setAttribute(name, value === true ? '' : value);
    }
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/**
 * h makes an element. A function among the attributes is a listener of the event
 * of that name; true is an attribute without value. Children are elements, and
 * strings, which stay text whatever is in them.
 */
export function h(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

/** svg is h for a drawing. */
export function svg(tag, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

/** setText writes only what has changed, so that nothing is read out twice. */
export function setText(element, text) {
  if (element.textContent !== text) {
    element.textContent = text;
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
