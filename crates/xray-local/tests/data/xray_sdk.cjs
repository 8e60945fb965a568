// A service with the X-Ray SDK for Node.js: ten requests per second until standard input ends, then one line of JSON.

const http = require("node:http");
const { createRequire } = require("node:module");
const { join } = require("node:path");

const xray = createRequire(join(process.argv[2], "package.json"))("aws-xray-sdk-core");
xray.middleware.setDefaultName("node");

let requests = 0;
const sampled = [];
const server = http.createServer((request, response) => {
  const segment = xray.middleware.traceRequestResponseCycle(request, response);
  requests += 1;
  if (!segment.notTraced) sampled.push(segment.trace_id);
  segment.addNewSubsegment("step").close();
  response.end("ok");
});

server.listen(0, "127.0.0.1", () => {
  const agent = new http.Agent({ keepAlive: true });
  const timer = setInterval(() => http.get({ port: server.address().port, agent }, (response) => response.resume()), 100);
  process.stdin.resume();
  process.stdin.on("end", () => {
    clearInterval(timer);
    agent.destroy();
    server.close(() => {
      process.stdout.write(JSON.stringify({ requests, sampled }), () => process.exit());
    });
  });
});
