// A socket.io server that forwards the messages of each pair to its other end. bench/subjects/socket_io.py starts it.
import { createServer } from "node:http";
import { Server } from "socket.io";

const listener = createServer();
const io = new Server(listener, { transports: ["websocket"], perMessageDeflate: false, serveClient: false, maxHttpBufferSize: 1e6 });

io.on("connection", (socket) => {
  const room = String(socket.handshake.auth.pair);
  socket.join(room);
  socket.on("message", (sealed) => socket.to(room).emit("message", sealed));
});

listener.listen(Number(process.argv[2]), "127.0.0.1");
