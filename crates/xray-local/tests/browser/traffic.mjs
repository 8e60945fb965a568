// Documents as SDKs send them: made up, but the same ones each time.

import { createSocket } from "node:dgram";

/** The first line of each datagram. */
export const HEADER = '{"format":"json","version":1}\n';

/** A generator of numbers from 0 to 1 that depends on the seed only. */
function random(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

const hex = (value, digits) => Math.floor(value).toString(16).padStart(digits, "0");

/** The trace id with this number; `start` is in seconds. */
export function traceId(number, start) {
  return `1-${hex(start, 8)}-${hex(number, 24)}`;
}

let entities = 0;
const entityId = () => hex(++entities, 16);

/**
 * Makes the documents of a shop's request: a checkout or an order, over up to three services.
 * @param {number} number
 * @param {number} start epoch seconds
 */
export function shopTrace(number, start) {
  const next = random(number + 1);
  const id = traceId(number, start);
  const segment = (name, at, duration, more) => ({ trace_id: id, id: entityId(), name, start_time: at, end_time: at + duration, ...more });
  const part = (name, at, duration, more) => ({ id: entityId(), name, start_time: at, end_time: at + duration, ...more });
  const checkout = next() < 0.4;
  const fails = next() < 0.06;
  const total = (checkout ? 0.12 : 0.02) * Math.exp(next() * 2.4);
  const items = checkout && next() < 0.2 ? 12 + Math.floor(next() * 30) : 2;
  const each = (total * 0.4) / items;
  const queries = Array.from({ length: items }, (_, i) =>
    part("cart@db", start + total * 0.05 + i * each, each * 0.9, {
      namespace: "remote",
      sql: { sanitized_query: "SELECT * FROM items WHERE cart = $1", url: "postgres://db/cart", database_type: "PostgreSQL" },
    }),
  );
  const cart = part("load-cart", start + total * 0.04, total * 0.42, { subsegments: queries });
  const call = part("inventory", start + total * 0.5, total * 0.35, {
    namespace: "remote",
    http: { request: { method: "GET", url: `http://inventory/items/${number % 90}` }, response: { status: fails ? 500 : 200 } },
    fault: fails || undefined,
  });
  const table = part("DynamoDB", start + total * 0.56, total * 0.2, {
    namespace: "aws",
    aws: { operation: "GetItem", table_name: "stock", region: "eu-central-1", request_id: "NQ8HDUF8" },
    fault: fails || undefined,
    cause: fails ? { working_directory: "/srv/inventory", exceptions: [exception("PoolError", "no connection in 100 ms")] } : undefined,
  });
  const inventory = segment("inventory", start + total * 0.53, total * 0.28, {
    parent_id: call.id,
    http: { request: { method: "GET", url: `http://inventory/items/${number % 90}` }, response: { status: fails ? 500 : 200 } },
    fault: fails || undefined,
    subsegments: [table],
  });
  const status = fails ? 500 : next() < 0.03 ? 404 : next() < 0.01 ? 429 : 200;
  const shop = segment("shop", start, total, {
    user: `u-${number % 12}`,
    origin: "AWS::ECS::Container",
    http: {
      request: { method: checkout ? "POST" : "GET", url: checkout ? "http://shop.example.com/checkout" : `http://shop.example.com/orders/${number % 50}`, client_ip: "192.0.2.7", user_agent: "curl/8.5" },
      response: { status, content_length: 412 },
    },
    annotations: { tier: ["gold", "silver", "basic"][number % 3], items, cached: number % 2 === 0 },
    metadata: { default: { cart: { id: number, lines: [1, 2, 3] }, note: "made for tests" } },
    aws: { xray: { sdk: "X-Ray for Rust", sdk_version: "0.1.0", sampling_rule_name: "checkout" }, ecs: { container: "shop-1" } },
    fault: status >= 500 || undefined,
    error: (status >= 400 && status < 500) || undefined,
    throttle: status === 429 || undefined,
    subsegments: checkout ? [cart, call] : [cart],
  });
  return checkout ? [inventory, shop] : [shop];
}

function exception(type, message) {
  return {
    id: entityId(),
    type,
    message,
    stack: [
      { path: "src/pool.rs", line: 41, label: "inventory::pool::acquire" },
      { path: "src/stock.rs", line: 118, label: "inventory::stock::count" },
      { path: "src/main.rs", line: 22, label: "inventory::main" },
    ],
  };
}

/** Makes the documents of one trace with many entities: segments of at most 200, each below a call of the one before. */
export function largeTrace(number, start, count) {
  const id = traceId(number, start);
  const documents = [];
  const per = 200;
  let parent;
  for (let made = 0; made < count; ) {
    const own = entityId();
    const at = start + made * 0.0004;
    const subsegments = [];
    made += 1;
    for (let i = 0; i < per - 1 && made < count; i += 1, made += 1) {
      subsegments.push({
        id: entityId(),
        name: ["render", "query", "S3", "cache"][i % 4],
        namespace: i % 4 === 2 ? "aws" : undefined,
        aws: i % 4 === 2 ? { operation: "PutObject" } : undefined,
        start_time: at + i * 0.0004,
        end_time: at + i * 0.0004 + 0.0003 + (i % 7) * 0.001,
        fault: made % 977 === 0 || undefined,
        cause: made % 977 === 0 ? { exceptions: [exception("Timeout", `no response to call ${made}`)] } : undefined,
        annotations: made % 500 === 0 ? { step: made } : undefined,
      });
    }
    documents.push({
      trace_id: id,
      id: own,
      name: `worker-${documents.length % 6}`,
      parent_id: parent,
      start_time: at,
      end_time: start + count * 0.0004 + 0.01,
      subsegments,
      http: parent ? undefined : { request: { method: "POST", url: "http://batch/run" }, response: { status: 200 } },
    });
    parent = subsegments.find((sub) => !sub.namespace)?.id ?? own;
  }
  return documents;
}

/** Makes a document with hostile text in every field. */
export function hostileTrace(number, start) {
  const evil = '<script>window.__ran=1</script><img src=x onerror="window.__ran=1">';
  const link = "javascript:window.__ran=1";
  const long = "n".repeat(50_000);
  return [
    {
      trace_id: traceId(number, start),
      id: entityId(),
      name: evil,
      start_time: start,
      end_time: start + 0.2,
      user: evil,
      fault: true,
      http: { request: { method: evil, url: link, user_agent: evil, client_ip: evil }, response: { status: 500 } },
      annotations: { [evil]: evil, rtl: "\u202egnp.exe\u202c \u0000\u001b[31m" },
      metadata: { [evil]: { [evil]: [evil, link] }, __proto__: { polluted: true } },
      aws: { operation: evil, xray: { sdk: evil, sampling_rule_name: evil } },
      cause: { exceptions: [{ id: entityId(), type: evil, message: link, stack: [{ path: link, line: 1, label: evil }] }] },
      subsegments: [
        { id: entityId(), name: "\u202efdp.\u202c", start_time: start, end_time: start + 0.1, sql: { sanitized_query: evil, url: link } },
        { id: entityId(), name: long, start_time: start, end_time: start + 0.15, namespace: "remote" },
      ],
    },
  ];
}

/** Makes a trace that is not finished: one entity in progress, one without its parent. */
export function openTrace(number, start) {
  const id = traceId(number, start);
  return [
    {
      trace_id: id, id: entityId(), name: "import", start_time: start, in_progress: true,
      http: { request: { method: "POST", url: "http://shop.example.com/import" } },
      subsegments: [{ id: entityId(), name: "read-file", start_time: start + 0.01, end_time: start + 0.4 }, { id: entityId(), name: "parse", start_time: start + 0.4, in_progress: true }],
    },
    { trace_id: id, id: entityId(), name: "audit", parent_id: "00000000000000ee", start_time: start + 0.2, end_time: start + 0.3 },
  ];
}

/** Sends documents by UDP, some hundred per millisecond at most, so that no buffer is full. */
export async function send(address, documents) {
  const [host, port] = address.split(":");
  const socket = createSocket("udp4");
  let sent = 0;
  for (const document of documents) {
    await new Promise((resolve, reject) => socket.send(HEADER + JSON.stringify(document), Number(port), host, (error) => (error ? reject(error) : resolve())));
    if (++sent % 50 === 0) await new Promise((resolve) => setTimeout(resolve, 1));
  }
  socket.close();
  return sent;
}
