//! Calls of the application's code by the SDK: the text of an error, the serialisation of a value, closures, samplers,
//! emitters.
//!
//! Instrumentation must not break the code that it observes, so no panic in such code reaches the caller. Captured
//! functions are different: their panics propagate.

use std::fmt::{self, Write as _};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Calls code of the application. Returns `None` if it panics.
pub(crate) fn call<T>(code: impl FnOnce() -> T) -> Option<T> {
    match catch_unwind(AssertUnwindSafe(code)) {
        Ok(value) => Some(value),
        Err(payload) => {
            // The payload is the application's as well, and may panic when it is dropped.
            if let Err(again) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
                std::mem::forget(again);
            }
            None
        }
    }
}

/// Formats a value. Returns the text up to a formatting error, or `placeholder` if its code panics.
pub(crate) fn text(value: &(impl fmt::Display + ?Sized), placeholder: &str) -> String {
    let mut text = String::new();
    match call(|| write!(text, "{value}")) {
        Some(_) => text,
        None => placeholder.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("in a destructor");
        }
    }

    #[test]
    fn the_payload_of_a_panic_may_panic_as_well() {
        assert_eq!(call(|| 7), Some(7));
        assert_eq!(call(|| -> u8 { panic!("text") }), None);
        assert_eq!(call(|| -> u8 { std::panic::panic_any(Bomb) }), None);
    }

    #[test]
    fn a_text_that_fails_is_cut_and_one_that_panics_is_replaced() {
        struct Shown(bool);
        impl fmt::Display for Shown {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("half")?;
                if self.0 { panic!("in the other half") } else { Err(fmt::Error) }
            }
        }
        assert_eq!([text(&Shown(false), "-"), text(&Shown(true), "-")], ["half", "-"]);
    }
}
