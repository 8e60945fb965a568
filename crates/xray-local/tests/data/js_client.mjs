// Finds traces with the AWS SDK for JavaScript. The arguments are its node_modules, and a file of expressions with the
// ids they find.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const [modules, file] = process.argv.slice(2);
const { XRay, paginateGetTraceSummaries, InvalidRequestException } = createRequire(`${modules}/`)("@aws-sdk/client-xray");
const client = new XRay({ maxAttempts: 1 });
const start = Number(process.env.START);
const range = { StartTime: new Date(start * 1000), EndTime: new Date((start + 1000) * 1000) };

for (const [FilterExpression, want] of JSON.parse(readFileSync(file, "utf8"))) {
  const found = [];
  for await (const page of paginateGetTraceSummaries({ client }, { ...range, FilterExpression })) {
    found.push(...page.TraceSummaries.map(({ Id }) => Id));
  }
  assert.deepEqual(found.sort(), want.toSorted(), FilterExpression);
}
await assert.rejects(client.getTraceSummaries({ ...range, FilterExpression: "fautl" }), (error) => {
  assert(error instanceof InvalidRequestException);
  return /did you mean `fault`/.test(error.message);
});

const now = Date.now() / 1000;
const id = `1-${Math.floor(now).toString(16)}-${"7".repeat(24)}`;
const document = { trace_id: id, id: "00000000000000aa", name: "js", start_time: now, end_time: now + 0.25 };
await client.putTraceSegments({ TraceSegmentDocuments: [JSON.stringify(document)] });
const { TraceSummaries } = await client.getTraceSummaries({
  StartTime: new Date(now * 1000 - 60_000),
  EndTime: new Date(Date.now() + 1),
  FilterExpression: 'service("js")',
});
assert.deepEqual(TraceSummaries.map(({ Id, Duration }) => [Id, Duration]), [[id, 0.25]]);
const { Services } = await client.getTraceGraph({ TraceIds: [id] });
assert.deepEqual(Services.map(({ Name, Type }) => [Name, Type]), [["js", undefined], ["js", "client"]]);
assert.equal((await client.batchGetTraces({ TraceIds: [id] })).Traces[0].Segments.length, 1);
assert.equal((await client.getGroups({})).Groups[0].GroupName, "Default");
