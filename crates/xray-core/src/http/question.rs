use std::fmt;
use std::sync::Arc;

use crate::user_code;

/// What an adapter asks the application about a request: a function of the application's, which must not fail it.
///
/// ```
/// use xray_core::http::Question;
///
/// let is_health_check = Question::new(|path: &&str| path.starts_with("/health"));
/// assert_eq!(is_health_check.ask(&"/health/db"), Some(true));
/// ```
pub struct Question<R, T>(Arc<dyn Fn(&R) -> T + Send + Sync>);

impl<R, T> Question<R, T> {
    /// To be answered by this function.
    pub fn new(answer: impl Fn(&R) -> T + Send + Sync + 'static) -> Question<R, T> {
        Question(Arc::new(answer))
    }

    /// The answer, or `None` if the function panics.
    pub fn ask(&self, request: &R) -> Option<T> {
        user_code::call(|| (self.0)(request))
    }
}

impl<R, T> Clone for Question<R, T> {
    fn clone(&self) -> Question<R, T> {
        Question(self.0.clone())
    }
}

impl<R, T> fmt::Debug for Question<R, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Question(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_no_answer() {
        let question = Question::new(|number: &u8| 6 / number);
        assert_eq!((question.ask(&2), question.clone().ask(&0)), (Some(3), None));
    }
}
