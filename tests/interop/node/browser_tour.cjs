"use strict";
// The status page in a real browser: told by the JSON of its argument, prints one line for each thing that was seen.
const { connect } = require("node:net");
const { readFileSync, mkdirSync } = require("node:fs");
const { join } = require("node:path");
const { chromium } = require("playwright-core");

const told = JSON.parse(process.argv[2]);
const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");

const main = async () => {
  const browser = await chromium.launch({ executablePath: told.chromium, args: ["--no-sandbox"] });
  const seen = (what) => console.log(what);
  const fail = (what) => {
    throw new Error(what);
  };

  const open = async (options = {}) => {
    const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
    const page = await context.newPage();
    page.setDefaultTimeout(30000);
    // The policy of the page forbids what is not its own: nothing of it may be in the way.
    page.on("console", (message) => {
      if (/Content Security Policy/i.test(message.text())) fail(`the page breaks its own policy: ${message.text()}`);
    });
    page.on("pageerror", (error) => fail(`the script fails: ${error}`));
    await page.goto(told.url);
    return page;
  };
  const logIn = async (page, password = told.password) => {
    await page.getByLabel("User").fill(told.user);
    await page.getByLabel("Password").fill(password);
    await page.getByRole("button", { name: "Log in" }).click();
  };
  const inside = async (options) => {
    const page = await open(options);
    await logIn(page);
    await page.locator("#accounts").waitFor();
    return page;
  };
  const card = (page, name) => page.getByRole("article", { name });

  // A person at a desk.
  const page = await open();
  await logIn(page, "wrong");
  await page.getByRole("alert").getByText("Wrong user name or password.").waitFor();
  await logIn(page);
  await page.locator("#accounts").waitFor();
  seen("logged in after a wrong password");

  // What changes is seen without loading the page anew: a mark in the document stays.
  await page.evaluate(() => (document.body.dataset.same = "yes"));
  const fetched = (name) => card(page, name).locator("dt:text-is('Fetched') + dd");
  const before = await fetched(told.account).textContent();
  await page.getByRole("button", { name: "Pause" }).first().waitFor();
  // Whoever listens there puts a message into the maildrop.
  connect(told.deliver.port, told.deliver.host).end();
  await page.waitForFunction(
    ([id, before]) => document.querySelector(`#${id} dd[title]`)?.textContent !== before,
    [`account-${told.user}-${told.account}`, before],
  );
  await page.locator("#events").getByText("1 new message").first().waitFor();
  seen("a poll changed the page");

  await card(page, told.account).getByRole("button", { name: "Poll now" }).click();
  await page.locator("#notices").getByText(`${told.user}/${told.account} was polled.`).waitFor();
  seen("polled now");
  await card(page, told.account).getByRole("button", { name: "Pause" }).click();
  await card(page, told.account).getByText("Paused").waitFor();
  await card(page, told.account).getByRole("button", { name: "Resume" }).click();
  await card(page, told.account).getByRole("button", { name: "Pause" }).waitFor();
  seen("paused and resumed");

  await card(page, told.failing).getByText("Login refused").waitFor();
  await card(page, told.failing).getByText("What to do:").waitFor();
  await page.getByRole("heading", { level: 1 }).getByText("needs attention").waitFor();
  seen("the trouble is said, with a remedy");

  // A mail program comes, and is told to go.
  const device = connect(told.imap.port, told.imap.host);
  let heard = "";
  device.on("data", (data) => (heard += data));
  const gone = new Promise((done) => device.on("close", done));
  device.write(`a LOGIN ${told.user} ${told.password}\r\nb ID ("name" "Pocket <b>Mail</b>")\r\nc SELECT INBOX\r\nd IDLE\r\n`);
  const row = page.getByRole("row").filter({ hasText: "Pocket <b>Mail</b>" });
  await row.getByText("waits for news").waitFor();
  await row.getByRole("button", { name: "Disconnect" }).click();
  await gone;
  if (!/\* BYE /.test(heard)) fail(`no BYE: ${heard}`);
  await row.waitFor({ state: "detached" });
  seen("a device came and was disconnected");

  if ((await page.evaluate(() => document.body.dataset.same)) !== "yes") fail("the page was loaded anew");

  // What is unfolded and has the focus stays when sections are exchanged.
  const details = card(page, told.account).locator("details");
  await details.locator("summary").click();
  await page.evaluate((id) => (document.getElementById(id).dataset.old = "yes"), "accounts");
  connect(told.deliver.port, told.deliver.host).end();
  await page.locator("#accounts:not([data-old])").waitFor();
  if (!(await details.evaluate((it) => it.open && it.contains(document.activeElement)))) fail("the place of the reader is lost");
  seen("the reader's place stays");

  // Every size and scheme: no sideways scroll, targets large enough, nothing that axe finds, and a picture to look at.
  mkdirSync(told.screenshots, { recursive: true });
  for (const colorScheme of ["light", "dark"]) {
    for (const [name, width] of [["desktop", 1280], ["phone", 390], ["narrow", 320]]) {
      const it = await inside({ colorScheme, viewport: { width, height: 844 } });
      const wide = await it.evaluate(() => document.documentElement.scrollWidth);
      if (wide > width) fail(`${name}: ${wide} is wider than ${width}`);
      const small = await it.evaluate(() =>
        [...document.querySelectorAll("button, summary")].filter((one) => one.getBoundingClientRect().height < 44).length,
      );
      if (small > 0) fail(`${name}: ${small} targets are too small`);
      await it.evaluate(axe);
      const { violations } = await it.evaluate(() => window.axe.run());
      if (violations.length > 0) fail(`${name} ${colorScheme}: ${JSON.stringify(violations.map((one) => [one.id, one.nodes[0].html]))}`);
      await it.screenshot({ path: join(told.screenshots, `${name}-${colorScheme}.png`), fullPage: true });
      await it.context().close();
    }
  }
  const out = await open();
  await out.evaluate(axe);
  const { violations } = await out.evaluate(() => window.axe.run());
  if (violations.length > 0) fail(`login: ${JSON.stringify(violations.map((one) => one.id))}`);
  await out.screenshot({ path: join(told.screenshots, "login.png") });
  await out.context().close();
  seen("every size and scheme");

  // By keyboard alone.
  const keys = await open();
  // The field has the focus from the start, but not before it is drawn: what is typed sooner goes nowhere.
  await keys.locator("input:focus").waitFor();
  await keys.keyboard.type(told.user);
  await keys.keyboard.press("Tab");
  await keys.keyboard.type(told.password);
  await keys.keyboard.press("Enter");
  await keys.locator("#accounts").waitFor();
  await keys.keyboard.press("Tab");
  if ((await keys.evaluate(() => document.activeElement.textContent)) !== "Skip to the status") fail("no skip link");
  await keys.keyboard.press("Enter");
  for (let n = 0; n < 20; n++) {
    await keys.keyboard.press("Tab");
    if ((await keys.evaluate(() => document.activeElement.textContent)) === "Poll now") break;
  }
  const outline = await keys.evaluate(() => getComputedStyle(document.activeElement).outlineWidth);
  if (outline !== "3px") fail(`the focus is not seen: ${outline}`);
  await keys.keyboard.press("Enter");
  await keys.locator("#notices p").waitFor();
  await keys.context().close();
  seen("by keyboard alone");

  // Without script.
  const plain = await inside({ javaScriptEnabled: false });
  await card(plain, told.other).getByRole("button", { name: "Pause" }).click();
  await plain.getByText(`${told.user}/${told.other} is paused.`).waitFor();
  await card(plain, told.other).getByRole("button", { name: "Resume" }).click();
  await plain.getByText(`${told.user}/${told.other} is polled again.`).waitFor();
  await plain.getByRole("button", { name: "Log out" }).click();
  await plain.getByLabel("Password").waitFor();
  await plain.context().close();
  seen("without script");

  await page.getByRole("button", { name: "Log out" }).click();
  await page.getByLabel("Password").waitFor();
  await page.goBack();
  await page.getByLabel("Password").waitFor();
  seen("logged out");
  await browser.close();
};

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
