//! How the error of a client is viewed: by reference, so that the caller receives it unchanged.

use std::error::Error;

/// Views errors of type `E` as `dyn Error`, with their `source()` chain.
///
/// [`Typed`] does so for all types that implement `Error`, [`Boxed`] for `Box<dyn Error + Send + Sync>`, which does not, and
/// which most of tower returns. Implement it for a marker of your own if your type is neither.
#[diagnostic::on_unimplemented(
    message = "the client's error `{E}` cannot be described",
    note = "for `Box<dyn Error + Send + Sync>` call `.boxed_errors()` or `.boxed_body_errors()` on the layer"
)]
pub trait AsError<E> {
    /// Returns the error as a trait object.
    fn as_error(error: &E) -> &(dyn Error + 'static);
}

/// For errors that implement [`Error`].
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Typed;

// Otherwise the compiler's message would be about `Box<dyn Error>: Error` and sizes.
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
