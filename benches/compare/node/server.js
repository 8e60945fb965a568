// node server.js <express-bare|express-xray-PERCENTAGE> <port> <sink>
const [variant, port, sink] = process.argv.slice(2);
const express = require('express');
const app = express();
if (variant !== 'express-bare') {
  const X = require('aws-xray-sdk-core');
  X.setDaemonAddress(sink);
  X.middleware.disableCentralizedSampling();
  const rate = Number(variant.split('-').pop()) / 100;
  X.middleware.setSamplingRules({ version: 2, rules: [], default: { fixed_target: 0, rate } });
  app.use(require('aws-xray-sdk-express').openSegment('orders'));
}
app.get('/hello/:name', (req, res) => res.send('Hello, World!'));
if (variant !== 'express-bare') app.use(require('aws-xray-sdk-express').closeSegment());
app.listen(Number(port), '127.0.0.1');
