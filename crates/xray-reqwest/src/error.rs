//! How the error of a client is looked at: by reference, so that the caller gets it back as it was.

use std::error::Error;

/// Gives the error type `E` as a `dyn Error`, with its `source()` chain.
///
/// [`Typed`] does it for all types that implement `Error`, [`Boxed`] for the boxes that most of tower fails with,
/// which do not. A marker of your own does it for a type that is neither.
#[diagnostic::on_unimplemented(
    message = "the client's error `{E}` cannot be described",
    note = "for `Box<dyn Error + Send + Sync>` call `.boxed_errors()` or `.boxed_body_errors()` on the layer"
)]
pub trait AsError<E> {
    /// The error as what it is.
    fn as_error(error: &E) -> &(dyn Error + 'static);
}

/// For errors that implement [`Error`].
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Typed;

// Else the compiler would speak of `Box<dyn Error>: Error` and of sizes.
#[diagnostic::do_not_recommend]
impl<E: Error + 'static> AsError<E> for Typed {
    fn as_error(error: &E) -> &(dyn Error + 'static) {
        error
    }
}

/// For `Box<dyn Error + Send + Sync>`.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Boxed;

impl AsError<Box<dyn Error + Send + Sync>> for Boxed {
    fn as_error(error: &Box<dyn Error + Send + Sync>) -> &(dyn Error + 'static) {
        &**error
    }
}
