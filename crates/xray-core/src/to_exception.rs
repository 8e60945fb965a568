//! The trait by which `fault`, `error` and the `try_` functions accept errors of every common form.

use std::borrow::Cow;
use std::error::Error;

use crate::cause::Exception;

/// A value that can be recorded as an [`Exception`]: any [`Error`] and references to it, a boxed `dyn Error`, the reports
/// of `anyhow` and `eyre`, and text.
///
/// The exception has the name of the error's type if the compiler knows it. For a `dyn Error`, it is the name at the start
/// of its `Debug` text. Text has no type. The `source()` chain of an error is recorded as well.
///
/// ```
/// # use std::error::Error;
/// # let (recorder, _) = xray_core::Recorder::in_memory();
/// # let segment = recorder.begin("shop");
/// let error = "x".parse::<u8>().unwrap_err();
/// segment.fault(&error);
/// segment.fault(error);
/// let boxed: Box<dyn Error + Send + Sync> = "disk full".into();
/// segment.fault(&boxed);
/// segment.fault("no such order");
/// ```
///
/// A report of `anyhow` is recorded with its context and its causes:
///
/// ```
/// use anyhow::Context;
///
/// let (recorder, traces) = xray_core::Recorder::in_memory();
/// let segment = recorder.begin("shop");
/// if let Err(error) = "x".parse::<u8>().context("reading the quantity") {
///     segment.error(&error);
/// }
/// segment.close();
/// let trace = traces.take().single();
/// let exceptions = &trace.root().json()["cause"]["exceptions"];
/// assert_eq!(exceptions[0]["message"], "reading the quantity");
/// assert_eq!(exceptions[1]["message"], "invalid digit found in string");
/// ```
///
/// For a type that is not an `Error`, use [`Exception::from_display`] or [`Exception::from_dyn`].
///
/// The type parameter `M` is the form of the error; the compiler infers it. A function that accepts every form passes it
/// on:
///
/// ```
/// use xray_core::{Segment, ToException};
///
/// fn record_as_fault<M>(segment: &Segment, result: Result<(), impl ToException<M>>) {
///     if let Err(error) = result {
///         segment.fault(error);
///     }
/// }
/// # let (recorder, traces) = xray_core::Recorder::in_memory();
/// # let segment = recorder.begin("shop");
/// # record_as_fault(&segment, Err("out of stock"));
/// # record_as_fault(&segment, Err(std::fmt::Error));
/// # segment.close();
/// # assert!(traces.take().single().root().has("fault"));
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be recorded as an exception",
    label = "neither an `Error` nor text",
    note = "errors, references to errors, `Box<dyn Error>`, `anyhow::Error`, `eyre::Report`, `&str` and `String` can be \
            recorded directly",
    note = "for a type that only implements `Display`, record `xray_core::Exception::from_display(&value)`; \
            for any other value, record `xray_core::Exception::new(\"Type\", \"message\")`"
)]
pub trait ToException<M> {
    /// Returns an exception that describes this error.
    fn to_exception(&self) -> Exception;

    /// Converts this error into an exception, without a copy if possible.
    fn into_exception(self) -> Exception
    where
        Self: Sized,
    {
        self.to_exception()
    }
}

/// The forms of errors, for the parameter of [`ToException`].
pub mod form {
    /// An [`Exception`](crate::Exception) made by hand.
    #[derive(Debug)]
    #[non_exhaustive]
    pub enum Made {}
    /// An [`Error`](std::error::Error), or a reference to one.
    #[derive(Debug)]
    #[non_exhaustive]
    pub enum Typed {}
    /// A boxed `dyn Error`.
    #[derive(Debug)]
    #[non_exhaustive]
    pub enum Boxed {}
    /// A report of `anyhow` or `eyre`, which gives access to the error that it contains.
    #[derive(Debug)]
    #[non_exhaustive]
    pub enum Report {}
    /// Text.
    #[derive(Debug)]
    #[non_exhaustive]
    pub enum Text {}
}

impl ToException<form::Made> for Exception {
    fn to_exception(&self) -> Exception {
        self.clone()
    }

    fn into_exception(self) -> Exception {
        self
    }
}

impl ToException<form::Made> for &Exception {
    fn to_exception(&self) -> Exception {
        (*self).clone()
    }
}

impl<E: Error> ToException<form::Typed> for E {
    fn to_exception(&self) -> Exception {
        Exception::typed(self)
    }
}

impl ToException<form::Boxed> for Box<dyn Error> {
    fn to_exception(&self) -> Exception {
        Exception::from(&**self)
    }
}

impl ToException<form::Boxed> for &Box<dyn Error> {
    fn to_exception(&self) -> Exception {
        Exception::from(&***self)
    }
}

