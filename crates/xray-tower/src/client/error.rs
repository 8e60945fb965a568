//! Describes the errors of clients by reference, so the caller receives them unchanged.

use std::error::Error;

/// Converts a reference to an error of type `E` to a `dyn Error`, with its `source()` chain.
///
/// [`Typed`] does so for all types that implement `Error`, and [`Boxed`] for `Box<dyn Error + Send + Sync>`, which most tower
/// layers return and which does not implement it. Implement this trait on your own marker for any other type.
#[diagnostic::on_unimplemented(
    message = "the client's error `{E}` cannot be described",
    note = "for `Box<dyn Error + Send + Sync>` call `.boxed_errors()` or `.boxed_body_errors()` on the layer"
)]
pub trait AsError<E> {
    /// Returns the error as a trait object.
    fn as_error(error: &E) -> &(dyn Error + 'static);
}

/// Describes errors that implement [`Error`].
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Typed;

// Otherwise the compiler reports `Box<dyn Error>: Error` and sizes.
#[diagnostic::do_not_recommend]
impl<E: Error + 'static> AsError<E> for Typed {
    fn as_error(error: &E) -> &(dyn Error + 'static) {
        error
    }
}

/// Describes `Box<dyn Error + Send + Sync>`.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Boxed;

impl AsError<Box<dyn Error + Send + Sync>> for Boxed {
    fn as_error(error: &Box<dyn Error + Send + Sync>) -> &(dyn Error + 'static) {
        &**error
    }
}
