// The usual register endpoint: Express, an index from phone to profile and the profile's card, both in Redis, JSON out.
//
// node server.js PORT listens on loopback until it is killed; node server.js fill reads numbers and phones, a person a line, writes their cards and ends. The
// cache's address stands in PEER_CACHE_URL. What costs time and is not needed (ETag, X-Powered-By, a log of requests) is off.
"use strict";

const express = require("express");
const { Redis } = require("ioredis");

const BATCH = 5000;
const cache = new Redis(process.env.PEER_CACHE_URL);

function card(number) {
  return JSON.stringify({
    goldenProfileId: `GP-${number.toString(16).padStart(32, "0")}`,
    customerName: "Jennifer M.",
    clvTier: "GOLD",
    nextBestOffers: [],
    version: String(number + 1),
  });
}

async function fill(phones) {
  for (let first = 0; first < phones.length; first += BATCH) {
    const batch = cache.pipeline();
    for (const [number, phone] of phones.slice(first, first + BATCH)) {
      batch.set(`peer:phone:${phone}`, `${number}`);
      batch.set(`peer:card:${number}`, card(number));
    }
    await batch.exec();
  }
  await cache.quit();
}

function serve(port) {
  const app = express();
  app.disable("etag");
  app.disable("x-powered-by");
  app.get("/api/pos/lookup", async (request, response) => {
    const begun = process.hrtime.bigint();
    const phone = String(request.query.phone ?? "").replace(/\D/g, "");
    const profile = await cache.get(`peer:phone:${phone}`);
    const stored = profile === null ? null : await cache.get(`peer:card:${profile}`);
    if (stored === null) {
      response.status(404).json({ success: false });
      return;
    }
    const latency = Number(process.hrtime.bigint() - begun) / 1e6;
    response.json({ success: true, latency_ms: latency, data: JSON.parse(stored) });
  });
  app.listen(port, "127.0.0.1");
}

if (process.argv[2] === "fill") {
  const lines = require("node:fs").readFileSync(0, "utf8").trim().split("\n");
  fill(lines.map((line) => line.split(" ")).map(([number, phone]) => [Number(number), phone]));
} else {
  serve(Number(process.argv[2]));
}
