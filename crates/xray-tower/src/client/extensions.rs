//! What is configured for a single request, by its extensions.

use std::borrow::Cow;

use xray_core::Entity;

/// Names the subsegment of one request instead of its host: an extension of the request.
///
/// `reqwest-middleware` takes the extensions of this module by `with_extension`.
///
/// ```
/// use xray_tower::client::SubsegmentName;
///
/// let request = http::Request::get("http://10.0.0.7/charge").extension(SubsegmentName::from("payments")).body(());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubsegmentName(pub(crate) Cow<'static, str>);

impl<T: Into<Cow<'static, str>>> From<T> for SubsegmentName {
    fn from(name: T) -> SubsegmentName {
        SubsegmentName(name.into())
    }
}

/// Keeps one request out of the trace, without a subsegment and a header: an extension of the request. A header that a proxy
/// copied from its own request is removed.
///
/// For a call that is recorded, but whose receiver must not see ids, see [`WithoutHeader`].
///
/// ```
/// use xray_tower::client::Untraced;
///
/// let request = http::Request::get("http://localhost/health").extension(Untraced).body(());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_structs, reason = "a marker that users write down")]
pub struct Untraced;

/// Records one request, and sends no header: an extension of the request. For calls to third parties, which must not see
/// ids. A header that a proxy copied from its own request is removed.
///
/// ```
/// use xray_tower::client::WithoutHeader;
///
/// let request = http::Request::get("https://weather.example.com/").extension(WithoutHeader).body(());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_structs, reason = "a marker that users write down")]
pub struct WithoutHeader;

/// Puts the subsegment of one request below this entity instead of the current one: an extension of the request.
///
/// ```
/// # let (recorder, _) = xray_core::Recorder::in_memory();
/// # let segment = recorder.begin("shop");
/// use xray_tower::client::CallParent;
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
