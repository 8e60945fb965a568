//! The behaviours of server adapters. An adapter's tests run all of them by one line.
//!
//! The tests of an adapter have one function of their own: it serves an [`App`] through the adapter on a listener, for as
//! long as its future is polled. Each behaviour becomes a test, so a failure has its name:
//!
//! ```no_run
//! use std::net::TcpListener;
//! use xray_behaviours::server::App;
//!
//! async fn serve(listener: TcpListener, app: App) {
//!     // Routes `/{name}` for all methods, with `app.respond(path)` as the handler, inside `app.layers` layers with the
//!     // options of `app`.
//!     # let _ = (listener, app);
//! }
//!
//! xray_behaviours::server_tests!(serve);
//! ```
//!
//! Everything goes over real sockets: requests to the server by TCP, documents to a strict daemon by UDP, which validates
//! each of them against the published schema. The listener is non-blocking. The future is polled by a tokio runtime on a
//! thread of its own, with as many threads as [`App::threads`] says.

mod adapter;
mod app;
mod bodies;
mod context;
mod disconnects;
mod requests;
mod responses;
#[cfg(feature = "tls")]
mod tls;

use std::net::TcpListener;
use std::time::Duration;

use futures_util::future::LocalBoxFuture;

use adapter::Adapter;
pub use app::{App, Body, Response};

/// More than any behaviour takes, unless what it waits for never happens.
const TIMEOUT: Duration = Duration::from_secs(60);

/// A behaviour's test.
type Behaviour = for<'a> fn(&'a Adapter) -> LocalBoxFuture<'a, ()>;

/// Lists behaviours by module, and generates the macro that makes tests of them.
macro_rules! behaviours {
    ($dollar:tt $list:ident $(#[$meta:meta])* $tests:ident: $($module:ident { $($name:ident)* })*) => {
        const $list: &[(&str, Behaviour)] =
            &[$($((stringify!($name), |adapter| Box::pin($module::$name(adapter)))),*),*];

        $(#[$meta])*
        #[macro_export]
        macro_rules! $tests {
            ($dollar serve:expr) => {
                $crate::$tests!($dollar serve, body_errors: "io::Error");
            };
            ($dollar serve:expr, body_errors: $dollar kind:literal) => {
                $($(
                    #[test]
                    fn $name() {
                        $crate::server::check(stringify!($name), $dollar serve, $dollar kind);
                    }
                )*)*
            };
        }
    };
}

behaviours! { $
    BEHAVIOURS
    /// Makes a test of each behaviour of server adapters. The parameter is a function
    /// `async fn(TcpListener, App)`: see [`server`](crate::server).
    ///
    /// `server_tests!(serve, body_errors: "Error")` is for frameworks that hide the error of a body in a type of their own:
    /// the literal is the type that is recorded of it.
    server_tests:
    requests {
        segments_are_named_as_configured
        the_request_is_described_as_configured
        the_scheme_is_that_of_the_option_of_the_trusted_header_or_of_the_target
        targets_without_a_path_and_requests_without_a_host
        a_caller_s_trace_is_continued
        a_trace_that_arrives_by_traceparent_is_joined
        headers_that_are_not_utf_8_are_as_if_absent
        the_decision_is_returned_when_the_caller_asks_for_it
        the_decision_is_always_returned_on_request
        ignored_requests_record_nothing_and_miss_no_context
        the_application_supplies_the_attributes_of_sampling_rules
        a_disabled_sdk_changes_nothing
        a_request_that_is_not_sampled_is_served_and_says_so_downstream
        a_recorder_may_be_installed_after_the_layer_was_made
    }
    responses {
        each_status_is_recorded_with_its_flags
        responses_without_a_body_close_with_their_head
        an_error_that_a_handler_records_is_the_cause
        a_panic_is_recorded_and_the_next_request_of_the_thread_is_served
        a_panic_of_one_request_does_not_touch_another_one_on_its_thread
    }
    bodies {
        a_streamed_body_belongs_to_the_request_until_its_end
        a_body_that_fails_is_a_fault_and_aborted
        a_body_that_panics_is_a_fault_and_the_thread_stays_clean
        a_segment_of_an_event_stream_closes_with_the_head
        other_responses_are_recorded_until_their_end
    }
    context {
        what_a_handler_records_is_in_the_document
        futures_that_run_together_are_siblings
        a_spawned_task_has_the_context_only_if_it_is_carried_there
        concurrent_requests_are_never_mixed_on_one_thread
        concurrent_requests_are_never_mixed_on_many_threads
        a_request_that_passes_two_layers_is_one_segment
        a_second_layer_does_not_sample_anew
    }
    disconnects {
        a_client_that_resets_before_the_head_cancels_the_request
        a_client_that_leaves_in_the_middle_of_the_body_aborts_it
        a_client_that_closes_while_bytes_are_written_aborts_the_body
    }
}

#[cfg(feature = "tls")]
behaviours! { $
    TLS_BEHAVIOURS
    /// Makes a test of each behaviour of adapters for servers that know which connections are TLS. The parameter is a
    /// function like that of [`server_tests!`](crate::server_tests), which serves over TLS with
    /// [`tls::server_config`](crate::tls::server_config).
    server_tls_tests:
    tls {
        a_url_behind_tls_is_https
        the_scheme_option_takes_precedence_over_tls
    }
}
#[cfg(not(feature = "tls"))]
const TLS_BEHAVIOURS: &[(&str, Behaviour)] = &[];

/// Runs one behaviour. The macros call it.
///
/// # Panics
/// Panics if the adapter does not have the behaviour.
#[doc(hidden)]
pub fn check<F: Future<Output = ()> + 'static>(
    name: &str,
    serve: impl Fn(TcpListener, App) -> F + Send + Sync + 'static,
    body_errors: &'static str,
) {
    let mut behaviours = BEHAVIOURS.iter().chain(TLS_BEHAVIOURS);
    let (_, behaviour) = behaviours.find(|(known, _)| *known == name).expect("the macro knows the names");
    let adapter = Adapter::new(serve, body_errors);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let checked = tokio::time::timeout(TIMEOUT, behaviour(&adapter)).await;
        assert!(checked.is_ok(), "not finished after {TIMEOUT:?}");
    });
}
