// node works.js <work>: one measurement, one JSON line (docs/performance.md). Works: A B C D1 D2.
const { spawn } = require('child_process');
const dgram = require('dgram');
const readline = require('readline');
process.env.AWS_XRAY_CONTEXT_MISSING = 'IGNORE_ERROR';
const X = require('aws-xray-sdk-core');
const IncomingRequestData = X.middleware.IncomingRequestData;
const emitter = require('aws-xray-sdk-core/dist/lib/segment_emitter');
const localSampler = require('aws-xray-sdk-core/dist/lib/middleware/sampling/local_sampler');

const REQ = { method: 'GET', url: '/orders/12345?expand=items', connection: { remoteAddress: '203.0.113.7' },
  headers: { host: 'shop.example.com', 'user-agent': 'Mozilla/5.0 (X11; Linux x86_64) Bench/1.0', 'x-forwarded-for': '203.0.113.7' } };
const RES = { statusCode: 200, headers: { 'content-length': 512 } };
const REQUESTS = [['shop.example.com', 'GET', '/orders/12345'], ['shop.example.com', 'POST', '/orders'],
  ['api.example.com', 'GET', '/v2/users/7/profile'], ['admin.example.com', 'DELETE', '/v1/items/9'],
  ['shop.example.com', 'GET', '/static/app.js'], ['other.example.org', 'GET', '/'],
  ['shop.example.com', 'PUT', '/cart/77/lines/3'], ['api.example.com', 'GET', '/health']]
  .map(([host, httpMethod, urlPath]) => ({ host, httpMethod, urlPath, serviceName: 'orders' }));
const RULES = [['*', 'GET', '/health', 0, 0], ['*', 'GET', '/ready', 0, 0], ['*', '*', '/static/*', 0, 0],
  ['*', 'OPTIONS', '*', 0, 0], ['admin.*', '*', '*', 1, 0.5], ['*.example.com', 'POST', '/payments/*', 1, 1],
  ['*.example.com', 'POST', '/payments/*/refund', 1, 1], ['shop.example.com', 'POST', '/cart/*/checkout', 1, 0.5],
  ['shop.example.com', 'PUT', '/cart/*/lines/?', 1, 0.2], ['api.example.com', 'GET', '/v1/*', 1, 0.01],
  ['api.example.com', 'GET', '/v2/users/*/profile', 1, 0.02], ['api.example.com', '*', '/v?/admin/*', 1, 0.5],
  ['api-??.example.com', '*', '*', 1, 0.05], ['*', 'DELETE', '/v1/*', 1, 0.1], ['*', 'PATCH', '/v1/*/items/*', 1, 0.1],
  ['partner-*.example.com', 'GET', '/feed/*', 1, 0.01], ['partner-*.example.com', 'POST', '/feed/*/ack', 1, 0.01],
  ['shop.example.com', 'POST', '/orders', 1, 0.3], ['shop.example.com', 'GET', '/orders/*', 1, 0.1]]
  .map(([host, http_method, url_path, fixed_target, rate]) => ({ host, http_method, url_path, fixed_target, rate }));
const HEADERS = ['Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1',
  'Self=1-67891234-12456789abcdef012345678;Root=1-67891233-abcdef012345678912345678;Parent=53995c3f42cd8ad8;Sampled=1;Lineage=a87bd80c:1|68fd508a:5|c512fbe3:2'];

function request() {
  const s = new X.Segment('orders');
  if (!localSampler.shouldSample(REQUESTS[0])) s.notTraced = true;
  s.addIncomingRequestData(new IncomingRequestData(REQ));
  s.addAnnotation('tenant', 'acme');
  s.addAnnotation('items', 3);
  s.addMetadata('debug', { plan: 'pro', retries: 1 });
  const outer = s.addNewSubsegment('checkout');
  outer.addNewSubsegment('price').close();
  const remote = outer.addNewSubsegment('inventory.example.com');
  remote.namespace = 'remote';
  remote.http = { request: { method: 'POST', url: 'http://inventory.example.com/reserve', traced: true },
    response: { status: 200, content_length: 64 } };
  remote.close();
  outer.close();
  s.http.close(RES);
  s.close();
}
function big() {
  const s = new X.Segment('orders');
  for (let i = 0; i < 10000; i++) s.addNewSubsegment('step').close();
  s.close();
}
const OPS = { A: request, B: request, C: big,
  D1: (i) => localSampler.shouldSample(REQUESTS[i % 8]), D2: (i) => X.utils.processTraceData(HEADERS[i % 2]) };

(async () => {
  const work = process.argv[2];
  const sink = spawn(process.env.COMPARE_SINK, { stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = readline.createInterface({ input: sink.stdout })[Symbol.asyncIterator]();
  const address = (await lines.next()).value;
  const take = async () => { sink.stdin.write('\n'); return (await lines.next()).value.split(' ').map(Number); };
  X.setDaemonAddress(address);
  const rate = work === 'B' ? 0 : 1;
  localSampler.setLocalRules({ version: 2, rules: work.startsWith('D') ? RULES : [],
    default: work.startsWith('D') ? { fixed_target: 1, rate: 0.05 } : { fixed_target: 0, rate } });
  let pending = 0;
  const socket = dgram.createSocket('udp4');
  const send = socket.send;
  socket.send = (...a) => { pending++; const cb = a.pop(); send.call(socket, ...a, (e) => { pending--; cb(e); }); };
  emitter.socket = socket;
  const flush = async () => { while (pending) await new Promise((r) => setImmediate(r)); };
  const op = OPS[work];
  const cpu = () => { const c = process.cpuUsage(); return (c.user + c.system) * 1000; };
  const wall = () => Number(process.hrtime.bigint());
  if (work === 'C') {
    op(0); await flush(); await take();
    const ms = []; const cpus = []; let seen;
    for (let i = 0; i < 5; i++) {
      const [t, c] = [wall(), cpu()];
      op(i); await flush();
      ms.push((wall() - t) / 1e6); cpus.push((cpu() - c) / 1e6);
      seen = await take();
    }
    const sort = (x) => x.sort((a, b) => a - b);
    sort(ms); sort(cpus);
    console.log(JSON.stringify({ subject: 'node-xray-sdk', work, ms_min: ms[0], ms: ms[2], ms_max: ms[4], cpu_ms: cpus[2],
      rss_kib: process.memoryUsage().rss / 1024, datagrams: seen[0], out_bytes: seen[1], docs: seen[2], kernel_drops: seen[3] }));
  } else {
    const burst = work === 'A' ? 256 : 4096;
    const run = async (limit) => {
      const per = []; let ops = 0;
      const [start, c] = [wall(), cpu()];
      while (wall() - start < limit) {
        const t = wall();
        for (let i = 0; i < burst; i++) op(ops + i);
        per.push((wall() - t) / burst);
        ops += burst;
        await flush();
      }
      return { per: per.sort((a, b) => a - b), ops, wall: wall() - start, cpu: cpu() - c };
    };
    const secs = Number(process.env.COMPARE_SECONDS || 0.7);
    await run(5e8); await take();
    const r = await run(secs * 1e9);
    const seen = await take();
    const f = (x) => x / r.ops;
    console.log(JSON.stringify({ subject: 'node-xray-sdk', work, ops: r.ops, call_ns_min: r.per[0], call_ns: r.per[r.per.length >> 1],
      total_ns: f(r.wall), cpu_ns: f(r.cpu), datagrams: f(seen[0]), out_bytes: f(seen[1]), docs: f(seen[2]), kernel_drops: seen[3] }));
  }
  sink.kill();
  process.exit(0);
})();
