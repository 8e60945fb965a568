//! With any text as input, every document is valid JSON, has no duplicate member, and fits into a datagram.

#![allow(clippy::unwrap_used, reason = "all of this is a test")]

use std::collections::{BTreeMap, HashSet};
use std::error::Error;
use std::fmt;
use std::sync::mpsc;

use proptest::prelude::*;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use xray_core::adapter::BodyLength;
use xray_core::adapter::{
    ClientOptions, ClientRequest, ClientRequestInfo, ServerOptions, ServerRequest, ServerRequestDetails,
    ServerRequestInfo,
};
use xray_core::diagnostics::{Cause, Diagnostic, Level};
use xray_core::emit::MemoryEmitter;
use xray_core::http::{HttpRequest, HttpResponse};
use xray_core::plugin::{Detected, Plugin};
use xray_core::sampling::{Decision, Sampler, SamplingRequest};
use xray_core::{Aws, Exception, Naming, Recorder, Segment, Sql, TraceHeader};

/// JSON in which no object has a duplicate member.
struct Strict;

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Strict, D::Error> {
        deserializer.deserialize_any(Strict)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Strict;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Strict, A::Error> {
        let mut names = HashSet::new();
        while let Some((name, Strict)) = map.next_entry::<String, Strict>()? {
            if !names.insert(name.clone()) {
                return Err(serde::de::Error::custom(format!("{name:?} is there twice")));
            }
        }
        Ok(Strict)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Strict, A::Error> {
        while items.next_element::<Strict>()?.is_some() {}
        Ok(Strict)
    }

    fn visit_str<E>(self, _: &str) -> Result<Strict, E> {
        Ok(Strict)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Strict, E> {
        Ok(Strict)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Strict, E> {
        Ok(Strict)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Strict, E> {
        Ok(Strict)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Strict, E> {
        Ok(Strict)
    }

    fn visit_unit<E>(self) -> Result<Strict, E> {
        Ok(Strict)
    }
}

/// A sampler whose rule has this name.
struct ByRule(String);

impl Sampler for ByRule {
    fn decide(&self, _: &SamplingRequest<'_>) -> Decision {
        Decision::sampled().with_rule(self.0.as_str())
    }
}

/// A plugin that detects a platform with these texts.
struct Finds(Vec<String>);

impl Plugin for Finds {
    fn name(&self) -> &str {
        &self.0[0]
    }

    fn detect(&self) -> Result<Detected, Box<dyn Error + Send + Sync>> {
        let text = |n: usize| self.0[n % self.0.len()].as_str();
        let fields = (0..6).fold(Detected::new(text(0), text(1)), |host, n| host.field(text(n), text(n + 1)));
        Ok(fields.log_group(text(2), Some(text(3).to_owned())).log_group(text(4), None))
    }
}

/// Returns a recorder with these texts in its configuration, whose plugins have finished.
fn recorder(texts: &[String]) -> (Recorder, MemoryEmitter) {
    let text = |n: usize| texts[n % texts.len()].clone();
    let (emitter, (ended, has_ended)) = (MemoryEmitter::new(), mpsc::channel());
    let environment = {
        let (name, group) = (text(1), text(2));
        move |variable: &str| match variable {
            "AWS_XRAY_TRACING_NAME" => Some(name.clone()),
            "AWS_LOG_GROUP" if group.len() % 2 == 0 => Some(group.clone()),
            "AWS_XRAY_COLLECT_SQL_QUERIES" => Some("true".to_owned()),
            _ => None,
        }
    };
    let log = move |diagnostic: &Diagnostic<'_>| {
        if diagnostic.cause() == Cause::Plugin && diagnostic.to_string().starts_with("plugins have finished") {
            let _ = ended.send(());
        }
    };
    let recorder = Recorder::builder()
        .environment(environment)
        .service(text(3))
        .service_version(text(4))
        .sampling(ByRule(text(5)))
        .plugin(Finds(texts.to_vec()))
        .plugin(Finds(texts.iter().rev().cloned().collect()))
        .emitter(emitter.clone())
        .diagnostic_level(Level::Debug)
        .on_diagnostic(log)
        .build()
        .unwrap();
    has_ended.recv().unwrap();
    (recorder, emitter)
}

/// Records a text in every place that accepts one.
fn record(recorder: &Recorder, text: impl Fn(usize) -> String) {
    let texts: Vec<String> = (0..32).map(text).collect();
    let t: Vec<&str> = texts.iter().map(String::as_str).collect();
    let attributes = [(t[0], t[1])];
    let mut request = ServerRequestInfo::default();
    (request.method, request.target, request.host) = (t[2], t[4], Some(t[5]));
    (request.trace_header, request.traceparent, request.tracestate) = (Some(t[8]), Some(t[9]), Some(t[10]));
    request.attributes = &attributes;
    let mut details = ServerRequestDetails::default();
    (details.scheme, details.user_agent) = (Some(t[3]), Some(t[6]));
    (details.forwarded_for, details.forwarded_proto) = (Some(t[7]), Some(t[11]));
    let naming = Naming::dynamic(t[11]);
    let mut options = ServerOptions::new(naming);
    options.set_keep_query(t[0].len().is_multiple_of(2));
    options.set_trust_forwarded_proto(true);
    let mut incoming = ServerRequest::begin(recorder, &options, &request, || details);
    let segment = incoming.segment().clone();
    segment.set_user(t[12]).annotate(t[13], t[14]).annotate(t[14], t[15]);
    segment.metadata(t[16], t[17]).metadata_in(t[18], t[19], &BTreeMap::from([(t[20], t[21])]));
    segment.fault(Exception::new(t[22], t[23])).error(t[24]).fault(Exception::from_display(&t[25]));

    let call = segment.subsegment(t[26]);
    call.set_http_request(&HttpRequest::new(t[0], t[1]).user_agent(t[2]).client_ip(t[3]).keep_query(true));
    call.set_http_response(&HttpResponse::new(200));
    let aws = Aws::operation(t[4]).region(t[5]).request_id(t[6]).id_2(t[7]);
    call.set_aws(&aws.parameter(t[8], t[9]).parameter(t[9], &[t[8]]).parameter(t[8], t[10])).close();

    for sql in [Sql::from_url(t[27]), Sql::to(t[28], t[29], Some(1), t[30], Some(t[31]))] {
        let sql = sql.database_type(t[0]).database_version(t[1]).driver_version(t[2]).query(t[3]);
        segment.subsegment(sql.name()).set_sql(&sql).close();
    }

    let mut request = ClientRequestInfo::default();
    (request.method, request.scheme, request.authority, request.target) = (t[0], t[1], t[2], t[3]);
    request.name = Some(t[4]).filter(|name| name.len().is_multiple_of(2));
    if let Some(mut outgoing) = ClientRequest::begin(Some(&segment.entity()), &ClientOptions::new(), &request) {
        for (name, value) in outgoing.headers() {
            assert!(value.bytes().all(|byte| matches!(byte, b' '..=b'~')), "{name}: {value:?}");
        }
        outgoing.head(HttpResponse::new(500), BodyLength::Unknown);
        outgoing.failed(&std::io::Error::other(t[5].to_owned()));
    }
    incoming.head(HttpResponse::new(200), BodyLength::Nothing);
    let header = TraceHeader::parse(t[8]).with_fields(t[9]).with_sampled(true);
    recorder.begin_from(t[10], &header).close();
}

/// Checks each document with a strict parser. Returns the number of documents.
fn check(recorder: &Recorder, emitter: &MemoryEmitter) -> usize {
    let documents = emitter.take();
    for document in &documents {
        if let Err(error) = serde_json::from_str::<Strict>(document.json()) {
            panic!("{error}: {}", document.json());
        }
    }
    assert_eq!(recorder.stats().dropped_oversize, 0);
    documents.len()
}

fn texts() -> impl Strategy<Value = Vec<String>> {
    let hostile = prop_oneof![
        "[\"\\\\{}\\[\\],:\\x00-\\x1f\\x7f]{0,12}",
        any::<String>(),
        "[a-z=;:/?#@&%'\"$ -]{0,30}",
        r#"(Root|Parent|Sampled|Self|Lineage|x)=[0-9a-z\-:"\\]{0,35};?"#,
        "(postgres|mysql|sqlite|Server|host)[:=/@a-z0-9\";' ]{0,40}",
        Just("\u{2028}\u{fffe}\u{10ffff}é".to_owned()),
        ("[\"\\\\a𝒳\\x01]", 1_usize..70_000).prop_map(|(unit, times)| unit.repeat(times)),
    ];
    prop::collection::vec(hostile, 1..40)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, max_shrink_iters: 200, ..ProptestConfig::default() })]

    #[test]
    fn any_text_anywhere_leaves_every_document_valid(texts in texts()) {
        let (recorder, emitter) = recorder(&texts);
        record(&recorder, |n| texts[n % texts.len()].clone());
        prop_assert!(check(&recorder, &emitter) >= 1);
    }
}

/// Fills an entity with as much as it keeps of everything that is never trimmed, and with more of the rest than fits.
fn fill(segment: &Segment, long: &str) {
    segment.set_user(long).mark(xray_core::Flag::Fault);
    (0..60).for_each(|n| _ = segment.annotate(&format!("{n}{}", "k".repeat(600)), long));
    (0..60).for_each(|n| _ = segment.annotate(&format!("short {n}"), n));
    (0..300).for_each(|n| _ = segment.metadata_in(long, &format!("{n}{long}"), &long).metadata(&n.to_string(), &n));
    (0..40).for_each(|n| _ = segment.fault(Exception::new(long, format!("{n}{long}"))));
    let request = HttpRequest::new(long, long).user_agent(long).client_ip(long);
    segment.set_http_request(&request).set_http_response(&HttpResponse::new(500));
}

#[test]
fn no_long_name_loses_a_document() {
    for unit in ["a", "\"", "\u{1}", "𝒳", "é", "\\", "a\n"] {
        let long = unit.repeat(5000);
        let (recorder, emitter) = recorder(std::slice::from_ref(&long));
        let segment = recorder.begin(&long);
        fill(&segment, &long);
        segment.close();
        assert_eq!(check(&recorder, &emitter), 1, "{unit:?}");
    }
    // The largest blocks of plugins and log groups.
    for unit in ["a", "\"", "\u{1}", "𝒳"] {
        let long = |bytes: usize| unit.repeat(bytes / serde_json::to_string(unit).unwrap().len().saturating_sub(2));
        let texts: Vec<_> = [80, 40, 150, 600, 900].map(long).to_vec();
        let (recorder, emitter) = recorder(&texts);
        let segment = recorder.begin(&texts[0]);
        fill(&segment, &long(6000));
        segment.close();
        let documents = emitter.take();
        assert_eq!(documents.len(), 1, "{unit:?}: {:?}", recorder.stats());
        let json: serde_json::Value = serde_json::from_str(documents[0].json()).unwrap();
        let blocks = json["aws"].to_string().len() + json["origin"].to_string().len();
        let size = documents[0].json().len();
        assert!(blocks > 3500 && size > 55_000, "{unit:?}: {blocks} of {size}");
    }
}
