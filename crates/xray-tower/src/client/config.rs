//! What is configured for all calls of a client, and the methods by which users set it.

use std::fmt;
use std::sync::Arc;

use xray_core::adapter::ClientOptions;

use super::outcome::Outcome;

/// The configuration of a client. `client_option_methods` generates the methods by which
/// users change it.
#[derive(Clone, Debug, Default)]
pub struct ClientConfig {
    pub(crate) options: ClientOptions,
    pub(crate) end_at_headers: bool,
    pub(crate) on_outcome: Option<OutcomeHook>,
    pub(crate) origin: Option<Origin>,
}

impl ClientConfig {
    /// Returns the options that core knows, to change them.
    pub fn options(&mut self) -> &mut ClientOptions {
        &mut self.options
    }

    /// Sets whether calls end for X-Ray at the headers of their responses (default: no).
    pub fn set_end_at_headers(&mut self, end_at_headers: bool) {
        self.end_at_headers = end_at_headers;
    }

    /// Sets the function that sees each sampled call when its outcome is known (default: none).
    pub fn set_on_outcome(&mut self, on_outcome: impl Fn(&Outcome<'_>) + Send + Sync + 'static) {
        self.on_outcome = Some(OutcomeHook(Arc::new(on_outcome)));
    }
}

/// Where requests without an authority of their own go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    pub(crate) scheme: String,
    pub(crate) authority: String,
}

impl Origin {
    /// Reads `http://inventory:50051`, also without the scheme, or with a path, which is ignored.
    pub(crate) fn parse(text: &str) -> Option<Origin> {
        let (scheme, rest) = text.split_once("://").unwrap_or(("http", text));
        let authority = rest.split(['/', '?', '#']).next().filter(|authority| !authority.is_empty())?;
        Some(Origin { scheme: scheme.to_ascii_lowercase(), authority: authority.to_owned() })
    }
}

/// A function of the user's that sees each call.
#[derive(Clone)]
pub(crate) struct OutcomeHook(pub(crate) Arc<dyn Fn(&Outcome<'_>) + Send + Sync>);

impl fmt::Debug for OutcomeHook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OutcomeHook(..)")
    }
}

/// Generates the option methods that the layer and the middleware of reqwest have in common, with their documentation.
///
/// The type has a method `configure(self, change: impl FnOnce(&mut ClientConfig)) -> Self`.
#[doc(hidden)]
#[macro_export]
macro_rules! client_option_methods {
    () => {
        /// Sets whether the called services send segments of their own, which X-Ray then waits for.
        ///
        /// Default: false, which means that it is not known. A call that finds no connection is not marked. The last call
        /// counts.
        pub fn traced(self, traced: bool) -> Self {
            self.configure(|config| config.options().set_traced(traced))
        }

        /// Sets whether the recorded URL keeps its query string.
        ///
        /// Default: false, since it may hold secrets. The last call counts.
        pub fn keep_query(self, keep: bool) -> Self {
            self.configure(|config| config.options().set_keep_query(keep))
        }

        /// Sets whether a call ends for X-Ray at the headers of its response.
        ///
        /// Default: false, which means that it ends with the body, or when that is dropped. The last call counts.
        ///
        /// The default shows how long the whole response took, and records a body that fails. Calls that are not sampled
        /// and tower clients pay nothing for it. reqwest needs its body back, so there a sampled call pays eight
        /// allocations, about 0.3 µs. Set it for bodies that are kept open on purpose, such as event streams.
        pub fn end_at_headers(self, end_at_headers: bool) -> Self {
            self.configure(|config| config.set_end_at_headers(end_at_headers))
        }

        /// Calls `on_outcome` for each sampled call, when the headers of its response have arrived or when it has failed.
        /// The function may annotate the subsegment.
        ///
        /// Default: no function. A second call replaces it.
        ///
        /// With a function, a sampled call keeps a copy of the request's head. A function that panics does not harm the
        /// call: metadata `hook: "panicked"` in the namespace `xray` says so.
        pub fn on_outcome(self, on_outcome: impl Fn(&$crate::client::Outcome<'_>) + Send + Sync + 'static) -> Self {
            self.configure(|config| config.set_on_outcome(on_outcome))
        }
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_read_in_every_form() {
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
