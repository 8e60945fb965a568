//! What is recorded of an error of which only its text is known.

use std::any::Any;
use std::error::Error;
use std::fmt::Display;
use std::io;

use xray_core::Exception;

/// An error of the inner service or of its body.
///
/// A bound on `Error` would shut out `Box<dyn Error + Send + Sync>`, which is what most of tower fails with and
/// does not implement it; so the types that come here most are tried for their `source()` chain.
pub(crate) struct Failure<'a, E>(pub(crate) &'a E);

impl<E: Display + 'static> From<Failure<'_, E>> for Exception {
    fn from(Failure(error): Failure<'_, E>) -> Exception {
        let any: &dyn Any = error;
        if let Some(error) = any.downcast_ref::<Box<dyn Error + Send + Sync>>() {
            return Exception::from(unwrapped(&**error));
        }
        if let Some(error) = any.downcast_ref::<io::Error>() {
            return Exception::from(unwrapped(error));
        }
        #[cfg(feature = "axum")]
        if let Some(error) = any.downcast_ref::<axum::Error>() {
            return Exception::from(unwrapped(error));
        }
        Exception::from_display(error)
    }
}

/// An error without the layers of `axum::Error` around it, which say nothing of their own.
fn unwrapped<'a>(error: &'a (dyn Error + 'static)) -> &'a (dyn Error + 'static) {
    #[cfg(feature = "axum")]
    if error.is::<axum::Error>()
        && let Some(inner) = error.source()
    {
        return unwrapped(inner);
    }
    error
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_described_by_their_own_type_where_it_can_be_known() {
        let parse = || "x".parse::<u8>().unwrap_err();
        let boxed: Box<dyn Error + Send + Sync> = Box::new(parse());
        #[cfg(feature = "axum")]
        assert_eq!(Exception::from(Failure(&axum::Error::new(axum::Error::new(parse())))).kind(), "ParseIntError");
        for (exception, kind, message) in [
            (Exception::from(Failure(&parse())), "ParseIntError", "invalid digit found in string"),
            (Exception::from(Failure(&boxed)), "ParseIntError", "invalid digit found in string"),
            (Exception::from(Failure(&io::Error::other("broken"))), "io::Error", "broken"),
            (Exception::from(Failure(&"text")), "str", "text"),
        ] {
            assert_eq!((exception.kind(), exception.message()), (kind, message));
        }
    }

    #[test]
    fn an_error_that_was_captured_is_told_once() {
        let (recorder, traces) = xray_core::Recorder::in_memory();
        let segment = recorder.begin("shop");
        let entered = segment.enter();
        let error = xray_core::try_capture("parse", |_| "x".parse::<u8>()).unwrap_err();
        drop(entered);
        segment.fault(Exception::from(Failure(&error)));
        segment.close();
        let trace = traces.take().single();
        let told = &trace.find("parse").json()["cause"]["exceptions"][0]["id"];
        assert!(told.is_string());
        assert_eq!(&trace.root().json()["cause"], told);
    }
}
