import { h } from './elements.js';

const HTTP = 'http';

/**
 * way is a word about how the page reaches its hub, for the head of a class. It is to be seen where no WebSocket gets through: what
 * is written may take a moment longer then. There is one, which each head takes over.
 */
export const way = h('span', {
  class: 'state-way', hidden: true, title: 'Something on the way lets no WebSocket through. The class goes over plain HTTP until one does.',
}, 'over HTTP');

/** tellWay has it say on which way the client is. While that is on none, the last one stays. */
export function tellWay(client) {
  client.addEventListener('transport', ({ transport }) => {
    if (transport !== null) {
      way.hidden = transport !== HTTP;
    }
  });
}
