"use strict";
// The library ws with its defaults: no compression, one send a client.
const { createServer } = require("node:http");
const { WebSocketServer, WebSocket } = require("ws");
const { serve } = require("./process.js");

const [toOne] = Buffer.from("o");
const http = createServer();
const wss = new WebSocketServer({ server: http });
const members = [];
let master;
let present = 0;

wss.on("connection", (ws, request) => {
  ws.on("error", () => {});
  if (request.url === "/master") {
    master = ws;
    ws.on("message", (data) => {
      if (data[0] === toOne) {
        members[data.readUInt32BE(1)].send(data);
        return;
      }
      wss.clients.forEach((client) => {
        if (client !== ws && client.readyState === WebSocket.OPEN) {
          client.send(data);
        }
      });
    });
    return;
  }
  const number = Number(request.url.slice("/member/".length));
  members[number] = ws;
  present++;
  ws.on("close", () => present--);
  ws.on("message", (data) => master.send(data));
});

serve(http, () => present);
