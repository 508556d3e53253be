// What node:http alone costs: reads the request, answers a fixed number of bytes. Arguments: port, bytes.
import { createServer } from "node:http";

const [port, bytes] = process.argv.slice(2).map(Number);
const answer = Buffer.alloc(bytes, 0x20);

createServer((request, response) => {
  request.on("data", () => {});
  request.on("end", () => {
    response.writeHead(200, { "Content-Type": "application/octet-stream", "Content-Length": bytes });
    response.end(answer);
  });
}).listen(port, "127.0.0.1");
