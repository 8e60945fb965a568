//! The grammar. `tests/local/filters.rs` tests the meaning.

use proptest::prelude::*;

use super::parse::parse;
use super::syntax::{CauseKind, CausePart, Expression, Flag, Number, Operator, Pattern, Text, Value};
use super::{Filter, Group, Groups, TraceView, certain, select};
use crate::store::{Store, Summarized};
use crate::trace::{Names, Summary};

#[test]
fn expressions_of_the_guide_and_of_public_code_are_parsed() {
    let expressions: Vec<_> = include_str!("../../tests/data/expressions.txt").lines().collect();
    assert_eq!(expressions.len(), 51);
    for expression in expressions {
        let parsed = parse(expression).unwrap_or_else(|error| panic!("{expression}: {error}")).expression;
        assert_eq!(parse(&parsed.to_string()).unwrap().expression, parsed, "{expression}");
    }
}

#[test]
fn each_of_these_expressions_can_be_tested() {
    let groups = Groups::default();
    let slow = Filter::parse("responsetime > 5", &groups).unwrap();
    groups.put(Group::new("high_response_time".to_owned(), String::new(), slow), 10);
    let store = Store::new();
    store.accept_document(include_str!("../../tests/data/reference.json").trim()).unwrap();
    let trace = &store.summaries(0)[0];
    for expression in include_str!("../../tests/data/expressions.txt").lines() {
        let filter = Filter::parse(expression, &groups).unwrap_or_else(|error| panic!("{expression}: {error}"));
        let matches = filter.matches(&TraceView::new(trace.id, &trace.summary, &store));
        let opposite = Filter::parse(&format!("!({expression})"), &groups).unwrap();
        let is_opposite = opposite.matches(&TraceView::new(trace.id, &trace.summary, &store));
        assert_ne!(matches, is_opposite, "{expression}");
    }
}

