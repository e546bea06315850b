// Makes ../classroom.png: a teacher's laptop, and a student's phone beside it.
import { fileURLToPath } from 'node:url';

import { LAPTOP, PHONE, Stage } from './test/support/stage.js';

const target = fileURLToPath(new URL('../classroom.png', import.meta.url));
const question = 'Where in the cell does photosynthesis happen?';
const answers = { Ben: 1, Chidi: 1, Dora: 0, Emil: 1, Fatima: 1, Grace: 3 };

const closing = [];
try {
  const stage = await Stage.open({ after: (close) => closing.push(close) });
  const teacher = await stage.person('Ms Okafor', { viewport: LAPTOP });
  const ada = await stage.person('Ada', { viewport: PHONE });
  await ada.page.emulateMedia({ colorScheme: 'dark' });
  const others = await stage.person('others');

  const link = await teacher.opens('Biology 7b');
  await ada.joins(link);
  await others.page.goto(stage.program.url);
  await others.page.evaluate(async (choices) => {
    const { Client } = await import('/lectern.js');
    for (const [name, choice] of Object.entries(choices)) {
      const slave = await new Client('/ws').join('Biology 7b', name);
      (async () => {
        for await (const message of slave) {
          if (message.requestId) {
            await message.reply({ kind: 'answer', id: message.json().id, choice });
          }
        }
      })();
    }
  }, answers);
  await teacher.knows('Grace', 'online');
  await teacher.writes('Good morning! Today: how leaves make sugar out of light.');
  await ada.writes('Do we need the worksheet from last week?');
  await teacher.reads('Do we need the worksheet from last week?');
  await teacher.writes('Yes please, page 3. And well done with your essay.', 'Ada');
  await ada.reads('Yes please, page 3. And well done with your essay.');
  await teacher.putsOnBoard('How leaves make sugar\n\nWorksheet, page 3\nBring a leaf tomorrow');
  await teacher.writes('Here comes a question.', 'Everybody');
  await ada.reads('Here comes a question.');
  await ada.raisesHand();
  await teacher.hands('Ada');
  await teacher.asks(question, ['Mitochondria', 'Chloroplasts', 'Nucleus', 'Cell wall']);
  await teacher.counts(question, 'Chloroplasts', 4);
  await teacher.counts(question, 'Cell wall', 1);
  await ada.page.getByLabel('Chloroplasts', { exact: true }).check();

  const shots = await Promise.all([teacher, ada].map(async ({ page }) => (await page.screenshot()).toString('base64')));
  const sheet = await stage.browser.newPage({ viewport: { width: 1800, height: 960 } });
  await sheet.setContent(`<style>
      body { margin: 0; height: 100vh; display: flex; gap: 50px; align-items: center; justify-content: center; background: #cfd8cf; }
      img { border-radius: 14px; box-shadow: 0 14px 40px rgb(20 40 30 / 35%); }
      img + img { border-radius: 30px; }
    </style>${shots.map((shot) => `<img src="data:image/png;base64,${shot}">`).join('')}`);
  await sheet.locator('img').nth(1).evaluate((image) => image.decode());
  await sheet.screenshot({ path: target });
  stage.quiet();
} finally {
  for (const close of closing) {
    await close();
  }
}
