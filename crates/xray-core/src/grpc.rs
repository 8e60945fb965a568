//! The status of a gRPC call: its name, the flags that it sets, and its exception.
//!
//! Every gRPC response has the HTTP status 200; `grpc-status` says how the call ended.
//!
//! | code | name | flags |
//! |---|---|---|
//! | 0 | `OK` | none |
//! | 1 | `CANCELLED` | error |
//! | 2 | `UNKNOWN` | fault |
//! | 3 | `INVALID_ARGUMENT` | error |
//! | 4 | `DEADLINE_EXCEEDED` | fault |
//! | 5 | `NOT_FOUND` | error |
//! | 6 | `ALREADY_EXISTS` | error |
//! | 7 | `PERMISSION_DENIED` | error |
//! | 8 | `RESOURCE_EXHAUSTED` | error, throttle |
//! | 9 | `FAILED_PRECONDITION` | error |
//! | 10 | `ABORTED` | error |
//! | 11 | `OUT_OF_RANGE` | error |
//! | 12 | `UNIMPLEMENTED` | fault |
//! | 13 | `INTERNAL` | fault |
//! | 14 | `UNAVAILABLE` | fault |
//! | 15 | `DATA_LOSS` | fault |
//! | 16 | `UNAUTHENTICATED` | error |
//! | all others | `UNKNOWN` | fault |
//!
//! The table is the same for the server and for the client, so that both sides of a call have the same color.

use crate::cause::Exception;
use crate::flag::Flag;
use crate::url::percent_decoded;

/// The names of the codes, in their order.
const NAMES: [&str; 17] = [
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];

/// How a gRPC call ended: `grpc-status` and `grpc-message`, from the trailers, or from the headers of a response that has
/// nothing else.
///
/// ```
/// use xray_core::Flag;
/// use xray_core::grpc::GrpcStatus;
///
/// let status = GrpcStatus::from_header(b"5").unwrap().message(b"no order%207");
/// assert_eq!((status.code(), status.name()), (5, "NOT_FOUND"));
/// assert_eq!(status.flags(), [Flag::Error]);
/// assert_eq!(status.exception().unwrap().message(), "no order 7");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GrpcStatus<'a> {
    code: u32,
    message: &'a [u8],
}

impl<'a> GrpcStatus<'a> {
    /// Creates a status with this code and no message.
    pub fn new(code: u32) -> GrpcStatus<'a> {
        GrpcStatus { code, message: b"" }
    }

    /// Parses the value of a `grpc-status` header. Returns `None` if it is not a number.
    pub fn from_header(status: &[u8]) -> Option<GrpcStatus<'a>> {
        std::str::from_utf8(status).ok()?.parse().ok().map(GrpcStatus::new)
    }

    /// Sets the message, as the header `grpc-message` contains it (default: none). A second call replaces the message.
    #[must_use]
    pub fn message(mut self, message: &'a [u8]) -> GrpcStatus<'a> {
        self.message = message;
        self
    }

    /// Returns the code.
    pub fn code(&self) -> u32 {
        self.code
    }

    /// Returns the name of the code, such as `NOT_FOUND`. The name of a code that gRPC does not define is `UNKNOWN`.
    pub fn name(&self) -> &'static str {
        usize::try_from(self.code).ok().and_then(|code| NAMES.get(code)).unwrap_or(&"UNKNOWN")
    }

    /// Returns the flags of the code. The documentation of the [module](self) has the table.
    pub fn flags(&self) -> &'static [Flag] {
        match self.code {
            0 => &[],
            1 | 3 | 5 | 6 | 7 | 9 | 10 | 11 | 16 => &[Flag::Error],
            8 => &[Flag::Error, Flag::Throttle],
            _ => &[Flag::Fault],
        }
    }

    /// Returns the exception of a call that did not end with `OK`. Its type is the name of the code. Its text is the decoded
    /// message without [secrets](Exception#secrets).
    pub fn exception(&self) -> Option<Exception> {
        (self.code != 0).then(|| Exception::new(self.name(), percent_decoded(self.message)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_have_names_and_flags() {
        for (headers, flags) in [
            (&["0"][..], &[][..]),
            (&["1", "3", "5", "6", "7", "9", "10", "11", "16"], &[Flag::Error]),
            (&["8"], &[Flag::Error, Flag::Throttle]),
            (&["2", "4", "12", "13", "14", "15", "17", "4294967295"], &[Flag::Fault]),
        ] {
            for header in headers {
                let status = GrpcStatus::from_header(header.as_bytes()).unwrap();
                assert_eq!(status.flags(), flags, "{header}");
                assert_eq!(status.exception().is_none(), flags.is_empty(), "{header}");
                assert_eq!(status.code().to_string(), *header);
            }
        }
        for header in ["", "x", "-1", "4294967296", "5 "] {
            assert_eq!(GrpcStatus::from_header(header.as_bytes()), None, "{header}");
        }
        for (code, name) in
            [(0, "OK"), (5, "NOT_FOUND"), (16, "UNAUTHENTICATED"), (17, "UNKNOWN"), (u32::MAX, "UNKNOWN")]
        {
            assert_eq!(GrpcStatus::new(code).name(), name);
        }
    }

    #[test]
    fn messages_are_decoded_and_lose_their_secrets() {
        for (header, want) in [
            (&b""[..], ""),
            (b"no such order", "no such order"),
            (b"gr%C3%BC%c3%9fe, 100%25", "grüße, 100%"),
            (b"%", "%"),
            (b"%4", "%4"),
            (b"%zz%4x%+1", "%zz%4x%+1"),
            (b"%%41", "%A"),
            (b"a%0Ab", "a\nb"),
            (b"\xff%ff", "\u{fffd}\u{fffd}"),
            (b"https://u:s3cret@h/p?token=s3cret failed", "https://h/p failed"),
            (b"password%3Ds3cret", "password=***"),
        ] {
            let exception = GrpcStatus::new(2).message(header).exception().unwrap();
            assert_eq!((exception.kind(), exception.message()), ("UNKNOWN", want), "{header:?}");
        }
        let long = GrpcStatus::new(13).message(&[b'a'; 10_000]).exception().unwrap();
        assert_eq!(long.message().len(), 4096);
    }
}
