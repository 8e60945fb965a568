//! The interceptor, and what it does in each of the SDK's hooks.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::context::{
    BeforeDeserializationInterceptorContextMut, BeforeSerializationInterceptorContextRef,
    BeforeTransmitInterceptorContextMut, BeforeTransmitInterceptorContextRef, FinalizerInterceptorContextMut,
};
use aws_smithy_runtime_api::client::interceptors::{Intercept, dyn_dispatch_hint};
use aws_smithy_runtime_api::client::retries::RequestAttempts;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::{ConfigBag, FrozenLayer, Layer, Storable, StoreReplace};
use aws_smithy_types::telemetry::RequestedTelemetryAttributes;
use xray_core::adapter::TRACE_HEADER;
use xray_core::context::{current_for_call, try_current};
use xray_core::{Entity, Subsegment};

use crate::allowlist::Allowlist;
use crate::call::{Call, SeenByInterceptor, insert_trace_header};
use crate::opt_out::OptOut;

/// The name of the SDK's interceptor that turns an operation into a presigned URL. There is no other sign of presigning.
const PRESIGNING: &str = "SigV4PresigningInterceptor";

/// Records a subsegment for each operation of an AWS client. The [crate's documentation](crate) lists what it records.
///
/// ```no_run
/// use xray_aws_sdk::XRayInterceptor;
///
/// # fn clients(shared: &aws_types::SdkConfig) {
/// let config = aws_sdk_dynamodb::config::Builder::from(shared).interceptor(XRayInterceptor::new()).build();
/// let dynamodb = aws_sdk_dynamodb::Client::from_conf(config);
/// // The macro does the same:
/// let dynamodb = xray_aws_sdk::client!(aws_sdk_dynamodb, shared);
/// # }
/// ```
///
/// One interceptor serves any number of clients, since clones share the allowlist. Here, two clients also record the
/// names of secrets, and the resources of `ListTags`:
///
/// ```no_run
/// use xray_aws_sdk::{Allowlist, Parameters, XRayInterceptor, client};
///
/// # fn clients(shared: &aws_types::SdkConfig) -> Result<(), Box<dyn std::error::Error>> {
/// let allowlist = Allowlist::default()
///     .operation("Secrets Manager", "GetSecretValue", Parameters::new().request("SecretId"))?
///     .operation("Lambda", "ListTags", Parameters::new().request("Resource"))?;
/// let interceptor = XRayInterceptor::new().allowlist(allowlist);
/// let secrets = client!(aws_sdk_secretsmanager, shared, interceptor.clone());
/// let lambda = client!(aws_sdk_lambda, shared, interceptor);
/// # Ok(())
/// # }
/// ```
///
/// An interceptor can also be attached to a single call:
///
/// ```no_run
/// # use xray_aws_sdk::XRayInterceptor;
/// # async fn call(dynamodb: aws_sdk_dynamodb::Client) -> Result<(), Box<dyn std::error::Error>> {
/// let tables = dynamodb.list_tables().customize().interceptor(XRayInterceptor::new()).send().await?;
/// # Ok(())
/// # }
/// ```
///
/// If a client and one of its calls both have an interceptor, the call is recorded once, by the client's interceptor.
#[derive(Clone)]
#[must_use = "an interceptor does nothing until a client is built with it"]
pub struct XRayInterceptor {
    allowlist: Arc<Allowlist>,
    /// Requests the input members that the allowlist names from the SDK.
    requested_members: FrozenLayer,
    end_at_headers: bool,
}

impl XRayInterceptor {
    /// Creates an interceptor with the default [allowlist](Allowlist).
    pub fn new() -> XRayInterceptor {
        XRayInterceptor { end_at_headers: false, ..XRayInterceptor::with(Allowlist::default()) }
    }

    fn with(allowlist: Allowlist) -> XRayInterceptor {
        let members: BTreeSet<_> = allowlist.request_members().collect();
        let mut requested = RequestedTelemetryAttributes::default();
        requested.capture_only(members);
        let mut layer = Layer::new("X-Ray");
        layer.store_put(requested);
        XRayInterceptor { requested_members: layer.freeze(), allowlist: Arc::new(allowlist), end_at_headers: false }
    }

    /// Records the parameters that this list names (default: [`Allowlist::default`]). To add operations, extend the
    /// default; [`Allowlist::empty`] records no parameters. Calling this again replaces the list.
    pub fn allowlist(self, allowlist: Allowlist) -> XRayInterceptor {
        XRayInterceptor { end_at_headers: self.end_at_headers, ..XRayInterceptor::with(allowlist) }
    }

    /// Whether the subsegment of an operation with a streamed response, such as S3's `GetObject`, ends with the
    /// response headers (default: `false`). By default it ends with the body, or when the body is dropped. Calling
    /// this again replaces the value.
    pub fn end_at_headers(mut self, end_at_headers: bool) -> XRayInterceptor {
        self.end_at_headers = end_at_headers;
        self
    }

    /// Has the SDK capture the input members, in addition to those that the application captures for its own metrics.
    fn request_members(&self, cfg: &mut ConfigBag) {
        let of_application = cfg.load::<RequestedTelemetryAttributes>().filter(|requested| !requested.is_empty());
        match of_application.cloned() {
            None => {
                cfg.push_shared_layer(self.requested_members.clone());
            }
            Some(mut requested) => {
                requested.capture_only(self.allowlist.request_members());
                cfg.interceptor_state().store_put(requested);
            }
        }
    }
}

