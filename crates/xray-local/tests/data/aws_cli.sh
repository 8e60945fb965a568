#!/usr/bin/env bash
# Puts a trace with the AWS CLI, asks for it in each way, and edits a rule. The arguments are the program, and whether calls
# are signed.
set -euo pipefail
aws=$1
if [ "$2" = yes ]; then sign=(); else sign=(--no-sign-request) && unset AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY; fi

xray() {
    "$aws" xray "$@" "${sign[@]}" --output text
}

# is WANT ARGUMENT...: whether a call prints this.
is() {
    local want=$1 found
    shift
    found=$(xray "$@")
    [ "$found" = "$want" ] || { echo "aws xray $*: '$found', expected '$want'" >&2 && return 1; }
}

now=$(date +%s)
id=$(printf '1-%08x-%024x' "$now" 1)
document='{"trace_id":"'$id'","id":"00000000000000aa","name":"cli","start_time":'$now'.1,"end_time":'$now'.2,"fault":true,
    "subsegments":[{"id":"00000000000000bb","name":"SNS","namespace":"aws","start_time":'$now'.1,"end_time":'$now'.15}]}'
is "" put-trace-segments --trace-segment-documents "$document" --query 'UnprocessedTraceSegments[].Id'
is "$id" get-trace-summaries --start-time $((now - 60)) --end-time "$now" --filter-expression 'service("cli") { fault }' \
    --query 'TraceSummaries[].Id'
is 00000000000000aa batch-get-traces --trace-ids "$id" --query 'Traces[0].Segments[0].Id'
is 3 get-service-graph --start-time $((now - 60)) --end-time "$now" --query 'length(Services)'
is 1 get-trace-graph --trace-ids "$id" --query 'Services[0].SummaryStatistics.FaultStatistics.TotalCount'
is Default get-groups --query 'Groups[].GroupName'
is orders create-sampling-rule --query SamplingRuleRecord.SamplingRule.RuleName --sampling-rule \
    'RuleName=orders,Priority=5,FixedRate=0.1,ReservoirSize=1,ServiceName=*,ServiceType=*,Host=*,HTTPMethod=*,URLPath=*,ResourceARN=*,Version=1'
is 0.5 update-sampling-rule --sampling-rule-update RuleName=orders,FixedRate=0.5 \
    --query SamplingRuleRecord.SamplingRule.FixedRate
is orders delete-sampling-rule --rule-name orders --query SamplingRuleRecord.SamplingRule.RuleName
begin=$SECONDS
if error=$(xray get-trace-summaries --start-time 1 --end-time 2 --filter-expression fautl 2>&1); then exit 1; fi
[[ $error == *InvalidRequestException* && $error == *'did you mean `fault`'* && $((SECONDS - begin)) -lt 5 ]]
