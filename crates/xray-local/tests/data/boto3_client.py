"""Calls each operation of the X-Ray API with boto3. The argument is a file of expressions with the ids they find."""

import json
import os
import sys
import time

import boto3
from botocore.exceptions import ClientError

xray = boto3.client("xray")
start = int(os.environ["START"])
everything = {"StartTime": start, "EndTime": start + 1000}


def fails(kind, call, **arguments):
    begin = time.time()
    try:
        call(**arguments)
    except getattr(xray.exceptions, kind) as error:
        assert time.time() - begin < 2, "repeated"
        return error.response["Error"]["Message"]
    raise AssertionError(f"{arguments} did not fail")


# Filters, by the paginator.
summaries = xray.get_paginator("get_trace_summaries")
wrong = []
for expression, want in json.load(open(sys.argv[1])):
    pages = summaries.paginate(FilterExpression=expression, **everything)
    found = sorted(trace["Id"] for page in pages for trace in page["TraceSummaries"])
    if found != sorted(want):
        wrong.append(f"{expression}: {sorted(set(found) ^ set(want))}")
assert not wrong, "\n".join(wrong)
for expression in [
    "fautl", "ok AND", "NOT ok", "(ok", "user = \"a", "annotation.a IS NULL", "duration > fast", "service(", "edge(\"a\")",
    "metadata.a = 1", "rootcause.json = 1", "service(\"a\") { service(\"b\") }",
]:
    message = fails("InvalidRequestException", xray.get_trace_summaries, FilterExpression=expression, **everything)
    assert "at byte" in message, message

# What was put a moment ago is found, although the times of a call are whole seconds.
now = time.time()
trace = f"1-{int(now):08x}-{os.urandom(12).hex()}"
document = {"trace_id": trace, "id": "00000000000000aa", "name": "now", "start_time": now, "end_time": now + 0.001}
bad = {**document, "id": "00000000000000bb", "trace_id": "1-2"}
part = {"trace_id": trace, "parent_id": "00000000000000aa", "type": "subsegment", "start_time": now, "end_time": now}
parts = [{**part, "id": f"00000000000000b{i}", "name": f"part {i}"} for i in range(2)]
put = xray.put_trace_segments(TraceSegmentDocuments=[json.dumps(document), json.dumps(bad), "{", json.dumps(parts)])
unprocessed = put["UnprocessedTraceSegments"]
assert [one["ErrorCode"] for one in unprocessed] == ["InvalidTraceId", "ParseError"], unprocessed
found = xray.get_trace_summaries(StartTime=now - 60, EndTime=time.time(), FilterExpression='service("now")')
assert [one["Id"] for one in found["TraceSummaries"]] == [trace], found
assert abs(found["TraceSummaries"][0]["StartTime"].timestamp() - now) < 1e-3

traces = xray.get_paginator("batch_get_traces").paginate(TraceIds=[trace])
segments = [segment for page in traces for one in page["Traces"] for segment in one["Segments"]]
assert [child["name"] for child in json.loads(segments[0]["Document"])["subsegments"]] == ["part 0", "part 1"]
graph = [node for page in xray.get_paginator("get_service_graph").paginate(**everything) for node in page["Services"]]
assert {"inventory", "orders", "auth", "bulk"} <= {node["Name"] for node in graph}
assert all("SummaryStatistics" in node or node["Type"] == "client" for node in graph)
ids = [f"1-{start + number:08x}-{number:024x}" for number in (1, 7)]
graph = [node for page in xray.get_paginator("get_trace_graph").paginate(TraceIds=ids) for node in page["Services"]]
assert len(graph) == 7, [node["Name"] for node in graph]
series = xray.get_paginator("get_time_series_service_statistics").paginate(Period=60, **everything)
counts = [one["EdgeSummaryStatistics"]["TotalCount"] for page in series for one in page["TimeSeriesServiceStatistics"]]
assert sum(counts) == 199, counts

# Sampling.
rule = dict(
    RuleName="orders", Priority=10, FixedRate=0.1, ReservoirSize=4, ServiceName="*", ServiceType="*", Host="*",
    HTTPMethod="*", URLPath="/orders/*", ResourceARN="*", Version=1, Attributes={"tier": "gold"},
)
created = xray.create_sampling_rule(SamplingRule=rule, Tags=[{"Key": "team", "Value": "shop"}])["SamplingRuleRecord"]
arn = created["SamplingRule"]["RuleARN"]
assert created["SamplingRule"]["Attributes"] == {"tier": "gold"} and created["CreatedAt"].timestamp() > now - 1
fails("InvalidRequestException", xray.create_sampling_rule, SamplingRule=rule)
updated = xray.update_sampling_rule(SamplingRuleUpdate={"RuleARN": arn, "FixedRate": 0.2})["SamplingRuleRecord"]
assert updated["SamplingRule"]["FixedRate"] == 0.2
records = [one for page in xray.get_paginator("get_sampling_rules").paginate() for one in page["SamplingRuleRecords"]]
assert [one["SamplingRule"]["RuleName"] for one in records] == ["Default", "orders"]
reports = [
    dict(RuleName="orders", ClientID=client * 24, Timestamp=now, RequestCount=10, SampledCount=3, BorrowCount=1)
    for client in "ab"
]
quotas = []
for _ in range(2):
    for report in reports:
        target = xray.get_sampling_targets(SamplingStatisticsDocuments=[report])["SamplingTargetDocuments"][0]
        quotas.append(target["ReservoirQuota"])
