"use strict";
// What the servers on Node have in common: they print their address, and answer
// each line on their standard input with one, until that ends.
const readline = require("node:readline");

exports.serve = (http, members) => {
  http.listen(0, "127.0.0.1", 4096, () => console.log("127.0.0.1:" + http.address().port));
  const commands = readline.createInterface({ input: process.stdin });
  commands.on("line", (line) => {
    if (line === "gc") {
      global.gc();
      global.gc();
    }
    console.log(JSON.stringify({ Members: members() }));
  });
  commands.on("close", () => process.exit(0));
};
