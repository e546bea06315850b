"use strict";
// socket.io with rooms, over WebSocket alone. The request of the handshake is let
// go, as its page on memory usage advises.
const { createServer } = require("node:http");
const { Server } = require("socket.io");
const { serve } = require("./process.js");

const http = createServer();
const io = new Server(http, { transports: ["websocket"] });
const members = [];
let master;
let present = 0;

io.engine.on("connection", (rawSocket) => {
  rawSocket.request = null;
});

io.on("connection", (socket) => {
  const number = socket.handshake.auth.number;
  if (number < 0) {
    master = socket;
    socket.on("all", (text) => io.to("lesson").emit("m", text));
    socket.on("one", (to, text) => members[to].emit("m", text));
    return;
  }
  members[number] = socket;
  present++;
  socket.join("lesson");
  socket.on("disconnect", () => present--);
  socket.on("master", (text) => master.emit("m", text));
});

serve(http, () => present);