assert quotas == [4, 0, 2, 2], quotas
sums = xray.get_paginator("get_sampling_statistic_summaries").paginate()
assert sum(one["RequestCount"] for page in sums for one in page["SamplingStatisticSummaries"]) == 40
assert xray.list_tags_for_resource(ResourceARN=arn)["Tags"] == [{"Key": "team", "Value": "shop"}]
xray.tag_resource(ResourceARN=arn, Tags=[{"Key": "a", "Value": "b"}])
xray.untag_resource(ResourceARN=arn, TagKeys=["team"])
tags = [one for page in xray.get_paginator("list_tags_for_resource").paginate(ResourceARN=arn) for one in page["Tags"]]
assert tags == [{"Key": "a", "Value": "b"}]
fails("ResourceNotFoundException", xray.list_tags_for_resource, ResourceARN="arn:none")
assert xray.delete_sampling_rule(RuleName="orders")["SamplingRuleRecord"]["SamplingRule"]["RuleARN"] == arn
fails("InvalidRequestException", xray.delete_sampling_rule, RuleName="orders")

# Groups.
group = xray.create_group(GroupName="failed", FilterExpression="fault")["Group"]
assert xray.get_group(GroupARN=group["GroupARN"])["Group"] == group
xray.update_group(GroupName="failed", FilterExpression="error", InsightsConfiguration={"InsightsEnabled": True})
groups = [one for page in xray.get_paginator("get_groups").paginate() for one in page["Groups"]]
assert [one["GroupName"] for one in groups] == ["Default", "slow", "failed"], groups
assert groups[2]["FilterExpression"] == "error" and groups[2]["InsightsConfiguration"]["InsightsEnabled"]
fails("InvalidRequestException", xray.create_group, GroupName="odd", FilterExpression="fautl")
xray.delete_group(GroupName="failed")
fails("InvalidRequestException", xray.get_group, GroupName="failed")

# The rest.
xray.put_telemetry_records(TelemetryRecords=[{"Timestamp": now, "SegmentsReceivedCount": 1}])
assert xray.get_insight_summaries(StartTime=now - 60, EndTime=now)["InsightSummaries"] == []
insight = "00000000-0000-1000-8000-000000000000"
fails("InvalidRequestException", xray.get_insight, InsightId=insight)
fails("InvalidRequestException", xray.get_insight_events, InsightId=insight)
fails("InvalidRequestException", xray.get_insight_impact_graph, InsightId=insight, StartTime=now - 60, EndTime=now)
none = {"Status": "ACTIVE", "Type": "NONE"}
assert xray.get_encryption_config()["EncryptionConfig"] == none
assert xray.put_encryption_config(Type="NONE")["EncryptionConfig"] == none
fails("InvalidRequestException", xray.put_encryption_config, Type="KMS", KeyId="k")
assert xray.get_trace_segment_destination()["Destination"] == "XRay"
assert xray.update_trace_segment_destination(Destination="XRay")["Status"] == "ACTIVE"
fails("InvalidRequestException", xray.update_trace_segment_destination, Destination="CloudWatchLogs")
assert xray.get_indexing_rules()["IndexingRules"][0]["Name"] == "Default"
share = {"Probabilistic": {"DesiredSamplingPercentage": 100}}
assert xray.update_indexing_rule(Name="Default", Rule=share)["IndexingRule"]["Name"] == "Default"
fails("ResourceNotFoundException", xray.update_indexing_rule, Name="other", Rule=share)
assert [one for page in xray.get_paginator("list_resource_policies").paginate() for one in page["ResourcePolicies"]] == []
fails("InvalidRequestException", xray.put_resource_policy, PolicyName="p", PolicyDocument="{}")
fails("InvalidRequestException", xray.delete_resource_policy, PolicyName="p")
fails("InvalidRequestException", xray.start_trace_retrieval, TraceIds=[trace], StartTime=now - 60, EndTime=now)
for call in [xray.cancel_trace_retrieval, xray.list_retrieved_traces, xray.get_retrieved_traces_graph]:
    fails("ResourceNotFoundException", call, RetrievalToken="t")
