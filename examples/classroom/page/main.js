import { Client } from '/lectern.js';
import { Notebook, TICKETS } from './notebook.js';
import { over } from './over.js';
import { comingBack, joinByLink, start } from './start.js';
import { learn } from './student.js';
import { teach } from './teacher.js';

const client = new Client('/ws', { storage: sessionStorage, storageKey: TICKETS });

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

async function open(channel, username) {
  const master = await client.create(channel, username);
  const notebook = new Notebook({
    role: 'teacher', channel, username: master.username, teacher: master.username, timeout: master.timeout,
  });
  notebook.save();
  goOn(master, notebook);
}

async function join(channel, username, teacher = '') {
  const slave = await client.join(channel, username, { master: teacher === '' ? undefined : teacher });
  const notebook = new Notebook({
    role: 'student', channel, username: slave.username, teacher: slave.master.username, timeout: slave.timeout,
  });
  notebook.save();
  goOn(slave, notebook);
}

/** goOn is in the class until it is over. */
async function goOn(handle, notebook) {
  const run = notebook.who.role === 'teacher' ? teach : learn;
  notebook.over = await run(handle, notebook);
  notebook.save();
  isOver(notebook);
}

function isOver(notebook) {
  const { channel, teacher, username } = notebook.who;
  over(notebook, {
    join: () => toJoin({ channel, teacher, username }), open: () => open(channel, username), away: toStart,
  });
}

function toJoin({ channel, teacher, username }) {
  joinByLink({ channel, teacher, username }, {
    status: () => client.status(channel),
    join: (name) => join(channel, name, teacher),
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

const kept = Notebook.kept();
const invited = link();
if (kept && (!invited || invited.channel === kept.who.channel)) {
  if (kept.over) {
    isOver(kept);
  } else {
    comeBack(kept);
  }
} else if (invited) {
  Notebook.forget();
  toJoin(invited);
} else {
  start({ open, join });
}
