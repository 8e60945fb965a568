//! What is recorded of an error that a handler returns.

use std::any::Any;
use std::error::Error;
use std::fmt::Debug;
use std::io;

use lambda_runtime::Diagnostic;
use xray_core::Exception;

/// An error of the handler. The runtime asks of it no more than a `Debug` text, so the types that come here most
/// are tried for what they tell better.
pub(crate) struct Failure<'a, E>(pub(crate) &'a E);

impl<E: Debug + 'static> From<Failure<'_, E>> for Exception {
    fn from(Failure(error): Failure<'_, E>) -> Exception {
        let any: &dyn Any = error;
        if let Some(error) = any.downcast_ref::<Box<dyn Error + Send + Sync>>() {
            return Exception::from(&**error);
        }
        if let Some(error) = any.downcast_ref::<Box<dyn Error>>() {
            return Exception::from(&**error);
        }
        if let Some(error) = any.downcast_ref::<io::Error>() {
            let error: &(dyn Error + 'static) = error;
            return Exception::from(error);
        }
        if let Some(diagnostic) = any.downcast_ref::<Diagnostic>() {
            return Exception::new(&diagnostic.error_type, &diagnostic.error_message);
        }
        if let Some(text) = any.downcast_ref::<String>() {
            return Exception::from(text.as_str());
        }
        if let Some(text) = any.downcast_ref::<&'static str>() {
            return Exception::from(*text);
        }
        Exception::from_debug(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_described_as_well_as_their_type_allows() {
        #[derive(Debug)]
        struct OutOfPaper {
            #[expect(dead_code)]
            tray: u8,
        }
        let boxed: Box<dyn Error + Send + Sync> = "x".parse::<u8>().unwrap_err().into();
        let diagnostic = Diagnostic { error_type: "Printer".into(), error_message: "jam".into() };
        for (exception, kind, message) in [
            (Exception::from(Failure(&boxed)), "ParseIntError", "invalid digit found in string"),
            (Exception::from(Failure(&io::Error::other("broken"))), "io::Error", "broken"),
            (Exception::from(Failure(&diagnostic)), "Printer", "jam"),
            (Exception::from(Failure(&"text")), "", "text"),
            (Exception::from(Failure(&"text".to_owned())), "", "text"),
            (Exception::from(Failure(&OutOfPaper { tray: 2 })), "OutOfPaper", "OutOfPaper { tray: 2 }"),
        ] {
            assert_eq!((exception.kind(), exception.message()), (kind, message));
        }
    }
}