#[test]
fn what_a_cut_summary_says_is_true_of_the_whole_trace() {
    let call = |id, name, more: &str| {
        format!(r#"{{"id":"{id:016x}","name":"{name}","start_time":1,"end_time":2,"namespace":"remote"{more}}}"#)
    };
    let segment = |name, more: &str, calls: &[String]| {
        let head =
            r#""trace_id":"1-684ee180-000000000000000000000001","id":"00000000000000aa","start_time":1,"end_time":3"#;
        format!(r#"{{{head},"name":"{name}","subsegments":[{}]{more}}}"#, calls.join(","))
    };
    let documents = [
        segment("a", r#","annotations":{"k":1,"m":true},"user":"u""#, &[call(1, "b", r#","fault":true"#)]),
        segment(
            "b",
            r#","http":{"request":{"method":"GET","user_agent":"c"}}"#,
            &[call(1, "a", r#","annotations":{"m":"t","k":2}"#), call(2, "c", r#","error":true,"user":"v""#)],
        ),
        segment("c", r#","error":true,"annotations":{"x":1,"y":2,"z":3,"m":4}"#, &[]),
    ];
    let services = ["a", "b", "c", "d"].map(|name| format!("service({name})"));
    let edges = ["a", "b"].map(|from| ["a", "b", "c"].map(|to| format!("edge({from}, {to})"))).concat();
    let blocks = ["", " { fault }", " { annotation.k }", " { user }", " { http.useragent }"];
    let of_services = services.iter().chain(&edges).flat_map(|term| blocks.map(|block| format!("{term}{block}")));
    let others = [
        "",
        "ok",
        "fault = false",
        "http.status",
        "http.method",
        "http.useragent = c",
        "user",
        "user = v",
        "instance.id",
        "annotation.k",
        "annotation.k > 1",
        "annotation.m",
        "annotation.m != 4",
        "annotation.d",
        "rootcause.fault.service",
        "rootcause.error.entity { name = c }",
        "rootcause.responsetime.service",
        "rootcause.json = #[{}]",
    ];
    let terms: Vec<String> = of_services.chain(others.map(str::to_owned)).collect();
    let pairs = terms.iter().zip(terms.iter().rev()).filter(|(one, other)| !one.is_empty() && !other.is_empty());
    let pairs = pairs.flat_map(|(one, other)| ["AND", "OR"].map(|word| format!("{one} {word} !({other})")));
    let (mut known, mut unknown) = (0, 0);
    for document in documents {
        let store = Store::new();
        store.accept_document(&document).unwrap();
        let trace = store.traces().remove(0);
        let detailed = store.detailed(trace.id()).unwrap();
        for text in terms.iter().cloned().chain(pairs.clone()) {
            let Filter { expression, .. } = Filter::parse(&text, &Groups::default()).unwrap();
            let want = super::test::matches(&expression, &detailed.summary, Some(&detailed));
            for max in 0..5 {
                let (summary, _) = Summary::build(&trace, 1, &Names::default(), max);
                match certain(&expression, &summary) {
                    Some(found) => assert_eq!(found, want, "{text}: {document}, {max}"),
                    None => unknown += 1,
                }
                known += 1;
            }
        }
    }
    assert!((1..known * 2 / 3).contains(&unknown), "{unknown} of {known}");
}

#[test]
fn and_comes_before_or_and_terms_side_by_side_are_and() {
    for (text, want) in [
        ("ok or error and fault", "ok OR (error AND fault)"),
        ("ok error", "ok AND error"),
        ("!ok error", "!ok AND error"),
        ("!(ok error)", "!(ok AND error)"),
        ("((ok))", "ok"),
        ("ok != false", "ok"),
        ("annotation['a b'] = 'x'", "annotation[\"a b\"] = \"x\""),
        ("annotation.a = -1.50", "annotation.a = -1.5"),
        ("annotation.a = inf", "annotation.a = \"inf\""),
        ("service(){}", "service() {  }"),
        ("edge(a,id(type:b))", "edge(\"a\", id(type: \"b\"))"),
    ] {
        let printed = parse(text).unwrap().expression.to_string();
        assert_eq!(printed, want, "{text}");
    }
}

#[test]
fn nesting_has_a_limit() {
    let nested = |open: &str, close: &str, depth: usize| format!("{}ok{}", open.repeat(depth), close.repeat(depth));
    for (open, close) in [("(", ")"), ("!", ""), ("!(", ")")] {
        let most = 64 / open.len();
        assert!(parse(&nested(open, close, most)).is_ok(), "{open}");
        for depth in [most + 1, 100_000] {
            let error = parse(&nested(open, close, depth)).unwrap_err();
            assert!(error.message.contains("64 levels"), "{error}");
        }
    }
}

fn test_text(text: Text) -> BoxedStrategy<Expression> {
    let operators = prop::sample::select(Operator::ALL.iter().copied().filter(|op| !op.is_order()).collect::<Vec<_>>());
    prop::option::of((operators, any::<String>())).prop_map(move |test| Expression::Text(text, test)).boxed()
}

fn test_number(number: Number) -> BoxedStrategy<Expression> {
    let operators =
        prop::sample::select(Operator::ALL.iter().copied().filter(|op| !op.is_search()).collect::<Vec<_>>());
    prop::option::of((operators, -1e9..1e9)).prop_map(move |test| Expression::Number(number, test)).boxed()
}

fn any_flag(flags: &'static [Flag]) -> BoxedStrategy<Expression> {
    (prop::sample::select(flags), any::<bool>()).prop_map(|(flag, wanted)| Expression::Flag(flag, wanted)).boxed()
}

fn any_annotation() -> BoxedStrategy<Expression> {
    let value = prop_oneof![
        any::<String>().prop_map(Value::Text),
        (-1e9..1e9).prop_map(Value::Number),
        any::<bool>().prop_map(Value::Bool)
    ];
    let test = (prop::sample::select(Operator::ALL), value).prop_filter("types fit", |(operator, value)| match value {
        Value::Text(_) => !operator.is_order(),
        Value::Number(_) => !operator.is_search(),
        Value::Bool(_) => matches!(operator, Operator::Equal | Operator::Unequal),
    });
    let key = prop_oneof!["[a-z.]{1,8}", any::<String>()].prop_filter("not empty", |key| !key.is_empty());
    (key, prop::option::of(test)).prop_map(|(key, test)| Expression::Annotation(key, test)).boxed()
}

/// Joins terms.
fn nested(term: BoxedStrategy<Expression>) -> BoxedStrategy<Expression> {
    term.prop_recursive(4, 16, 3, |inner| {
        let list = || prop::collection::vec(inner.clone(), 2..4);
        prop_oneof![
            list().prop_map(Expression::All),
            list().prop_map(Expression::Any),
            inner.clone().prop_map(|inner| Expression::Not(Box::new(inner))),
        ]
    })
    .boxed()
}

fn any_pattern() -> BoxedStrategy<Pattern> {
    let text = || prop::option::of(any::<String>());
    (text(), text(), text()).prop_map(|(name, kind, account)| Pattern { name, kind, account }).boxed()
}

fn any_block(terms: BoxedStrategy<Expression>) -> BoxedStrategy<Option<Box<Expression>>> {
    let inner = prop_oneof![1 => Just(Expression::Everything), 4 => nested(terms)];
    prop::option::of(inner.prop_map(Box::new)).boxed()
}

fn any_expression() -> BoxedStrategy<Expression> {
    let of_call = || {
        prop_oneof![
            any_flag(&[Flag::Ok, Flag::Fault, Flag::Inferred, Flag::Root]),
            any_annotation(),
            test_text(Text::Name),
            test_text(Text::AccountId),
            test_number(Number::ResponseTime),
        ]
        .boxed()
    };
    let of_cause = prop_oneof![
        any_flag(&[Flag::First, Flag::Last, Flag::Remote]),
        test_text(Text::Message),
        test_number(Number::Coverage)
    ];
    let cause =
        (prop::sample::select(CauseKind::ALL), prop::sample::select(CausePart::ALL), any_block(of_cause.boxed()));
    let term = prop_oneof![
        any_flag(&[Flag::Ok, Flag::Error, Flag::Throttle, Flag::Fault, Flag::Partial]),
        any_annotation(),
        test_text(Text::Url),
        test_text(Text::User),
        test_text(Text::GroupName),
        test_number(Number::Status),
        (any_pattern(), any_block(of_call())).prop_map(|(node, block)| Expression::Service(node, block)),
        (any_pattern(), any_pattern(), any_block(of_call()))
            .prop_map(|(from, to, block)| Expression::Edge(from, to, block)),
        cause.prop_map(|(kind, part, block)| Expression::Cause(kind, part, block)),
    ];
    nested(term.boxed())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_printed_is_parsed_to_the_same(expression in any_expression()) {
        let text = expression.to_string();
        let parsed = parse(&text).map_err(|error| TestCaseError::fail(format!("{text}: {error}")))?;
        prop_assert_eq!(parsed.expression, expression, "{}", text);
    }

    #[test]
    fn arbitrary_text_causes_no_panic(text in any::<String>()) {
        check(&text);
    }

    #[test]
    fn text_of_tokens_causes_no_panic(
        words in prop::collection::vec(prop::sample::select(vec![
            "service", "edge", "(", ")", "{", "}", "\"a\"", "'", "\"", "\\", "!", "=", "!=", "<", ">=", ",", ":", "#", "[", "]",
            "{}", "id", "name", "type", "account.id", "annotation.", "annotation", "annotation.é", "rootcause.fault.service",
            "rootcause.json", "rootcause.", "ok", "fault", "duration", "http.url", "group.name", "AND", "OR", "CONTAINS", "1", "-",
            "true", "é", "\u{202e}", "user", "index",
        ]), 0..24),
    ) {
        check(&words.join(" "));
        check(&words.concat());
    }
}

/// Parses an expression. An error is at a character of it, and an expression can be tested.
fn check(text: &str) {
    match Filter::parse(text, &Groups::default()) {
        Ok(filter) => {
            let store = Store::new();
            let datagram = concat!(
                r#"{"format":"json","version":1}"#,
                "\n",
                r#"{"trace_id":"1-5759e988-bd862e3fe1be46a994272793","id":"00000000000000aa","name":"a","start_time":1}"#
            );
            store.accept(datagram.as_bytes()).unwrap();
            for trace in store.summaries(0) {
                filter.matches(&TraceView::new(trace.id, &trace.summary, &store));
            }
        }
        Err(error) => assert!(text.is_char_boundary(error.at), "{text:?}: {error}"),
    }
}

#[test]
fn many_traces_are_tested_in_parts() {
    let store = Store::new();
    for number in 0..5_000_u64 {
        let document = format!(
            r#"{{"trace_id":"1-684ee180-{number:024x}","id":"{number:016x}","name":"a","start_time":{number}}}"#
        );
        store.accept_document(&document).unwrap();
    }
    for (number, divisor) in [(0, 1), (1, 1), (2_047, 3), (2_048, 3), (5_000, 7)] {
        let all: Vec<_> = store.summaries(0).into_iter().take(number).collect();
        let is_wanted = |trace: &Summarized| (trace.summary.start / 1_000_000).is_multiple_of(divisor);
        let want: Vec<_> = all.iter().filter(|trace| is_wanted(trace)).map(|trace| trace.id).collect();
        let mut found = all;
        select(&mut found, is_wanted);
        assert_eq!(found.iter().map(|trace| trace.id).collect::<Vec<_>>(), want, "{number}");
    }
}

/// Prints how long it takes to filter 100,000 traces: `cargo test --release -p xray-local --lib filter::tests::speed --
/// --ignored --nocapture`.
#[test]
#[ignore = "measures"]
fn speed() {
    let limits = crate::store::Limits { memory: 1 << 30, ..Default::default() };
    let store = Store::with_limits(limits);
    for number in 0..100_000_u64 {
        let status = if number % 100 == 0 { 500 } else { 200 };
        let document = format!(
            r#"{{"trace_id":"1-684ee180-{number:024x}","id":"{number:016x}","name":"shop","start_time":1750000000,
            "end_time":1750000000.{:03},"fault":{},"http":{{"request":{{"method":"GET","url":"http://shop/{number}"}},
            "response":{{"status":{status}}}}},"annotations":{{"tier":"gold","n":{number}}},"subsegments":[
            {{"id":"{:016x}","name":"db","namespace":"remote","start_time":1750000000,"end_time":1750000000.001}}]}}"#,
            number % 1_000,
            status == 500,
            number + 1_000_000,
        );
        store.accept_document(&document).unwrap();
    }
    let begin = std::time::Instant::now();
    let all = store.summaries(0);
    println!("{:>9.1?} to list {} summaries", begin.elapsed(), all.len());
    for expression in [
        "fault",
        "duration > 0.5",
        "http.status >= 500",
        "service(\"shop\") { fault }",
        "annotation.tier = \"gold\" AND annotation.n > 99990",
        "edge(\"shop\", \"db\") { responsetime > 0.5 }",
        "http.url CONTAINS \"9999\" AND !fault",
        "http.useragent = \"x\"",
    ] {
        let filter = Filter::parse(expression, &Groups::default()).unwrap();
        let begin = std::time::Instant::now();
        let mut found = all.clone();
        let cloned = begin.elapsed();
        select(&mut found, |trace| filter.matches(&TraceView::new(trace.id, &trace.summary, &store)));
        println!("{:>9.1?} to find {:>5} by {expression}", begin.elapsed() - cloned, found.len());
    }
}
