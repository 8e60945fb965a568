//! What recording must not do.

use std::cell::Cell;

use diesel::connection::{InstrumentationEvent, SimpleConnection, StrQueryHelper};
use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::sqlite::Sqlite;
use serde_json::json;
use xray_core::Recorder;
use xray_diesel::XRayInstrumentation;

use crate::sqlite::open;
use xray_databases::traced::Traced;

thread_local!(static WALKS: Cell<usize> = const { Cell::new(0) });

/// A query of the application that counts how often it is formatted, executed or bound, and panics if it must.
struct Walked {
    panics_at: usize,
}

impl QueryFragment<Sqlite> for Walked {
    fn walk_ast<'b>(&'b self, mut pass: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        WALKS.set(WALKS.get() + 1);
        assert_ne!(WALKS.get(), self.panics_at, "a query of the application panics");
        pass.push_sql("SELECT 1");
        Ok(())
    }
}

impl QueryId for Walked {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl<Conn> RunQueryDsl<Conn> for Walked {}

fn walks(panics_at: usize) -> usize {
    let mut connection = open();
    WALKS.set(0);
    Walked { panics_at }.execute(&mut connection).unwrap();
    WALKS.get()
}

#[test]
fn a_text_that_is_not_recorded_is_not_formatted() {
    let unsampled = Traced::unsampled();
    let bare = {
        let _in = unsampled.enter();
        walks(0)
    };
    let traced = Traced::begin_with(false);
    let entered = traced.segment.enter();
    assert_eq!(walks(0), bare);
    drop(entered);
    let documents = traced.finish();
    let last = documents.as_array().unwrap().last().unwrap();
    assert_eq!(
        last["sql"],
        json!({"url": "sqlite://localhost/:memory:", "database_type": "SQLite", "driver_version": "diesel 2",
               "preparation": "statement"})
    );

    let traced = Traced::begin();
    let entered = traced.segment.enter();
    assert!(walks(0) > bare);
    drop(entered);
    drop(traced.finish());
}

#[test]
fn a_query_that_panics_while_it_is_formatted_is_executed_nevertheless() {
    let documents = Traced::run(|| _ = walks(1));
    let last = documents.as_array().unwrap().last().unwrap();
    assert_eq!((last["sql"].get("sanitized_query"), last.get("fault")), (None, None));
}

fn allocations(connection: &mut SqliteConnection) -> u64 {
    let mut run = || connection.batch_execute("PRAGMA foreign_keys").unwrap();
    run();
    allocation_counter::measure(run).count_total
}

#[test]
fn an_unsampled_query_allocates_nothing_more() {
    let mut connection = open();
    let unsampled = Traced::unsampled();
    let _in = unsampled.enter();
    let observed = allocations(&mut connection);
    connection.set_instrumentation(|_: InstrumentationEvent<'_>| {});
    assert_eq!(observed, allocations(&mut connection));
}

#[test]
fn the_number_of_open_calls_is_bounded() {
    let (recorder, traces) = Recorder::in_memory();
    let segment = recorder.begin("web");
    let entered = segment.enter();
    let mut instrumentation = XRayInstrumentation::new();
    for _ in 0..1_000 {
        instrumentation.record(&InstrumentationEvent::start_query(&StrQueryHelper::new("SELECT 1")));
    }
    let cancelled = || {
        let documents = traces.take();
        documents
            .documents()
            .iter()
            .map(|document| document.json().matches("\"cancelled\":true").count())
            .sum::<usize>()
    };
    drop(entered);
    segment.close();
    assert_eq!(cancelled(), 1_000 - 256);
    drop(instrumentation);
    assert_eq!(cancelled(), 256);
}
