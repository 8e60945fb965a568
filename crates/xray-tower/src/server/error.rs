//! Converts errors that need only implement `Display` to exceptions.

use std::any::Any;
use std::error::Error;
use std::fmt::Display;
use std::io;

use xray_core::Exception;

/// An error of the inner service or of its body.
///
/// A bound on `Error` would exclude `Box<dyn Error + Send + Sync>`, which most tower services return and which does not
/// implement it. So the bound is `Display`, and the most common types are downcast for their `source()` chain.
pub(crate) struct ServiceError<'a, E>(pub(crate) &'a E);

impl<E: Display + 'static> From<ServiceError<'_, E>> for Exception {
    fn from(ServiceError(error): ServiceError<'_, E>) -> Exception {
        let any: &dyn Any = error;
        if let Some(error) = any.downcast_ref::<Box<dyn Error + Send + Sync>>() {
            #[cfg(feature = "axum")]
            return Exception::from(super::axum::unwrapped(&**error));
            #[cfg(not(feature = "axum"))]
            return Exception::from(&**error);
        }
        if let Some(error) = any.downcast_ref::<io::Error>() {
            let error: &(dyn Error + 'static) = error;
            return Exception::from(error);
        }
        #[cfg(feature = "axum")]
        if let Some(error) = any.downcast_ref::<axum::Error>() {
            return Exception::from(super::axum::unwrapped(error));
        }
        Exception::from_display(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn common_error_types_are_recorded_with_their_type_and_message() {
        let parse = || "x".parse::<u8>().unwrap_err();
        let boxed: Box<dyn Error + Send + Sync> = Box::new(parse());
        #[cfg(feature = "axum")]
        assert_eq!(Exception::from(ServiceError(&axum::Error::new(axum::Error::new(parse())))).kind(), "ParseIntError");
        for (exception, kind, message) in [
            (Exception::from(ServiceError(&parse())), "ParseIntError", "invalid digit found in string"),
            (Exception::from(ServiceError(&boxed)), "ParseIntError", "invalid digit found in string"),
            (Exception::from(ServiceError(&io::Error::other("broken"))), "io::Error", "broken"),
            (Exception::from(ServiceError(&"text")), "str", "text"),
        ] {
            assert_eq!((exception.kind(), exception.message()), (kind, message));
        }
    }

    #[test]
    fn an_error_that_was_captured_is_recorded_once() {
        let (recorder, traces) = xray_core::Recorder::in_memory();
        let segment = recorder.begin("shop");
        let entered = segment.enter();
        let error = xray_core::try_capture("parse", |_| "x".parse::<u8>()).unwrap_err();
        drop(entered);
        segment.fault(Exception::from(ServiceError(&error)));
        segment.close();
        let trace = traces.take().single();
        let recorded = &trace.find("parse").json()["cause"]["exceptions"][0]["id"];
        assert!(recorded.is_string());
        assert_eq!(&trace.root().json()["cause"], recorded);
    }
}
