//! A call that is not recorded allocates what sqlx does, and nothing more.

use allocation_counter::measure;
use sqlx::Executor;
use xray_core::Recorder;

#[test]
fn an_unsampled_call_allocates_as_much_as_without_the_wrapper() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let bare = runtime.block_on(sqlx::SqlitePool::connect("sqlite::memory:")).expect("a database");
    let wrapped = xray_sqlx::SqlitePool::from(bare.clone());
    let (recorder, traces) = Recorder::in_memory();
    let segment = recorder.begin("web");
    let unsampled = segment.unsampled_subsegment();
    let (_runtime, _in) = (runtime.enter(), unsampled.enter());
    // The methods return futures and streams of sqlx itself, so only their creation can differ.
    macro_rules! same {
        ($($method:ident),*) => {$(
            let with = measure(|| drop((&wrapped).$method("SELECT 1")));
            let without = measure(|| drop((&bare).$method("SELECT 1")));
            assert!(without.count_total > 0);
            assert_eq!((with.count_total, with.bytes_total), (without.count_total, without.bytes_total));
        )*};
    }
    same!(execute, execute_many, fetch, fetch_many, fetch_all, fetch_one, fetch_optional);
    drop(_in);
    segment.close();
    assert_eq!(traces.take().single().tree(), "web\n");
}
