//! What is configured for all calls of a client, and what for a single one.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use xray_core::Entity;
use xray_core::adapter::ClientOptions;

use crate::outcome::Outcome;

/// The configuration of a client. [`option_methods`] sets it.
#[derive(Clone, Debug, Default)]
pub struct Options {
    pub(crate) outgoing: ClientOptions,
    pub(crate) end_at_headers: bool,
    pub(crate) hook: Option<Hook>,
    pub(crate) origin: Option<Origin>,
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
pub(crate) struct Hook(pub(crate) Arc<dyn Fn(&Outcome<'_>) + Send + Sync>);

impl fmt::Debug for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hook(..)")
    }
}

/// Names the subsegment of one request, in the place of its host: an extension of the request.
///
/// ```no_run
/// # #[cfg(feature = "reqwest")]
/// # async fn call(client: reqwest_middleware::ClientWithMiddleware) -> reqwest_middleware::Result<()> {
/// use xray_reqwest::SubsegmentName;
///
/// let response =
///     client.get("http://10.0.0.7/charge").with_extension(SubsegmentName::from("payments")).send().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubsegmentName(pub(crate) Cow<'static, str>);

impl<T: Into<Cow<'static, str>>> From<T> for SubsegmentName {
    fn from(name: T) -> SubsegmentName {
        SubsegmentName(name.into())
    }
}

/// Keeps one request out of the trace, as an extension of it: no subsegment, and no header. A header that a proxy copied
/// from its own request is removed.
///
/// For a call that is recorded, but whose receiver must not see ids, see [`WithoutHeader`].
///
/// ```no_run
/// # #[cfg(feature = "reqwest")]
/// # async fn call(client: reqwest_middleware::ClientWithMiddleware) -> reqwest_middleware::Result<()> {
/// use xray_reqwest::Untraced;
///
/// client.get("http://localhost/health").with_extension(Untraced).send().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_structs, reason = "a marker that users write down")]
pub struct Untraced;

/// Records one request without telling the other side, as an extension of it: a subsegment, but no header. For calls to
/// third parties, which must not see ids. A header that a proxy copied from its own request is removed.
///
/// ```no_run
/// # #[cfg(feature = "reqwest")]
/// # async fn call(client: reqwest_middleware::ClientWithMiddleware) -> reqwest_middleware::Result<()> {
/// use xray_reqwest::WithoutHeader;
///
/// client.get("https://weather.example.com/").with_extension(WithoutHeader).send().await?;
/// # Ok(())
/// # }
/// ```
///
/// With a tower client: `http::Request::get(url).extension(WithoutHeader)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_structs, reason = "a marker that users write down")]
pub struct WithoutHeader;

/// Says below which entity one request belongs, when that is not the current one: an extension of the request.
///
/// ```
/// # let (recorder, _) = xray_core::Recorder::in_memory();
/// # let segment = recorder.begin("shop");
/// use xray_reqwest::CallParent;
///
/// let request = http::Request::get("http://h/").extension(CallParent::from(segment.entity())).body(());
/// ```
#[derive(Clone, Debug)]
pub struct CallParent(pub(crate) Entity);

impl From<Entity> for CallParent {
    fn from(entity: Entity) -> CallParent {
        CallParent(entity)
    }
}

/// The options that the middleware and the layer have in common. The type has a field `options: Arc<Options>`.
macro_rules! option_methods {
    () => {
        /// Whether the called services send segments of their own to X-Ray, which then waits for them (default:
        /// not said). Nothing is said of a call that found no connection.
        pub fn traced(self, traced: bool) -> Self {
            self.with(|options| options.outgoing.set_traced(traced))
        }

        /// Whether the recorded url keeps its query string (default: no, since it may hold secrets).
        pub fn keep_query(self, keep: bool) -> Self {
            self.with(|options| options.outgoing.set_keep_query(keep))
        }

        /// Whether a call ends for X-Ray with the head of its response (default: with its body, or when that is
        /// dropped).
        ///
        /// The default shows how long the whole answer took, and records a body that fails. A call that is not
        /// sampled pays nothing for it, nor does a tower client; with reqwest, whose body has to be handed back
        /// to it, a sampled call pays eight allocations, about 0.3 µs. Choose the head for bodies that are kept
        /// open on purpose, such as event streams.
        pub fn end_at_headers(self, end_at_headers: bool) -> Self {
            self.with(|options| options.end_at_headers = end_at_headers)
        }

        /// Has `hook` see each sampled call when its response's head has come, or when it has failed before: it
        /// may annotate the subsegment. The last of several counts.
        ///
        /// With a hook, a sampled call keeps a copy of the request's head. A hook that panics does not harm the
        /// call.
        pub fn on_outcome(self, hook: impl Fn(&crate::Outcome<'_>) + Send + Sync + 'static) -> Self {
            self.with(|options| options.hook = Some(crate::options::Hook(std::sync::Arc::new(hook))))
        }

        fn with(mut self, change: impl FnOnce(&mut crate::options::Options)) -> Self {
            change(std::sync::Arc::make_mut(&mut self.options));
            self
        }
    };
}
pub(crate) use option_methods;

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
