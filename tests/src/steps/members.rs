//! Takes the members of a JSON object one by one and reports those that are left.

use std::fmt;

use serde_json::{Map, Value};

/// The error when a scenario cannot be parsed: the place and the problem.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseStepsError {
    place: String,
    problem: String,
}

impl ParseStepsError {
    pub(crate) fn new(place: &str, problem: impl Into<String>) -> ParseStepsError {
        ParseStepsError { place: place.to_owned(), problem: problem.into() }
    }
}

impl fmt::Display for ParseStepsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.problem)
    }
}

impl std::error::Error for ParseStepsError {}

/// The members of an object that have not been taken yet.
pub(crate) struct Members {
    place: String,
    left: Map<String, Value>,
}

impl Members {
    pub(crate) fn new(value: &Value, place: &str) -> Result<Members, ParseStepsError> {
        let left = value.as_object().ok_or_else(|| ParseStepsError::new(place, "not an object"))?.clone();
        Ok(Members { place: place.to_owned(), left })
    }

    pub(crate) fn place(&self) -> &str {
        &self.place
    }

    pub(crate) fn error(&self, problem: impl Into<String>) -> ParseStepsError {
        ParseStepsError::new(&self.place, problem)
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.left.contains_key(name)
    }

    pub(crate) fn take(&mut self, name: &str) -> Option<Value> {
        self.left.remove(name)
    }

    pub(crate) fn text(&mut self, name: &str) -> Result<String, ParseStepsError> {
        self.optional_text(name)?.ok_or_else(|| self.error(format!("`{name}` is missing")))
    }

    pub(crate) fn optional_text(&mut self, name: &str) -> Result<Option<String>, ParseStepsError> {
        match self.take(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(self.error(format!("`{name}` is not a string"))),
        }
    }

    /// Takes a boolean, which is false if absent.
    pub(crate) fn switch(&mut self, name: &str) -> Result<bool, ParseStepsError> {
        let value = self.take(name);
        value.map_or(Some(false), |value| value.as_bool()).ok_or_else(|| self.error(format!("`{name}` is not a bool")))
    }

    pub(crate) fn count(&mut self, name: &str) -> Result<usize, ParseStepsError> {
        let number = self.take(name).as_ref().and_then(Value::as_u64);
        number
            .and_then(|number| usize::try_from(number).ok())
            .ok_or_else(|| self.error(format!("`{name}` is missing or not a number")))
    }

    pub(crate) fn list(&mut self, name: &str) -> Result<Vec<Value>, ParseStepsError> {
        match self.take(name) {
            Some(Value::Array(items)) => Ok(items),
            _ => Err(self.error(format!("`{name}` is missing or not a list"))),
        }
    }

    /// Takes a list of objects and parses each of them completely.
    pub(crate) fn each<T>(
        &mut self,
        name: &str,
        parse: fn(&mut Members) -> Result<T, ParseStepsError>,
    ) -> Result<Vec<T>, ParseStepsError> {
        let items = self.list(name)?.into_iter().enumerate().map(|(number, item)| {
            let mut m = Members::new(&item, &format!("{name}[{number}]"))?;
            let parsed = parse(&mut m)?;
            m.finish()?;
            Ok(parsed)
        });
        items.collect()
    }

    /// Takes a status, which is 200 if absent.
    pub(crate) fn status(&mut self, name: &str) -> Result<u16, ParseStepsError> {
        if !self.has(name) {
            return Ok(200);
        }
        u16::try_from(self.count(name)?).map_err(|_| self.error(format!("`{name}` is not a status")))
    }

    /// Takes a map of strings, which is empty if absent.
    pub(crate) fn headers(&mut self) -> Result<Vec<(String, String)>, ParseStepsError> {
        match self.take("headers") {
            None => Ok(Vec::new()),
            Some(Value::Object(headers)) => {
                let headers = headers.into_iter().map(|(name, value)| Some((name, value.as_str()?.to_owned())));
                headers.collect::<Option<_>>().ok_or_else(|| self.error("a header is not a string"))
            }
            Some(_) => Err(self.error("`headers` is not a map")),
        }
    }

    /// Checks that all members have been taken.
    ///
    /// # Errors
    /// Returns an error if a member is left.
    pub(crate) fn finish(self) -> Result<(), ParseStepsError> {
        match self.left.keys().next() {
            None => Ok(()),
            Some(name) => Err(self.error(format!("unknown member `{name}`"))),
        }
    }
}
