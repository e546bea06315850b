import { Client, Code, Master, RefusedError } from '/lectern.js';
import { words } from './elements.js';
import { borrow, lend } from './elsewhere.js';
import { tell } from './dialogs.js';
import { becomesStudent, becomesTeacher } from './handover.js';
import { Notebook, TICKETS, keeps, storage } from './notebook.js';
import { classIsOver, over } from './over.js';
import { comeAgain, forgetPlace, keepPlace, keptPlace } from './place.js';
import { comingBack, joinByLink, start } from './start.js';
import { learn } from './student.js';
import { teach } from './teacher.js';
import { waiting } from './waiting.js';
import { tellWay } from './way.js';
import { refusalToJoin } from './words.js';

const client = new Client('/ws', { storage, storageKey: TICKETS });
tellWay(client);

/** link is what the page's address says of a class, or null. */
function link() {
  const { searchParams } = new URL(location.href);
  const channel = searchParams.get('class');
  return channel ? { channel, teacher: searchParams.get('with') ?? '' } : null;
}

function toStart() {
  Notebook.forget();
  history.replaceState(null, '', '/');
  start({ open, join });
}

async function open(channel, username, how) {
  const master = await client.create(channel, username);
  begin(master, 'teacher', master.username, how);
}

// Who follows a link comes before the teacher, perhaps, and waits. Of a name that was typed one is told that there is no such
// class. At the door all wait. again: the page was loaded again meanwhile.
async function join(channel, username, { teacher = '', invited = false, again = false, ...how } = {}) {
  const giving = new AbortController();
  const { signal } = giving;
  let page = null;
  const waits = () => {
    if (!page) {
      page = waiting({ channel, teacher, username }, { giveUp: () => giving.abort() });
      keepPlace({ channel, username, teacher, invited, ...how });
    }
    return page;
  };
  const enter = () => client.join(channel, username, {
    master: teacher === '' ? undefined : teacher,
    wait: invited,
    onwaiting: (what) => waits().tell(what),
    signal,
  });
  let slave;
  try {
    slave = await (again ? comeAgain(enter, { signal, held: waits().held }) : enter());
  } catch (error) {
    if (!page) {
      throw error;
    }
    forgetPlace();
    toJoin({ channel, teacher, username, problem: signal.aborted ? '' : refusalToJoin(error) });
    return;
  }
  begin(slave, 'student', slave.master.username, how);
  forgetPlace();
}

function begin(handle, role, teacher, { changed = false } = {}) {
  const { channel, username, timeout } = handle;
  const notebook = new Notebook({ role, channel, username, teacher, timeout });
  if (changed) {
    notebook.note(words`You are in as “${username}”, in “${channel}”. What cannot be seen was taken out of what was typed.`);
  }
  if (!keeps) {
    notebook.note('This browser keeps nothing for this page, since site data are blocked: if the page is loaded again, it does not find back into the class.');
  }
  notebook.save();
  goOn(handle, notebook);
}

/** goOn is in the class until it is over, in whatever role. */
async function goOn(handle, notebook) {
  const teaches = handle instanceof Master;
  if (teaches !== (notebook.who.role === 'teacher')) {
    (teaches ? becomesTeacher : becomesStudent)(notebook, handle);
    notebook.save();
    if (teaches) {
      setTimeout(() => tell({ title: 'You are the teacher now', words: 'The class was handed to you. You decide who comes in, who writes, and when it ends.' }));
    }
  }
  const stop = lend(notebook.who, () => ({ ticket: handle.ticket, notebook }));
  const { next, ...end } = await (teaches ? teach : learn)(handle, notebook);
  stop();
  if (next) {
    goOn(next, notebook);
    return;
  }
  notebook.over = end;
  if (notebook.over.code === 'replaced') {
    notebook.over.ticket = handle.ticket;
  }
  notebook.save();
  isOver(notebook);
}

function isOver(notebook) {
  const { channel, teacher, username } = notebook.who;
  over(notebook, {
    join: () => toJoin({ channel, teacher: notebook.over.code === 'handed_over' ? '' : teacher, username }),
    open: () => open(channel, username),
    status: () => client.status(channel),
    here: () => continueHere(notebook),
    away: toStart,
  });
}

// The tab that has the class knows best how it stands. Where none answers, this one tries
// with what it has.
async function continueHere(notebook) {
  const { who, over: { ticket } } = notebook;
  const given = await borrow(who) ?? { ticket, notebook };
  if (!given.ticket) {
    throw new RefusedError(Code.REPLACED); // it was worth nothing any more when this page came back
  }
  const handle = await (who.role === 'teacher' ? client.resumeMaster(given.ticket) : client.resumeSlave(given.ticket));
  const own = Notebook.of({ ...given.notebook, over: null });
  own.save();
  goOn(handle, own);
}

function toJoin({ channel, teacher, username, problem }) {
  joinByLink({ channel, teacher, username, problem }, {
    status: () => client.status(channel),
    join: (name, how) => join(channel, name, { teacher, invited: true, ...how }),
    elsewhere: toStart,
  });
}

/** comeBack goes on with the class that this tab was in before it was loaded again. */
async function comeBack(notebook) {
  const giving = new AbortController();
  comingBack(notebook.who, { giveUp: () => giving.abort() });
  try {
    const { masters, slaves, lost } = await client.restore({ signal: giving.signal });
    const handle = [...masters, ...slaves].find(({ channel }) => channel === notebook.who.channel);
    if (handle) {
      goOn(handle, notebook);
      return;
    }
    notebook.over = { code: lost[0]?.error.code ?? 'resume_failed', reason: '', lost: false };
    notebook.save();
    isOver(notebook);
  } catch (error) {
    if (!giving.signal.aborted) {
      throw error;
    }
    toStart();
  }
}

/**
 * openedAgain reports whether the link leads into a class, though this tab's part is over:
 * there is one of the same name again, or somebody has followed the link once more.
 */
async function openedAgain({ who, over: end }) {
  const [navigation] = performance.getEntriesByType('navigation');
  const followed = navigation?.type === 'navigate' && end.code !== 'replaced';
  if (!classIsOver(who, end) && !followed) {
    return false;
  }
  const { exists } = await client.status(who.channel, { signal: AbortSignal.timeout(3000) }).catch(() => ({ exists: false }));
  return exists;
}

const kept = Notebook.kept();
const invited = link();
const place = keptPlace();
if (place && (!kept || kept.over)) {
  const { channel, username, ...how } = place;
  join(channel, username, { ...how, again: true });
} else if (!kept && !invited) {
  start({ open, join });
} else if (!kept || (invited && invited.channel !== kept.who.channel)) {
  Notebook.forget();
  toJoin(invited);
} else if (!kept.over) {
  comeBack(kept);
} else if (invited && await openedAgain(kept)) {
  toJoin({ ...invited, username: kept.who.role === 'student' ? kept.who.username : '' });
} else {
  isOver(kept);
}