impl Default for XRayInterceptor {
    fn default() -> XRayInterceptor {
        XRayInterceptor::new()
    }
}

impl fmt::Debug for XRayInterceptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("XRayInterceptor").field("end_at_headers", &self.end_at_headers).finish_non_exhaustive()
    }
}

/// The entity that becomes the parent of the operation's subsegment.
#[derive(Debug)]
struct Parent(Entity);

impl Storable for Parent {
    type Storer = StoreReplace<Parent>;
}

// No hook returns an error, since that would fail the call. With the hint, the SDK skips the hooks that are not
// implemented here without first checking for each whether the interceptor is enabled.
#[dyn_dispatch_hint]
impl Intercept for XRayInterceptor {
    fn name(&self) -> &'static str {
        "XRayInterceptor"
    }

    fn read_before_execution(
        &self,
        _: &BeforeSerializationInterceptorContextRef<'_>,
        cfg: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        // A missing context is reported later, once it is known whether the call opted out.
        if let Some(parent) = try_current().filter(Entity::is_sampled) {
            self.request_members(cfg);
            cfg.interceptor_state().store_put(Parent(parent));
        }
        Ok(())
    }

    // The first hook that knows the operation and its request.
    fn read_after_serialization(
        &self,
        context: &BeforeTransmitInterceptorContextRef<'_>,
        components: &RuntimeComponents,
        cfg: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if OptOut::of(cfg).is_untraced {
            cfg.interceptor_state().unset::<Parent>();
            return Ok(());
        }
        // A client and one of its calls both have an interceptor: the first one records the call.
        if is_stored::<Call>(cfg) {
            return Ok(());
        }
        if try_current().is_none() {
            current_for_call("an AWS call");
        }
        if is_stored::<Parent>(cfg)
            && let Some(Parent(parent)) = cfg.load::<Parent>()
        {
            if components.interceptors().any(|interceptor| interceptor.name() == PRESIGNING) {
                cfg.interceptor_state().unset::<Parent>();
            } else {
                let call = Call::begin(parent, cfg, &self.allowlist, Some(context.request()));
                cfg.interceptor_state().store_put(call);
            }
        }
        Ok(())
    }

    // Runs for each attempt, since each starts from the original request. In Lambda, the SDK's own interceptor has
    // already inserted the header of the invocation.
    fn modify_before_signing(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        cfg: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let OptOut { is_untraced, is_without_header } = OptOut::of(cfg);
        let request = context.request_mut();
        if let Some(call) = cfg.get_mut_from_interceptor_state::<Call>() {
            if !is_without_header {
                insert_trace_header(call.subsegment(), request);
            }
            request.add_extension(SeenByInterceptor);
        } else if !is_untraced
            && !is_without_header
            && let Some(subsegment) = unsampled_subsegment()
        {
            insert_trace_header(&subsegment, request);
        }
        Ok(())
    }

    fn modify_before_deserialization(
        &self,
        context: &mut BeforeDeserializationInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        cfg: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if !self.end_at_headers
            && let Some(call) = cfg.get_mut_from_interceptor_state::<Call>()
        {
            call.track_body(context.response_mut());
        }
        Ok(())
    }

    // Of the two final hooks, the one with mutable access.
    fn modify_before_completion(
        &self,
        context: &mut FinalizerInterceptorContextMut<'_>,
        components: &RuntimeComponents,
        cfg: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let is_untraced = OptOut::of(cfg).is_untraced;
        if !is_stored::<Call>(cfg)
            && !is_untraced
            && is_stored::<Parent>(cfg)
            && let Some(Parent(parent)) = cfg.load::<Parent>()
        {
            // The SDK rejected the input before `read_after_serialization`.
            let call = Call::begin(parent, cfg, &self.allowlist, None);
            cfg.interceptor_state().store_put(call);
        }
        if is_stored::<Call>(cfg) {
            let attempts = cfg.load::<RequestAttempts>().map_or(0, RequestAttempts::attempts);
            if let Some(call) = cfg.get_mut_from_interceptor_state::<Call>() {
                call.end(context.inner(), components, attempts);
            }
        } else if context.output_or_error().is_none()
            && !is_untraced
            && unsampled_subsegment().is_some()
            && let Some(request) = context.request_mut()
        {
            // A request without an outcome was created for presigning, and is not sent.
            request.headers_mut().remove(TRACE_HEADER);
        }
        Ok(())
    }
}

/// Whether an interceptor stored a value of this type. `load` would search all layers.
fn is_stored<T: Storable<Storer = StoreReplace<T>> + Send + Sync + fmt::Debug + 'static>(cfg: &mut ConfigBag) -> bool {
    cfg.get_mut_from_interceptor_state::<T>().is_some()
}

/// Returns the subsegment of a call in a trace that is not sampled, if there is one.
fn unsampled_subsegment() -> Option<Subsegment> {
    let parent = try_current().filter(|parent| !parent.is_sampled())?;
    Some(parent.subsegment("")).filter(|subsegment| subsegment.id().is_some())
}
