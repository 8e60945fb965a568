//! Options of a single request, set as its extensions.

use std::borrow::Cow;

use xray_core::Entity;

/// A request extension that sets the name of the subsegment (default: the host).
///
/// With `reqwest-middleware`, set the extensions of this module by `with_extension`.
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

/// A request extension that keeps the call out of the trace: no subsegment, and no trace header. A header that a proxy
/// copied from the received request is removed.
///
/// To record the call but send no header, use [`WithoutHeader`].
///
/// ```
/// use xray_tower::client::Untraced;
///
/// let request = http::Request::get("http://localhost/health").extension(Untraced).body(());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_structs, reason = "a marker that users write down")]
pub struct Untraced;

/// A request extension that records the call but sends no trace header, for third parties that must not see trace IDs. A
/// header that a proxy copied from the received request is removed.
///
/// ```
/// use xray_tower::client::WithoutHeader;
///
/// let request = http::Request::get("https://weather.example.com/").extension(WithoutHeader).body(());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_structs, reason = "a marker that users write down")]
pub struct WithoutHeader;

/// A request extension that sets the parent of the subsegment (default: the current entity).
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
