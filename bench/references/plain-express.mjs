// What Express alone costs: reads the body, answers a fixed number of bytes. Arguments: port, bytes.
import express from "express";

const [port, bytes] = process.argv.slice(2).map(Number);
const answer = Buffer.alloc(bytes, 0x20);

const app = express();
app.use(express.raw({ type: () => true }));
app.get("/v2/health/ready", (_request, response) => {
  response.end();
});
app.post("/v2/models/:model/infer", (_request, response) => {
  response.type("application/octet-stream").send(answer);
});
app.listen(port, "127.0.0.1");
