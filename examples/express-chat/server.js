// One chat room. Messages go through Redis, so that any number of servers share it;
// browsers hear of them over server-sent events.
import express from "express";
import { createClient } from "redis";

const PORT = Number(process.env.PORT) || 3000;
const REDIS_URL = process.env.REDIS_URL || "redis://127.0.0.1:6379";
const CHANNEL = "messages";
const HISTORY = 50; // messages that a newcomer sees
const LONGEST = 500; // characters of a message

const redis = createClient({ url: REDIS_URL });
const subscriber = redis.duplicate();
for (const client of [redis, subscriber]) {
  client.on("error", (error) => console.error("redis:", error.message));
}

const listeners = new Set();
const app = express();
app.use(express.json({ limit: "4kb" }));
app.use(express.static("public"));

app.get("/healthz", (request, response) => {
  response.status(redis.isReady ? 200 : 503).json({ redis: redis.isReady });
});

app.get("/messages", async (request, response) => {
  const kept = await redis.lRange(CHANNEL, 0, HISTORY - 1);
  response.json(kept.reverse().map((message) => JSON.parse(message)));
});

app.post("/messages", async (request, response) => {
  const { name, text } = request.body ?? {};
  if (typeof name !== "string" || typeof text !== "string" || !name.trim() || !text.trim()) {
    return response.status(400).json({ error: "a message needs a name and a text" });
  }
  const message = JSON.stringify({
    name: name.trim().slice(0, 40),
    text: text.trim().slice(0, LONGEST),
    at: new Date().toISOString(),
  });
  await redis.multi().lPush(CHANNEL, message).lTrim(CHANNEL, 0, HISTORY - 1).publish(CHANNEL, message).exec();
  response.status(201).end();
});

app.get("/stream", (request, response) => {
  response.set({ "Content-Type": "text/event-stream", "Cache-Control": "no-cache" });
  response.flushHeaders();
  listeners.add(response);
  request.on("close", () => listeners.delete(response));
});

const server = app.listen(PORT, () => console.log(`listening on ${PORT}`));

process.on("SIGTERM", () => {
  for (const listener of listeners) listener.end();
  server.close(() => Promise.all([redis.close(), subscriber.close()]).then(() => process.exit(0)));
});

// Both clients try again until Redis answers; /healthz says so meanwhile.
await Promise.all([redis.connect(), subscriber.connect()]);
await subscriber.subscribe(CHANNEL, (message) => {
  for (const listener of listeners) listener.write(`data: ${message}\n\n`);
});
