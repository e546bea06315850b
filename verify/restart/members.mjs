// Slaves in JavaScript, and a master of a channel of its own. The argument is the configuration
// as JSON. What they get, send and miss is told in lines of JSON; on the standard input comes
// "go", and "calm" when nothing is to be begun any more. The program ends with that input.
import { createInterface } from 'node:readline';

import { Client } from '../../js/lectern.js';

const { url, channel, scripted, names } = JSON.parse(process.argv[2]);
const now = () => performance.timeOrigin + performance.now();
const tell = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);
const sleep = (time) => new Promise((resolve) => { setTimeout(resolve, time); });

let calm = false;
let asked = 0;
const failed = (name, what, error) => tell({ name, failed: what, code: error.code, text: String(error) });

/** Counts a dial that ends before it is open. */
class CountedWebSocket extends WebSocket {
  constructor(...args) {
    super(...args);
    let open = false;
    this.addEventListener('open', () => { open = true; });
    this.addEventListener('close', ({ code, reason }) => {
      if (!open) {
        tell({ name: 'dial', failed: 'dial', text: `closed with ${code} ${reason} before it was open` });
      }
    });
  }
}
const client = () => new Client(url, { WebSocket: CountedWebSocket, inbox: { messages: 65536, bytes: 64 << 20 } });

/** insist sends until it was accepted or the membership is over, and returns what was given. */
async function insist(name, what, send) {
  for (;;) {
    try {
      return await send();
    } catch (error) {
      if (!['busy', 'shutting_down', 'rate_limited'].includes(error.code)) {
        if (error.code === 'no_such_request') {
          failed(name, 'twice', error);
        }
        throw error;
      }
      failed(name, what, error);
      await sleep(20);
    }
  }
}

const got = new Map();
setInterval(() => {
  for (const [name, arrivals] of got) {
    if (arrivals.length > 0) {
      tell({ name, got: arrivals.splice(0) });
    }
  }
}, 100);

async function read(name, slave) {
  const arrivals = [];
  got.set(name, arrivals);
  slave.addEventListener('gap', ({ missed }) => tell({ name, failed: 'gap', text: `${missed} messages` }));
  for await (const message of slave) {
    arrivals.push([message.text(), now()]);
    if (message.requestId) {
      sleep(Math.random() * 300)
        .then(() => insist(name, 'answer', () => message.reply(`answer to ${message.text()}`)))
        .catch(() => {});
    }
  }
  tell({ name, got: arrivals.splice(0) });
  tell({ name, ended: slave.error.code, at: now() });
}

/** say sends numbered messages, and tells how many were accepted. */
async function say(name, pause, send) {
  for (let n = 0; !calm; n++) {
    await sleep(pause());
    await insist(name, 'send', () => send(`g ${n}`));
    tell({ name, sent: n + 1 });
  }
}

async function ask(name, slave) {
  while (!calm) {
    await sleep(1000 + Math.random() * 2000);
    const question = `q ${++asked} ${name}`;
    const answer = await insist(name, 'ask', () => slave.request(question, { signal: AbortSignal.timeout(20_000) }))
      .catch((error) => { failed(name, 'unanswered', error); throw error; });
    if (answer.text() !== `answer to ${question}`) {
      tell({ name, failed: 'unanswered', text: answer.text() });
    }
  }
}

const slaves = [];
for (const name of names) {
  slaves.push(await client().join(channel, name));
}
const master = await client().create(scripted, 'scripted master');
const reading = names.map((name, i) => read(name, slaves[i]));
master.closed.then((error) => tell({ name: 'scripted master', ended: error.code, at: now() }));
tell({ ready: true });

createInterface(process.stdin).on('line', async (line) => {
  if (line === 'go') {
    const sending = names.flatMap((name, i) => [
      say(name, () => 500 + Math.random() * 1000, (text) => slaves[i].send(text)),
      ask(name, slaves[i]),
    ]);
    sending.push(say('scripted master', () => 50, (text) => master.broadcast(text)));
    // One that has ended with its membership has told why.
    await Promise.allSettled(sending);
    tell({ calm: true });
  } else {
    calm = true;
  }
}).on('close', () => process.exit());
await Promise.all(reading);
