//! Converts the error of a handler to an exception.

use std::any::Any;
use std::error::Error;
use std::fmt::Debug;
use std::io;

use lambda_runtime::Diagnostic;
use xray_core::Exception;

/// An error that the handler returned. The runtime requires only `Debug` of it, so the most common types are detected
/// by downcasting.
pub(crate) struct HandlerError<'a, E>(pub(crate) &'a E);

impl<E: Debug + 'static> From<HandlerError<'_, E>> for Exception {
    fn from(HandlerError(error): HandlerError<'_, E>) -> Exception {
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
    fn common_error_types_are_recorded_with_type_and_message() {
        #[derive(Debug)]
        struct OutOfPaper {
            #[expect(dead_code)]
            tray: u8,
        }
        let boxed: Box<dyn Error + Send + Sync> = "x".parse::<u8>().unwrap_err().into();
        let diagnostic = Diagnostic { error_type: "Printer".into(), error_message: "jam".into() };
        for (exception, kind, message) in [
            (Exception::from(HandlerError(&boxed)), "ParseIntError", "invalid digit found in string"),
            (Exception::from(HandlerError(&io::Error::other("broken"))), "io::Error", "broken"),
            (Exception::from(HandlerError(&diagnostic)), "Printer", "jam"),
            (Exception::from(HandlerError(&"text")), "", "text"),
            (Exception::from(HandlerError(&"text".to_owned())), "", "text"),
            (Exception::from(HandlerError(&OutOfPaper { tray: 2 })), "OutOfPaper", "OutOfPaper { tray: 2 }"),
        ] {
            assert_eq!((exception.kind(), exception.message()), (kind, message));
        }
    }
}
