//! The interceptor: which hook of the SDK does what.

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
use aws_smithy_types::telemetry::{CapturedTelemetryAttributes, RequestedTelemetryAttributes};
use xray_core::Entity;
use xray_core::context::{current_for_call, try_current};

use crate::allowlist::Allowlist;
use crate::call::Call;
use crate::opt_out::OptOut;

/// What the SDK calls the interceptor that turns an operation into a presigned url. Nothing else tells of it.
const PRESIGNING: &str = "SigV4PresigningInterceptor";

/// Records a subsegment for each operation of an AWS client: see the [crate's documentation](crate).
///
/// ```no_run
/// use xray_aws_sdk::XRayInterceptor;
///
/// # fn of(shared: &aws_types::SdkConfig) {
/// let config = aws_sdk_dynamodb::config::Builder::from(shared).interceptor(XRayInterceptor::new()).build();
/// let dynamodb = aws_sdk_dynamodb::Client::from_conf(config);
/// // In short:
/// let dynamodb = xray_aws_sdk::client!(aws_sdk_dynamodb, shared);
/// # }
/// ```
///
/// Clones share the allowlist: one interceptor serves any number of clients.
#[derive(Clone)]
#[must_use = "an interceptor does nothing until a client is built with it"]
pub struct XRayInterceptor {
    allowlist: Arc<Allowlist>,
    /// Asks the SDK to tell the members of inputs that the allowlist names.
    asked: FrozenLayer,
    end_at_headers: bool,
}

impl XRayInterceptor {
    /// An interceptor with the default [allowlist](Allowlist).
    pub fn new() -> XRayInterceptor {
        XRayInterceptor { end_at_headers: false, ..XRayInterceptor::with(Allowlist::default()) }
    }

    fn with(allowlist: Allowlist) -> XRayInterceptor {
        let members: BTreeSet<_> = allowlist.request_members().collect();
        let mut requested = RequestedTelemetryAttributes::default();
        requested.capture_only(members);
        let mut layer = Layer::new("X-Ray");
        layer.store_put(requested);
        XRayInterceptor { asked: layer.freeze(), allowlist: Arc::new(allowlist), end_at_headers: false }
    }

    /// Records the parameters of this list, in the place of the default: `Allowlist::default()` extended, or one
    /// of your own.
    pub fn allowlist(self, allowlist: Allowlist) -> XRayInterceptor {
        XRayInterceptor { end_at_headers: self.end_at_headers, ..XRayInterceptor::with(allowlist) }
    }

    /// Whether an operation with a streamed answer, such as S3's `GetObject`, ends for X-Ray with the head of the
    /// answer (default: with its body, or when that is dropped).
    pub fn end_at_headers(mut self, end_at_headers: bool) -> XRayInterceptor {
        self.end_at_headers = end_at_headers;
        self
    }

    /// Has the operation tell its input's members, beside those that the application wants for its own metrics.
    fn ask(&self, cfg: &mut ConfigBag) {
        let of_application = cfg.load::<RequestedTelemetryAttributes>().filter(|requested| !requested.is_empty());
        match of_application.cloned() {
            None => {
                cfg.push_shared_layer(self.asked.clone());
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

/// Below which entity the operation belongs.
#[derive(Debug)]
struct Parent(Entity);

impl Storable for Parent {
    type Storer = StoreReplace<Parent>;
}

// No hook returns an error, since that would fail the call. The hint tells the SDK to leave out the hooks that are not
// here, before it looks for each whether the interceptor is enabled.
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
        // If there is none, that is reported once it is known that the call is to be traced.
        let parent = try_current().unwrap_or_default();
        if parent.is_sampled() {
            self.ask(cfg);
            cfg.interceptor_state().store_put(Parent(parent));
        } else if parent.trace_id().is_some() {
            cfg.interceptor_state().store_put(Call::unsampled(&parent));
        }
        Ok(())
    }

    // Before this hook the operation is not known.
    fn read_before_serialization(
        &self,
        _: &BeforeSerializationInterceptorContextRef<'_>,
        components: &RuntimeComponents,
        cfg: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if OptOut::of(cfg).is_untraced {
            cfg.interceptor_state().unset::<Parent>().unset::<Call>();
            return Ok(());
        }
        if try_current().is_none() {
            current_for_call("an AWS call");
        }
        // A client and one of its calls may both have an interceptor: the first counts.
        if let Some(Parent(parent)) = cfg.load::<Parent>().filter(|_| cfg.load::<Call>().is_none()) {
            if components.interceptors().any(|interceptor| interceptor.name() == PRESIGNING) {
                cfg.interceptor_state().unset::<Parent>();
            } else {
                let call = Call::begin(parent, cfg, &self.allowlist);
                cfg.interceptor_state().store_put(call);
            }
        }
        Ok(())
    }

    fn read_after_serialization(
        &self,
        context: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        cfg: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if let Some(record) = cfg.get_mut_from_interceptor_state().and_then(Call::take_record) {
            let record = record.with_request(context.request(), cfg.load::<CapturedTelemetryAttributes>());
            if let Some(call) = cfg.get_mut_from_interceptor_state::<Call>() {
                call.put_back(record);
            }
        }
        Ok(())
    }

    // On each attempt: the SDK begins each with the request as it was before the first. In Lambda its own
    // interceptor has put the function's header there before.
    fn modify_before_signing(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        cfg: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if let Some(call) = cfg.load::<Call>() {
            call.carry_on(context.request_mut(), OptOut::of(cfg).is_without_header);
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
            call.watch(context.response_mut());
        }
        Ok(())
    }

    // Of the two hooks at the end the one that may change something.
    fn modify_before_completion(
        &self,
        context: &mut FinalizerInterceptorContextMut<'_>,
        components: &RuntimeComponents,
        cfg: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if cfg.load::<Call>().is_none()
            && let Some(Parent(parent)) = cfg.load::<Parent>()
            && !OptOut::of(cfg).is_untraced
        {
            // Refused before its input was looked at.
            let call = Call::begin(parent, cfg, &self.allowlist);
            cfg.interceptor_state().store_put(call);
        }
        let attempts = cfg.load::<RequestAttempts>().map_or(0, RequestAttempts::attempts);
        if let Some(call) = cfg.get_mut_from_interceptor_state::<Call>() {
            call.end(context.inner(), components, attempts);
            // A request that has come to no end was made to be presigned.
            if context.output_or_error().is_none()
                && let Some(request) = context.request_mut()
            {
                call.take_off(request);
            }
        }
        Ok(())
    }
}
