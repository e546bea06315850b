import { h, setText, show, words as sentence } from './elements.js';
import { frame } from './start.js';

const told = {
  master: (teacher) => (teacher ? sentence`${teacher} has not opened this class yet. Stay here: this page goes on by itself.`
    : 'This class is not open yet. Stay here: this page goes on by itself.'),
  online: (teacher) => sentence`${teacher} has been told that you are here. Please wait until you are let in.`,
  away: (teacher) => sentence`${teacher} is away at the moment, and is told that you are here. Please wait until you are let in.`,
};

/**
 * waiting is the page of one who waits: for a class that is not open yet, and then at its door.
 *
 * @param {{channel: string, teacher: string, username: string}} who
 * @param {{giveUp: () => void}} actions
 */
export function waiting({ channel, teacher, username }, { giveUp }) {
  const words = h('span', { role: 'status' }, 'Coming back to the class…');
  const state = h('p', { class: 'class-state' }, h('span', { class: 'lamp', 'aria-hidden': 'true' }), words);
  show(frame(channel, teacher ? sentence`with ${teacher}` : 'You wait to come in.', h('div', { class: 'one-card' },
    h('section', { class: 'card main', 'aria-label': 'Waiting' }, h('p', { class: 'card-words' }, sentence`You wait as ${username}.`), state,
      h('button', { type: 'button', class: 'secondary', click: giveUp }, 'Wait no longer')))), `${channel} · Classroom`);

  return {
    /** tell says what is waited for: the master of the class, or its door. */
    tell({ for: what, master }) {
      const atDoor = what === 'door';
      state.dataset.state = atDoor && master.state === 'online' ? 'online' : 'away';
      setText(words, atDoor ? told[master.state === 'online' ? 'online' : 'away'](master.username) : told.master(teacher));
    },

    /** held says that the name is still held from before the page was loaded again. */
    held() {
      state.dataset.state = 'away';
      setText(words, 'Your name is still in use, since this page was loaded again. Stay here: this page goes on by itself.');
    },
  };
}
