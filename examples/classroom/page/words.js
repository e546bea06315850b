// What codes mean, in words for teachers and students.

import { words } from './elements.js';

// What the hub says of what it keeps for somebody who is away: for how many seconds yet.
const KEPT = / is kept for .* free again in (\d+) s /;

/** whenKept is for a refusal of what is kept for somebody who is away, and otherwise for any other. */
const whenKept = (kept, otherwise) => ({ reason }) => {
  const [, count] = KEPT.exec(reason) ?? [];
  return count === undefined ? otherwise : kept(seconds(count * 1000));
};

/** heldByOneAway reports whether a refusal says that something is kept for somebody who is away. */
export const heldByOneAway = ({ reason }) => KEPT.test(reason);

const refusals = {
  bad_frame: 'This page and the server do not understand each other. Please reload the page.',
  unsupported: 'The server is older than this page and cannot do that.',
  unauthorized: 'The server does not let you in.',
  forbidden: 'That is not allowed here.',
  no_such_channel: 'There is no class of that name. Its teacher has to open it first.',
  channel_exists: whenKept(
    (time) => `A class of that name is open, and its teacher has lost the connection. If that is you, go on in the tab or on the device where you were. In ${time} it ends, and you can open it anew.`,
    'A class of that name is open already. Please choose another name.'),
  wrong_master: 'The class of that name is another teacher’s. Perhaps it was handed over: please ask for a new link.',
  name_taken: whenKept(
    (time) => `Somebody of that name is in this class, and has lost the connection. If that is you, go on in the tab or on the device where you were, or try again in ${time}. Otherwise please choose another name.`,
    'Somebody in this class has that name already. Please choose another one.'),
  bad_name: ({ reason }) => `That name cannot be used: ${reason.replace(/^\w+: /, '')}.`,
  banned: 'The teacher does not let that name into the class any more.',
  locked: 'The class is locked: nobody comes in at present. Please try again later.',
  denied: 'The teacher has not let you in.',
  channel_full: 'The class is full.',
  too_many_channels: 'There are too many classes at present. Please try again later.',
  not_a_member: 'You are no longer in the class.',
  no_such_request: 'Not sent: this question has been answered, or is over.',
  hub_lost: 'The server has been started anew, and does not know of this class any more.',
  no_such_slave: 'Not sent: this student is no longer in the class.',
  too_late: 'Not sent: its time was over before the connection was back.',
  role_changed: 'Not sent: the class has been handed over meanwhile. What you wrote is back where you write.',
  muted: 'Not sent: the teacher wants you to be quiet at present. What you wrote is back where you write.',
  attributes_full: 'There is no more room for that. Please remove something first.',
  busy: 'Not sent: the teacher cannot take more at present. Please try again in a moment.',
  rate_limited: 'Not sent: that was too fast. Please try again in a moment.',
  too_large: 'Not sent: it is too long.',
  connection: 'The server cannot be reached. Is it still running?',
  resume_failed: 'Your place in the class was given up, or the class is over.',
  replaced: 'The class goes on in a tab that does not answer, perhaps on another device. Please close it there first.',
  shutting_down: 'The server is being stopped.',
  unknown_outcome: 'The class ended before it was certain whether this had arrived.',
};

/** refusal says why something did not work. What a name may not have, the hub says itself. */
export function refusal(error) {
  const say = refusals[error.code] ?? `That did not work (${error.message}).`;
  return typeof say === 'function' ? say(error) : say;
}

const refusalsToJoin = {
  too_late: 'You have waited for a long time, and nobody has let you in. Please try again.',
  busy: 'Too many are waiting already. Please try again in a moment.',
};

/** refusalToJoin says why somebody is not in. */
export const refusalToJoin = (error) => refusalsToJoin[error.code] ?? refusal(error);

/** seconds is a duration in words. */
export function seconds(milliseconds) {
  const count = Math.round(milliseconds / 100) / 10;
  if (count >= 120 && count % 60 === 0) {
    return `${count / 60} minutes`;
  }
  return count === 1 ? '1 second' : `${count} seconds`;
}

const studentsEnds = {
  master_left: ({ teacher }) => words`${teacher} has ended the class.`,
  master_down: ({ teacher, timeout, lost }) => (lost
    ? `This page could not reach the class for ${timeout}.`
    : words`${teacher} was away for longer than ${timeout}.`),
  kicked: ({ teacher, reason }) => (reason
    ? words`${teacher} has removed you from the class: “${reason}”` : words`${teacher} has removed you from the class.`),
  left: () => 'You have left the class.',
  resume_failed: ({ timeout }) => `You were away for longer than ${timeout}.`,
  hub_lost: () => 'The server has been started anew, and does not know of this class any more.',
  expired: () => 'Your time in this class is over.',
  revoked: () => 'The server does not let you in any more.',
  handed_over: ({ teacher }) => words`${teacher} has handed the class to you.`,
  replaced: () => 'You are in this class in another tab or window now. You can go on here as well.',
  channel_closed: () => 'The class was closed by the server.',
  shutdown: () => 'The server was stopped.',
};

const teachersEnds = {
  left: () => 'You have ended the class.',
  master_left: () => 'You have ended the class.',
  master_down: ({ timeout, lost }) => (lost
    ? `This page could not reach the class for ${timeout}. Your students have been let go.`
    : `You were away for longer than ${timeout}. Your students have been let go.`),
  resume_failed: ({ timeout }) => `You were away for longer than ${timeout}. Your students have been let go.`,
  hub_lost: () => 'The server has been started anew, and does not know of this class any more. Your students have been let go.',
  expired: () => 'Your time in this class is over. Your students have been let go.',
  revoked: () => 'The server does not let you in any more.',
  handed_over: () => 'You have handed the class over.',
  replaced: () => 'You hold this class in another tab or window now. You can go on here as well.',
  channel_closed: () => 'The class was closed by the server.',
  shutdown: () => 'The server was stopped.',
};

/** ending says why the class is over, for the one who was in it. */
export function ending(who, { code, reason, lost }) {
  const ends = who.role === 'teacher' ? teachersEnds : studentsEnds;
  const say = ends[code] ?? (() => `It ended with ${code}${reason ? `: ${reason}` : ''}.`);
  return say({ teacher: who.teacher, timeout: seconds(who.timeout), reason, lost });
}

/** goneBecause says in a word or two why a student is no longer there. What the hub tells is a kick's reason else. */
export function goneBecause(reason) {
  if (reason === 'timeout') {
    return 'lost contact';
  }
  return reason === '' || reason.startsWith('left') ? 'left' : 'removed';
}
