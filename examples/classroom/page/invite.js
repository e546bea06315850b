import { h, newId, setText, svg } from './elements.js';
import { matrix } from './qrcode.js';

// Light modules around the code, which scanners need.
const QUIET = 4;

/** linkTo is the address under which students join. */
export function linkTo({ channel, teacher }) {
  const link = new URL('/', location.href);
  link.searchParams.set('class', channel);
  link.searchParams.set('with', teacher);
  return link.href;
}

function qr(text, label) {
  const rows = matrix(text);
  const size = rows.length + 2 * QUIET;
  const dark = rows.flatMap((row, y) => row.map((isDark, x) => (isDark ? `M${x + QUIET} ${y + QUIET}h1v1h-1z` : '')));
  return svg('svg', { class: 'qr', viewBox: `0 0 ${size} ${size}`, role: 'img', 'aria-label': label },
    svg('rect', { width: size, height: size, fill: '#fff' }),
    svg('path', { d: dark.join(''), fill: '#101614', 'shape-rendering': 'crispEdges' }));
}

// Pages that are not served over TLS have no clipboard but this one.
async function copy(field) {
  if (navigator.clipboard) {
    await navigator.clipboard.writeText(field.value);
    return true;
  }
  field.select();
  return document.execCommand('copy');
}

/** invite is the way into the class: a link, a QR code that can be shown to everybody, and the door. */
export function invite({ channel, teacher }, door) {
  const link = linkTo({ channel, teacher });
  const label = `QR code of the link to ${channel}`;
  const heading = newId();
  const field = h('input', {
    id: newId(), class: 'link', readonly: true, value: link, focus: () => field.select(),
  });
  const told = h('span', { class: 'told', role: 'status' });
  const local = ['localhost', '127.0.0.1', '[::1]'].includes(location.hostname);

  const large = h('dialog', { class: 'large', 'aria-label': `How to join ${channel}` },
    h('p', { class: 'large-title', dir: 'auto' }, channel),
    qr(link, label),
    h('p', { class: 'large-link' }, link),
    h('button', { type: 'button', class: 'secondary', click: () => large.close() }, 'Close'));
  // It is a part of the page while it is open, so that no part of the class hides it.
  large.addEventListener('close', () => large.remove());
  const showLarge = () => {
    document.body.append(large);
    large.showModal();
  };

  const copyButton = h('button', {
    type: 'button', class: 'secondary',
    click: async () => {
      const done = await copy(field).catch(() => false);
      setText(told, done ? 'Copied' : 'Please copy it by hand');
      setTimeout(() => setText(told, ''), 4000);
    },
  }, 'Copy', h('span', { class: 'unseen' }, ' link'));

  return h('section', { class: 'invite', 'aria-labelledby': heading },
    h('div', { class: 'section-head' }, h('h2', { id: heading }, 'Let people in')),
    h('div', { class: 'invite-body' },
      h('button', { type: 'button', class: 'qr-button', click: showLarge },
        qr(link, label), h('span', { class: 'qr-words' }, 'Show large')),
      h('div', { class: 'hint' },
        h('p', {}, 'Students scan the code, or open the link.'),
        local ? h('p', {}, 'It works on this computer. For phones, start with ', h('code', {}, '-addr :8000'),
          ' and open an address that it prints.') : null),
      h('div', { class: 'invite-link' },
        h('p', { class: 'invite-label' }, h('label', { for: field.id }, 'Link for students'), told),
        field, copyButton)), door);
}