impl ToException<form::Boxed> for Box<dyn Error + Send> {
    fn to_exception(&self) -> Exception {
        let error: &(dyn Error + 'static) = &**self;
        Exception::from(error)
    }
}

impl ToException<form::Boxed> for &Box<dyn Error + Send> {
    fn to_exception(&self) -> Exception {
        let error: &(dyn Error + 'static) = &***self;
        Exception::from(error)
    }
}

impl ToException<form::Boxed> for Box<dyn Error + Send + Sync> {
    fn to_exception(&self) -> Exception {
        Exception::from(&**self)
    }
}

impl ToException<form::Boxed> for &Box<dyn Error + Send + Sync> {
    fn to_exception(&self) -> Exception {
        Exception::from(&***self)
    }
}

// Both bounds are necessary: an `Arc<dyn Error + Send + Sync>` satisfies one of them, and is an `Error` itself.
impl<R> ToException<form::Report> for R
where
    R: AsRef<dyn Error> + AsRef<dyn Error + Send + Sync>,
{
    fn to_exception(&self) -> Exception {
        let error: &dyn Error = self.as_ref();
        Exception::from(error)
    }
}

macro_rules! text {
    ($($type:ty),*) => {
        $(impl ToException<form::Text> for $type {
            fn to_exception(&self) -> Exception {
                let text: &str = self.as_ref();
                Exception::from(text)
            }
        })*
    };
}
text!(&str, &&str, String, &String, Cow<'_, str>, &Cow<'_, str>, Box<str>);

#[cfg(test)]
#[expect(clippy::needless_borrows_for_generic_args, reason = "references are what is tested")]
mod tests {
    use std::fmt;
    use std::sync::Arc;

    use super::*;

    #[derive(Debug)]
    struct Jam;
    impl fmt::Display for Jam {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("paper jam")
        }
    }
    impl Error for Jam {}

    fn kind<M>(error: impl ToException<M>) -> (String, String) {
        let exception = error.into_exception();
        (exception.kind().to_owned(), exception.message().to_owned())
    }

    #[test]
    fn every_form_of_an_error_has_its_own_type_and_text() {
        let jam = ("Jam".to_owned(), "paper jam".to_owned());
        assert_eq!(kind(Jam), jam);
        assert_eq!(kind(&Jam), jam);
        assert_eq!(kind(&&Jam), jam);
        assert_eq!(kind(Box::new(Jam)), jam);
        assert_eq!(kind(&Box::new(Jam)), jam);
        assert_eq!(kind(Arc::new(Jam)), jam);
        let plain: Box<dyn Error> = Box::new(Jam);
        assert_eq!(kind(&*plain), jam);
        assert_eq!(kind(&plain), jam);
        assert_eq!(kind(plain), jam);
        let sent: Box<dyn Error + Send> = Box::new(Jam);
        assert_eq!(kind(&*sent), jam);
        assert_eq!(kind(&sent), jam);
        assert_eq!(kind(sent), jam);
        let shared: Box<dyn Error + Send + Sync> = Box::new(Jam);
        assert_eq!(kind(&*shared), jam);
        assert_eq!(kind(&shared), jam);
        assert_eq!(kind(shared), jam);
        let counted: Arc<dyn Error + Send + Sync> = Arc::new(Jam);
        assert_eq!(kind(&*counted), jam);
        assert_eq!(kind(&counted), jam);
        assert_eq!(kind(counted), jam);
        assert_eq!(kind(Exception::new("Jam", "paper jam")), jam);
        assert_eq!(kind(&Exception::new("Jam", "paper jam")), jam);
    }

    #[test]
    fn reports_are_recorded_as_the_errors_that_they_contain() {
        let jam = ("Jam".to_owned(), "paper jam".to_owned());
        assert_eq!(kind(anyhow::Error::new(Jam)), jam);
        assert_eq!(kind(&anyhow::Error::new(Jam)), jam);
        assert_eq!(kind(&*anyhow::Error::new(Jam)), jam);
        assert_eq!(kind(eyre::Report::new(Jam)), jam);
        assert_eq!(kind(&eyre::Report::new(Jam)), jam);
        let context = anyhow::Error::new(Jam).context("printing failed");
        let exception = context.to_exception();
        assert_eq!(exception.message(), "printing failed");
        let [source] = exception.sources() else { panic!("{exception:?}") };
        assert_eq!((&*source.kind, &*source.message), ("Jam", "paper jam"));
    }

    #[test]
    fn text_has_no_type() {
        let text = (String::new(), "jam".to_owned());
        let owned = "jam".to_owned();
        assert_eq!(kind("jam"), text);
        assert_eq!(kind(&"jam"), text);
        assert_eq!(kind(&owned), text);
        assert_eq!(kind(&*owned), text);
        assert_eq!(kind(Cow::Borrowed("jam")), text);
        assert_eq!(kind(owned.into_boxed_str()), text);
        assert_eq!(kind(String::from("jam")), text);
    }

    #[test]
    fn an_io_error_is_recognised_behind_any_pointer() {
        use std::io::{Error as Io, ErrorKind};
        let not_found = || Io::from(ErrorKind::NotFound);
        for io in [not_found(), Io::other("jam"), Io::from_raw_os_error(2)] {
            let boxed: Box<dyn Error + Send + Sync> = Box::new(io);
            assert_eq!(kind(&*boxed).0, "io::Error", "{boxed:?}");
            assert_eq!(kind(&boxed).0, "io::Error", "{boxed:?}");
        }
        assert_eq!(kind(not_found()).0, "io::Error");
    }
}
