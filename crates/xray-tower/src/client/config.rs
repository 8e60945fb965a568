//! The options of a client, and the methods that set them.

use std::fmt;
use std::sync::Arc;

use xray_core::adapter::ClientOptions;

use super::outcome::Outcome;

/// The configuration of a client. `client_option_methods` generates the methods that change it.
#[derive(Clone, Debug, Default)]
pub struct ClientConfig {
    pub(crate) options: ClientOptions,
    pub(crate) end_at_headers: bool,
    pub(crate) on_outcome: Option<OutcomeHook>,
    pub(crate) origin: Option<Origin>,
}

impl ClientConfig {
    /// Returns the options that core defines, to change them.
    pub fn options(&mut self) -> &mut ClientOptions {
        &mut self.options
    }

    /// Sets whether subsegments end at the response headers (default: false).
    pub fn set_end_at_headers(&mut self, end_at_headers: bool) {
        self.end_at_headers = end_at_headers;
    }

    /// Sets the function that is called with the outcome of each sampled call (default: none).
    pub fn set_on_outcome(&mut self, on_outcome: impl Fn(&Outcome<'_>) + Send + Sync + 'static) {
        self.on_outcome = Some(OutcomeHook(Arc::new(on_outcome)));
    }
}

/// The destination of requests whose URI has no authority.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    pub(crate) scheme: String,
    pub(crate) authority: String,
}

impl Origin {
    /// Parses `http://inventory:50051`. The scheme may be missing, and a path is ignored.
    pub(crate) fn parse(text: &str) -> Option<Origin> {
        let (scheme, rest) = text.split_once("://").unwrap_or(("http", text));
        let authority = rest.split(['/', '?', '#']).next().filter(|authority| !authority.is_empty())?;
        Some(Origin { scheme: scheme.to_ascii_lowercase(), authority: authority.to_owned() })
    }
}

/// A function of the user that is called with each outcome.
#[derive(Clone)]
pub(crate) struct OutcomeHook(pub(crate) Arc<dyn Fn(&Outcome<'_>) + Send + Sync>);

impl fmt::Debug for OutcomeHook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OutcomeHook(..)")
    }
}

/// Generates the option methods that the layer and the middlewares share, with their documentation. `without_body` leaves
/// out the option for bodies.
///
/// The type has a method `configure(self, change: impl FnOnce(&mut ClientConfig)) -> Self`.
#[doc(hidden)]
#[macro_export]
macro_rules! client_option_methods {
    () => {
        $crate::client_option_methods!(without_body);

        /// Sets whether subsegments end at the response headers.
        ///
        /// Default: false; they end with the body, or when it is dropped. A second call replaces the value.
        ///
        /// The default shows how long the whole response took, and records failures of the body. It costs nothing for
        /// calls that are not sampled and for tower clients. With reqwest, wrapping the body costs a sampled call eight
        /// allocations, about 0.3 µs. Set this option for bodies that stay open on purpose, such as event streams.
        pub fn end_at_headers(self, end_at_headers: bool) -> Self {
            self.configure(|config| config.set_end_at_headers(end_at_headers))
        }
    };
    (without_body) => {
        /// Sets whether the called services send their own segments, for which X-Ray then waits.
        ///
        /// Default: false, which means unknown. A call that could not connect is not marked. A second call replaces the
        /// value.
        pub fn traced(self, traced: bool) -> Self {
            self.configure(|config| config.options().set_traced(traced))
        }

        /// Sets whether the recorded URL keeps its query string.
        ///
        /// Default: false, since it may contain secrets. A second call replaces the value.
        pub fn keep_query(self, keep: bool) -> Self {
            self.configure(|config| config.options().set_keep_query(keep))
        }

        /// Calls `on_outcome` for each sampled call when its response headers have arrived or when it has failed. The
        /// function may annotate the subsegment.
        ///
        /// Default: no function. A second call replaces the function.
        ///
        /// If it is set, sampled calls copy the head of the request. If the function panics, the call continues and the
        /// subsegment has metadata `hook: "panicked"` in the namespace `xray`.
        pub fn on_outcome(self, on_outcome: impl Fn(&$crate::client::Outcome<'_>) + Send + Sync + 'static) -> Self {
            self.configure(|config| config.set_on_outcome(on_outcome))
        }
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_of_every_form_are_parsed() {
        for (text, want) in [
            ("http://inventory:50051", Some(("http", "inventory:50051"))),
            ("HTTPS://inventory", Some(("https", "inventory"))),
            ("https://[::1]:50051/ignored?x#y", Some(("https", "[::1]:50051"))),
            ("inventory:50051", Some(("http", "inventory:50051"))),
            ("", None),
            ("http://", None),
            ("/path", None),
        ] {
            let origin = Origin::parse(text);
            assert_eq!(origin.as_ref().map(|origin| (&*origin.scheme, &*origin.authority)), want, "{text}");
        }
    }
}
