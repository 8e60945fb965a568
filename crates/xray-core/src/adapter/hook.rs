//! Functions of the application that an adapter calls.

use std::fmt;
use std::sync::Arc;

use crate::user_code;

/// A function of the application that an adapter calls with a request. Its panic does not fail the request.
///
/// ```
/// use xray_core::adapter::Hook;
///
/// let is_health_check = Hook::new(|path: &&str| path.starts_with("/health"));
/// assert_eq!(is_health_check.call(&"/health/db"), Some(true));
/// ```
pub struct Hook<R, T>(Arc<dyn Fn(&R) -> T + Send + Sync>);

impl<R, T> Hook<R, T> {
    /// Creates a hook that calls this function.
    pub fn new(function: impl Fn(&R) -> T + Send + Sync + 'static) -> Hook<R, T> {
        Hook(Arc::new(function))
    }

    /// Calls the function. Returns `None` if it panics.
    pub fn call(&self, request: &R) -> Option<T> {
        user_code::call(|| (self.0)(request))
    }
}

impl<R, T> Clone for Hook<R, T> {
    fn clone(&self) -> Hook<R, T> {
        Hook(self.0.clone())
    }
}

impl<R, T> fmt::Debug for Hook<R, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hook(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_returns_none() {
        let hook = Hook::new(|number: &u8| 6 / number);
        assert_eq!((hook.call(&2), hook.clone().call(&0)), (Some(3), None));
    }
}
