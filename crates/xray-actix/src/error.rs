//! Records errors that a handler or an inner middleware returned.

use std::error::Error as StdError;
use std::io;

use actix_web::error::{JsonPayloadError, PayloadError, QueryPayloadError, UrlencodedError};
use actix_web::http::StatusCode;
use actix_web::{Error, ResponseError};
use xray_core::Exception;
use xray_core::adapter::ServerRequest;

/// Records an error as a fault or an error, by the status of its response. With any other status, such as a redirect, the
/// error is a way to respond and not a failure.
pub(crate) fn record(incoming: &ServerRequest, error: &Error, status: StatusCode) {
    let segment = incoming.segment();
    if !segment.is_recording() {
        return;
    }
    if status.is_server_error() {
        segment.fault(exception(error));
    } else if status.is_client_error() {
        segment.error(exception(error));
    }
}

/// Converts an error to an exception. actix-web's trait does not expose the `source()` chain, so known types are detected by
/// downcasting.
fn exception(error: &Error) -> Exception {
    if let Some(boxed) = error.as_error::<Box<dyn StdError>>() {
        return Exception::from(&**boxed);
    }
    if let Some(error) = error.as_error::<io::Error>() {
        let error: &(dyn StdError + 'static) = error;
        return Exception::from(error);
    }
    // The errors of actix-web's own extractors.
    known::<JsonPayloadError>(error)
        .or_else(|| known::<QueryPayloadError>(error))
        .or_else(|| known::<UrlencodedError>(error))
        .or_else(|| known::<PayloadError>(error))
        .unwrap_or_else(|| Exception::from_dyn(error.as_response_error()))
}

fn known<E: ResponseError + StdError + 'static>(error: &Error) -> Option<Exception> {
    error.as_error::<E>().map(Exception::from)
}

#[cfg(test)]
mod tests {
    use std::fmt;

    use actix_web::error::{ErrorNotFound, InternalError};

    use super::*;

    #[derive(Debug)]
    struct Broken;

    impl fmt::Display for Broken {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("broken")
        }
    }

    impl ResponseError for Broken {}

    #[test]
    fn known_error_types_are_recorded_with_their_type_and_sources() {
        let parse = || "x".parse::<u8>().unwrap_err();
        let boxed: Box<dyn StdError> = Box::new(parse());
        for (error, kind, message) in [
            (Error::from(Broken), "Broken", "broken"),
            (Error::from(boxed), "ParseIntError", "invalid digit found in string"),
            (Error::from(io::Error::other("disk on fire")), "io::Error", "disk on fire"),
            (ErrorNotFound(parse()), "ParseIntError", "invalid digit found in string"),
            (ErrorNotFound("no such order"), "Error", "no such order"),
            (InternalError::new(Broken, StatusCode::CONFLICT).into(), "Broken", "broken"),
            (JsonPayloadError::ContentType.into(), "JsonPayloadError", "Content type error"),
        ] {
            let exception = exception(&error);
            assert_eq!((exception.kind(), exception.message()), (kind, message));
        }
    }
}
